//! The files of a container that could not be started, looked at from outside: its root by the fd that it was made with,
//! and over it what the specification mounts. Nothing is mounted for it.
//!
//! Links are followed by hand, a component at a time: each step is one openat2(2) beneath the root or beneath the source
//! of a bind, through no link at all. So a link of the image leads nowhere else, and it is known which directories were
//! passed on the way.

use super::{Scene, Spot};
use crate::config::ImageRef;
use rustix::fs::{FileType, Mode, OFlags, Stat, StatVfs, StatVfsMountFlags};
use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// As many links as the kernel follows (path_resolution(7)).
const LINKS: u32 = 40;

/// A container's files.
pub(super) struct Tree<'a> {
    root: &'a OwnedFd,
    /// Where the root lies on this machine, if it is a directory of it.
    outside: Option<String>,
    mounts: Vec<Mounted>,
}

/// Something that is mounted over the root.
struct Mounted {
    /// Where, all links followed.
    at: String,
    /// Its place in the specification.
    index: usize,
    /// What a bind shows; others are made empty, or by the kernel, and are not looked into.
    source: Option<(OwnedFd, String)>,
}

/// A file that was found.
pub(super) struct Found {
    /// Its path in the container, all links followed.
    pub path: String,
    /// The same, and where it lies on this machine.
    pub spot: Spot,
    /// What it is.
    pub stat: Stat,
    /// The directories on the way, the root first.
    pub passed: Vec<(Spot, Stat)>,
    /// The mount of the specification that it is in.
    pub mount: Option<usize>,
    fd: OwnedFd,
}

/// Where a walk ends that finds nothing.
pub(super) enum Stop {
    /// There is no such name, in that directory; the last link that led there, and what it says.
    Absent { path: String, parent: String, link: Option<(String, String)> },
    /// It is no directory, and something below it was wanted.
    NoDirectory(Spot),
    /// Not even we may look into it.
    Refused(Spot),
    /// What lies there is nobody's to look at from outside, or the links go on and on.
    Unknown,
}

impl<'a> Tree<'a> {
    /// Of a scene, with all that is mounted in it.
    pub fn new(scene: &'a Scene<'_>) -> Self {
        let mut tree = Self::without_mounts(scene);
        for (index, mount) in scene.spec.mounts.iter().enumerate() {
            let at = match tree.walk(&mount.destination) {
                Ok(found) => found.path,
                // It is made where it is missing.
                Err(_) => mount.destination.trim_end_matches('/').to_owned(),
            };
            let is_bind = mount.kind.as_deref().is_none_or(|kind| kind == "bind")
                || mount.options.iter().any(|option| option == "bind" || option == "rbind");
            let source = mount.source.as_ref().filter(|source| is_bind && source.starts_with('/'));
            let source = source.and_then(|source| {
                let fd = sys::fs::open(source.as_str(), OFlags::PATH, Mode::empty()).ok()?;
                Some((fd, source.trim_end_matches('/').to_owned()))
            });
            tree.mounts.push(Mounted { at, index, source });
        }
        tree
    }

    /// The root alone.
    pub fn without_mounts(scene: &'a Scene<'_>) -> Self {
        let outside = match &scene.config.image {
            ImageRef::Rootfs(rootfs) => Some(rootfs.path.to_string_lossy().trim_end_matches('/').to_owned()),
            ImageRef::Host => Some(String::new()),
            ImageRef::Name(_) => None,
        };
        Self { root: scene.root, outside, mounts: Vec::new() }
    }

    /// Finds what a path leads to.
    pub fn walk(&self, path: &str) -> Result<Found, Stop> {
        let mut ahead: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let mut here: Vec<String> = Vec::new();
        let (mut links, mut link) = (0, None::<(usize, (String, String))>);
        let mut found = self.at("/")?;
        let mut passed = Vec::new();
        while let Some(name) = ahead.pop_front() {
            match name.as_str() {
                "" | "." => continue,
                ".." => drop(here.pop()),
                _ => here.push(name),
            }
            if !is(&found.stat, FileType::Directory) {
                return Err(Stop::NoDirectory(found.spot));
            }
            passed.push((found.spot.clone(), found.stat));
            let path = format!("/{}", here.join("/"));
            let next = match self.at(&path) {
                Err(Stop::Absent { path, parent, .. }) => {
                    // It is the link's fault where what is missing is a part of what that says.
                    let link = link.filter(|(after, _)| ahead.len() >= *after).map(|(_, link)| link);
                    return Err(Stop::Absent { path, parent, link });
                }
                Err(Stop::Refused(_)) => return Err(Stop::Refused(found.spot)),
                other => other?,
            };
            if is(&next.stat, FileType::Symlink) {
                links += 1;
                let target = rustix::fs::readlinkat(&next.fd, "", Vec::new()).map_err(|_| Stop::Unknown)?;
                let target = target.into_string().map_err(|_| Stop::Unknown)?;
                if links > LINKS {
                    return Err(Stop::Unknown);
                }
                here.pop();
                if target.starts_with('/') {
                    here.clear();
                }
                link = Some((ahead.len(), (path, target.clone())));
                for part in target.rsplit('/') {
                    ahead.push_front(part.to_owned());
                }
                found = self.at(&format!("/{}", here.join("/")))?;
                continue;
            }
            found = next;
        }
        Ok(Found { passed, ..found })
    }

