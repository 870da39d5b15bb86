//! The tree that a layer makes, walked one component at a time.
//!
//! A tar may name `lib/x` where `lib` is a symbolic link, made by an earlier entry of the tar or by a layer below
//! (which is `usr/lib` on every merged-/usr system). Docker and containerd apply a layer with its parents mounted and
//! let the link lead on inside the root; podman applies it alone, and the new directory `lib` then hides the link and
//! all that it led to. Here it means what it means under docker: links are resolved by hand, within the root, through
//! this layer first and the lower ones after it. A directory that no entry describes gets the owner and mode that it
//! has below, else 0755 of root. Both make the result depend on the lower layers, which is noted.

use crate::error::Refusal;
use crate::lowers::{Found, Lowers};
use crate::metadata::{Metadata, Problem};
use crate::name::components;
use crate::target::{Existing, Pending, Target};
use std::collections::{BTreeMap, HashMap};
use sys::Errno;

/// How many links a walk follows, as the kernel does (path_resolution(7)).
const MOST_LINKS: usize = 40;
/// How many open directories are kept for the next entry; entries come in their directories' order.
const CACHED: usize = 64;

/// A directory of the layer.
#[derive(Debug, Clone)]
pub struct Directory<H> {
    pub handle: H,
    /// Its path without links; empty for the root.
    pub path: Vec<u8>,
    /// Nothing of the lower layers is seen in it.
    pub hidden: bool,
}

impl<H> Directory<H> {
    /// The path of an entry in it.
    pub fn join(&self, name: &[u8]) -> Vec<u8> {
        let separator: &[u8] = if self.path.is_empty() { b"" } else { b"/" };
        [&self.path, separator, name].concat()
    }
}

/// The tree that a layer makes.
#[derive(Debug)]
pub struct Tree<'a, T: Target> {
    pub target: T,
    lowers: Lowers<'a>,
    dirs: BTreeMap<Vec<u8>, Pending>,
    /// Bytes of names and attributes in `dirs`.
    weight: usize,
    cache: HashMap<Vec<u8>, Directory<T::Handle>>,
    /// Something of the lower layers decided what was made.
    pub depends: bool,
}

impl<'a, T: Target> Tree<'a, T> {
    pub fn new(target: T, lowers: Lowers<'a>) -> Self {
        let dirs = BTreeMap::from([(Vec::new(), Pending::default())]);
        Self { target, lowers, dirs, weight: 0, cache: HashMap::new(), depends: false }
    }

    /// The directory at `path` of the tar, made as far as it is not there.
    pub fn directory(&mut self, path: &[u8]) -> Result<Directory<T::Handle>, Problem> {
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

    fn root(&self) -> Directory<T::Handle> {
        Directory { handle: self.target.root(), path: Vec::new(), hidden: self.is_opaque(b"") }
    }

    fn is_opaque(&self, path: &[u8]) -> bool {
        self.dirs.get(path).is_some_and(|dir| dir.opaque)
    }

    fn walk(&mut self, path: &[u8]) -> Result<Directory<T::Handle>, Problem> {
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

    fn reopen(&self, path: &[u8]) -> Result<Directory<T::Handle>, Problem> {
        let mut here = self.root();
        for part in components(path) {
            here = self.enter(&here, part)?;
        }
        Ok(here)
    }

    fn enter(&self, here: &Directory<T::Handle>, name: &[u8]) -> sys::Result<Directory<T::Handle>> {
        let handle = self.target.enter(&here.handle, name)?;
        let path = here.join(name);
        let hidden = here.hidden || self.is_opaque(&path);
        Ok(Directory { handle, path, hidden })
    }

    fn step(&mut self, here: &Directory<T::Handle>, name: &[u8]) -> Result<Step<T::Handle>, Problem> {
        match self.enter(here, name) {
            Ok(dir) => return Ok(Step::Directory(dir)),
            Err(error) if matches!(error.errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => return Err(error.into()),
        }
        match self.look(here, name)? {
            Some(Existing::Symlink) => Ok(Step::Link(self.target.read_link(&here.handle, name)?)),
            Some(Existing::Whiteout) => {
                self.make_directory(here, name, Pending::default())?;
                Ok(Step::Directory(self.enter(here, name)?))
            }
            Some(Existing::Directory) => Ok(Step::Directory(self.enter(here, name)?)),
            Some(Existing::Other) => Err(not_a_directory(&here.join(name))),
            None => self.missing(here, name),
        }
    }

    /// What is there under a name.
    pub fn look(&self, dir: &Directory<T::Handle>, name: &[u8]) -> Result<Option<Existing>, Problem> {
        Ok(self.target.look(&dir.handle, name)?)
    }

    /// A directory that has no entry, or not yet.
    fn missing(&mut self, here: &Directory<T::Handle>, name: &[u8]) -> Result<Step<T::Handle>, Problem> {
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
    pub fn make_directory(
        &mut self,
        parent: &Directory<T::Handle>,
        name: &[u8],
        pending: Pending,
    ) -> Result<(), Problem> {
        let mut replaces = false;
        if let Err(error) = self.target.make_directory(&parent.handle, name) {
            if error.errno != Errno::EXIST {
                return Err(error.into());
            }
            if self.look(parent, name)? != Some(Existing::Directory) {
                self.remove(parent, name)?;
                self.target.make_directory(&parent.handle, name)?;
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
    pub fn make_opaque(&mut self, dir: &Directory<T::Handle>) -> Result<(), Problem> {
        self.target.make_opaque(&dir.handle)?;
        self.dirs.entry(dir.path.clone()).or_default().opaque = true;
        self.cache.clear();
        Ok(())
    }

    /// Whether all of the lower layers is hidden.
    pub fn hides_lowers(&self) -> bool {
        self.is_opaque(b"")
    }

    /// Removes whatever is there under a name.
    pub fn remove(&mut self, dir: &Directory<T::Handle>, name: &[u8]) -> Result<(), Problem> {
        self.target.remove(&dir.handle, name)?;
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
    pub fn replacing(
        &mut self,
        dir: &Directory<T::Handle>,
        name: &[u8],
        mut make: impl FnMut(&mut T) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        match make(&mut self.target) {
            Err(Problem::Sys(error)) if error.errno == Errno::EXIST => {
                self.remove(dir, name)?;
                make(&mut self.target)
            }
            other => other,
        }
    }

    /// What the lower layers have at a path of this layer.
    pub fn below(&mut self, dir: &Directory<T::Handle>, name: &[u8]) -> Result<Option<Found>, Problem> {
        if dir.hidden {
            return Ok(None);
        }
        self.depends = true;
        Ok(self.lowers.find(&dir.join(name))?)
    }

    /// Bytes held in memory until the end.
    pub fn weight(&self) -> usize {
        self.weight + self.target.weight()
    }

    /// Gives all directories what they are to have, deepest first, and the target back.
    pub fn finish(mut self) -> crate::Result<T> {
        for (path, pending) in self.dirs.into_iter().rev() {
            self.target.describe(&path, &pending).map_err(|problem| problem.of(&path, pending.offset))?;
        }
        Ok(self.target)
    }
}

enum Step<H> {
    Directory(Directory<H>),
    Link(Vec<u8>),
}

fn weight(meta: &Metadata) -> usize {
    meta.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum()
}

fn not_a_directory(path: &[u8]) -> Problem {
    Refusal::NotADirectory(crate::entry::shown(path)).into()
}
