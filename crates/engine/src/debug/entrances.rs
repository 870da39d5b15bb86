//! The namespaces of a container, held open from one moment in which it lived: by a path that has its pid in it, another
//! process's could be entered that has the number by then.

use crate::error::{Error, Result};
use oci::runtime::NamespaceKind;
use runtime::Handle;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// Those that are not ours.
#[derive(Debug, Default)]
pub(super) struct Entrances(Vec<(NamespaceKind, OwnedFd)>);

impl Entrances {
    /// Opens them.
    pub fn of(handle: &Handle) -> Result<Self> {
        let open = |kind: NamespaceKind| {
            let path = format!("/proc/{}/ns/{}", handle.pid, file(kind));
            sys::fs::open(path, OFlags::RDONLY, Mode::empty()).map(|fd| (kind, fd))
        };
        let kinds = runtime::namespaces_of(handle).into_iter().filter(|kind| *kind != NamespaceKind::Mount);
        let opened = kinds.map(open).collect::<sys::Result<Vec<_>>>();
        let opened = opened.map_err(Error::system("open the container's namespaces"))?;
        if sys::process::wait_readable(&handle.pidfd, Duration::ZERO) {
            let source = sys::Error::new("poll", "its first process", sys::Errno::SRCH);
            return Err(Error::System { what: "open the container's namespaces", source });
        }
        Ok(Self(opened))
    }

    /// The container does not run, or all of its namespaces are the machine's.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A path to one, for this process.
    pub fn path(&self, kind: NamespaceKind) -> Option<PathBuf> {
        let (_, fd) = self.0.iter().find(|(known, _)| *known == kind)?;
        Some(format!("/proc/self/fd/{}", fd.as_raw_fd()).into())
    }
}

/// The name of a kind in `/proc/PID/ns`.
fn file(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Pid => "pid",
        NamespaceKind::Network => "net",
        NamespaceKind::Mount => "mnt",
        NamespaceKind::Ipc => "ipc",
        NamespaceKind::Uts => "uts",
        NamespaceKind::User => "user",
        NamespaceKind::Cgroup => "cgroup",
        NamespaceKind::Time => "time",
    }
}
