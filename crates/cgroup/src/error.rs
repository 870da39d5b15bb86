//! What can go wrong, each with the controller, the file, the value and what to do about it.

use crate::{Controller, Version};
use rustix::io::Errno;

/// What this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure around a cgroup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `/proc` did not tell how cgroups are mounted.
    #[error("cannot find out how cgroups are mounted here")]
    Layout(#[source] sys::Error),
    /// A cgroup path that cannot be used.
    #[error("cgroup path {path:?} {problem}")]
    Path {
        /// As given.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A cgroup's directory could not be made.
    #[error("cannot make cgroup {path}")]
    Create {
        /// The directory.
        path: String,
        /// Why.
        source: sys::Error,
    },
    /// The cgroup exists and holds processes of somebody else.
    #[error(
        "container's cgroup is not empty: {path} is in use by process {pid}: choose another cgroup path, or end what runs there"
    )]
    Occupied {
        /// The directory.
        path: String,
        /// One of the processes; 0 when they are out of sight (another PID namespace, a cgroup below).
        pid: u32,
    },
    /// The cgroup exists and is frozen: nothing could start in it.
    #[error("container's cgroup unexpectedly frozen: thaw {path}, or choose another cgroup path")]
    Frozen {
        /// The directory.
        path: String,
    },
    /// A limit was asked of a controller that we could not get for this cgroup.
    #[error("{field} cannot be set: no access to the {controller} controller; {remedy}")]
    Denied {
        /// The controller.
        controller: Controller,
        /// The field of the specification.
        field: String,
        /// What to do.
        remedy: String,
        /// The call that was refused.
        source: sys::Error,
    },
    /// A limit was asked of a controller that is not there.
    #[error("{field} cannot be set: {reason}")]
    Missing {
        /// The controller.
        controller: Controller,
        /// The field of the specification.
        field: String,
        /// Why it is not there, and what to do.
        reason: String,
    },
    /// A value that cannot be right, found before anything was written.
    #[error("{field} {value}: {problem}")]
    Invalid {
        /// The field of the specification.
        field: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The kernel refused a value.
    #[error("cannot set {file} to {value:?}: {hint}")]
    Refused {
        /// The controller; none for a file of v2's core.
        controller: Option<Controller>,
        /// The control file's full path.
        file: Box<str>,
        /// What was written.
        value: Box<str>,
        /// What it means and what to do.
        hint: Box<str>,
        /// The call.
        source: sys::Error,
    },
    /// A memory limit below what is in use.
    #[error(
        "rejecting {what} limit of {limit} bytes, below the {usage} bytes in use: choose a higher limit, or free memory"
    )]
    MemoryInUse {
        /// Of memory, or of memory and swap together.
        what: &'static str,
        /// What was asked.
        limit: u64,
        /// What is used now.
        usage: u64,
    },
    /// CPUs or memory nodes that the cgroup above does not have.
    #[error("{field} {asked}: {missing} not available here; available: {available}")]
    Unavailable {
        /// `cpu.cpus` or `cpu.mems`.
        field: &'static str,
        /// The list that was asked for.
        asked: String,
        /// The part of it that is not there.
        missing: String,
        /// What there is.
        available: String,
    },
    /// Device rules that v1's list cannot express.
    #[error("device rules cannot be expressed in cgroup v1: {problem}")]
    DeviceRules {
        /// Which rule, and why.
        problem: String,
    },
    /// The device program could not be loaded or attached.
    #[error("cannot attach the device program to {path}")]
    DeviceProgram {
        /// The cgroup.
        path: String,
        /// Why.
        source: sys::Error,
    },
    /// The cgroup's state could not be read.
    #[error("cannot read the state of a cgroup")]
    Read(#[source] sys::Error),
    /// A control file that is not written as the kernel writes it.
    #[error("{file} holds {value:?}, which is no {expected}")]
    Format {
        /// The file.
        file: String,
        /// What stands there.
        value: String,
        /// What should.
        expected: &'static str,
    },
    /// Freezing did not end in time; the cgroup was thawed again.
    #[error("cgroup {path} did not freeze within {millis} ms: a process in it is stuck in the kernel")]
    FreezeTimeout {
        /// The directory.
        path: String,
        /// How long we waited.
        millis: u128,
    },
    /// Not every process could be killed.
    #[error("processes are left in cgroup {path} after SIGKILL: {left:?}")]
    Survivors {
        /// The directory.
        path: String,
        /// Their ids.
        left: Vec<u32>,
    },
    /// Some directories could not be removed.
    #[error("cannot remove {}", list(failures))]
    Remove {
        /// Each with the reason.
        failures: Vec<sys::Error>,
    },
    /// systemd could not be asked, or says no.
    #[error("systemd does not make or change the container's unit (--cgroup-manager=cgroupfs does without it)")]
    Systemd(#[source] Box<dbus::Error>),
    /// Nothing tells where an ordinary user's systemd is.
    #[error(
        "an ordinary user's systemd cannot be found: log in with a session of your own, set XDG_RUNTIME_DIR or \
         DBUS_SESSION_BUS_ADDRESS, or do without it (--cgroup-manager=cgroupfs)"
    )]
    NoUserBus,
    /// The unit is somebody else's.
    #[error(
        "container's cgroup is not empty: systemd has a unit {unit} already, and it runs: choose another name, or stop it \
         (systemctl stop {unit})"
    )]
    UnitExists {
        /// Its name.
        unit: String,
    },
    /// systemd tried and failed.
    #[error("systemd did not start or stop {unit}, its job was {result}: see journalctl -u {unit}")]
    Job {
        /// The unit.
        unit: String,
        /// How its job ended: canceled, timeout, failed, dependency or skipped.
        result: String,
    },
    /// The unit's first process is not where systemd should have put it.
    #[error("systemd put nothing into {unit}: it may run in another cgroup or PID namespace")]
    NotMoved {
        /// The unit.
        unit: String,
    },
    /// A cgroup below another one is asked for by a path that leads elsewhere.
    #[error("bad sub cgroup path {path}: name one below the container's, without ..")]
    NotBelow {
        /// As given.
        path: String,
    },
    /// It is not there.
    #[error("error adding pid to cgroup {path} below the container's")]
    NoSub {
        /// As given.
        path: String,
        /// Why.
        source: sys::Error,
    },
    /// A choice of cgroups by controller that cannot be understood.
    #[error("invalid cgroup {choice:?}: it {problem}")]
    Choice {
        /// As given.
        choice: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A controller that the cgroup has no directory of.
    #[error("unknown controller {name:?}: this cgroup has none of that name")]
    UnknownController {
        /// As given.
        name: String,
    },
    /// A state-changing call that none of the above describes.
    #[error("cannot change the state of a cgroup")]
    Change(#[source] sys::Error),
}

fn list(failures: &[sys::Error]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A controller that a cgroup could not get, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The controller.
    pub controller: Controller,
    /// The generation of the hierarchy that owns it.
    pub version: Version,
    /// The call that was refused.
    pub cause: sys::Error,
}

impl Denied {
    /// What the user can do about it, one sentence without a full stop.
    pub fn remedy(&self) -> String {
        let name = self.controller.name(self.version);
        match (self.cause.errno, self.version) {
            (Errno::BUSY, _) => "the cgroup above holds processes of its own, and cgroup v2 gives no controllers to \
                the children of such a cgroup: choose a cgroup path elsewhere, or move those processes into a child"
                .to_owned(),
            (Errno::ROFS, _) => {
                "cgroups are mounted read-only here: remount them read-write, or give the container that \
                this runs in write access to its cgroup"
                    .to_owned()
            }
            (Errno::OPNOTSUPP, _) => "the cgroup above is threaded: choose a cgroup path elsewhere".to_owned(),
            (Errno::INVAL, _) if self.controller == Controller::Cpu => {
                "the kernel does not enable cpu while real-time \
                processes run outside the root cgroup: end them or give them an ordinary policy"
                    .to_owned()
            }
            (_, Version::V2) => format!(
                "delegate it: start from `systemd-run --user --scope -p Delegate=yes`, or let the administrator add \
                 `Delegate={name}` to the [Service] section of user@.service"
            ),
            (_, Version::V1) => format!(
                "cgroup v1 has no safe delegation: run as root, or boot with cgroup v2 \
                 (systemd.unified_cgroup_hierarchy=1) and delegate {name}"
            ),
        }
    }
}

/// Was access refused, so that one can only go on without?
pub(crate) fn refused(errno: Errno) -> bool {
    matches!(errno, Errno::ACCESS | Errno::PERM | Errno::ROFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(version: Version, errno: Errno) -> String {
        let cause = sys::Error::new("mkdirat", "/x", errno);
        Denied { controller: Controller::Io, version, cause }.remedy()
    }

    #[test]
    fn each_cause_has_its_own_remedy() {
        assert!(remedy(Version::V2, Errno::ACCESS).contains("Delegate=io"));
        assert!(remedy(Version::V1, Errno::ACCESS).contains("delegate blkio"));
        assert!(remedy(Version::V2, Errno::BUSY).contains("holds processes of its own"));
        assert!(remedy(Version::V2, Errno::OPNOTSUPP).contains("threaded"));
        assert!(remedy(Version::V1, Errno::ROFS).contains("read-only"));
    }

    #[test]
    fn an_error_fits_into_a_few_words() {
        // Every function here returns it.
        assert!(size_of::<Error>() <= 120, "{}", size_of::<Error>());
    }
}
