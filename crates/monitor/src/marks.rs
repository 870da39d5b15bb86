//! Who holds which container: an empty file each, `<runroot>/holders/ID.HOLDER`.
//!
//! Whoever makes a container marks it first and takes the mark away last, so that what a killed one left is found by the
//! names in one directory. A command that starts one container beside a thousand others reads no file of theirs.

use crate::error::{Error, Result};
use crate::holder::Holder;
use crate::rundir::RunDir;
use rustix::fs::{AtFlags, CWD, FileType, Mode, RenameFlags};
use std::path::{Path, PathBuf};

pub(crate) const HOLDERS: &str = "holders";

/// That somebody holds a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    runroot: PathBuf,
    /// The container's id.
    pub id: String,
    /// Who holds it.
    pub holder: Holder,
}

impl Mark {
    /// Of the container with this run directory.
    pub fn of(run_dir: &Path, holder: Holder) -> Self {
        let id = run_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { runroot: run_dir.ancestors().nth(2).unwrap_or(Path::new("/")).into(), id, holder }
    }

    /// All that there are.
    pub fn all(runroot: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(runroot.join(HOLDERS)).into_iter().flatten().flatten();
        let mark = |entry: std::fs::DirEntry| {
            let name = entry.file_name();
            let (id, holder) = name.to_str()?.rsplit_once('.')?;
            Some(Self { runroot: runroot.into(), id: id.into(), holder: holder.parse().ok()? })
        };
        entries.filter_map(mark).collect()
    }

    /// The container's run directory.
    pub fn run_dir(&self) -> PathBuf {
        RunDir::path_of(&self.runroot, &self.id)
    }

    fn path(&self) -> PathBuf {
        self.runroot.join(HOLDERS).join(format!("{}.{}", self.id, self.holder))
    }

    /// Makes it.
    pub(crate) fn make(&self) -> Result<()> {
        let path = self.path();
        let made = sys::fs::mknodat(CWD, &path, FileType::RegularFile, Mode::RUSR | Mode::WUSR, 0);
        made.map_err(|source| Error::File { what: "make", path, source })
    }

    /// Somebody else holds the container from now on; says whether nobody was faster.
    pub fn pass(&self, holder: Holder) -> bool {
        let passed = Self { holder, ..self.clone() };
        sys::fs::renameat(CWD, self.path(), CWD, passed.path(), RenameFlags::empty()).is_ok()
    }

    /// Takes it away; one that is gone is fine.
    pub fn remove(&self) -> Result<()> {
        let path = self.path();
        match sys::fs::unlinkat(CWD, &path, AtFlags::empty()) {
            Err(source) if source.errno != sys::Errno::NOENT => Err(Error::File { what: "remove", path, source }),
            _ => Ok(()),
        }
    }
}
