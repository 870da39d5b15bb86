//! Who decides about calls that a filter leaves open (`SCMP_ACT_NOTIFY`): an agent at `linux.seccomp.listenerPath`, who
//! gets the filter's listener with a word on whose it is.
//!
//! The process that has the filter writes the number of its listener to us and waits, and we fetch the fd: sending it
//! would need calls that the filter may leave open, too, when there is nobody yet to answer. For the same reason the
//! compiler refuses a profile that leaves write(2) open. What an ordinary user sends into his container is hidden from him
//! as well, so that it does send the listener: sendmsg(2) cannot be left open there.

use crate::error::{Error, Result, What};
use oci::runtime::{ContainerProcessState, Seccomp, Spec, State, Status, VERSION};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Who serves the listener of a process's filter.
#[derive(Clone, Copy)]
pub enum Server<'a> {
    /// An agent at a path, whom the profile names.
    Agent(&'a Agent<'a>),
    /// Whoever makes the process sees to it, by its pid, before the process makes its next call.
    Here(&'a dyn Fn(OwnedFd, i32) -> Result<()>),
}

impl Server<'_> {
    /// Hands over the listener of the process's filter.
    pub(crate) fn take_over(self, listener: OwnedFd, pid: i32) -> Result<()> {
        match self {
            Self::Agent(agent) => agent.take_over(&listener, pid),
            Self::Here(take) => take(listener, pid),
        }
    }
}

impl std::fmt::Debug for Server<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agent(agent) => agent.fmt(f),
            Self::Here(_) => f.write_str("Here"),
        }
    }
}

/// The agent of a container, and what he is told of it.
#[derive(Debug)]
pub struct Agent<'a> {
    profile: &'a Seccomp,
    path: &'a str,
    state: State,
}

impl<'a> Agent<'a> {
    /// The agent of a container that is being made, if its profile names one.
    pub fn new(spec: &'a Spec, id: &str, bundle: &Path) -> Option<Self> {
        let profile = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref())?;
        let path = profile.listener_path.as_deref().filter(|path| !path.is_empty())?;
        let state = State {
            oci_version: VERSION.to_owned(),
            id: id.to_owned(),
            status: Status::Creating,
            pid: None,
            bundle: bundle.to_string_lossy().into_owned(),
            annotations: spec.annotations.clone(),
        };
        Some(Self { profile, path, state })
    }

    /// The agent of a container whose first process runs and is this one: for a process that joins it.
    #[must_use]
    pub fn of_running(mut self, first: i32) -> Self {
        self.state = State { status: Status::Running, pid: Some(first), ..self.state };
        self
    }

    /// Hands him the listener of the process's filter.
    pub fn take_over(&self, listener: &OwnedFd, pid: i32) -> Result<()> {
        let state = State { pid: self.state.pid.or(Some(pid)), ..self.state.clone() };
        let told = ContainerProcessState {
            oci_version: VERSION.to_owned(),
            fds: vec!["seccompFd".to_owned()],
            pid,
            metadata: self.profile.listener_metadata.clone().unwrap_or_default(),
            state,
        };
        let text = serde_json::to_vec(&told).map_err(|error| Error::spec(error.to_string()))?;
        let socket = sys::socket::connect(Path::new(self.path))
            .what("failed to connect with seccomp agent specified in the seccomp profile")?;
        sys::socket::send_with(&socket, &text, &[listener.as_fd()]).what("tell the seccomp agent of the listener")
    }
}

/// A filter with a listener needs somebody to serve it.
pub fn check(profile: Option<&Seccomp>) -> Result<()> {
    let path = profile.and_then(|profile| profile.listener_path.as_deref());
    match path {
        Some(path) if !path.is_empty() => Ok(()),
        _ => Err(Error::spec("seccomp: listenerPath is not set, and SCMP_ACT_NOTIFY needs an agent who decides")),
    }
}
