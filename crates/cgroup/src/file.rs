//! Control files: small texts that are read whole and written in one call.

use crate::{Controller, Error, Result};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

/// Reads a small kernel file whole.
pub(crate) fn read(path: &str) -> sys::Result<String> {
    let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| sys::Error::new("open", path, errno))?;
    let mut bytes = vec![0; 4096];
    let mut length = 0;
    loop {
        match rustix::io::read(&fd, &mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(sys::Error::new("read", path, errno)),
        }
        if length == bytes.len() {
            bytes.resize(length * 4, 0);
        }
    }
    bytes.truncate(length);
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Reads a file that may not be there.
pub(crate) fn read_optional(path: &str) -> Result<Option<String>> {
    match read(path) {
        Ok(text) => Ok(Some(text)),
        // ENODEV: the cgroup was removed while the file was open.
        Err(error) if matches!(error.errno, Errno::NOENT | Errno::NODEV) => Ok(None),
        Err(error) => Err(Error::Read(error)),
    }
}

/// Writes a control file in one write(2).
pub(crate) fn write(path: &str, value: &str) -> sys::Result<()> {
    sys::fs::write_file(CWD, path, value.as_bytes())
}

/// Says what a refused write means.
pub(crate) fn explain(controller: Controller, file: &str, value: &str, source: sys::Error) -> Error {
    let hint = match source.errno {
        Errno::NOENT => "this kernel does not offer it".to_owned(),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => "no permission: it needs root or a delegated cgroup".to_owned(),
        Errno::BUSY => "it is below what is in use".to_owned(),
        Errno::NODEV => "there is no such device (name a whole disk, not a partition)".to_owned(),
        Errno::OPNOTSUPP => "the device or its I/O scheduler does not support it".to_owned(),
        Errno::RANGE => "the value is out of range".to_owned(),
        Errno::NOSPC => "the cgroup has no CPUs or memory nodes left".to_owned(),
        _ => "the kernel refuses the value".to_owned(),
    };
    Error::Refused { controller, file: file.to_owned(), value: value.to_owned(), hint, source }
}

/// The value of `key` in a flat keyed file (`key value` per line).
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_found_in_a_longer_one() {
        let text = "oom 3\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(keyed(text, "oom_kill"), Some(1));
        assert_eq!(keyed(text, "oo"), None);
    }

    #[test]
    fn what_is_not_there_is_nothing_and_no_error() {
        assert!(read_optional("/proc/self/no-such-file").unwrap().is_none());
        assert!(read_optional("/proc/self/cgroup").unwrap().is_some());
    }
}
