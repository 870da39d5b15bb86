//! What this machine's root is made of: which directories become overlays, and what is only copied.

use crate::engine::Locations;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Directories that are made empty: the container's own mounts go there, or the host's are nobody's business.
pub(super) const EMPTY: [(&str, u32); 6] =
    [("/proc", 0o555), ("/sys", 0o555), ("/dev", 0o755), ("/run", 0o755), ("/tmp", 0o1777), ("/lost+found", 0o700)];

/// File systems that hold files of their own; anything else that is mounted somewhere is left out.
const DISKS: [&str; 14] = [
    "ext4", "ext3", "ext2", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "overlay", "erofs", "squashfs", "hostfs", "9p",
    "virtiofs",
];

/// How much of the machine is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All that a container is shown as `host:`.
    Whole,
    /// Programs and libraries, as any user of the machine may read them, and no word of who lives on it.
    Tools,
}

/// Where programs and libraries are.
const TOOLS: [&str; 8] = ["/bin", "/lib", "/lib32", "/lib64", "/libo32", "/libx32", "/sbin", "/usr"];

/// What they need of the machine's settings: which editor is `vi`, what terminals can do, whose certificates count.
const SETTINGS: [&str; 3] = ["/etc/alternatives", "/etc/ssl/certs", "/etc/terminfo"];

/// The names of users and of other machines are the container's.
const NAMES: [&str; 5] = ["/etc/group", "/etc/hostname", "/etc/hosts", "/etc/passwd", "/etc/resolv.conf"];

impl Extent {
    /// Whether it lies in what is wanted.
    pub(super) fn has(self, path: &Path) -> bool {
        let empty = || EMPTY.iter().any(|(empty, _)| path == Path::new(empty));
        self == Self::Whole || TOOLS.iter().any(|tools| path.starts_with(tools)) || empty()
    }
}

/// The machine's root, taken apart. All paths are absolute; directories come before what is in them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Pieces {
    /// Directories to make, with their modes.
    pub directories: Vec<(PathBuf, u32)>,
    /// Links to make, with their targets.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Directories that get an overlay.
    pub overlays: Vec<PathBuf>,
    /// Files beside directories that were taken apart.
    pub files: Vec<PathBuf>,
    /// Directories that something empty covers.
    pub covered: Vec<PathBuf>,
}

/// Where something is mounted, and whether it is a disk.
struct Mounts(BTreeMap<PathBuf, bool>);

impl Mounts {
    fn read() -> Self {
        let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mount = |line: &str| {
            let (before, after) = line.split_once(" - ")?;
            let point = before.split(' ').nth(4)?;
            // Names with blanks are written in octal; such a place is left as it is found.
            let disk = DISKS.contains(&after.split(' ').next()?) && !point.contains('\\');
            Some((PathBuf::from(point), disk))
        };
        Self(mountinfo.lines().filter_map(mount).collect())
    }

    fn below(&self, path: &Path) -> bool {
        self.0.keys().any(|point| point != path && point.starts_with(path))
    }
}

impl Pieces {
    /// Looks at `/`. With `apart`, a directory that something is mounted below is taken apart, down to directories
    /// without mounts.
    pub(super) fn of_machine(locations: &Locations, apart: bool, extent: Extent) -> Result<Self> {
        let mut survey = Self::default();
        let mounts = Mounts::read();
        survey.directory(Path::new("/"), &mounts, locations, apart)?;
        if extent == Extent::Tools {
            survey.directories.retain(|(path, _)| extent.has(path));
            survey.links.retain(|(path, _)| extent.has(path));
            survey.overlays.retain(|path| extent.has(path));
            survey.files.retain(|path| extent.has(path));
            survey.directories.extend(["/etc", "/etc/ssl"].map(|path| (PathBuf::from(path), 0o755)));
            survey.directories.push(("/root".into(), 0o700));
            let names = NAMES.map(|path| (path.into(), Path::new(crate::debug::CONTAINER).join(&path[1..])));
            survey.links.extend(names);
            for path in SETTINGS.map(PathBuf::from).into_iter().filter(|path| path.is_dir()) {
                survey.subdirectory(path, &mounts, locations, apart)?;
            }
        }
        if !apart {
            let disks = mounts.0.iter().filter(|(_, disk)| **disk).map(|(point, _)| point);
            let top = survey.overlays.clone();
            survey.overlays.extend(
                disks
                    .filter(|point| top.iter().any(|dir| *point != dir && point.starts_with(dir)))
                    .filter(|point| !hidden(point, locations))
                    .filter(|point| std::fs::symlink_metadata(point).is_ok_and(|meta| meta.is_dir()))
                    .cloned(),
            );
        }
        Ok(survey)
    }

    fn directory(&mut self, dir: &Path, mounts: &Mounts, locations: &Locations, apart: bool) -> Result<()> {
        for entry in std::fs::read_dir(dir).map_err(|error| unreadable(dir, &error))?.flatten() {
            let (Ok(kind), path) = (entry.file_type(), entry.path()) else { continue };
            if kind.is_symlink() {
                let target = std::fs::read_link(&path).map_err(|error| unreadable(&path, &error))?;
                self.links.push((path, target));
            } else if kind.is_dir() {
                self.subdirectory(path, mounts, locations, apart)?;
            } else if kind.is_file() && dir != Path::new("/") {
                self.files.push(path);
            }
        }
        Ok(())
    }

    fn subdirectory(&mut self, path: PathBuf, mounts: &Mounts, locations: &Locations, apart: bool) -> Result<()> {
        if let Some((_, mode)) = EMPTY.iter().find(|(empty, _)| path == Path::new(empty)) {
            self.directories.push((path, *mode));
            return Ok(());
        }
        self.directories.push((path.clone(), mode_of(&path)));
        let disk = mounts.0.get(&path).copied().unwrap_or(true);
        let readable = std::fs::read_dir(&path);
        if !disk || hidden(&path, locations) || readable.is_err() {
            return Ok(());
        }
        if apart && mounts.below(&path) {
            return self.directory(&path, mounts, locations, apart);
        }
        // An empty directory needs no overlay to look like itself.
        if readable.is_ok_and(|mut entries| entries.next().is_some()) {
            self.overlays.push(path);
        }
        Ok(())
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let errno = sys::Errno::from_io_error(error).unwrap_or(sys::Errno::IO);
    Error::System { what: super::WHAT, source: sys::Error::new("readdir", path.to_string_lossy(), errno) }
}

fn mode_of(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).map_or(0o755, |meta| meta.permissions().mode() & 0o7777)
}

fn hidden(path: &Path, locations: &Locations) -> bool {
    path.starts_with(&locations.root) || path.starts_with(&locations.runroot)
}
