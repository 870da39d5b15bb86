//! Images out of files: docker's archives, OCI's archives, OCI image layouts.
//!
//! An archive is read once, front to back, because it may come through a pipe, and its table of contents may come
//! last. So every file in it is spooled and hashed as it passes; what turns out to be a layer is renamed to its place.

mod docker;
mod layout;
mod legacy;
mod source;

use crate::image::Tagged;
use crate::temporary::Temporary;
use crate::{Error, Lease, Result, Store};
use oci::image::{ImageId, LAYOUT_FILE};
use oci::reference::Reference;
use source::Source;
pub(crate) use source::layer_type;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedImage {
    /// Its id.
    pub id: ImageId,
    /// The names that it got; they were taken from whichever image had them.
    pub names: Vec<Reference>,
}

/// An image that was read, with its blobs in place, not yet in the index.
struct Found {
    id: ImageId,
    tagged: Tagged,
}

impl Store {
    /// Loads all images of a file (docker-archive, oci-archive, each plain or compressed with gzip or zstd) or of a
    /// directory (OCI image layout). Layers are stored, their blobs checked; [`Self::layers_for`] unpacks them, and
    /// checks their diff IDs.
    pub fn load(&self, path: &Path) -> Result<Vec<LoadedImage>> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(Error::io(format!("cannot open {name}")))?;
        // A layout's own names are often a bare tag, to which the directory's or file's name gives the rest.
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let (lease, tmp) = (self.lease()?, Temporary::make(self)?);
        let is_dir = file.metadata().map_err(Error::io(format!("cannot stat {name}")))?.is_dir();
        let source = if is_dir {
            Source::directory(self, &tmp, file.into(), name)
        } else {
            Source::archive(self, &tmp, file, name)?
        };
        self.load_from(source, stem.as_deref(), lease)
    }

    /// Loads all images of an archive that is read once, front to back, such as standard input; `name` is for errors.
    pub fn load_stream(&self, archive: impl Read, name: &str) -> Result<Vec<LoadedImage>> {
        let (lease, tmp) = (self.lease()?, Temporary::make(self)?);
        let source = Source::archive(self, &tmp, archive, name.to_owned())?;
        self.load_from(source, None, lease)
    }

    fn load_from(&self, mut source: Source<'_>, stem: Option<&str>, _lease: Lease) -> Result<Vec<LoadedImage>> {
        // Docker writes both; the layout has the manifests' digests.
        let found = if source.has(LAYOUT_FILE) && source.has(crate::image::INDEX) {
            layout::load(&mut source, stem)?
        } else if source.has(docker::MANIFEST) {
            docker::load(&mut source)?
        } else if source.has(legacy::REPOSITORIES) {
            legacy::load(&mut source)?
        } else {
            let reason =
                "no image: it has neither manifest.json (docker) nor oci-layout and index.json (OCI)".to_owned();
            return Err(Error::Archive { archive: source.name().to_owned(), reason });
        };
        self.sync_blobs()?;
        let mut loaded = Vec::with_capacity(found.len());
        for Found { id, tagged } in found {
            self.enter(&tagged)?;
            loaded.push(LoadedImage { id, names: tagged.names });
        }
        Ok(loaded)
    }
}
