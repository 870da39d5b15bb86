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
pub(crate) fn explain(controller: Option<Controller>, file: &str, value: &str, source: sys::Error) -> Error {
    let name = file.rsplit('/').next().unwrap_or(file);
    let hint = match (source.errno, name) {
        (Errno::INVAL, "cpu.max" | "cpu.cfs_quota_us" | "cpu.cfs_period_us") => {
            "the period goes from 1000 to 1000000 µs, the quota is at least 1000 µs, and quota to period no more than in \
             the cgroup above"
        }
        (Errno::INVAL, "cpu.max.burst" | "cpu.cfs_burst_us") => "the burst is at most the quota",
        (Errno::INVAL, "cpu.rt_runtime_us" | "cpu.rt_period_us") => {
            "the cgroup above has no such real-time budget: give it one first"
        }
        (Errno::INVAL, "memory.memsw.limit_in_bytes") => "memory and swap together are at least the memory limit",
        (Errno::INVAL, "memory.limit_in_bytes") => {
            "the memory limit is at most that of memory and swap together: give memory.swap as well"
        }
        (Errno::NOENT, _) => "this kernel does not offer it",
        (Errno::ACCESS | Errno::PERM | Errno::ROFS, _) => "no permission: it needs root or a delegated cgroup",
        (Errno::BUSY, _) => "it is below what is in use",
        (Errno::NODEV, _) => "there is no such device (name a whole disk, not a partition)",
        (Errno::OPNOTSUPP, _) => "the device or its I/O scheduler does not support it",
        (Errno::RANGE, _) => "the value is out of range",
        (Errno::NOSPC, _) => "processes in the cgroup would have no CPU or memory node left",
        _ => "the kernel refuses the value",
    };
    Error::Refused { controller, file: file.into(), value: value.into(), hint: hint.into(), source }
}

/// A file's only number; `max` is no limit and comes as the largest.
pub(crate) fn number(file: &str, text: &str) -> Result<u64> {
    let text = text.trim();
    if text == "max" {
        return Ok(u64::MAX);
    }
    text.parse().map_err(|_| Error::Format { file: file.to_owned(), value: text.to_owned(), expected: "number" })
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
