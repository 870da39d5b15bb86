//! One side of a copy: what is at a path as a tar, and a tar to a path, both within one root. The rules of what gets which
//! name are docker's, which are those of cp(1) with one more: `DIR/.` means what is in the directory.
//!
//! Whoever lives in the root may change it at any moment. A directory is opened once, in the root, and everything in it
//! made by its fd; a file is made new, never opened where one was, and so is no device, FIFO or link that was put there.

use crate::error::{Error, Result};
use layer::{Archive, Entry, Extent, Kind, Ownership, pack_named};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use std::fs::File;
use std::io::{BufRead, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use sys::Errno;
use sys::fs::RootDir;

/// How many links are followed, as the kernel does.
const LINKS: usize = 40;
const SETID: u32 = 0o6000;

/// Whose what is made becomes.
#[derive(Clone, Copy)]
pub enum Owners<'a> {
    /// Ours; and without set-id bits, which would be ours as well.
    Ours,
    /// Those of the tar, or else root's, by a map.
    Of {
        /// The tar's.
        kept: bool,
        /// From ids of the container to those that are written.
        map: &'a dyn Fn(u32, u32) -> (u32, u32),
    },
}

/// What a tar holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// What [`send`] was given, under its name.
    Named,
    /// The same, of which what is in the directory is meant, and not the directory.
    Contents,
    /// Whatever somebody put there.
    Anything,
}

impl Sent {
    /// By how the path of the source ends.
    pub fn of(path: &str) -> Self {
        if split(path).1.is_empty() || path.ends_with("/.") { Self::Contents } else { Self::Named }
    }
}

/// The directory of a path, and the name in it; empty for what has none of its own.
fn split(path: &str) -> (&str, &str) {
    let mut path = path;
    while let Some(shorter) = path.strip_suffix("/.").or_else(|| path.strip_suffix('/')) {
        path = shorter;
    }
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    if matches!(name, "." | "..") { (path, "") } else { (dir, name) }
}

fn failed(path: &str) -> impl Fn(sys::Error) -> Error {
    move |error| {
        let problem = match error.errno {
            Errno::NOENT => "no such file or directory".to_owned(),
            Errno::NOTDIR => "not a directory".to_owned(),
            Errno::ROFS => "the file system is read-only".to_owned(),
            _ => error.to_string(),
        };
        Error::Copy { path: path.to_owned(), problem }
    }
}

