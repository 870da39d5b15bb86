//! A process's directory in the machine's procfs, held open: whatever becomes of its number, what is read is of that very
//! process, or nothing.

use rustix::fs::{AtFlags, Mode, OFlags};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;

/// What is read of one file at most. A container may have any number of mounts.
const MOST: u64 = 8 << 20;

/// The directory.
pub(super) struct ProcDir {
    dir: OwnedFd,
}

impl ProcDir {
    /// Of the process with this pid, as the machine has it.
    pub fn open(pid: i32) -> Option<Self> {
        Self::at(&format!("/proc/{pid}"))
    }

    /// Our own.
    pub fn own() -> Option<Self> {
        Self::at("/proc/self")
    }

    fn at(path: &str) -> Option<Self> {
        let dir = sys::fs::open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).ok()?;
        Some(Self { dir })
    }

    /// What is in a file.
    pub fn text(&self, name: &str) -> Option<String> {
        let bytes = self.bytes(name)?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The same as it is.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let file = rustix::fs::openat(&self.dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        File::from(file).take(MOST).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Which namespace it is in, by the name of its kind in `ns/`: its device and its inode.
    pub fn namespace(&self, kind: &str) -> Option<(u64, u64)> {
        let stat = rustix::fs::statat(&self.dir, format!("ns/{kind}"), AtFlags::empty()).ok()?;
        Some((stat.st_dev, stat.st_ino))
    }

    /// That namespace.
    pub fn open_namespace(&self, kind: &str) -> Option<OwnedFd> {
        let path = format!("ns/{kind}");
        rustix::fs::openat(&self.dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
    }

    /// How many files it has open.
    pub fn open_files(&self) -> Option<u64> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(&self.dir, "fd", flags, Mode::empty()).ok()?;
        let names = sys::fs::sorted_names(&dir).ok()?;
        Some(names.len() as u64)
    }
}

/// A line of a `status` file, by its name.
pub(super) fn line<'a>(status: &'a str, name: &str) -> &'a str {
    let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_default().trim()
}
