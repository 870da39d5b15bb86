//! A file of lines that grows up to a bound. Each line is one write to a file that is opened for appending, so that writers
//! need no lock and no reader sees half a line. One that is full is renamed, and the one before it is gone.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, fstat};
use std::fs::File;
use std::path::Path;

/// Such a file, by what it is called in its directory.
#[derive(Debug)]
pub(crate) struct Bounded {
    /// Its name.
    pub name: &'static str,
    /// That of the one before it.
    pub older: &'static str,
    /// How many bytes it has at most, but for its last line.
    pub full: u64,
}

impl Bounded {
    /// Adds a line, with its end.
    pub fn append(&self, dir: &Path, line: &[u8]) -> sys::Result<()> {
        let path = dir.join(self.name);
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW;
        let file = sys::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?;
        sys::fs::write_once(&file, line)?;
        let Ok(stat) = fstat(&file) else { return Ok(()) };
        // Of several who find it full one renames it, and none the next.
        let full = stat.st_size.unsigned_abs() >= self.full;
        let file = File::from(file);
        if full && file.try_lock().is_ok() && is_at(&path, stat.st_ino) {
            sys::fs::renameat(CWD, &path, CWD, dir.join(self.older), RenameFlags::empty())?;
        }
        Ok(())
    }

    /// What is in both, the older first.
    pub fn read(&self, dir: &Path) -> Vec<u8> {
        [self.older, self.name].iter().flat_map(|name| std::fs::read(dir.join(name)).unwrap_or_default()).collect()
    }
}

/// Whether this is the file there now.
pub(crate) fn is_at(path: &Path, inode: u64) -> bool {
    rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| stat.st_ino == inode)
}
