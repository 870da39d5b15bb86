//! Images out of files: docker's archives, OCI's archives, OCI image layouts.
//!
//! An archive is read once, front to back, because it may come through a pipe, and its table of contents may come
//! last. So every file in it is spooled and hashed as it passes; what turns out to be a layer is renamed to its place.

mod docker;
mod layout;
mod legacy;
mod source;

use crate::arrivals::{Arrivals, Found};
use crate::temporary::Temporary;
use crate::{Error, Result, Store};
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

impl Store {
    /// Loads all images of a file or directory, see [`Self::read`], and enters them. [`Self::layers_for`] unpacks their
    /// layers, and checks their diff IDs.
    pub fn load(&self, path: &Path) -> Result<Vec<LoadedImage>> {
        self.admit(self.read(path)?)
    }

    /// Reads all images of a file (docker-archive, oci-archive, each plain or compressed with gzip or zstd) or of a
    /// directory (OCI image layout). Layers are stored, their blobs checked.
    pub fn read(&self, path: &Path) -> Result<Arrivals> {
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
        let found = self.find_in(source, stem.as_deref())?;
        Ok(Arrivals { found, lease, _tmp: tmp })
    }

    /// As [`Self::read`], of an archive that is read once, front to back, such as standard input; `name` is for errors.
    pub fn read_stream(&self, archive: impl Read, name: &str) -> Result<Arrivals> {
        let (lease, tmp) = (self.lease()?, Temporary::make(self)?);
        let source = Source::archive(self, &tmp, archive, name.to_owned())?;
        let found = self.find_in(source, None)?;
        Ok(Arrivals { found, lease, _tmp: tmp })
    }

    fn find_in(&self, mut source: Source<'_>, stem: Option<&str>) -> Result<Vec<Found>> {
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
        Ok(found)
    }
}
