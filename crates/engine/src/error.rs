//! What can go wrong between a wish and a running container, as users are told.

use std::path::PathBuf;

/// What this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// The engine could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One that has been looked into.
    #[error(transparent)]
    Diagnosed(Box<crate::diagnosis::Diagnosed>),
    /// A wish that the machine or the image cannot meet.
    #[error(transparent)]
    Spec(#[from] crate::spec::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A registry.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The start, or the holding.
    #[error(transparent)]
    Monitor(#[from] monitor::Error),
    /// A network.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// There is no network of that name.
    #[error("no network {0:?}: {1}")]
    NoSuchNetwork(String, String),
    /// A network has the name, or a mode of containers.
    #[error("network {0:?} is there already")]
    NetworkTaken(String),
    /// Others have some of its addresses.
    #[error("subnet {0} overlaps that of {1}; give another one by --subnet")]
    SubnetTaken(String, String),
    /// It is the one that containers get that ask for none.
    #[error("the network bridge is the one that containers get which ask for none: it stays")]
    DefaultNetwork,
    /// Containers are in it.
    #[error("network {0} is in use by {1}; remove these, or say --force")]
    NetworkInUse(String, String),
    /// It has another's network.
    #[error("container {0} is in no network that it could leave: it was made with --network {1}")]
    NotJoinable(String, String),
    /// It is there already.
    #[error("container {0} is in network {1} already")]
    Joined(String, String),
    /// Its ports cannot be changed by the process that has changed another's.
    #[error("container {0} is left as it was: an ordinary user changes the ports of one container at a time")]
    OneAtATime(String),
    /// An ordinary user's are in namespaces of his own.
    #[error("this user's networks cannot be reached: {0}")]
    NoCommons(String),
    /// It would hang on a device that is not his.
    #[error(
        "a macvlan network hangs on a device of the machine, which only root may do: leave out --driver for a bridge"
    )]
    MacvlanOfRoot,
    /// It was started in a user namespace beside that of the networks.
    #[error(
        "container {0} was started in no network, and an ordinary user's cannot come to one while it runs: stop it, \
         connect it, and start it again"
    )]
    BornElsewhere(String),
    /// It is not there.
    #[error("container {0} is not in network {1}")]
    NotJoined(String, String),
    /// The runtime, outside of a start.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// A cgroup.
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    /// The default seccomp profile.
    #[error("the default seccomp profile")]
    Filter(#[from] seccomp::Error),
    /// A filter has one listener at most, and a process one in all of its filters.
    #[error(
        "--report-denied: the seccomp profile has somebody else decide about calls (SCMP_ACT_NOTIFY, listenerPath)"
    )]
    TwoListeners,
    /// The profile denies the calls by which a process says that it has a listener.
    #[error("--report-denied: the seccomp profile denies write or sendmsg, without which nobody could be asked")]
    CannotSpeak,
    /// A seccomp profile of the user's.
    #[error("--security-opt seccomp={path}")]
    Profile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: seccomp::docker::Error,
    },
    /// A directory or file of the engine's own.
    #[error("{what} {path}")]
    File {
        /// What was being done.
        what: &'static str,
        /// To which.
        path: PathBuf,
        /// Why it failed.
        source: sys::Error,
    },
    /// A system call.
    #[error("{what}")]
    System {
        /// What it was for.
        what: &'static str,
        /// Why it failed.
        source: sys::Error,
    },
    /// `--rootfs` names no directory.
    #[error("--rootfs {path}")]
    Rootfs {
        /// As given.
        path: PathBuf,
        /// Why.
        source: sys::Error,
    },
    /// `--cidfile` is there already.
    #[error("--cidfile {path}: the file is there already: remove it, or name another")]
    CidFile {
        /// As given.
        path: PathBuf,
    },
    /// Neither `--root` nor HOME says where the data goes.
    #[error("no place for data: {0} is not set")]
    NoHome(&'static str),
    /// The process that holds a container was killed.
    #[error("the container's monitor has ended unexpectedly: coracle ps -a tells what became of the container")]
    MonitorLost,
    /// Nobody has written down how it was started.
    #[error("how container {0} was started was not recorded: it has not been started yet, or with --explain=false")]
    NotRecorded(String),
    /// It was made so that nothing is kept.
    #[error("container {0} keeps no log: it was made with --log-driver {1}")]
    NoLog(String, &'static str),
    /// The journal has it.
    #[error("its log is in the journal: journalctl CONTAINER_ID_FULL={0}")]
    InJournal(String),
    /// Nobody has said how to see whether it is well.
    #[error("container {0} has no health check: --health-cmd, or its image, would say how to see whether it is well")]
    NoCheck(String),
    /// It goes when it ends.
    #[error("container {0} was made with --rm, which excludes --restart")]
    Ephemeral(String),
    /// It runs already.
    #[error("container {0} is running already")]
    Runs(String),
    /// The rules of a time zone are not there.
    #[error("--tz: this machine has no file {}: install tzdata, or name another zone", _0.display())]
    TimeZone(std::path::PathBuf),
    /// A secret that cannot be a variable.
    #[error("secret {0} is no text, which a variable must be: leave out type=env")]
    SecretVariable(String),
    /// The owner that a secret is to have is nobody in the container.
    #[error("secret {secret}: the container has no ids {uid}:{gid}: give others by uid= and gid=")]
    SecretOwner {
        /// Which.
        secret: String,
        /// The user id that was asked for.
        uid: u32,
        /// The group id.
        gid: u32,
    },
    /// What was asked for needs one that runs.
    #[error("container {0} is not running: coracle start starts it")]
    NotRunning(String),
    /// Nothing can run in one that stands still.
    #[error("container {0} is paused: coracle unpause lets it go on")]
    Paused(String),
    /// A file of its run state that tells what it is like.
    #[error("what container {id} is like cannot be read")]
    SpecFile {
        /// Its id.
        id: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Something that cannot be copied.
    #[error("{path}: {problem}")]
    Copy {
        /// Which.
        path: String,
        /// Why.
        problem: String,
    },
    /// Its streams are the business of the command that runs it.
    #[error("container {0} has the streams of the command that runs it: they cannot be had here")]
    NotHeld(String),
    /// A container that still runs.
    #[error("container {0} is running: stop it, or use --force")]
    Running(String),
    /// A container that has no layer of its own.
    #[error(
        "container {0} has no layer of its own: what it changed is thrown away, or lies in a directory of the machine"
    )]
    NoUpper(String),
    /// A container that was not made from an image.
    #[error("container {0} was not made from an image, but from {1}")]
    NoImage(String, String),
    /// A container whose ids on disk can be taken for those of its image.
    #[error("container {0} has ids of the machine's own, which cannot be told from those of its image")]
    SharedIds(String),
    /// A container that runs and cannot be stopped for a moment.
    #[error("container {container} cannot be paused")]
    Pause {
        /// As given.
        container: String,
        /// Why.
        source: cgroup::Error,
    },
    /// A signal came while work was under way whose half is worth nothing.
    #[error("interrupted by signal {0}; nothing was changed")]
    Interrupted(i32),
    /// What a registry sent is not what its own documents promise.
    #[error("{registry} sends something wrong")]
    Sent {
        /// Who did.
        registry: String,
        /// What is wrong.
        source: Box<store::Error>,
    },
    /// A push that makes no sense.
    #[error("{0}")]
    Push(String),
    /// An image that may not be used.
    #[error("{name} may not be used: {reason}")]
    Refused {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// A public key that cannot be used.
    #[error("the key {path}: {reason}")]
    Key {
        /// Its file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A policy that cannot be read.
    #[error("the policy {path}")]
    PolicyFile {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nobody says what an image has to be like.
    #[error("there is no policy.json that says what is asked of images")]
    NoPolicy,
    /// A manifest list that cannot be what is wanted of it.
    #[error("{0}")]
    List(String),
    /// A part of a volume that cannot be mounted.
    #[error("volume {volume}: there is no {path:?} in it")]
    Subpath {
        /// The volume.
        volume: String,
        /// As given.
        path: String,
        /// Why.
        source: sys::Error,
    },
    /// A user namespace that this user cannot have.
    #[error("--userns={mode}: {problem}")]
    Userns {
        /// As given.
        mode: &'static str,
        /// Why not.
        problem: String,
    },
}

impl Error {
    /// The exit code of `coracle run`: 127 for a command that is not there, 126 for one that cannot be executed, 125
    /// for everything else of ours, 128 + N where signal N came first.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Diagnosed(diagnosed) => diagnosed.error.exit_code(),
            Self::Monitor(monitor::Error::Runtime(error)) | Self::Runtime(error) => error.exit_code(),
            Self::Interrupted(signal) | Self::Monitor(monitor::Error::Interrupted(signal)) => {
                128_u8.wrapping_add(*signal as u8)
            }
            _ => 125,
        }
    }

    /// What to do about it, where we know.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Diagnosed(diagnosed) => Some(diagnosed.diagnosis.cause.remedy()),
            Self::Spec(error) => error.remedy(),
            Self::Registry(error) => error.hint(),
            Self::Sent { .. } => Some(registry::AT_FAULT.to_owned()),
            Self::Store(store::Error::Fetch { source, .. }) => source.downcast_ref::<registry::Error>()?.hint(),
            Self::Runtime(runtime::Error::System { source, .. })
                if (source.call, source.errno) == ("clone3", sys::Errno::ACCESS) =>
            {
                Some("its cgroup is entered from within what was delegated: systemd-run --user --scope coracle …".to_owned())
            }
            Self::Monitor(monitor::Error::Runtime(error)) | Self::Runtime(error) => error.hint(),
            Self::TwoListeners => Some("leave out --report-denied, or use a profile without them".to_owned()),
            Self::CannotSpeak => Some("leave out --report-denied, or have the profile allow both".to_owned()),
            Self::NoPolicy => Some("name a key: --key FILE".to_owned()),
            Self::Store(store::Error::NoSuchImage(name)) => {
                Some(format!("get it first: coracle pull {name}, coracle load -i FILE, or coracle import TAR {name}"))
            }
            Self::Store(store::Error::Mode { .. }) => {
                Some("use those ids, or a store of its own: --root DIR (CORACLE_ROOT)".to_owned())
            }
            Self::Store(store::Error::NoImages { .. }) => Some(
                "that needs root, Linux 6.15, and a store on a disk's own file system; use --storage-driver overlay"
                    .to_owned(),
            ),
            Self::Store(store::Error::NameTaken { name, .. }) => {
                Some(format!("coracle rm {name} removes that one; or choose another name"))
            }
            Self::Store(store::Error::Sys(source))
            | Self::Monitor(monitor::Error::File { source, .. })
            | Self::File { source, .. } => place(source.errno),
            Self::Store(store::Error::Io { source, .. }) => match registry::Error::within(source) {
                Some(error) => error.hint(),
                None => sys::Errno::from_io_error(source).and_then(place),
            },
            Self::System { source, .. } | Self::Rootfs { source, .. }
                if (source.call, source.errno) == ("mount_setattr", sys::Errno::INVAL) =>
            {
                Some(
                    "--userns=auto needs a file system whose ids can be mapped (ext4, xfs, btrfs; tmpfs since Linux 6.3)"
                        .to_owned(),
                )
            }
            Self::Pause { .. } => Some("take it as it is: --pause=false".to_owned()),
            Self::NoUpper(_) | Self::NoImage(..) => Some("run it from an image: coracle run IMAGE".to_owned()),
            Self::Store(error) => full(error),
            _ => None,
        }
    }

    /// What was named is not there.
    pub fn is_not_found(&self) -> bool {
        if let Self::Diagnosed(diagnosed) = self {
            return diagnosed.error.is_not_found();
        }
        matches!(
            self,
            Self::NoSuchNetwork(..)
                | Self::Store(
                    store::Error::NoSuchContainer(_)
                        | store::Error::NoSuchImage(_)
                        | store::Error::NoSuchList(_)
                        | store::Error::NoSuchSecret(_)
                        | store::Error::NoSuchVolume(_)
                )
        )
    }

    /// The same, where what is wrong came from a registry.
    pub(crate) fn sent_by(self, registry: &str) -> Self {
        use store::Error as Wrong;
        match self {
            Self::Store(
                source @ (Wrong::DigestMismatch { .. }
                | Wrong::SizeMismatch { .. }
                | Wrong::DiffIdMismatch { .. }
                | Wrong::Document { .. }
                | Wrong::Json { .. }),
            ) => Self::Sent { registry: registry.to_owned(), source: Box::new(source) },
            other => other,
        }
    }

    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(sys::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }

    pub(crate) fn system(what: &'static str) -> impl FnOnce(sys::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// What to do where a full disk is the reason of an error, however deep.
fn full(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let errno = match (error.downcast_ref::<sys::Error>(), error.downcast_ref::<std::io::Error>()) {
        (Some(error), _) => Some(error.errno),
        (_, Some(error)) => sys::Errno::from_io_error(error),
        _ => None,
    };
    let reason = errno.filter(|errno| matches!(*errno, sys::Errno::NOSPC | sys::Errno::DQUOT));
    reason.and_then(place).or_else(|| error.source().and_then(full))
}

/// What to do where a directory of Coracle's own cannot be written.
fn place(errno: sys::Errno) -> Option<String> {
    match errno {
        sys::Errno::ACCESS | sys::Errno::PERM | sys::Errno::ROFS => Some(
            "name a place that you can write: --root and --runroot, or CORACLE_ROOT and CORACLE_RUNROOT".to_owned(),
        ),
        sys::Errno::NOSPC | sys::Errno::DQUOT => {
            Some("the file system is full: make room, or name another place by --root or CORACLE_ROOT".to_owned())
        }
        _ => None,
    }
}