    /// What lies at a path in which there is no link, but perhaps at its end.
    fn at(&self, path: &str) -> Result<Found, Stop> {
        let path = path.trim_end_matches('/');
        let below = |at: &str| path.strip_prefix(at).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let mount = self.mounts.iter().rev().filter_map(|mount| Some((mount, below(&mount.at)?)));
        let mount = mount.max_by_key(|(mount, _)| mount.at.len());
        let (fd, outside, rest, mount) = match mount {
            None => (self.root, self.outside.as_ref(), path, None),
            Some((Mounted { source: Some((fd, source)), index, .. }, rest)) => (fd, Some(source), rest, Some(*index)),
            Some((Mounted { source: None, .. }, _)) => return Err(Stop::Unknown),
        };
        let spot = Spot {
            inside: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            outside: outside.map(|outside| format!("{outside}{rest}")),
        };
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let opened = match rest.trim_start_matches('/') {
            "" => fd.try_clone().map_err(|_| Stop::Unknown)?,
            rest => match sys::fs::open_beneath(fd, rest, flags, Mode::empty()) {
                Ok(opened) => opened,
                Err(error) if error.errno == sys::Errno::NOENT => {
                    let parent = path.rsplit_once('/').map_or("/", |(parent, _)| parent).to_owned();
                    return Err(Stop::Absent { path: spot.inside, parent, link: None });
                }
                Err(error) if error.errno == sys::Errno::ACCESS => return Err(Stop::Refused(spot)),
                Err(_) => return Err(Stop::Unknown),
            },
        };
        let stat = rustix::fs::fstat(&opened).map_err(|_| Stop::Unknown)?;
        Ok(Found { path: path.to_owned(), spot, stat, passed: Vec::new(), mount, fd: opened })
    }
}

impl Found {
    /// It is of that type.
    pub fn is(&self, kind: FileType) -> bool {
        is(&self.stat, kind)
    }

    /// How its file system is mounted.
    pub fn flags(&self) -> StatVfsMountFlags {
        rustix::fs::fstatvfs(&self.fd).map_or(StatVfsMountFlags::empty(), |StatVfs { f_flag, .. }| f_flag)
    }

    /// As much of its beginning as fits. What is no regular file is not read: it may be a device, or a FIFO.
    pub fn head(&self, buffer: &mut [u8]) -> Option<usize> {
        self.is(FileType::RegularFile).then_some(())?;
        let file = self.reopen(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let mut length = 0;
        while length < buffer.len() {
            match rustix::io::pread(&file, &mut buffer[length..], length as u64) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(sys::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        Some(length)
    }

    /// So much of it from that offset on.
    pub fn part(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let file = self.reopen(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let mut bytes = vec![0; length];
        let read = rustix::io::pread(&file, &mut bytes, offset).ok()?;
        bytes.truncate(read);
        Some(bytes)
    }

    /// The names in it.
    pub fn names(&self) -> Vec<String> {
        let dir = self.reopen(OFlags::RDONLY | OFlags::DIRECTORY);
        let names = dir.and_then(|dir| sys::fs::sorted_names(dir).ok()).unwrap_or_default();
        names.into_iter().filter_map(|name| name.into_string().ok()).collect()
    }

    /// Opened again by its fd, for reading: it is known by now what it is.
    fn reopen(&self, flags: OFlags) -> Option<OwnedFd> {
        sys::fs::open(format!("/proc/self/fd/{}", self.fd.as_fd().as_raw_fd()), flags, Mode::empty()).ok()
    }
}

fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}
