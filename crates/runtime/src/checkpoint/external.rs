//! What of a container's mounts and namespaces comes from outside, by the names that the images know it by.

use crate::error::{Error, Result, What};
use crate::rootfs::{self, Options};
use cgroup::{Cgroup, Layout, ViewStep};
use oci::runtime::{Linux, Mount, NamespaceKind, Spec};
use rustix::fs::{FileType, Mode, OFlags};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use sys::fs::RootDir;

/// A container's outside.
#[derive(Debug, Clone, Copy)]
pub struct Outside<'a> {
    /// Its specification.
    pub spec: &'a Spec,
    /// Relative paths of the specification are relative to this.
    pub bundle: &'a Path,
    /// Where the cgroups are.
    pub layout: &'a Layout,
    /// Its cgroup.
    pub cgroup: &'a Cgroup,
}

impl Outside<'_> {
    fn linux(&self) -> Option<&Linux> {
        self.spec.linux.as_ref()
    }

    /// It has a namespace of this kind, new or joined.
    pub fn has(&self, kind: NamespaceKind) -> bool {
        self.linux().is_some_and(|linux| linux.namespaces.iter().any(|namespace| namespace.kind == kind))
    }

    /// The path of a namespace that it joins.
    pub fn joined(&self, kind: NamespaceKind) -> Option<&str> {
        let namespaces = self.linux().map_or(&[][..], |linux| &linux.namespaces);
        let namespace = namespaces.iter().find(|namespace| namespace.kind == kind)?;
        namespace.path.as_deref().filter(|path| !path.is_empty())
    }

    /// Its bind mounts.
    pub fn binds(&self) -> impl Iterator<Item = &Mount> {
        self.spec.mounts.iter().filter(|mount| rootfs::bind_of(mount, &Options::of(mount)).is_some())
    }

    /// The mounts of which criu knows only the name: that, where it is, and what is to be mounted there.
    fn mounts(&self, root: &RootDir) -> Vec<[String; 2]> {
        let binds = self.binds().map(|mount| {
            let source = self.bundle.join(mount.source.as_deref().unwrap_or_default());
            // Of a link criu would bind the link itself.
            let source = std::fs::canonicalize(&source).unwrap_or(source);
            [place(root, &mount.destination), source.to_string_lossy().into_owned()]
        });
        let views = self.spec.mounts.iter().filter(|mount| matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2")));
        // In a cgroup namespace they are mounts of its own.
        let shared = !self.has(NamespaceKind::Cgroup);
        let views = views.filter(|_| shared).flat_map(|mount| {
            let steps = self.layout.view(self.cgroup, cgroup::Namespace::Shared);
            let at = place(root, &mount.destination);
            steps.into_iter().filter_map(move |step| match step {
                ViewStep::Bind { at: name, source } if name.is_empty() => Some([at.clone(), source]),
                ViewStep::Bind { at: name, source } => Some([format!("{at}/{name}"), source]),
                _ => None,
            })
        });
        let devices = self.linux().map_or(&[][..], |linux| &linux.devices);
        let named = devices.iter().map(|device| device.path.clone());
        // Without the right to make nodes those of the host are bound.
        let bound = ["null", "zero", "full", "random", "urandom", "tty"].iter().map(|name| format!("/dev/{name}"));
        let bound = bound.filter(|_| self.has(NamespaceKind::User));
        binds.chain(views).chain(named.chain(bound).map(|path| [path.clone(), path])).collect()
    }

    /// For a dump: mount points and the names that the images give to them.
    pub fn dumped(&self, root: &RootDir) -> Vec<(String, String)> {
        let masked = self.linux().map_or(&[][..], |linux| &linux.masked_paths).iter().filter(|path| {
            let found = root.open(path.as_str(), OFlags::PATH, Mode::empty());
            let stat = found.ok().and_then(|fd| rustix::fs::fstat(fd).ok());
            stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Directory)
        });
        let masked = masked.map(|path| (path.clone(), "/dev/null".to_owned()));
        self.mounts(root).into_iter().map(|[name, _]| (name.clone(), name)).chain(masked).collect()
    }

    /// For a restore: the names in the images and what they stand for here.
    pub fn restored(&self, root: &RootDir) -> Vec<(String, String)> {
        let null = || "/dev/null".to_owned();
        let masked = self.linux().is_some_and(|linux| !linux.masked_paths.is_empty()).then(|| (null(), null()));
        self.mounts(root).into_iter().map(|[name, source]| (name, source)).chain(masked).collect()
    }

    /// Makes the mount points that the root lacks: images have mounts, and not the directories below them. One within
    /// a bind mount is made in that one's source.
    pub fn make_places(&self, root: &RootDir) -> Result<()> {
        let mut binds: Vec<(&str, RootDir)> = Vec::new();
        for mount in &self.spec.mounts {
            let at = mount.destination.as_str();
            let kind = mount.kind.as_deref().unwrap_or_default();
            let bind = rootfs::bind_of(mount, &Options::of(mount)).is_some();
            let inside = |outer: &str| at.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
            let covered = self.spec.mounts.iter().take_while(|other| !std::ptr::eq(*other, mount));
            let outer = covered.filter(|other| inside(other.destination.trim_end_matches('/'))).last();
            let outer_bind = binds.iter().rfind(|(outer, _)| inside(outer));
            // What lies on a file system of the container's own, criu brings back with it.
            let on_own = outer.is_some_and(|other| rootfs::bind_of(other, &Options::of(other)).is_none());
            if !on_own && !matches!(kind, "cgroup" | "cgroup2") {
                let source = self.bundle.join(mount.source.as_deref().unwrap_or_default());
                let file = bind && std::fs::metadata(&source).is_ok_and(|data| !data.is_dir());
                match outer_bind {
                    Some((outer, dir)) => make(dir, &at[outer.len()..], file)?,
                    None => make(root, at, file)?,
                }
            }
            if bind {
                let source = self.bundle.join(mount.source.as_deref().unwrap_or_default());
                let dir = sys::fs::open(&source, OFlags::PATH, Mode::empty()).map_err(|error| Error::BindSource {
                    source_path: source.clone(),
                    destination: at.to_owned(),
                    source: error,
                })?;
                binds.push((at.trim_end_matches('/'), RootDir::new(dir)));
            }
        }
        Ok(())
    }
}

