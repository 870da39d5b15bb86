//! What can go wrong between a spec and a running container.

use crate::namespace;
use crate::subject::Subject;
use oci::runtime::NamespaceKind;
use std::path::PathBuf;
use sys::Errno;

/// What this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A container could not be made, started or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spec asks for something that cannot be.
    #[error("invalid specification: {0}")]
    Spec(String),
    /// The root file system is not there.
    #[error("root file system {path}")]
    Root {
        /// As the spec names it.
        path: PathBuf,
        /// Why.
        source: sys::Error,
    },
    /// The source of a bind mount is not there.
    #[error("error mounting {source_path} to rootfs at {destination}")]
    BindSource {
        /// On the host.
        source_path: PathBuf,
        /// In the container.
        destination: String,
        /// Why.
        source: sys::Error,
    },
    /// A namespace cannot be joined.
    #[error("{} namespace", namespace::name(*.kind))]
    Namespace {
        /// Which.
        kind: NamespaceKind,
        /// Why.
        source: sys::Error,
    },
    /// A network device could not be given to the container.
    #[error("network device {name}: {what}")]
    NetDevice {
        /// On the host.
        name: String,
        /// What could not be done.
        what: &'static str,
        /// Why.
        source: netlink::Error,
    },
    /// The id maps could not be written.
    #[error("id maps of the user namespace: {0}")]
    IdMap(String),
    /// A cgroup could not be made or limited.
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    /// criu could not be asked, or could not do it.
    #[error(transparent)]
    Criu(#[from] criu::Error),
    /// A checkpoint has something in it that it may not have.
    #[error("checkpoint: {path}: {what}")]
    Archive {
        /// What.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// The filter cannot be compiled.
    #[error("seccomp profile")]
    Seccomp(#[from] seccomp::Error),
    /// A hook failed.
    #[error("error running {point} hook #{index}: {path}: {problem}")]
    Hook {
        /// Which list.
        point: &'static str,
        /// Its place there.
        index: usize,
        /// The program.
        path: String,
        /// What happened.
        problem: String,
    },
    /// The command is not there: exit code 127.
    #[error("{command}: executable file not found in {}", if *.in_path { "$PATH: no such file or directory" } else { "the container: no such file or directory" })]
    NotFound {
        /// `args[0]`.
        command: String,
        /// It has no slash and was searched for.
        in_path: bool,
    },
    /// The command is there and cannot be executed: exit code 126, or 127 for a missing interpreter.
    #[error("{command}: {problem}")]
    NotExecutable {
        /// `args[0]`.
        command: String,
        /// Why, with what to do.
        problem: String,
        /// As the kernel says it.
        errno: Errno,
    },
    /// A step of the start failed inside the container.
    #[error("{intent}: {call} = {}", sys::Named(*.errno))]
    Step {
        /// What it was for.
        subject: Subject,
        /// The same in words.
        intent: String,
        /// The system call.
        call: &'static str,
        /// Why.
        errno: Errno,
    },
    /// The container's first process ended before it could run the command.
    #[error("the container ended while it was being made: {0}")]
    Ended(String),
    /// A system call of the parent failed.
    #[error("{what}")]
    System {
        /// What it was for.
        what: &'static str,
        /// Why.
        source: sys::Error,
    },
}

impl Error {
    pub(crate) fn spec(text: impl Into<String>) -> Self {
        Self::Spec(text.into())
    }

    pub(crate) fn namespace(kind: NamespaceKind, source: sys::Error) -> Self {
        Self::Namespace { kind, source }
    }

    /// The exit code that docker and podman give: 127 not found, 126 not executable, 125 everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            // The command, or the directory in which it is to run.
            Self::NotFound { .. }
            | Self::NotExecutable { errno: Errno::NOENT, .. }
            | Self::Step { subject: Subject::Cwd, errno: Errno::NOENT, .. } => 127,
            Self::NotExecutable { .. } | Self::Step { subject: Subject::Cwd, .. } => 126,
            _ => 125,
        }
    }

    /// A call that this kernel does not have: too old, or a filter says so in its place.
    fn missing_call(&self) -> Option<&'static str> {
        if let Self::Step { call, errno: Errno::NOSYS, .. } = self {
            return Some(call);
        }
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            match error.downcast_ref::<sys::Error>() {
                Some(error) if error.errno == Errno::NOSYS => return Some(error.call),
                _ => cause = error.source(),
            }
        }
        None
    }

    /// What to do about it, where we know.
    pub fn hint(&self) -> Option<String> {
        if let Some(call) = self.missing_call() {
            let uname = rustix::system::uname();
            let release = uname.release().to_string_lossy();
            let needed = match call {
                "mount_setattr" => "mapped ids and recursive mount attributes need Linux 5.12 or newer",
                _ => "Linux 5.10 or newer is needed, and 5.11 for ordinary users",
            };
            return Some(format!(
                "this kernel, {release}, lacks {call}, or a seccomp filter around this process hides it: {needed}"
            ));
        }
        match self {
            Self::Step { subject: Subject::Rlimit(_), errno: Errno::PERM, .. } => {
                Some("raising a hard limit needs CAP_SYS_RESOURCE: ask for no more than `ulimit -H` shows".into())
            }
            Self::Step { subject: Subject::Sysctl(name), errno: Errno::NOENT, .. } => {
                Some(format!("this kernel has no parameter {name}"))
            }
            Self::Step { subject: Subject::Mount(_), errno: Errno::LOOP, .. } => Some(
                "procfs and sysfs must be mounted on ordinary directory, and not behind a link of the image".into(),
            ),
            Self::Step { subject: Subject::Mount(_), errno: Errno::NODEV, .. } => {
                Some("this kernel does not know that file system; see /proc/filesystems".into())
            }
            Self::Step { subject: Subject::Mount(_), errno: Errno::NOTDIR, .. } => {
                Some("only a directory can be mounted on a directory, and only a file on a file".into())
            }
            Self::Step { subject: Subject::Unmount(_), errno, .. } => match *errno {
                Errno::INVAL => Some("nothing is mounted there".into()),
                Errno::STALE => Some("what was added there is not what is mounted there now".into()),
                Errno::LOOP => Some("a link stands in the way, which is followed only to what was added".into()),
                _ => None,
            },
            Self::Criu(criu::Error::Failed { .. }) => {
                Some("criu check tells whether it can work on this kernel".into())
            }
            Self::System { source, .. } if source.call == "clone3" => match source.errno {
                Errno::NOSPC | Errno::USERS => {
                    Some("a limit on namespaces is reached: see /proc/sys/user/max_*_namespaces".into())
                }
                Errno::PERM => Some(
                    "creating namespaces is refused: an ordinary user needs user namespaces \
                     (/proc/sys/kernel/unprivileged_userns_clone, AppArmor's restriction of user namespaces); \
                     a seccomp filter around this process may forbid clone3, too"
                        .into(),
                ),
                Errno::AGAIN => Some("the limit on processes is reached: see `ulimit -u`".into()),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Adds what a failed call of ours was for.
pub(crate) trait What<T> {
    fn what(self, what: &'static str) -> Result<T>;
}

impl<T> What<T> for sys::Result<T> {
    fn what(self, what: &'static str) -> Result<T> {
        self.map_err(|source| Error::System { what, source })
    }
}
