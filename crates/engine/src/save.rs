//! Images out: into an archive, or into a directory.

use crate::engine::Engine;
use crate::error::{Error, Result};
use rustix::fs::{CWD, Mode};
use std::io::Write;
use std::path::Path;
use store::save::Outgoing;
use store::{Lease, Store};

pub use store::save::{DirectoryForm, Form, Layers};

impl Engine {
    /// Writes images into an archive, each with the name that it was called by.
    pub fn save(&self, images: &[String], form: Form, layers: Layers, out: impl Write) -> Result<()> {
        let store = self.store()?;
        let lease = store.lease()?;
        let images = outgoing(store, images, &lease)?;
        store.save(&images, form, layers, out, &lease)?;
        self.tell_saved(&images);
        Ok(())
    }

    /// Writes images into a directory, which is made, or is there and empty. After an error it is neither.
    pub fn save_directory(&self, images: &[String], form: DirectoryForm, layers: Layers, path: &Path) -> Result<()> {
        let store = self.store()?;
        let lease = store.lease()?;
        let images = outgoing(store, images, &lease)?;
        let made = sys::fs::ensure_dir(CWD, path, Mode::from_raw_mode(0o755)).map_err(Error::file("make", path))?;
        if !made && std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_some()) {
            let errno = sys::Errno::NOTEMPTY;
            return Err(Error::file("write to", path)(sys::Error::new("readdir", path.to_string_lossy(), errno)));
        }
        store.save_directory(&images, form, layers, path, &lease).map_err(|error| {
            // The first error is the one to tell.
            let _ = remove(path);
            Error::from(error)
        })?;
        self.tell_saved(&images);
        Ok(())
    }

    fn tell_saved(&self, images: &[Outgoing]) {
        for Outgoing { image, names } in images {
            let name = names.first().map(ToString::to_string).unwrap_or_default();
            self.tell_image("save", &image.id.to_string(), &name);
        }
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    let path = path.canonicalize()?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    layer::remove_tree(std::fs::File::open(parent)?, name).map_err(|error| error.errno.into())
}

/// The images, one that was called by several names once.
fn outgoing(store: &Store, images: &[String], lease: &Lease) -> Result<Vec<Outgoing>> {
    let mut all: Vec<Outgoing> = Vec::new();
    for image in images {
        let Outgoing { image, names } = store.outgoing(image, lease)?;
        match all.iter_mut().find(|other| other.image.descriptor.digest == image.descriptor.digest) {
            Some(other) => {
                let new: Vec<_> = names.into_iter().filter(|name| !other.names.contains(name)).collect();
                other.names.extend(new);
            }
            None => all.push(Outgoing { image, names }),
        }
    }
    Ok(all)
}