/// Makes a path in a root, with its parents.
fn make(root: &RootDir, path: &str, file: bool) -> Result<()> {
    const WHAT: &str = "make a mount point";
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let mut done = String::from(".");
    for (index, part) in parts.iter().enumerate() {
        let parent = root.open(done.as_str(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).what(WHAT)?;
        done = format!("{done}/{part}");
        if *part == ".." || root.open(done.as_str(), OFlags::PATH, Mode::empty()).is_ok() {
            continue;
        }
        let mode = Mode::from_raw_mode(0o755);
        if file && index + 1 == parts.len() {
            let regular = FileType::RegularFile;
            match sys::fs::mknodat(&parent, *part, regular, Mode::from_raw_mode(0o644), 0) {
                Err(error) if error.errno != sys::Errno::EXIST => return Err(error).what(WHAT),
                _ => {}
            }
        } else {
            sys::fs::ensure_dir(&parent, *part, mode).what(WHAT)?;
        }
    }
    Ok(())
}

/// A destination as mountinfo has it: without links, from the container's root.
fn place(root: &RootDir, destination: &str) -> String {
    let path = |fd: BorrowedFd<'_>| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok();
    let found = root.open(destination, OFlags::PATH, Mode::empty()).ok();
    let top = path(root.as_fd());
    let inside = found.and_then(|fd| path(fd.as_fd())).zip(top).and_then(|(found, top)| {
        let rest = found.strip_prefix(&top).ok()?;
        Some(format!("/{}", rest.to_string_lossy()))
    });
    inside.unwrap_or_else(|| rootfs::normal(destination))
}

/// The name of a namespace from outside.
pub fn key(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Pid => "extRootPidNS",
        _ => "extRootNetNS",
    }
}
