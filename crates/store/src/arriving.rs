//! An image that comes in parts: its documents and layers are put in their places one by one, under one lease.

use crate::arrivals::Found;
use crate::blob::{Spooling, verify};
use crate::file::sync_dir;
use crate::image::Tagged;
use crate::layers::LAYERS;
use crate::temporary::Temporary;
use crate::{Arrivals, Driver, Lease, Result, Store};
use oci::digest::Algorithm;
use oci::image::{Descriptor, ImageId};
use oci::reference::Reference;
use std::io::{BufWriter, Write};
use std::os::fd::AsFd as _;

/// An image whose parts are on their way.
pub struct Arriving {
    lease: Lease,
    tmp: Temporary,
}

impl Arriving {
    /// Keeps what has come.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }
}

impl Store {
    /// Expects an image.
    pub fn expect(&self) -> Result<Arriving> {
        Ok(Arriving { lease: self.lease()?, tmp: Temporary::make(self)? })
    }

    /// Puts a document in its place, if it is what its descriptor says.
    pub fn put_document(&self, arriving: &Arriving, descriptor: &Descriptor, bytes: &[u8]) -> Result<()> {
        verify(bytes, descriptor, &format!("document {}", descriptor.digest))?;
        let algorithm = descriptor.digest.algorithm();
        self.put_blob_by(algorithm, &arriving.tmp, &descriptor.media_type, bytes).map(drop)
    }

    /// Makes a document.
    pub fn put_new(&self, arriving: &Arriving, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        self.put_blob(&arriving.tmp, media_type, bytes)
    }

    /// Makes a layer of the tar that `write` writes.
    pub fn put_layer<E: From<crate::Error>>(
        &self,
        arriving: &Arriving,
        media_type: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Descriptor, E> {
        let mut spooling = BufWriter::with_capacity(256 << 10, Spooling::start(&arriving.tmp, Algorithm::default())?);
        write(&mut spooling)?;
        let spooling =
            spooling.into_inner().map_err(|error| crate::Error::io("cannot write a layer")(error.into_error()))?;
        let spooled = spooling.finish();
        self.adopt_blob(&arriving.tmp, &spooled)?;
        Ok(Descriptor::new(media_type, spooled.digest, spooled.size))
    }

    /// All parts are there: `descriptor` is of the manifest, or of an index that leads to it.
    pub fn arrived(
        &self,
        arriving: Arriving,
        descriptor: Descriptor,
        id: ImageId,
        names: Vec<Reference>,
    ) -> Result<Arrivals> {
        self.sync_blobs()?;
        if self.driver()? == Driver::Erofs {
            sync_dir(self.dir(LAYERS)?.as_fd())?;
        }
        let Arriving { lease, tmp } = arriving;
        let found = vec![Found { id, tagged: Tagged { descriptor, names } }];
        Ok(Arrivals { found, lease, _tmp: tmp })
    }

    /// Whether the image of this digest is there, whole, under this name.
    pub fn has_image(&self, descriptor: &Descriptor, name: &Reference) -> Result<Option<crate::Image>> {
        let tagged = self.tagged()?.into_iter().find(|tagged| tagged.descriptor.digest == descriptor.digest);
        let Some(tagged) = tagged.filter(|tagged| tagged.names.contains(name)) else { return Ok(None) };
        let image = self.image(tagged).ok();
        Ok(image.filter(|image| image.manifest.layers.iter().all(|layer| self.has_blob(layer))))
    }
}
