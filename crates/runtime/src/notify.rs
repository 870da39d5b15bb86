//! Word to the service manager (sd_notify(3)): the container gets a socket of its own at /run/notify/notify.sock, and
//! what it says there of being ready goes to the manager's, with the container's first process as the one to watch.
//!
//! Nothing else goes on: a container could otherwise name any process of the host as the service's.

use crate::error::{Result, What};
use oci::runtime::{Mount, Spec};
use rustix::fs::{CWD, Mode};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use sys::socket;

const NAME: &str = "notify.sock";
const INSIDE: &str = "/run/notify";

/// The socket of a container, and where its words go.
#[derive(Debug)]
pub struct Notify {
    socket: OwnedFd,
    manager: PathBuf,
}

/// Adds the mount that shows the container the directory of its socket, and the variable that names it.
pub fn mount(spec: &mut Spec, directory: &Path) {
    spec.mounts.push(Mount {
        destination: INSIDE.to_owned(),
        source: Some(directory.to_string_lossy().into_owned()),
        options: ["bind", "nosuid", "noexec", "nodev", "ro"].map(str::to_owned).to_vec(),
        ..Mount::default()
    });
    if let Some(process) = &mut spec.process {
        process.env.push(format!("NOTIFY_SOCKET={INSIDE}/{NAME}"));
    }
}

impl Notify {
    /// Makes the socket in a directory of the container's state; `manager` is this process's `NOTIFY_SOCKET`. Whoever
    /// the container's process is may write to it.
    pub fn bind(directory: &Path, manager: &Path) -> Result<Self> {
        const WHAT: &str = "make the notification socket";
        let path = directory.join(NAME);
        let socket = socket::bind_datagram(&path).what(WHAT)?;
        sys::fs::fchmodat(CWD, &path, Mode::from_raw_mode(0o777)).what(WHAT)?;
        Ok(Self { socket, manager: manager.to_owned() })
    }

    /// Reads one message of the container, and passes it on if it says that it is ready; `true` then. `first` is the
    /// container's first process.
    pub fn turn(&self, first: i32) -> Result<bool> {
        const WHAT: &str = "pass on that the container is ready";
        let message = socket::receive_text(&self.socket).what(WHAT)?.unwrap_or_default();
        let Some(ready) = message.lines().find(|line| line.starts_with("READY=")) else { return Ok(false) };
        let manager = socket::connect_datagram(&self.manager).what(WHAT)?;
        socket::send(&manager, format!("{ready}\n").as_bytes()).what(WHAT)?;
        socket::send(&manager, format!("MAINPID={first}\n").as_bytes()).what(WHAT)?;
        Ok(true)
    }
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
        let mut buffer = [0; 64];
        let mut heard = || {
            let length = manager.recv(&mut buffer).expect("a word");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        assert_eq!([heard(), heard()], ["READY=1\n", "MAINPID=4242\n"]);
        std::fs::remove_dir_all(&base).expect("cleared up");
    }
}
