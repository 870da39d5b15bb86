//! The directory that a layer is applied in, walked one component at a time.
//!
//! A tar may name `lib/x` where `lib` is a symbolic link, made by an earlier entry of the tar or by a layer below
//! (which is `usr/lib` on every merged-/usr system). Docker and containerd apply a layer with its parents mounted and
//! let the link lead on inside the root; podman applies it alone, and the new directory `lib` then hides the link and
//! all that it led to. Here it means what it means under docker: links are resolved by hand, within the root, through
//! this layer first and the lower ones after it. A directory that no entry describes gets the owner and mode that it
//! has below, else 0755 of root. Both make the result depend on the lower layers, which is noted.

use crate::apply::OverlayXattrs;
use crate::error::Refusal;
use crate::lowers::{Found, Lowers, is_whiteout};
use crate::metadata::{Metadata, Problem};
use crate::name::components;
use crate::removal::remove_tree;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use sys::Errno;

/// How many links a walk follows, as the kernel does (path_resolution(7)).
const MOST_LINKS: usize = 40;
/// How many open directories are kept for the next entry; entries come in their directories' order.
const CACHED: usize = 64;

/// A directory of the layer.
#[derive(Debug, Clone)]
pub struct Directory {
    pub fd: Rc<OwnedFd>,
    /// Its path without links; empty for the root.
    pub path: Vec<u8>,
    /// Nothing of the lower layers is seen in it.
    pub hidden: bool,
}

impl Directory {
    /// The path of an entry in it.
    pub fn join(&self, name: &[u8]) -> Vec<u8> {
        let separator: &[u8] = if self.path.is_empty() { b"" } else { b"/" };
        [&self.path, separator, name].concat()
    }

    /// What is there under a name.
    pub fn look(&self, name: &[u8]) -> Result<Option<Existing>, Problem> {
        match rustix::fs::statat(self, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_whiteout(&stat) => Ok(Some(Existing::Whiteout)),
            Ok(stat) => Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => Existing::Directory,
                FileType::Symlink => Existing::Symlink,
                _ => Existing::Other,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(sys::Error::new("newfstatat", crate::entry::shown(&self.join(name)), errno).into()),
        }
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What will be set on a directory at the end, when nothing is made in it any more.
#[derive(Debug, Default)]
pub struct Pending {
    /// None for one that no entry describes and that no lower layer has.
    pub meta: Option<Metadata>,
    /// Where its entry was.
    pub offset: u64,
    /// What lower layers have in it is hidden.
    pub opaque: bool,
}

/// The directory that a layer is applied in.
#[derive(Debug)]
pub struct Tree<'a> {
    root: Rc<OwnedFd>,
    lowers: Lowers<'a>,
    style: OverlayXattrs,
    dirs: BTreeMap<Vec<u8>, Pending>,
    /// Bytes of names and attributes in `dirs`.
    weight: usize,
    cache: HashMap<Vec<u8>, Directory>,
    /// Something of the lower layers decided what was made.
    pub depends: bool,
}

impl<'a> Tree<'a> {
    pub fn new(root: OwnedFd, lowers: Lowers<'a>, style: OverlayXattrs) -> Self {
        let dirs = BTreeMap::from([(Vec::new(), Pending::default())]);
        Self { root: Rc::new(root), lowers, style, dirs, weight: 0, cache: HashMap::new(), depends: false }
    }

    /// The directory at `path` of the tar, made as far as it is not there.
    pub fn directory(&mut self, path: &[u8]) -> Result<Directory, Problem> {
        if let Some(dir) = self.cache.get(path) {
            return Ok(dir.clone());
        }
        let dir = self.walk(path)?;
        if self.cache.len() >= CACHED {
            self.cache.clear();
        }
        self.cache.insert(path.to_vec(), dir.clone());
        Ok(dir)
    }

    fn root(&self) -> Directory {
        Directory { fd: Rc::clone(&self.root), path: Vec::new(), hidden: self.is_opaque(b"") }
    }

    fn is_opaque(&self, path: &[u8]) -> bool {
        self.dirs.get(path).is_some_and(|dir| dir.opaque)
    }

