//! Blobs: content-addressed files of the image layout.
//!
//! A blob is hashed while it is written under `tmp/`, synced, and renamed to its digest, so that under its name stands
//! either nothing or exactly what the name says. One that is there already is replaced: had the disk damaged it, it is
//! whole again.

use crate::file::{names, open_file, read_limited, sync_dir};
use crate::temporary::Temporary;
use crate::{Error, Result, Store};
use oci::digest::{Algorithm, Digest, Hasher};
use oci::image::Descriptor;
use rustix::fs::{Mode, OFlags, RenameFlags};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

const BLOBS: &str = "images/blobs";

/// Where a blob lies in the store.
pub(crate) fn place(digest: Digest) -> String {
    format!("{BLOBS}/{}", digest.path())
}

/// A file under `tmp/` whose digest is known.
#[derive(Debug, Clone)]
pub(crate) struct Spooled {
    pub name: String,
    pub digest: Digest,
    pub size: u64,
}

/// Writes a file under `tmp/` and hashes it on the way.
#[derive(Debug)]
pub(crate) struct Spooling {
    file: File,
    name: String,
    hasher: Hasher,
}

impl Spooling {
    pub(crate) fn start(tmp: &Temporary, algorithm: Algorithm) -> Result<Self> {
        let name = tmp.next_name();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        let file = File::from(sys::fs::open_beneath(tmp, &*name, flags, mode)?);
        Ok(Self { file, name, hasher: Hasher::of(algorithm) })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(Error::io("cannot write a blob"))
    }

    /// Everything that `source` yields; `Ok(None)` when it is more than `limit` bytes.
    pub(crate) fn write_from(&mut self, mut source: impl Read, limit: u64, what: &str) -> Result<Option<()>> {
        let mut buffer = vec![0; 256 << 10];
        loop {
            let length = match source.read(&mut buffer) {
                Ok(0) => return Ok(Some(())),
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io(format!("cannot read {what}"))(error)),
            };
            self.write(&buffer[..length])?;
            if self.hasher.length() > limit {
                return Ok(None);
            }
        }
    }

    pub(crate) fn length(&self) -> u64 {
        self.hasher.length()
    }

    pub(crate) fn finish(self) -> Spooled {
        let size = self.hasher.length();
        Spooled { name: self.name, digest: self.hasher.finish(), size }
    }
}

impl Write for Spooling {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let length = self.file.write(bytes)?;
        self.hasher.update(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Spooled {
    /// Opens it again for reading.
    pub(crate) fn open(&self, tmp: &Temporary) -> Result<File> {
        open_file(tmp, &self.name)
    }
}

impl Store {
    /// Opens a blob and checks its length. Its content was checked when it came.
    pub(crate) fn open_blob(&self, descriptor: &Descriptor, what: &str) -> Result<File> {
        let file = match open_file(self.root(), place(descriptor.digest)) {
            Err(error) if error.is_absent() => return Err(Error::MissingBlob { what: what.to_owned() }),
            other => other?,
        };
        let found = file.metadata().map_err(Error::io(format!("cannot stat {what}")))?.len();
        if found != descriptor.size {
            return Err(Error::SizeMismatch { what: what.to_owned(), expected: descriptor.size, found });
        }
        Ok(file)
    }

    pub(crate) fn has_blob(&self, descriptor: &Descriptor) -> bool {
        self.open_blob(descriptor, "").is_ok()
    }

    /// A small blob, whole, its content checked.
    pub(crate) fn read_blob(&self, descriptor: &Descriptor, limit: usize, what: &str) -> Result<Vec<u8>> {
        let file = self.open_blob(descriptor, what)?;
        let Some(bytes) = read_limited(file, limit as u64, what)? else {
            return Err(Error::SizeMismatch { what: what.to_owned(), expected: limit as u64, found: descriptor.size });
        };
        verify(&bytes, descriptor, what)?;
        Ok(bytes)
    }

    /// Moves a spooled file to its place among the blobs, on disk before it is seen.
    pub(crate) fn adopt_blob(&self, tmp: &Temporary, spooled: &Spooled) -> Result<()> {
        spooled.open(tmp)?.sync_data().map_err(Error::io(format!("cannot sync blob {}", spooled.digest)))?;
        let blobs = self.blobs_for(spooled.digest.algorithm())?;
        Ok(sys::fs::renameat(tmp, &*spooled.name, &blobs, &*spooled.digest.hex(), RenameFlags::empty())?)
    }

    /// Makes a blob of these bytes.
    pub(crate) fn put_blob(&self, tmp: &Temporary, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        self.put_blob_by(Algorithm::default(), tmp, media_type, bytes)
    }

    /// The same, named by a digest of this algorithm.
    pub(crate) fn put_blob_by(
        &self,
        algorithm: Algorithm,
        tmp: &Temporary,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Descriptor> {
        let mut spooling = Spooling::start(tmp, algorithm)?;
        spooling.write(bytes)?;
        let spooled = spooling.finish();
        self.adopt_blob(tmp, &spooled)?;
        Ok(Descriptor::new(media_type, spooled.digest, spooled.size))
    }

    /// The blobs' names are on disk.
    pub(crate) fn sync_blobs(&self) -> Result<()> {
        let dirs = self.blob_dirs()?;
        dirs.iter().try_for_each(|(_, dir)| sync_dir(dir.as_fd()))?;
        // One beside the first may be new itself.
        if dirs.len() > 1 { sync_dir(self.dir(BLOBS)?.as_fd()) } else { Ok(()) }
    }

    /// The directory for blobs whose digests are of this algorithm. Only that of the first is in each store.
    pub(crate) fn blobs_for(&self, algorithm: Algorithm) -> Result<OwnedFd> {
        let path = format!("{BLOBS}/{}", algorithm.name());
        if algorithm != Algorithm::default() {
            sys::fs::ensure_dir(self.root(), &*path, Mode::from(0o755))?;
        }
        self.dir(&path)
    }

    /// The directories of blobs that there are.
    pub(crate) fn blob_dirs(&self) -> Result<Vec<(Algorithm, OwnedFd)>> {
        let mut dirs = Vec::new();
        for algorithm in Algorithm::ALL {
            match self.dir(&format!("{BLOBS}/{}", algorithm.name())) {
                Err(error) if error.is_absent() && algorithm != Algorithm::default() => {}
                dir => dirs.push((algorithm, dir?)),
            }
        }
        Ok(dirs)
    }

    /// The digests of all blobs that there are.
    pub(crate) fn all_blobs(&self) -> Result<BTreeSet<Digest>> {
        let mut all = BTreeSet::new();
        for (algorithm, dir) in self.blob_dirs()? {
            let digests = names(dir.as_fd())?.into_iter().filter_map(|name| Digest::from_hex(&name).ok());
            all.extend(digests.filter(|digest| digest.algorithm() == algorithm));
        }
        Ok(all)
    }
}

/// Compares bytes with what a descriptor says of them.
pub(crate) fn verify(bytes: &[u8], descriptor: &Descriptor, what: &str) -> Result<()> {
    let (expected, found) = (descriptor.size, bytes.len() as u64);
    if expected != found {
        return Err(Error::SizeMismatch { what: what.to_owned(), expected, found });
    }
    let (expected, found) = (descriptor.digest, descriptor.digest.algorithm().of(bytes));
    if expected != found {
        return Err(Error::digest(what, expected, found));
    }
    Ok(())
}
