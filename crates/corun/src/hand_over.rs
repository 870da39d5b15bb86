//! What a caller gets of a new process, beside its exit code: its pid in a file, its terminal and its pidfd through
//! sockets.

use crate::error::{Error, Result, What};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Where it goes, as asked for.
#[derive(Debug, Default)]
pub struct HandOver {
    /// `--pid-file`.
    pub pid_file: Option<String>,
    /// `--console-socket`.
    pub console_socket: Option<String>,
    /// `--pidfd-socket`.
    pub pidfd_socket: Option<String>,
}

impl HandOver {
    /// Refuses a terminal that nobody would hold, and a socket for one that nobody has.
    pub fn check(&self, terminal: bool, detach: bool) -> Result<()> {
        let socket = self.console_socket.as_deref().is_some_and(|path| !path.is_empty());
        match (terminal, detach, socket) {
            (true, true, false) => Err(Error::Arguments(
                "cannot allocate tty if corun will detach without setting console socket".to_owned(),
            )),
            (false, _, true) | (true, false, true) => {
                Err(Error::Arguments("cannot use console socket if corun will not detach or allocate tty".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Hands over terminal and pidfd. The terminal comes back if it stays here.
    pub fn sockets(&self, pidfd: &OwnedFd, terminal: Option<OwnedFd>) -> Result<Option<OwnedFd>> {
        if let Some(path) = given(self.pidfd_socket.as_ref()) {
            send(path, b"pidfd", pidfd, "hand the pidfd over")?;
        }
        match (terminal, given(self.console_socket.as_ref())) {
            (Some(master), Some(path)) => send(path, b"/dev/ptmx", &master, "hand the terminal over").map(|()| None),
            (terminal, _) => Ok(terminal),
        }
    }

    /// Writes the pid: digits and nothing else, and no half-written file is ever there.
    pub fn pid(&self, pid: i32) -> Result<()> {
        let Some(path) = given(self.pid_file.as_ref()) else { return Ok(()) };
        let name = path.file_name().ok_or_else(|| Error::Arguments(format!("--pid-file {}", path.display())))?;
        let text = pid.to_string();
        if unnamed(path, text.as_bytes()).is_ok() {
            return Ok(());
        }
        let beside = path.with_file_name(format!(".{}", name.to_string_lossy()));
        let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
        written.map_err(|source| {
            let _ = std::fs::remove_file(&beside);
            Error::file(path, source)
        })
    }
}

/// Writes a file that has no name before it is whole, so that nothing is left of it if we are killed meanwhile. Not every
/// file system can do that.
fn unnamed(path: &Path, bytes: &[u8]) -> std::result::Result<(), sys::Error> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = sys::fs::open(dir, OFlags::WRONLY | OFlags::TMPFILE, Mode::from_raw_mode(0o666))?;
    sys::fs::write_once(&file, bytes)?;
    // What stands there is of an earlier container.
    let _ = sys::fs::unlinkat(CWD, path, AtFlags::empty());
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    sys::fs::linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW)
}

fn given(path: Option<&String>) -> Option<&Path> {
    path.filter(|path| !path.is_empty()).map(Path::new)
}

fn send(path: &Path, bytes: &[u8], fd: &OwnedFd, what: &'static str) -> Result<()> {
    let path: PathBuf = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let socket = sys::socket::connect(&path).what(what)?;
    sys::socket::send_with(&socket, bytes, &[fd.as_fd()]).what(what)
}
