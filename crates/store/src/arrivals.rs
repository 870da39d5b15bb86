//! Images on their way in: their blobs are in place, nobody can see them yet. Between the two they can be looked at and
//! unpacked, so that one that turns out to be bad takes no name from a good one.

use crate::image::Tagged;
use crate::load::LoadedImage;
use crate::temporary::Temporary;
use crate::{Image, Lease, Result, Store};
use oci::image::ImageId;

/// An image that was read, with its blobs in place, not yet in the index.
pub(crate) struct Found {
    pub id: ImageId,
    pub tagged: Tagged,
}

/// Images that were read from an archive and are not entered yet.
pub struct Arrivals {
    pub(crate) found: Vec<Found>,
    pub(crate) lease: Lease,
    /// While it is there, whoever finds our blobs knows that somebody is about to need them, or was killed.
    pub(crate) _tmp: Temporary,
}

impl Store {
    /// The images, as they will be.
    pub fn look_at(&self, arrivals: &Arrivals) -> Result<Vec<Image>> {
        arrivals.found.iter().map(|found| self.image(found.tagged.clone())).collect()
    }

    /// Enters them in the index, under their names, which others lose.
    pub fn admit(&self, arrivals: Arrivals) -> Result<Vec<LoadedImage>> {
        let mut loaded = Vec::with_capacity(arrivals.found.len());
        for Found { id, tagged } in arrivals.found {
            self.enter(&tagged)?;
            loaded.push(LoadedImage { id, names: tagged.names });
        }
        Ok(loaded)
    }

    /// Removes what is left of arrivals that were not admitted. Where somebody else holds a lease, it is left to him.
    pub fn turn_away(&self) -> Result<()> {
        self.mark_garbage();
        self.tidy()
    }
}

impl Arrivals {
    /// Keeps the blobs and whatever layers are unpacked from them.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }
}
