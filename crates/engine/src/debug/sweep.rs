//! The end of a session: nothing that was started in it goes on in the container.
//!
//! Its processes are known by their mount namespace, which nobody else is in. A child of whoever holds the session waits
//! for the end of that, or of who asked for the session, however these come, and kills what is left there; nothing is
//! written down for a session, so no later command could find it.

use crate::error::{Error, Result};
use runtime::Handle;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, fstat};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::sleep;
use std::time::Duration;
use sys::process::Child;

const SIGKILL: i32 = 9;

/// Ends a session when it is dropped, or we or those who asked for it are killed.
pub(super) struct Sweeper {
    socket: Option<OwnedFd>,
    child: Child,
}

impl Sweeper {
    /// For the session of a process that has not executed its command yet, asked for by the process of a pidfd.
    pub fn of(handle: &Handle, asked: &OwnedFd) -> Result<Self> {
        let path = format!("/proc/{}/ns/mnt", handle.pid);
        let watch = || {
            let namespace = sys::fs::open(path, OFlags::RDONLY, Mode::empty())?;
            let (socket, child) = sys::process::fork_connected(|socket| {
                if sys::detached::apart(&[socket.as_fd(), namespace.as_fd(), asked.as_fd()]).is_ok() {
                    let end = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
                    while poll(&mut [end(socket.as_fd()), end(asked.as_fd())], None) == Err(Errno::INTR) {}
                    sweep(&namespace);
                }
                0
            })?;
            Ok(Self { socket: Some(socket), child })
        };
        watch().map_err(Error::system("watch over the session"))
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        drop(self.socket.take());
        let _ = sys::process::wait(&self.child.pidfd);
    }
}

/// Kills all that is in a mount namespace. One that forks meanwhile is found the next time around.
fn sweep(namespace: &OwnedFd) {
    let Ok(own) = fstat(namespace).map(|stat| (stat.st_dev, stat.st_ino)) else { return };
    let is_in = |pid: i32| {
        let its = rustix::fs::stat(format!("/proc/{pid}/ns/mnt"));
        its.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == own)
    };
    for _ in 0..200 {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let inside = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|pid| is_in(*pid));
        let mut found = false;
        for pid in inside {
            found = true;
            // Held before it is looked at again: the number may be another's by then.
            if let Ok(pidfd) = sys::process::pidfd_open(pid)
                && is_in(pid)
            {
                let _ = sys::process::pidfd_send_signal(&pidfd, SIGKILL);
            }
        }
        if !found {
            return;
        }
        sleep(Duration::from_millis(5));
    }
}
