//! Why a start has failed: a typed cause, what was seen that confirms it, and a remedy that works when it is followed.
//!
//! Nothing here runs unless something has failed. Each probe looks at the thing itself (the file in the container's root,
//! the line of /etc/subuid, the mount) and says nothing where it does not find the reason: then the error says what the
//! kernel said, as it did before.

mod binary;
mod cause;
mod cgroup;
mod end;
mod exec;
mod kernel;
mod mounts;
mod network;
mod place;
mod tree;
mod userns;

pub use cause::{Cause, Diagnosis, Spot};
pub use cgroup::Limits;
pub use end::Death;
pub use exec::Program;
pub use kernel::Kernel;
pub use mounts::Files;
pub use network::Ports;
pub use place::Place;
pub use userns::Ids;

pub(crate) use cgroup::{has_systemd, missing as missing_controller};
pub(crate) use place::{of_root, of_store};
pub(crate) use userns::{
    helper_problem, lacking as lacking_ids, of_ids, of_namespace, of_unpacking, ranges_overlap,
    refused as refused_namespaces,
};

use crate::config::ContainerConfig;
use crate::error::Error;
use crate::spec::IdMaps;
use oci::runtime::Spec;
use std::fmt::Write as _;
use std::os::fd::OwnedFd;

/// What is known of a container whose start has failed.
pub(crate) struct Scene<'a> {
    /// What was asked for.
    pub config: &'a ContainerConfig,
    /// What was made of it.
    pub spec: &'a Spec,
    /// Its root, which is not mounted anywhere any more.
    pub root: &'a OwnedFd,
    /// Its ids, as this process knows them; `None` where they are the same.
    pub maps: Option<&'a IdMaps>,
}

/// An error that has been looked into.
#[derive(Debug)]
pub struct Diagnosed {
    /// What was found.
    pub diagnosis: Diagnosis,
    /// The error.
    pub error: Error,
}

impl std::fmt::Display for Diagnosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.diagnosis.fmt(f)
    }
}

impl std::error::Error for Diagnosed {}

/// Looks into the error of a start whose container had been composed.
pub(crate) fn of_start(error: Error, scene: &Scene<'_>) -> Error {
    let Some(cause) = runtime_error(&error) else { return error };
    let diagnosis = exec::look(cause, scene).or_else(|| mounts::look(cause, scene)).or_else(|| kernel::look(cause));
    diagnosed(error, diagnosis)
}

/// Looks into any other error: at what this machine is like, as far as the error tells where to look.
#[must_use]
pub fn of_machine(error: Error) -> Error {
    if matches!(error, Error::Diagnosed(_)) {
        return error;
    }
    let diagnosis = mounts::source(&error)
        .or_else(|| network::look(&error))
        .or_else(|| userns::look(&error))
        .or_else(|| cgroup::look(&error))
        .or_else(|| place::look(&error))
        .or_else(|| kernel::of_machine(&error));
    diagnosed(error, diagnosis)
}

fn diagnosed(error: Error, diagnosis: Option<Diagnosis>) -> Error {
    match diagnosis {
        Some(mut diagnosis) => {
            if diagnosis.what.is_empty() {
                diagnosis.what = told(&error);
            }
            Error::Diagnosed(Box::new(Diagnosed { diagnosis, error }))
        }
        None => error,
    }
}

/// What the runtime said, if it was the runtime.
fn runtime_error(error: &Error) -> Option<&runtime::Error> {
    match error {
        Error::Monitor(monitor::Error::Runtime(error)) | Error::Runtime(error) => Some(error),
        _ => None,
    }
}

/// An error with the reasons below it.
pub(crate) fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        _ = write!(text, ": {error}");
        next = error.source();
    }
    text
}

/// The system call at the bottom of an error, if it was one.
fn system_call(error: &Error) -> Option<&sys::Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<sys::Error>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error number in words.
fn words(errno: sys::Errno) -> String {
    sys::text(errno).map_or_else(|| sys::Named(errno).to_string(), |(_, text)| text.to_owned())
}

/// A number in a file of the kernel's.
fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}
