//! Small files of the store: read whole with a limit, written whole by rename.

use crate::{Error, Result};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::path::Arg;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most that a record of ours may hold, in bytes.
pub(crate) const LARGEST_RECORD: u64 = 16 << 20;

/// What there is, if it is.
pub(crate) fn if_there<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(error) if error.is_absent() => Ok(None),
        other => other.map(Some),
    }
}

/// Opens a directory below `dir`; no link on the way is followed.
pub(crate) fn open_dir(dir: impl AsFd, path: impl Arg) -> Result<OwnedFd> {
    Ok(sys::fs::open_beneath(dir, path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?)
}

/// Opens a file below `dir` for reading; no link is followed, and a FIFO put in its place does not block.
pub(crate) fn open_file(dir: impl AsFd, path: impl Arg) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    Ok(File::from(sys::fs::open_beneath(dir, path, flags, Mode::empty())?))
}

/// Reads at most `limit` bytes of a file; `None` when it has more.
pub(crate) fn read_limited(mut file: impl Read, limit: u64, what: &str) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    (&mut file).take(limit + 1).read_to_end(&mut bytes).map_err(Error::io(format!("cannot read {what}")))?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Reads a record; `None` when there is none.
pub(crate) fn read_record<T: DeserializeOwned>(dir: impl AsFd, path: &str) -> Result<Option<T>> {
    let Some(file) = if_there(open_file(dir, path))? else { return Ok(None) };
    let damaged = |source| Error::Damaged { path: path.to_owned(), source };
    // Most have fewer, which one call tells: of a regular file it reads what there is.
    let mut small = [0; 8192];
    if let Ok(length) = rustix::io::pread(&file, &mut small, 0)
        && length < small.len()
    {
        return serde_json::from_slice(small.get(..length).unwrap_or_default()).map(Some).map_err(damaged);
    }
    let Some(bytes) = read_limited(file, LARGEST_RECORD, path)? else {
        return Err(damaged(serde::de::Error::custom("it has more than 16 MiB")));
    };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// All records in a directory, by name; none where there is no directory.
pub(crate) fn read_records<T: DeserializeOwned>(dir: Option<OwnedFd>) -> Result<Vec<T>> {
    let Some(dir) = dir else { return Ok(Vec::new()) };
    let mut names = names(dir.as_fd())?;
    names.retain(|name| !name.starts_with('.'));
    names.sort_unstable();
    names.iter().filter_map(|name| read_record(&dir, name).transpose()).collect()
}

/// Removes a record, and what a killed writer left of it; whether there was one. Callers hold the lock of `dir`.
pub(crate) fn remove_record(dir: BorrowedFd<'_>, name: &str) -> Result<bool> {
    let _ = sys::fs::unlinkat(dir, &*unfinished(name), AtFlags::empty());
    let removed = if_there(sys::fs::unlinkat(dir, name, AtFlags::empty()).map_err(Error::from))?.is_some();
    if removed {
        sync_dir(dir)?;
    }
    Ok(removed)
}

/// Whether a file must survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Written to disk, name included, before this returns.
    Durable,
    /// Left to the kernel.
    Lazy,
}

/// The other name of a file that is being written whole.
pub(crate) fn unfinished(name: &str) -> String {
    format!(".{name}.new")
}

/// Writes a file whole: another name first, then a rename over what is there. Callers hold the lock of `dir`, so that
/// nobody else uses the other name.
pub(crate) fn write_whole(dir: BorrowedFd<'_>, name: &str, bytes: &[u8], sync: Sync) -> Result<()> {
    let new = unfinished(name);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    let mut file = File::from(sys::fs::open_beneath(dir, &*new, flags, Mode::RUSR | Mode::WUSR)?);
    let written = file.write_all(bytes).and_then(|()| match sync {
        Sync::Durable => file.sync_data(),
        Sync::Lazy => Ok(()),
    });
    if let Err(error) = written {
        // Of a full disk nothing is kept; the first error is the one to tell.
        let _ = sys::fs::unlinkat(dir, &*new, AtFlags::empty());
        return Err(Error::io(format!("cannot write {name}"))(error));
    }
    sys::fs::renameat(dir, &*new, dir, name, RenameFlags::empty())?;
    if sync == Sync::Durable {
        sync_dir(dir)?;
    }
    Ok(())
}

/// Writes a record whole, see [`write_whole`].
pub(crate) fn write_record(dir: BorrowedFd<'_>, name: &str, record: &impl Serialize, sync: Sync) -> Result<()> {
    let json = |source| Error::Damaged { path: name.to_owned(), source };
    write_whole(dir, name, &serde_json::to_vec(record).map_err(json)?, sync)
}

/// fsync(2) of a directory: the names in it survive a power cut.
pub(crate) fn sync_dir(dir: BorrowedFd<'_>) -> Result<()> {
    rustix::fs::fsync(dir).map_err(Error::errno(format!("cannot sync {}", sys::fs::shown(dir))))
}

/// The names in a directory, unsorted, without `.` and `..`. A name that is not UTF-8 is none of ours and left out.
pub(crate) fn names(dir: BorrowedFd<'_>) -> Result<Vec<String>> {
    let failed = |errno| Error::errno(format!("cannot list {}", sys::fs::shown(dir)))(errno);
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.file_name().to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) => names.push(name.to_owned()),
        }
    }
    Ok(names)
}
