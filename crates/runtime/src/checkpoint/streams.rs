//! The standard streams that a container has from outside, by the names that they have in images: that of a pipe's link
//! below /proc/PID/fd, and criu's for a file that the container's mounts do not have (the host's /dev/null, a log).
//!
//! They are told when the container begins. Later they may be elsewhere: a shell that writes a line into a file has moved
//! its stream to another descriptor for that long.

use rustix::fs::{AtFlags, FileType, StatxFlags};
use rustix::stdio::{stderr, stdin, stdout};

/// What our own are called, which a container's first process has from us.
pub fn streams() -> Vec<String> {
    const NULL: (u32, u32) = (1, 3);
    let name = |fd| {
        let found =
            rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID).ok()?;
        let device = (found.stx_rdev_major, found.stx_rdev_minor);
        match FileType::from_raw_mode(found.stx_mode.into()) {
            FileType::Fifo => Some(format!("pipe:[{}]", found.stx_ino)),
            FileType::CharacterDevice if device != NULL => None,
            FileType::RegularFile | FileType::CharacterDevice => {
                Some(format!("file[{:x}:{:x}]", found.stx_mnt_id, found.stx_ino))
            }
            _ => None,
        }
    };
    [stdin(), stdout(), stderr()].map(|fd| name(fd).unwrap_or_default()).into()
}
