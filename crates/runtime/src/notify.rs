//! Word to the service manager (sd_notify(3)): the container gets a socket of its own at /run/notify/notify.sock, and
//! what it says there of being ready goes to the manager's, with the container's first process as the one to watch.
//!
//! Nothing else goes on: a container could otherwise name any process of the host as the service's.

use crate::error::{Result, What};
use crate::handle::Handle;
use oci::runtime::{Mount, NamespaceKind, Spec};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::time::Timespec;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;
use sys::socket;

/// Name of the socket in its directory.
pub const NAME: &str = "notify.sock";
const INSIDE: &str = "/run/notify";

/// The socket of a container, and where its words go.
#[derive(Debug)]
pub struct Notify {
    socket: OwnedFd,
    manager: PathBuf,
}

/// How long a service manager may take to say that it has read what it was told.
const BARRIER: Duration = Duration::from_secs(30);

/// Adds the mount that shows the container the directory of its socket, and the variable that names it. A mount namespace
/// that exists is not ours to mount in: `false` then, and nothing changes.
pub fn mount(spec: &mut Spec, directory: &Path) -> bool {
    let namespaces = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    let ours = |n: &oci::runtime::Namespace| n.kind == NamespaceKind::Mount && n.path.is_none();
    if !namespaces.into_iter().any(ours) {
        return false;
    }
    spec.mounts.push(Mount {
        destination: INSIDE.to_owned(),
        source: Some(directory.to_string_lossy().into_owned()),
        options: ["bind", "nosuid", "noexec", "nodev", "ro"].map(str::to_owned).to_vec(),
        ..Mount::default()
    });
    if let Some(process) = &mut spec.process {
        process.env.push(format!("NOTIFY_SOCKET={INSIDE}/{NAME}"));
    }
    true
}

impl Notify {
    /// Makes the socket in a directory of the container's state; `manager` is this process's `NOTIFY_SOCKET`. Whoever
    /// the container's process is may write to it.
    pub fn bind(directory: &Path, manager: &Path) -> Result<Self> {
        const WHAT: &str = "make the notification socket";
        // Its name may be longer than what fits into an address.
        let opened = sys::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).what(WHAT)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", opened.as_raw_fd()));
        let socket = socket::bind_datagram(&path).what(WHAT)?;
        sys::fs::fchmodat(&opened, NAME, Mode::from_raw_mode(0o777)).what(WHAT)?;
        Ok(Self { socket, manager: manager.to_owned() })
    }

    /// Waits until the container says that it is ready, and passes that on; or until its first process has ended.
    pub fn hold(&self, handle: &Handle) -> Result<()> {
        loop {
            let mut fds = [PollFd::new(self, PollFlags::IN), PollFd::new(&handle.pidfd, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => {
                    return Err(sys::Error::new("poll", "the container", errno)).what("wait for word that it is ready");
                }
            }
            let [said, ended] = fds.map(|fd| !fd.revents().is_empty());
            if said && self.turn(handle.pid)? || !said && ended {
                return Ok(());
            }
        }
    }

    /// Reads one message of the container, and passes it on if it says that it is ready; `true` then. `main` is the
    /// process that the service manager is to watch.
    pub fn turn(&self, main: i32) -> Result<bool> {
        let message = socket::receive_text(&self.socket).what(PASS_ON)?.unwrap_or_default();
        let Some(ready) = message.lines().find(|line| line.starts_with("READY=")) else { return Ok(false) };
        tell(&self.manager, ready, main)?;
        Ok(true)
    }
}

const PASS_ON: &str = "pass on that the container is ready";

/// Tells a service manager that the container is ready, and which process it is to watch.
pub fn ready(manager: &Path, main: i32) -> Result<()> {
    tell(manager, "READY=1", main)
}

fn tell(manager: &Path, ready: &str, main: i32) -> Result<()> {
    let manager = socket::connect_datagram(manager).what(PASS_ON)?;
    socket::send(&manager, format!("{ready}\n").as_bytes()).what(PASS_ON)?;
    socket::send(&manager, format!("MAINPID={main}\n").as_bytes()).what(PASS_ON)?;
    // One who tells and ends at once may be gone before the manager looks who it was (sd_notify_barrier(3)): it
    // closes the fd that it gets when it has read all that came before.
    let (ours, theirs) = socket::pair().what(PASS_ON)?;
    socket::send_with(&manager, b"BARRIER=1", &[theirs.as_fd()]).what(PASS_ON)?;
    drop(theirs);
    let mut fds = [PollFd::new(&ours, PollFlags::IN)];
    let limit = Timespec { tv_sec: BARRIER.as_secs() as i64, tv_nsec: 0 };
    // One that does not answer has the words all the same.
    let _ = poll(&mut fds, Some(&limit));
    Ok(())
}

impl AsFd for Notify {
    /// Readable when the container has said something.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests set things up themselves, not the product")]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn only_that_it_is_ready_goes_on() {
        let base = std::env::temp_dir().join(format!("coracle-notify-{}", std::process::id()));
        std::fs::create_dir(&base).expect("a directory");
        let manager = UnixDatagram::bind(base.join("manager")).expect("a manager");
        let notify = Notify::bind(&base, &base.join("manager")).expect("a socket");
        let container = UnixDatagram::unbound().expect("a container");
        let said = |text: &str| {
            container.send_to(text.as_bytes(), base.join(NAME)).expect("a message");
            notify.turn(4242).expect("a turn")
        };
        assert!(!said("STATUS=starting"));
        assert!(!said("MAINPID=1"));
        assert!(said("STATUS=up\nREADY=1\nMAINPID=1"));
        assert!(!mount(&mut Spec::default(), &base), "a mount namespace that is not ours");
        let mut buffer = [0; 64];
        let mut heard = || {
            let length = manager.recv(&mut buffer).expect("a word");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        assert_eq!([heard(), heard()], ["READY=1\n", "MAINPID=4242\n"]);
        assert_eq!(heard(), "BARRIER=1");
        std::fs::remove_dir_all(&base).expect("cleared up");
    }
}
