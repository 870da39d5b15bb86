//! The directories that criu writes to and reads from: images, and work files with the log.
//!
//! They may come from somebody else. criu opens its files by their names and follows links, so a link that is called as
//! its log would have it overwrite any file of the host: there may be none. Who can still write to such a directory
//! while criu is at work can do that all the same; it must be nobody but root.

use crate::error::{Error, Result, What};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, statat};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Most bytes of a file of ours that are read.
const MOST: u64 = 4 << 20;

/// The directories of one checkpoint.
#[derive(Debug)]
pub struct Archive {
    images: (OwnedFd, PathBuf),
    work: Option<(OwnedFd, PathBuf)>,
}

impl Archive {
    /// Opens them for a checkpoint, and makes what is missing.
    pub fn create(images: &Path, work: Option<&Path>) -> Result<Self> {
        for dir in [Some(images), work].into_iter().flatten() {
            make(dir)?;
        }
        Self::open(images, work)
    }

    /// Opens images for a restore. The directory for work files is made where it is missing.
    pub fn open(images: &Path, work: Option<&Path>) -> Result<Self> {
        work.map_or(Ok(()), make)?;
        let open = |path: &Path, all: bool| {
            let fd = sys::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
            let fd = fd.what("open the checkpoint's directory")?;
            check(&fd, path, all)?;
            Ok::<_, Error>((fd, path.to_owned()))
        };
        Ok(Self { images: open(images, true)?, work: work.map(|work| open(work, false)).transpose()? })
    }

    pub(super) fn fds(&self) -> (i32, Option<i32>) {
        (self.images.0.as_raw_fd(), self.work.as_ref().map(|(fd, _)| fd.as_raw_fd()))
    }

    /// The same directories among the mounts that are ours by now.
    pub(super) fn again(&self) -> Result<Self> {
        const WHAT: &str = "open the checkpoint's directory";
        let identity = |fd: &OwnedFd| rustix::fs::fstat(fd).ok().map(|stat| (stat.st_dev, stat.st_ino));
        let open = |(was, path): &(OwnedFd, PathBuf)| {
            let fd = sys::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).what(WHAT)?;
            let same = identity(was) == identity(&fd);
            if same { Ok((fd, path.clone())) } else { Err(refused(path, "", "another directory by now")) }
        };
        Ok(Self { images: open(&self.images)?, work: self.work.as_ref().map(open).transpose()? })
    }

    /// Reads a file of the images.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>> {
        read(&self.images.0, name).what("read the checkpoint")
    }

    /// Writes a file of the images anew.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        const WHAT: &str = "write the checkpoint";
        match sys::fs::unlinkat(&self.images.0, name, AtFlags::empty()) {
            Err(error) if error.errno != sys::Errno::NOENT => return Err(error).what(WHAT),
            _ => {}
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        sys::fs::open_beneath(&self.images.0, name, flags, Mode::from_raw_mode(0o600))
            .and_then(|file| sys::fs::write_once(file, bytes))
            .what(WHAT)
    }

    /// The error of a file that is not what it should be.
    pub(super) fn malformed(&self, name: &str, what: &str) -> Error {
        refused(&self.images.1, name, what)
    }

    /// The errors in a log, with the log's place.
    pub(super) fn errors(&self, log: &str) -> Option<String> {
        let (fd, path) = self.work.as_ref().unwrap_or(&self.images);
        let bytes = read(fd, log).ok()?;
        let errors = criu::errors(&String::from_utf8_lossy(&bytes))?;
        Some(format!("{errors} (log: {})", path.join(log).display()))
    }
}

fn make(dir: &Path) -> Result<()> {
    match sys::fs::mkdirat(CWD, dir, Mode::from_raw_mode(0o700)) {
        Err(error) if error.errno == sys::Errno::NOENT => {
            let Some(parent) = dir.parent() else { return Err(error).what("make the checkpoint's directory") };
            make(parent)?;
            sys::fs::mkdirat(CWD, dir, Mode::from_raw_mode(0o700)).what("make the checkpoint's directory")
        }
        Err(error) if error.errno == sys::Errno::EXIST => Ok(()),
        other => other.what("make the checkpoint's directory"),
    }
}

/// Refuses a directory with anything in it that is not what it seems. One for work files may be the caller's own, as
/// podman's is, which has sockets and links in it: there it is the names of such files that count.
fn check(fd: &OwnedFd, path: &Path, all: bool) -> Result<()> {
    let system = |call| move |errno| sys::Error::new(call, path.display().to_string(), errno);
    let entries = Dir::read_from(fd).map_err(system("getdents64")).what("look at the checkpoint")?;
    for entry in entries {
        let entry = entry.map_err(system("getdents64")).what("look at the checkpoint")?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if !all && !text.ends_with(".log") && !text.starts_with("stats-") {
            continue;
        }
        let stat = statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(system("newfstatat"));
        match FileType::from_raw_mode(stat.what("look at the checkpoint")?.st_mode) {
            FileType::RegularFile | FileType::Directory => {}
            FileType::Socket if text == "lazy-pages.socket" => {}
            // criu's own, to the images of the pre-dump before.
            FileType::Symlink if text == "parent" => {
                let to = rustix::fs::readlinkat(fd, name, Vec::new()).map_err(system("readlinkat"));
                if to.what("look at the checkpoint")?.as_bytes().starts_with(b"/") {
                    return Err(refused(path, &text, "a link to outside"));
                }
            }
            FileType::Symlink => return Err(refused(path, &text, "a link, through which criu would write")),
            _ => return Err(refused(path, &text, "neither a file nor a directory")),
        }
    }
    Ok(())
}

fn refused(path: &Path, name: &str, what: &str) -> Error {
    Error::Archive { path: path.join(name.escape_debug().to_string()), what: what.to_owned() }
}

fn read(dir: &OwnedFd, name: &str) -> sys::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = sys::fs::openat2(dir, name, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)?;
    let mut bytes = Vec::new();
    let failed = |error: std::io::Error| {
        let errno = error.raw_os_error().map_or(sys::Errno::IO, sys::Errno::from_raw_os_error);
        sys::Error::new("read", name, errno)
    };
    File::from(file).take(MOST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