    fn walk(&mut self, path: &[u8]) -> Result<Directory, Problem> {
        let mut here = self.root();
        let mut todo: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == b".." {
                // Only a link's target has it. What is above is known by path, so that a deep walk holds one fd.
                let above = here.path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                here = self.reopen(&here.path[..above])?;
                continue;
            }
            match self.step(&here, &part)? {
                Step::Directory(dir) => here = dir,
                Step::Link(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Refusal::LinkLoop.into());
                    }
                    if target.starts_with(b"/") {
                        here = self.root();
                    }
                    todo.extend(components(&target).rev().map(<[u8]>::to_vec));
                }
            }
        }
        Ok(here)
    }

    fn reopen(&self, path: &[u8]) -> Result<Directory, Problem> {
        let mut here = self.root();
        for part in components(path) {
            here = self.enter(&here, part)?;
        }
        Ok(here)
    }

    fn enter(&self, here: &Directory, name: &[u8]) -> sys::Result<Directory> {
        let fd = Rc::new(sys::fs::open_beneath(here, name, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?);
        let path = here.join(name);
        let hidden = here.hidden || self.is_opaque(&path);
        Ok(Directory { fd, path, hidden })
    }

    fn step(&mut self, here: &Directory, name: &[u8]) -> Result<Step, Problem> {
        match self.enter(here, name) {
            Ok(dir) => return Ok(Step::Directory(dir)),
            Err(error) if matches!(error.errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => return Err(error.into()),
        }
        match here.look(name)? {
            Some(Existing::Symlink) => {
                let target = rustix::fs::readlinkat(here, name, Vec::new());
                let failed = |errno| sys::Error::new("readlinkat", crate::entry::shown(&here.join(name)), errno);
                Ok(Step::Link(target.map_err(failed)?.into_bytes()))
            }
            Some(Existing::Whiteout) => {
                self.make_directory(here, name, Pending::default())?;
                Ok(Step::Directory(self.enter(here, name)?))
            }
            Some(Existing::Directory) => Ok(Step::Directory(self.enter(here, name)?)),
            Some(Existing::Other) => Err(not_a_directory(&here.join(name))),
            None => self.missing(here, name),
        }
    }

    /// A directory that has no entry, or not yet.
    fn missing(&mut self, here: &Directory, name: &[u8]) -> Result<Step, Problem> {
        let path = here.join(name);
        let below = if here.hidden {
            None
        } else {
            self.depends = true;
            self.lowers.find(&path)?
        };
        let meta = match below {
            None => None,
            Some(Found::Directory(meta)) => Some(meta),
            Some(Found::Symlink(target, _)) => return Ok(Step::Link(target)),
            Some(Found::Other(..)) => return Err(not_a_directory(&path)),
        };
        self.make_directory(here, name, Pending { meta, ..Pending::default() })?;
        Ok(Step::Directory(self.enter(here, name)?))
    }

    /// Makes the directory `name`, or takes the one that is there.
    pub fn make_directory(&mut self, parent: &Directory, name: &[u8], pending: Pending) -> Result<(), Problem> {
        let mut replaces = false;
        if let Err(error) = sys::fs::mkdirat(parent, name, Mode::RWXU) {
            if error.errno != Errno::EXIST {
                return Err(error.into());
            }
            if parent.look(name)? != Some(Existing::Directory) {
                self.remove(parent, name)?;
                sys::fs::mkdirat(parent, name, Mode::RWXU)?;
                replaces = true;
            }
        }
        let path = parent.join(name);
        self.weight += path.len() + pending.meta.as_ref().map_or(0, weight);
        let opaque = self.is_opaque(&path);
        self.dirs.insert(path, Pending { opaque, ..pending });
        if replaces {
            // What was here, a whiteout or a file, hid the directory of a lower layer; the new one must not show it.
            self.make_opaque(&self.enter(parent, name)?)?;
        }
        Ok(())
    }

    /// Describes the root directory.
    pub fn describe_root(&mut self, pending: Pending) {
        self.weight += pending.meta.as_ref().map_or(0, weight);
        let opaque = self.is_opaque(b"");
        self.dirs.insert(Vec::new(), Pending { opaque, ..pending });
    }

    /// Hides what the lower layers have in a directory.
    pub fn make_opaque(&mut self, dir: &Directory) -> Result<(), Problem> {
        // An O_PATH fd cannot have attributes set.
        let opened = sys::fs::open_beneath(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        sys::xattr::fsetxattr(&opened, self.style.opaque(), b"y")?;
        self.dirs.entry(dir.path.clone()).or_default().opaque = true;
        self.cache.clear();
        Ok(())
    }

    /// Whether all of the lower layers is hidden.
    pub fn hides_lowers(&self) -> bool {
        self.is_opaque(b"")
    }

    /// Removes whatever is there under a name.
    pub fn remove(&mut self, dir: &Directory, name: &[u8]) -> Result<(), Problem> {
        remove_tree(dir, name)?;
        // A path that led through it leads elsewhere now.
        self.cache.clear();
        let path = dir.join(name);
        if self.dirs.remove(&path).is_some() {
            let inside = [&path[..], b"/"].concat();
            let below: Vec<_> = self.dirs.range(inside.clone()..).map(|(key, _)| key.clone()).collect();
            for key in below.iter().take_while(|key| key.starts_with(&inside)) {
                self.dirs.remove(key);
            }
        }
        Ok(())
    }

    /// Makes something new under a name, in place of what is there.
    pub fn replacing<T>(
        &mut self,
        dir: &Directory,
        name: &[u8],
        make: impl Fn() -> sys::Result<T>,
    ) -> Result<T, Problem> {
        match make() {
            Err(error) if error.errno == Errno::EXIST => {
                self.remove(dir, name)?;
                Ok(make()?)
            }
            other => Ok(other?),
        }
    }

    /// What the lower layers have at a path of this layer.
    pub fn below(&mut self, dir: &Directory, name: &[u8]) -> Result<Option<Found>, Problem> {
        if dir.hidden {
            return Ok(None);
        }
        self.depends = true;
        Ok(self.lowers.find(&dir.join(name))?)
    }

    /// Bytes held for directories until the end.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The directories with what is still to be set on each, deepest first; opened for it.
    pub fn finish(self, mut set: impl FnMut(OwnedFd, &[u8], Pending) -> crate::Result<()>) -> crate::Result<()> {
        for (path, pending) in self.dirs.into_iter().rev() {
            let name: &[u8] = if path.is_empty() { b"." } else { &path };
            let opened = sys::fs::open_beneath(&*self.root, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
            let opened = opened.map_err(|error| Problem::Sys(error).of(&path, pending.offset))?;
            set(opened, &path, pending)?;
        }
        Ok(())
    }
}

enum Step {
    Directory(Directory),
    Link(Vec<u8>),
}

/// What is there under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Directory,
    Symlink,
    Whiteout,
    Other,
}

fn weight(meta: &Metadata) -> usize {
    meta.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum()
}

fn not_a_directory(path: &[u8]) -> Problem {
    Refusal::NotADirectory(crate::entry::shown(path)).into()
}