fn problem(path: &str, problem: &str) -> Error {
    Error::Copy { path: path.to_owned(), problem: problem.to_owned() }
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

fn open_dir(root: &RootDir, path: &str) -> sys::Result<OwnedFd> {
    root.open(if path.is_empty() { "." } else { path }, DIRECTORY, Mode::empty())
}

/// Writes what is at `path` as a tar, with the last part of the path for its name.
pub fn send(root: &RootDir, path: &str, follow: bool, ownership: Ownership<'_>, out: impl Write) -> Result<()> {
    let (dir, shown) = split(path);
    let follow = follow || path.ends_with('/') || path.ends_with("/.");
    let mut place = (dir.to_owned(), shown.to_owned());
    let mut opened = open_dir(root, if shown.is_empty() { path } else { dir }).map_err(failed(path))?;
    for _ in 0..LINKS {
        let (dir, name) = &place;
        let Ok(link) = rustix::fs::readlinkat(&opened, name.as_str(), Vec::new()) else { break };
        if !follow || name.is_empty() {
            break;
        }
        let link = link.to_string_lossy().into_owned();
        let next = if link.starts_with('/') { link } else { format!("{dir}/{link}") };
        let (dir, name) = split(&next);
        opened = open_dir(root, if name.is_empty() { &next } else { dir }).map_err(failed(path))?;
        place = (dir.to_owned(), name.to_owned());
    }
    let dot = |name: &str| if name.is_empty() { ".".to_owned() } else { name.to_owned() };
    let (name, shown) = (dot(&place.1), dot(shown));
    let stat = rustix::fs::statat(&opened, name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
    let stat = stat.map_err(|errno| failed(path)(sys::Error::new("newfstatat", name.as_str(), errno)))?;
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if path.ends_with('/') && !is_directory {
        return Err(problem(path, "not a directory"));
    }
    pack_named(&opened, name.as_bytes(), shown.as_bytes(), ownership, out).map_err(store::Error::Tree)?;
    Ok(())
}

/// Makes what a tar holds at `path`.
pub fn receive(root: &RootDir, path: &str, sent: Sent, owners: Owners<'_>, tar: impl BufRead) -> Result<()> {
    let mut archive = Archive::new(tar);
    // Whoever sends nothing has told why.
    let Some(first) = archive.next_entry().map_err(store::Error::Tree)? else { return Ok(()) };
    let top = first.path.split(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
    let is_directory = first.kind == Kind::Directory;
    let there = root.open(path, OFlags::PATH, Mode::empty());
    let is_there_directory = there.as_ref().ok().map(is_dir);
    let (dir, name) = split(path);
    let parent = || open_dir(root, dir).map_err(failed(path));
    let (base, rename) = match (is_directory, is_there_directory) {
        (_, Some(true)) if sent == Sent::Anything => (there.map_err(failed(path))?, Vec::new()),
        (..) if sent == Sent::Anything => return Err(problem(path, "no such directory")),
        (true, Some(false)) => return Err(problem(path, "a directory cannot be put in the place of a file")),
        (_, Some(true)) => {
            let base = there.map_err(failed(path))?;
            let whole = sent == Sent::Contents && is_directory;
            (base, if whole { Vec::new() } else { top.clone() })
        }
        (false, None) if path.ends_with('/') => return Err(problem(path, "no such directory")),
        (_, _) if name.is_empty() => return Err(problem(path, "no such directory")),
        (_, _) => (parent()?, name.as_bytes().to_vec()),
    };
    let top = if sent == Sent::Anything { Vec::new() } else { top };
    let mut maker = Maker { base: RootDir::new(base), top, rename, owners, times: Vec::new(), shown: path };
    let mut next = Some(first);
    while let Some(entry) = next {
        maker.make(&entry, &mut archive)?;
        next = archive.next_entry().map_err(store::Error::Tree)?;
    }
    maker.finish();
    Ok(())
}

fn is_dir(fd: &OwnedFd) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

struct Maker<'a> {
    base: RootDir,
    /// The first part of the names in the tar, and what stands in its place.
    top: Vec<u8>,
    rename: Vec<u8>,
    owners: Owners<'a>,
    /// Of directories, set when nothing is made in them any more.
    times: Vec<(OwnedFd, Timestamps)>,
    shown: &'a str,
}

impl Maker<'_> {
    /// The parts of a name of the tar, where it is to be.
    fn parts<'n>(&'n self, path: &'n [u8]) -> Result<Vec<&'n [u8]>> {
        let rest = path.strip_prefix(self.top.as_slice()).filter(|rest| rest.is_empty() || rest.starts_with(b"/"));
        let whole = [self.rename.as_slice(), rest.unwrap_or(path)];
        let parts: Vec<&[u8]> = whole
            .into_iter()
            .flat_map(|part| part.split(|byte| *byte == b'/'))
            .filter(|part| !part.is_empty() && *part != b".")
            .collect();
        if parts.contains(&b"..".as_slice()) {
            return Err(problem(&String::from_utf8_lossy(path), "a name in the tar leads upwards"));
        }
        Ok(parts)
    }

    /// The directory in which something is to be; it is made where it is missing. What is in a tree that was sent lies in
    /// directories that were made for it: a link in their place is none.
    fn parent(&self, parts: &[&[u8]]) -> Result<OwnedFd> {
        let mut dir = self.base.as_fd().try_clone_to_owned().map_err(|_| problem(self.shown, "out of descriptors"))?;
        for part in parts {
            let opened = match sys::fs::open_beneath(&dir, *part, DIRECTORY, Mode::empty()) {
                Err(error) if error.errno == Errno::NOENT => {
                    sys::fs::ensure_dir(&dir, *part, Mode::from_raw_mode(0o755)).map_err(failed(self.shown))?;
                    sys::fs::open_beneath(&dir, *part, DIRECTORY, Mode::empty())
                }
                opened => opened,
            };
            dir = opened.map_err(failed(&String::from_utf8_lossy(&parts.join(&b'/'))))?;
        }
        Ok(dir)
    }

    fn make(&mut self, entry: &Entry, archive: &mut Archive<impl BufRead>) -> Result<()> {
        let parts = self.parts(&entry.path)?;
        let Some((name, above)) = parts.split_last() else { return Ok(()) };
        let shown = String::from_utf8_lossy(&parts.join(&b'/')).into_owned();
        let failed = failed(&shown);
        let dir = self.parent(above)?;
        let name = *name;
        let old = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).ok();
        let old = old.map(|stat| FileType::from_raw_mode(stat.st_mode));
        match (entry.kind, old) {
            (Kind::Directory, Some(FileType::Directory)) | (Kind::CharDevice | Kind::BlockDevice, _) => return Ok(()),
            (Kind::Directory, Some(_)) => {
                return Err(problem(&shown, "a directory cannot be put in the place of a file"));
            }
            (_, Some(FileType::Directory)) => {
                return Err(problem(&shown, "a file cannot be put in the place of a directory"));
            }
            (_, Some(_)) => sys::fs::unlinkat(&dir, name, AtFlags::empty()).map_err(&failed)?,
            (_, None) => {}
        }
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        match entry.kind {
            Kind::Directory => {
                sys::fs::mkdirat(&dir, name, Mode::RWXU).map_err(&failed)?;
                let made = sys::fs::open_beneath(&dir, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
                let made = made.map_err(&failed)?;
                self.describe(made.as_fd(), entry).map_err(&failed)?;
                self.times.push((made, times(entry)));
            }
            Kind::File => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                let made = sys::fs::open_beneath(&dir, name, flags, Mode::RUSR | Mode::WUSR).map_err(&failed)?;
                let made = File::from(made);
                pour(&made, entry, archive, &shown)?;
                self.describe(made.as_fd(), entry).map_err(&failed)?;
                sys::time::futimens(&made, &times(entry)).map_err(&failed)?;
            }
            Kind::Symlink => {
                sys::fs::symlinkat(entry.link.as_slice(), &dir, name).map_err(&failed)?;
                if let Some((uid, gid)) = self.owner(entry) {
                    sys::fs::fchownat(&dir, name, Some(uid), Some(gid), nofollow).map_err(&failed)?;
                }
                sys::time::utimensat(&dir, name, &times(entry), nofollow).map_err(&failed)?;
            }
            Kind::HardLink => {
                let target = self.parts(&entry.link)?;
                let Some((old, above)) = target.split_last() else { return Ok(()) };
                let from = self.parent(above)?;
                sys::fs::linkat(&from, *old, &dir, name, AtFlags::empty()).map_err(&failed)?;
            }
            Kind::Fifo => {
                let mode = Mode::from_raw_mode(entry.mode & 0o777);
                sys::fs::mknodat(&dir, name, FileType::Fifo, mode, 0).map_err(&failed)?;
            }
            Kind::CharDevice | Kind::BlockDevice => {}
        }
        Ok(())
    }

    fn owner(&self, entry: &Entry) -> Option<(Uid, Gid)> {
        let Owners::Of { kept, map } = self.owners else { return None };
        let id = |id: i64| u32::try_from(id).ok().filter(|_| kept).unwrap_or(0);
        let (uid, gid) = map(id(entry.uid), id(entry.gid));
        Some((Uid::from_raw(uid), Gid::from_raw(gid)))
    }

    /// Owner and mode: in this order, for the first takes set-id bits away.
    fn describe(&self, fd: BorrowedFd<'_>, entry: &Entry) -> sys::Result<()> {
        let owner = self.owner(entry);
        if let Some((uid, gid)) = owner {
            sys::fs::fchownat(fd, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
        }
        if let Owners::Of { kept: true, .. } = self.owners {
            for (name, value) in layer::keepable(&entry.xattrs) {
                match sys::xattr::fsetxattr(fd, name, value) {
                    // A file system without them, or none that we may set.
                    Err(error) if matches!(error.errno, Errno::OPNOTSUPP | Errno::PERM) => {}
                    set => set?,
                }
            }
        }
        let mode = if owner.is_some() { entry.mode } else { entry.mode & !SETID };
        sys::fs::fchmod(fd, Mode::from_raw_mode(mode & 0o7777))
    }

    /// A directory that somebody has removed again has no time.
    fn finish(self) {
        for (dir, times) in self.times.iter().rev() {
            let _ = sys::time::futimens(dir, times);
        }
    }
}

fn times(entry: &Entry) -> Timestamps {
    let time = Timespec { tv_sec: entry.mtime.seconds, tv_nsec: entry.mtime.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// The data of a file; what no extent covers is a hole.
fn pour(file: &File, entry: &Entry, archive: &mut Archive<impl BufRead>, shown: &str) -> Result<()> {
    let failed = |error: std::io::Error| problem(shown, &error.to_string());
    let whole = [Extent { offset: 0, length: entry.size }];
    for extent in entry.extents.as_deref().unwrap_or(&whole) {
        let (mut at, mut left) = (extent.offset, extent.length);
        while left > 0 {
            let data = archive.data().map_err(store::Error::Tree)?;
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
            file.write_all_at(data.get(..length).unwrap_or_default(), at).map_err(failed)?;
            archive.consume(length);
            at += length as u64;
            left -= length as u64;
        }
    }
    file.set_len(entry.size).map_err(failed)
}
