//! The check of layers: each has a record that belongs to it, and is what its blob makes of it.

use super::{Check, Depth, reason};
use crate::file::{names, open_dir, open_file, read_record};
use crate::layers::LAYERS;
use crate::record::{Form, IMAGE, RECORD, Record, TREE};
use crate::same::{Owners, first_difference, same_bytes};
use crate::unpacked::Unpacked;
use crate::{Error, LayerId, Result};
use oci::digest::Digest;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};

impl Check<'_> {
    pub(super) fn layers(&mut self) -> Result<()> {
        for (at, layers) in self.store.layer_dirs()?.iter().enumerate() {
            for name in names(layers.as_fd())? {
                let Ok(digest) = Digest::from_hex(&name) else {
                    self.mend(format!("layer {name}"), "it is no layer", "removed", |store| {
                        store.throw_away(layers.as_fd(), &name).map(drop)
                    })?;
                    continue;
                };
                self.checked.layers += 1;
                if let Some(problem) = structure(layers, digest)? {
                    self.bad_layers.insert(digest);
                    let copy = if at == 0 { "" } else { ", a copy for other ids" };
                    self.away(layers, digest, &format!("{problem}{copy}"))?;
                } else if at > 0 && self.depth == Depth::Whole {
                    self.copy(layers, digest)?;
                }
            }
        }
        if self.depth == Depth::Whole {
            self.content()?;
        }
        if self.mends() && !self.bad_layers.is_empty() {
            self.make_again()?;
        }
        Ok(())
    }

    /// Takes a layer away that is no good; it is made again from its blob.
    fn away(&mut self, layers: &OwnedFd, digest: Digest, problem: &str) -> Result<()> {
        let what = format!("layer {digest}");
        if self.mends() && self.in_use.contains(&LayerId(digest)) {
            self.found(what, format!("{problem}; a running container uses it, so it stays as it is"), None);
            return Ok(());
        }
        self.mend(what, problem, "removed, and made again from its blob where an image has that", |store| {
            store.throw_away(layers.as_fd(), &digest.hex()).map(drop)
        })
    }

    /// Each layer that an image leads to is made once more, and compared.
    fn content(&mut self) -> Result<()> {
        let mut seen = BTreeSet::new();
        for (tagged, image) in self.good_images() {
            let (store, in_use, mends) = (self.store, self.in_use, self.mends());
            let mut findings = Vec::new();
            let mut failed = None;
            store.made_again(&image, &self.lease, &mut |id| seen.insert(id), &mut |id, blob, made| {
                let made = match made {
                    Ok(made) => made,
                    // Whatever else keeps it from being made, a full disk for one, is not the image's fault.
                    Err(error @ Error::DiffIdMismatch { .. }) => {
                        failed = Some(format!("layer {}: {}", blob.digest, reason(&error)));
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                };
                let Some(problem) = difference(&store.dir(LAYERS)?, id, &made)? else { return Ok(()) };
                let done = mends && !in_use.contains(&id);
                if done {
                    made.replace(store, id)?;
                }
                findings.push((id, problem, done));
                Ok(())
            })?;
            for (id, problem, done) in findings {
                self.found(format!("layer {}", id.0), problem, done.then_some("made again from its blob"));
            }
            if let Some(problem) = failed {
                self.drop_image(&tagged, problem)?;
            }
        }
        Ok(())
    }

    /// A copy for other ids is like the layer itself, but for its owners.
    fn copy(&mut self, layers: &OwnedFd, digest: Digest) -> Result<()> {
        let tree = |dir: &OwnedFd| open_dir(dir, format!("{}/{TREE}", digest.hex()));
        let Ok(own) = tree(&self.store.dir(LAYERS)?) else { return Ok(()) };
        match first_difference(own.as_fd(), tree(layers)?.as_fd(), Owners::Differ) {
            Ok(None) => Ok(()),
            Ok(Some(path)) => self.away(layers, digest, &format!("{path} is not as in the layer that it is a copy of")),
            Err(error) => self.away(layers, digest, &reason(&error)),
        }
    }

    /// Makes again what was taken away, of images that are good otherwise.
    fn make_again(&mut self) -> Result<()> {
        for (tagged, image) in self.good_images() {
            match self.store.layers_for(&image, &self.lease) {
                Ok(_) => {}
                Err(
                    error @ (Error::DiffIdMismatch { .. } | Error::MissingBlob { .. } | Error::SizeMismatch { .. }),
                ) => {
                    self.drop_image(&tagged, reason(&error))?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What is wrong with a layer, as far as names, record and lengths tell. One of another boot is nothing yet: it is made
/// again by who needs it.
fn structure(layers: &OwnedFd, digest: Digest) -> Result<Option<String>> {
    let dir = match open_dir(layers, digest.hex()) {
        // Removed meanwhile.
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Ok(Some(reason(&error))),
        Ok(dir) => dir,
    };
    let record = match read_record::<Record>(&dir, RECORD) {
        Ok(Some(record)) => record,
        Ok(None) => return Ok(Some("it has no record".to_owned())),
        Err(error) => return Ok(Some(reason(&error))),
    };
    if record.is_doubtful()? {
        return Ok(None);
    }
    if record.diff_id.0 != digest && !record.depends_on_lowers {
        return Ok(Some(format!("its record is that of {}", record.diff_id)));
    }
    Ok(match record.form {
        Form::Directory => open_dir(&dir, TREE).err().map(|error| gone(&error, "directory", TREE)),
        Form::Image => match open_file(&dir, IMAGE) {
            Err(error) => Some(gone(&error, "file", IMAGE)),
            Ok(file) => {
                let found = file.metadata().map_err(Error::io("cannot stat an image"))?.len();
                let expected = record.image.map_or(found, |image| image.length);
                (found != expected).then(|| format!("its image has {found} bytes and should have {expected}"))
            }
        },
    })
}

fn gone(error: &Error, kind: &str, name: &str) -> String {
    if error.is_absent() { format!("its {kind} {name} is gone") } else { reason(error) }
}

/// What differs between a layer and what was made of its blob now.
fn difference(layers: &OwnedFd, id: LayerId, made: &Unpacked) -> Result<Option<String>> {
    let dir = open_dir(layers, id.0.hex())?;
    let Some(record) = read_record::<Record>(&dir, RECORD)? else { return Ok(None) };
    let compared = match record.form {
        Form::Directory => open_dir(&dir, TREE).and_then(|own| {
            let other = open_dir(made, TREE)?;
            let path = first_difference(own.as_fd(), other.as_fd(), Owners::Count)?;
            Ok(path.map(|path| format!("{path} is not as its blob has it")))
        }),
        // Another writer's image of the same blob is as good.
        Form::Image if record.image.is_none_or(|image| image.revision != erofs::REVISION) => Ok(None),
        Form::Image => open_file(&dir, IMAGE)
            .and_then(|own| same_bytes(own, open_file(made, IMAGE)?))
            .map(|same| (!same).then(|| "its image is not what its blob makes".to_owned())),
    };
    Ok(compared.unwrap_or_else(|error| Some(reason(&error))))
}
