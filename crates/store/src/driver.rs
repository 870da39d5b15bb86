//! How layers lie on disk: as directories of files, or as one EROFS image each, mounted straight from its file.
//!
//! An image is written front to back, on disk when it is there, and removed by one unlink, where a directory is a hundred
//! thousand small files. But every start mounts it anew, which takes its time for each layer, and what one container has
//! read of it into memory is of no use to the next; so directories are what a store has unless it is told otherwise
//! (docs/performance.md has the figures). Only root may mount an image, and only Linux from 6.12 on mounts a file without
//! a loop device (and from 6.15 on copies such a mount for each container); it does not where the store itself lies on an
//! overlay (ENOTBLK). So who wants images has them tried first, a real one under a real overlay. Layers of both kinds can
//! stand side by side.

use crate::file::{Sync, open_dir, write_record};
use crate::lease::Flock;
use crate::mode::XattrStyle;
use crate::overlay;
use crate::temporary::Temporary;
use crate::{Result, Store};
use erofs::{Attributes, Child, Directory, Writer};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use sys::mount::{FsContext, attr};

/// How new layers are unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// Directories of files.
    Overlay,
    /// EROFS images.
    Erofs,
}

impl std::fmt::Display for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Overlay => "overlay",
            Self::Erofs => "erofs",
        })
    }
}

impl Driver {
    /// The driver of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            // Docker's name for it.
            "overlay" | "overlay2" => Some(Self::Overlay),
            "erofs" => Some(Self::Erofs),
            _ => None,
        }
    }
}

impl Store {
    /// How this store's new layers are unpacked.
    pub fn driver(&self) -> Result<Driver> {
        Ok(self.record()?.driver.unwrap_or(Driver::Overlay))
    }

    /// Has new layers unpacked so from now on, if that is possible here. Those that are there stay as they are.
    pub fn use_driver(&self, driver: Driver) -> Result<()> {
        if self.driver()? == driver {
            return Ok(());
        }
        if driver == Driver::Erofs && !self.mounts_images() {
            return Err(crate::Error::NoImages { path: self.path().to_owned() });
        }
        self.set_driver(driver)
    }

    fn set_driver(&self, driver: Driver) -> Result<()> {
        let _lock = Flock::exclusive(self.dir(".")?)?;
        let mut record = self.record()?;
        record.driver = Some(driver);
        write_record(self.root(), crate::store::RECORD, &record, Sync::Durable)
    }

    /// Whether an image in this store can be mounted, below an overlay at that.
    pub fn mounts_images(&self) -> bool {
        let tried = || -> Result<bool> {
            let tmp = Temporary::make(self)?;
            let probe = write_probe(create(&tmp, "probe")?)?;
            sys::fs::mkdirat(&tmp, "empty", Mode::RWXU)?;
            let mounted = mount_image(&probe)?;
            // A container has a copy of the mount, with its own ids; before Linux 6.15 none can be made of a detached one.
            let copy = sys::mount::open_tree(&mounted, "", sys::mount::CLONE | sys::mount::EMPTY_PATH)?;
            let lowers = [open_dir(&tmp, "empty")?, copy];
            let options = overlay::Options { xattrs: XattrStyle::Trusted, volatile: false, attributes: attr::NODEV };
            let mount = overlay::mount(&lowers, None, &options)?;
            let mut content = Vec::new();
            let file = sys::fs::open_beneath(&mount, PROBE, OFlags::RDONLY, Mode::empty())?;
            Ok(File::from(file).read_to_end(&mut content).is_ok() && content == PROBE.as_bytes())
        };
        tried().unwrap_or(false)
    }
}

/// Name and content of the only file of the image that is tried.
const PROBE: &str = "probe";

fn write_probe(file: File) -> Result<File> {
    let attributes = Attributes { mode: 0o755, ..Attributes::default() };
    let write = || {
        let mut writer = Writer::new(file);
        let mut content = writer.file(&attributes, PROBE.len() as u64)?;
        content.write(PROBE.as_bytes())?;
        let node = Child::Node(content.finish()?);
        let entries = BTreeMap::from([(PROBE.as_bytes().to_vec(), node)]);
        Ok(writer.finish(&[Directory { attributes: attributes.clone(), entries }])?.0)
    };
    write().map_err(|source: erofs::Error| crate::Error::Image {
        image: PROBE.to_owned(),
        reason: format!("it cannot be written: {source}"),
    })
}

/// A new file for an image.
pub(crate) fn create(tmp: &Temporary, name: &str) -> Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
    Ok(File::from(sys::fs::open_beneath(tmp, name, flags, Mode::RUSR | Mode::WUSR)?))
}

/// A detached mount of an image, read-only as all of its kind.
pub(crate) fn mount_image(file: &File) -> sys::Result<OwnedFd> {
    let context = FsContext::open("erofs")?;
    context.set("source", format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    context.mount(attr::RDONLY)
}
