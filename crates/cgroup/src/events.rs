//! Waiting for a cgroup: by `cgroup.events`, which wakes a poll(2) when it changes (v2), or by looking again after a
//! growing pause (v1, which wakes nobody).

use crate::{Error, Result, file};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// A moment by which something must have happened, and growing pauses until then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    end: Instant,
    pause: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

impl Deadline {
    pub fn after(limit: Duration) -> Self {
        Self { end: Instant::now() + limit, pause: FIRST_PAUSE }
    }

    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Pauses for twice as long as the last time; `false` when the time is over.
    pub fn pause(&mut self) -> bool {
        let left = self.left();
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(self.pause.min(left));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}

/// Waits until `key` is `value` in the v2 cgroup's events; `false` when the time is over first. A cgroup that has gone
/// counts as one in which nothing is left.
pub(crate) fn wait(directory: &str, key: &str, value: u64, deadline: &Deadline) -> Result<bool> {
    let path = format!("{directory}/cgroup.events");
    let read = |errno| Error::Read(sys::Error::new("read", path.as_str(), errno));
    let fd = match rustix::fs::open(path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(true),
        Err(errno) => return Err(read(errno)),
    };
    loop {
        let mut buffer = [0; 256];
        let length = match rustix::io::pread(&fd, &mut buffer, 0) {
            Ok(length) => length,
            Err(Errno::NODEV) => return Ok(true),
            Err(errno) => return Err(read(errno)),
        };
        let text = String::from_utf8_lossy(&buffer[..length]);
        if file::keyed(&text, key) == Some(value) {
            return Ok(true);
        }
        let left = deadline.left();
        if left.is_zero() {
            return Ok(false);
        }
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&fd, PollFlags::PRI)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(read(errno)),
        }
    }
}
