//! What the machine does not have: kernel parameters, devices.

use super::{Cause, Diagnosis};
use crate::error::Error;
use crate::spec;
use runtime::{Error as Failed, Subject};
use std::path::{Path, PathBuf};
use sys::Errno;

/// Something of the machine that is not there.
#[derive(Debug, thiserror::Error)]
pub enum Kernel {
    /// A kernel parameter.
    #[error("this kernel has no parameter {name}: there is no {path}")]
    NoParameter {
        /// Its name.
        name: String,
        /// Where it would be.
        path: PathBuf,
        /// One that is much like it.
        near: Option<String>,
    },
    /// A device.
    #[error("this machine has no {path}")]
    NoDevice {
        /// Its path.
        path: PathBuf,
        /// One that is much like it.
        near: Option<PathBuf>,
    },
    /// A system call.
    #[error(
        "a seccomp filter around this process refuses {call}, or hides it, unless this kernel, {release}, lacks it"
    )]
    Filtered {
        /// Its name.
        call: &'static str,
        /// The kernel's.
        release: String,
    },
}

impl Kernel {
    pub(super) fn remedy(&self) -> String {
        match self {
            Self::NoParameter { near: Some(near), .. } => format!("did you mean {near}?"),
            Self::NoParameter { .. } => "leave it out, or load the module that brings it".to_owned(),
            Self::NoDevice { near: Some(near), .. } => format!("did you mean {}?", near.display()),
            Self::NoDevice { .. } => "leave it out, or load its driver (modprobe)".to_owned(),
            Self::Filtered { call, .. } => {
                format!("allow {call} in the filter of what starts coracle, or start it elsewhere")
            }
        }
    }
}

/// The name in a directory of this machine that is most like one that is not there.
pub(super) fn near(path: &Path) -> Option<PathBuf> {
    let (name, parent) = (path.file_name()?.to_str()?, path.parent()?);
    let names = std::fs::read_dir(parent).ok()?.flatten();
    let names: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    crate::flags::nearest(name, names.iter().map(String::as_str)).map(|near| parent.join(near))
}

/// Looks into a step of the start.
pub(super) fn look(error: &Failed) -> Option<Diagnosis> {
    let kernel = |cause| Some(Diagnosis::new(Cause::Kernel(cause)));
    match error {
        Failed::Step { subject: Subject::Sysctl(name), errno: Errno::NOENT, .. } => {
            let path = Path::new("/proc/sys").join(name.replace('.', "/"));
            let dots = |near: PathBuf| Some(near.strip_prefix("/proc/sys").ok()?.to_str()?.replace('/', "."));
            let near = near(&path).and_then(dots);
            // What a namespace of its own lacks this one may have.
            (!path.exists()).then(|| kernel(Kernel::NoParameter { name: name.clone(), path, near }))?
        }
        Failed::Step { call, errno: Errno::NOSYS | Errno::PERM, .. } if filtered_around() => Some(filtered(call)),
        _ => None,
    }
}

/// Looks into what was asked of the machine, and into calls of ours.
pub(super) fn of_machine(error: &Error) -> Option<Diagnosis> {
    if let Error::Spec(spec::Error::Device { path, source }) = error {
        let absent = source.kind() == std::io::ErrorKind::NotFound && !path.exists();
        let cause = absent.then(|| Kernel::NoDevice { path: path.clone(), near: near(path) })?;
        let what = format!("--device {}: {}", path.display(), super::words(Errno::NOENT));
        return Some(Diagnosis::new(Cause::Kernel(cause)).of(what));
    }
    let source = super::system_call(error)?;
    let hidden = source.errno == Errno::NOSYS
        || (source.errno == Errno::PERM && matches!(source.call, "clone3" | "unshare" | "setns" | "pivot_root"));
    (hidden && filtered_around()).then(|| filtered(source.call))
}

/// A filter was there before us.
fn filtered_around() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2"))
}

fn filtered(call: &'static str) -> Diagnosis {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    Diagnosis::new(Cause::Kernel(Kernel::Filtered { call, release })).seen("/proc/self/status says Seccomp: 2")
}
