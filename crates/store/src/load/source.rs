//! Where images are loaded from, as a set of files by path.

use crate::blob::{Spooled, Spooling, verify};
use crate::file::{open_file, read_limited};
use crate::temporary::Temporary;
use crate::{Error, Result, Store};
use layer::{Archive, Decoder, Kind, scan};
use oci::digest::{Algorithm, DiffId, Digest};
use oci::image::{Descriptor, media_type};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::OwnedFd;

/// The most files that an archive of images may have.
const MOST_FILES: usize = 100_000;
/// How many links may lead to a file.
const MOST_LINKS: usize = 16;
/// The largest JSON document in an archive.
const LARGEST_DOCUMENT: u64 = 8 << 20;

/// A set of files that hold images.
pub(super) struct Source<'a> {
    pub store: &'a Store,
    pub tmp: &'a Temporary,
    name: String,
    files: Files,
    /// Blobs that were put in their place.
    adopted: HashSet<Digest>,
}

enum Files {
    Directory(OwnedFd),
    Archive(BTreeMap<String, Member>),
}

enum Member {
    File(Spooled),
    Link(String),
}

/// A layer that has no descriptor: its blob is in place, its diff ID computed.
pub(super) struct BareLayer {
    pub descriptor: Descriptor,
    pub diff_id: DiffId,
}

impl<'a> Source<'a> {
    pub(super) fn directory(store: &'a Store, tmp: &'a Temporary, dir: OwnedFd, name: String) -> Self {
        Self { store, tmp, name, files: Files::Directory(dir), adopted: HashSet::new() }
    }

    /// Reads an archive to its end.
    pub(super) fn archive(store: &'a Store, tmp: &'a Temporary, from: impl Read, name: String) -> Result<Self> {
        let unreadable = |source| Error::ArchiveTar { archive: name.clone(), source };
        let decoder = Decoder::new(from).map_err(unreadable)?;
        let mut archive = Archive::new(BufReader::with_capacity(256 << 10, decoder));
        let mut members = BTreeMap::new();
        while let Some(entry) = archive.next_entry().map_err(unreadable)? {
            let Some(path) = normal(&[], &entry.path) else { continue };
            let member = match entry.kind {
                Kind::File if entry.extents.is_none() => {
                    let mut spooling = Spooling::start(tmp, algorithm_of(&path))?;
                    loop {
                        let piece = archive.data().map_err(unreadable)?;
                        if piece.is_empty() {
                            break;
                        }
                        let length = piece.len();
                        spooling.write(piece)?;
                        archive.consume(length);
                    }
                    Member::File(spooling.finish())
                }
                Kind::HardLink => match normal(&[], &entry.link) {
                    Some(target) => Member::Link(target),
                    None => continue,
                },
                Kind::Symlink => {
                    let parent: Vec<_> = path.split('/').collect();
                    match normal(&parent[..parent.len() - 1], &entry.link) {
                        Some(target) => Member::Link(target),
                        None => continue,
                    }
                }
                _ => continue,
            };
            members.insert(path, member);
            if members.len() > MOST_FILES {
                return Err(Error::Archive { archive: name, reason: format!("it has more than {MOST_FILES} files") });
            }
        }
        Ok(Self { store, tmp, name, files: Files::Archive(members), adopted: HashSet::new() })
    }

    /// The archive's name, for errors.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// An error about the archive.
    pub(super) fn wrong(&self, reason: impl Into<String>) -> Error {
        Error::Archive { archive: self.name.clone(), reason: reason.into() }
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, path: &str) -> bool {
        match &self.files {
            Files::Directory(dir) => open_file(dir, path).is_ok(),
            Files::Archive(_) => self.spooled(path).is_some(),
        }
    }

    fn spooled(&self, path: &str) -> Option<&Spooled> {
        let Files::Archive(members) = &self.files else { return None };
        let mut path = normal(&[], path.as_bytes())?;
        for _ in 0..MOST_LINKS {
            match members.get(&path)? {
                Member::File(spooled) => return Some(spooled),
                Member::Link(target) => path.clone_from(target),
            }
        }
        None
    }

