//! The store's directory: opened, and made when it is not there.

use crate::file::{Sync, open_dir, read_record, write_record, write_whole};
use crate::layers::LAYERS;
use crate::lease::Flock;
use crate::mode::StoreRecord;
use crate::{Error, Lease, Result};
use oci::image::{Index, LAYOUT, LAYOUT_FILE};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The file that says what the store is.
pub(crate) const RECORD: &str = "store.json";
/// The version of the format that this program writes.
const VERSION: u32 = 1;

/// A store. Cheap to open: one directory and one small file.
#[derive(Debug)]
pub struct Store {
    root: OwnedFd,
    path: PathBuf,
}

impl Store {
    /// Opens the store in directory `path`, and makes it when it is not there, with its parents. Nobody but its owner
    /// may enter: images hold set-user-id programs, containers hold secrets (CVE-2021-41091).
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(store) = Self::open_if_there(path)? {
            return Ok(store);
        }
        make_path(path)?;
        let store = Self::at(path)?;
        store.make()?;
        Ok(store)
    }

    /// Opens the store in directory `path`, if there is one.
    pub fn open_if_there(path: &Path) -> Result<Option<Self>> {
        let store = match Self::at(path) {
            Err(error) if error.is_absent() => return Ok(None),
            other => other?,
        };
        let Some(record) = read_record::<StoreRecord>(&store.root, RECORD)? else { return Ok(None) };
        store.understand(&record)?;
        Ok(Some(store))
    }

    fn at(path: &Path) -> Result<Self> {
        let root = sys::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Self { root, path: path.to_owned() })
    }

    fn understand(&self, record: &StoreRecord) -> Result<()> {
        if record.version == VERSION {
            return Ok(());
        }
        Err(Error::Format { path: self.path.clone(), found: record.version, known: VERSION })
    }

    fn make(&self) -> Result<()> {
        let _lock = Flock::exclusive(self.dir(".")?)?;
        if let Some(record) = read_record::<StoreRecord>(&self.root, RECORD)? {
            return self.understand(&record);
        }
        // The image layout is open to its group and others as far as the store itself is; the rest is ours alone.
        for dir in ["images", "images/blobs", "images/blobs/sha256"] {
            sys::fs::ensure_dir(&self.root, dir, Mode::from(0o755))?;
        }
        for dir in [LAYERS, "containers", "names", "tmp", "trash"] {
            sys::fs::ensure_dir(&self.root, dir, Mode::RWXU)?;
        }
        let images = self.dir("images")?;
        write_whole(images.as_fd(), LAYOUT_FILE, LAYOUT.as_bytes(), Sync::Durable)?;
        write_record(images.as_fd(), crate::image::INDEX, &Index::default(), Sync::Durable)?;
        write_record(self.root(), RECORD, &StoreRecord { version: VERSION, layers: None, driver: None }, Sync::Durable)
    }

    /// Promises that no image or layer disappears while the lease is held.
    pub fn lease(&self) -> Result<Lease> {
        Lease::shared(self.dir(LAYERS)?)
    }

    /// The directory, as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The image layout's directory, for tools that read one.
    pub fn image_layout(&self) -> PathBuf {
        self.path.join("images")
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens a directory of the store; a new open file each time, so that locks on it are apart.
    pub(crate) fn dir(&self, path: &str) -> Result<OwnedFd> {
        open_dir(&self.root, path)
    }
}

fn make_path(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) {
        make_path(parent)?;
    }
    sys::fs::ensure_dir(rustix::fs::CWD, path, Mode::RWXU)?;
    Ok(())
}