    /// Reads a document whole.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>> {
        let file = match &self.files {
            Files::Directory(dir) => match open_file(dir, path) {
                Err(error) if error.is_absent() => return Err(self.wrong(format!("{path} is missing"))),
                other => other?,
            },
            Files::Archive(_) => match self.spooled(path) {
                Some(spooled) if self.adopted.contains(&spooled.digest) => {
                    let descriptor = Descriptor::new("", spooled.digest, spooled.size);
                    self.store.open_blob(&descriptor, path)?
                }
                Some(spooled) => spooled.open(self.tmp)?,
                None => return Err(self.wrong(format!("{path} is missing"))),
            },
        };
        let bytes = read_limited(file, LARGEST_DOCUMENT, &format!("{path} of {}", self.name))?;
        bytes.ok_or_else(|| self.wrong(format!("{path} has more than 8 MiB")))
    }

    /// Reads the document that a descriptor names from the layout's blobs, and checks it.
    pub(super) fn read_blob(&self, descriptor: &Descriptor, what: &str) -> Result<Vec<u8>> {
        let bytes = self.read(&blob_path(descriptor.digest))?;
        verify(&bytes, descriptor, &format!("{what} {}", descriptor.digest))?;
        Ok(bytes)
    }

    /// Puts the blob that a descriptor names in its place, checked.
    pub(super) fn take_blob(&mut self, descriptor: &Descriptor, what: &str) -> Result<()> {
        if self.adopted.contains(&descriptor.digest) || self.store.has_blob(descriptor) {
            return Ok(());
        }
        let what = format!("{what} {}", descriptor.digest);
        let path = blob_path(descriptor.digest);
        let spooled = match &self.files {
            Files::Archive(_) => {
                let found = self.spooled(&path).cloned();
                found.ok_or_else(|| self.wrong(format!("{what} is missing")))?
            }
            Files::Directory(dir) => {
                let file = match open_file(dir, &path) {
                    Err(error) if error.is_absent() => return Err(self.wrong(format!("{what} is missing"))),
                    other => other?,
                };
                // A file that is too long is not read to its end.
                self.spool(file, descriptor, &what)?
            }
        };
        let (expected, found) = (descriptor.size, spooled.size);
        if expected != found {
            return Err(Error::SizeMismatch { what, expected, found });
        }
        let (expected, found) = (descriptor.digest, spooled.digest);
        if expected != found {
            return Err(Error::digest(what, expected, found));
        }
        self.adopt(&spooled)
    }

    fn spool(&self, file: File, descriptor: &Descriptor, what: &str) -> Result<Spooled> {
        let limit = descriptor.size;
        let mut spooling = Spooling::start(self.tmp, descriptor.digest.algorithm())?;
        match spooling.write_from(file, limit, what)? {
            Some(()) => Ok(spooling.finish()),
            None => Err(Error::SizeMismatch { what: what.to_owned(), expected: limit, found: spooling.length() }),
        }
    }

    fn adopt(&mut self, spooled: &Spooled) -> Result<()> {
        if self.adopted.insert(spooled.digest) {
            self.store.adopt_blob(self.tmp, spooled)?;
        }
        Ok(())
    }

    /// Puts a layer of docker's archive in its place. What it is compressed with, and its diff ID, its bytes say.
    pub(super) fn take_layer(&mut self, path: &str) -> Result<BareLayer> {
        let missing = || self.wrong(format!("layer {path} is missing"));
        let spooled = self.spooled(path).cloned().ok_or_else(missing)?;
        check_name(path, "layer", &spooled)?;
        let bare = Descriptor::new("", spooled.digest, spooled.size);
        let file = if self.adopted.contains(&spooled.digest) {
            self.store.open_blob(&bare, path)?
        } else {
            spooled.open(self.tmp)?
        };
        let scanned = scan(file).map_err(|source| Error::Layer { layer: path.to_owned(), source })?;
        let media_type = layer_type(scanned.compression);
        self.adopt(&spooled)?;
        let descriptor = Descriptor { media_type: media_type.to_owned(), ..bare };
        Ok(BareLayer { descriptor, diff_id: scanned.diff_id })
    }

    /// Checks a document of docker's archive whose name is its digest.
    pub(super) fn check_name(&self, path: &str, what: &str) -> Result<()> {
        self.spooled(path).map_or(Ok(()), |spooled| check_name(path, what, spooled))
    }

    /// Makes a blob of a document.
    pub(super) fn put(&mut self, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        let descriptor = self.store.put_blob(self.tmp, media_type, bytes)?;
        self.adopted.insert(descriptor.digest);
        Ok(descriptor)
    }
}

/// The media type of a layer compressed so.
pub(crate) fn layer_type(compression: layer::Compression) -> &'static str {
    match compression {
        layer::Compression::None => media_type::LAYER,
        layer::Compression::Gzip => media_type::LAYER_GZIP,
        layer::Compression::Zstd => media_type::LAYER_ZSTD,
    }
}

fn blob_path(digest: Digest) -> String {
    format!("blobs/{}", digest.path())
}

/// How a file of an archive is hashed: as its place says that it was.
fn algorithm_of(path: &str) -> Algorithm {
    let below =
        |algorithm: &Algorithm| path.strip_prefix("blobs/").is_some_and(|path| path.starts_with(algorithm.name()));
    Algorithm::ALL.into_iter().find(below).unwrap_or_default()
}

/// `HEX.json` and `blobs/sha256/HEX` promise a digest.
fn check_name(path: &str, what: &str, spooled: &Spooled) -> Result<()> {
    let below = path.strip_prefix("blobs/").and_then(|path| path.split_once('/')).map(|(_, name)| name);
    let name = below.or_else(|| path.strip_suffix(".json"));
    let Some(expected) = name.and_then(|hex| Digest::from_hex(hex).ok()) else { return Ok(()) };
    let found = spooled.digest;
    if expected == found { Ok(()) } else { Err(Error::digest(format!("{what} {path}"), expected, found)) }
}

/// A path without `.`, `..` and doubled slashes; `None` for one that leads out, or is not UTF-8.
fn normal(parent: &[&str], path: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(path).ok()?;
    let mut parts = if path.starts_with('/') { Vec::new() } else { parent.to_vec() };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {

    #[test]
    fn paths_of_an_archive_stay_in_it() {
        let normal = |parent: &[&str], path: &str| super::normal(parent, path.as_bytes());
        assert_eq!(normal(&[], "./a//b/").as_deref(), Some("a/b"));
        assert_eq!(normal(&["x"], "../y/layer.tar").as_deref(), Some("y/layer.tar"));
        assert_eq!(normal(&["x"], "../../etc"), None);
        assert_eq!(normal(&[], ".."), None);
        assert_eq!(normal(&[], "/"), None);
    }
}
