//! The whole of one request: `coracle run` with all its flags.

use super::{
    FilesConfig, ImageRef, Joined, LimitsConfig, NetworkMode, OnFailure, PrivilegesConfig, ProcessConfig, Pull,
    ViewConfig,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What a user asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// Where the root file system comes from.
    pub image: ImageRef,
    /// Whether an absent image may be fetched.
    pub pull: Pull,
    /// `--name`; absent means that the engine invents one.
    pub name: Option<ContainerName>,
    /// What runs.
    pub process: ProcessConfig,
    /// What it sees: namespaces, names, network.
    pub view: ViewConfig,
    /// What it may use.
    pub limits: LimitsConfig,
    /// Its files.
    pub files: FilesConfig,
    /// What it may do.
    pub privileges: PrivilegesConfig,
    /// `--label` and `--label-file`; they never reach the runtime.
    pub labels: BTreeMap<String, String>,
    /// `--annotation`; they do.
    pub annotations: BTreeMap<String, String>,
    /// `--rm`: nothing of the container stays when it ends.
    pub remove: bool,
    /// `--cidfile`: absolute path of a file to write the id to; it must not exist.
    pub cidfile: Option<PathBuf>,
    /// `--pidfile`: absolute path of a file for the pid of its first process, at each start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pidfile: Option<PathBuf>,
    /// `--conmon-pidfile`: the same for its monitor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor_pidfile: Option<PathBuf>,
    /// How the command that starts the container stays with it.
    pub foreground: Foreground,
    /// `--restart`.
    #[serde(default)]
    pub restart: monitor::Policy,
    /// How to see whether it is well.
    #[serde(default)]
    pub health: Health,
    /// `--log-driver` and `--log-opt`.
    #[serde(default)]
    pub log: monitor::log::Config,
}

impl ContainerConfig {
    /// The networks that it is in.
    pub fn networks(&self) -> &[Joined] {
        match &self.view.network {
            Some(NetworkMode::Networks(joined)) => joined,
            _ => &[],
        }
    }

    /// A request with all flags left out.
    pub fn new(image: ImageRef) -> Self {
        Self {
            image,
            pull: Pull::default(),
            name: None,
            process: ProcessConfig::default(),
            view: ViewConfig::default(),
            limits: LimitsConfig::default(),
            files: FilesConfig::default(),
            privileges: PrivilegesConfig::default(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            remove: false,
            cidfile: None,
            pidfile: None,
            monitor_pidfile: None,
            foreground: Foreground::default(),
            restart: monitor::Policy::default(),
            health: Health::default(),
            log: monitor::log::Config::default(),
        }
    }
}

/// `--health-…` flags, on top of what the image says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `--no-healthcheck`: nothing is checked.
    pub off: bool,
    /// `--health-cmd`, with the shell that it is for.
    pub command: Option<Vec<String>>,
    /// `--health-interval`.
    pub interval: Option<Duration>,
    /// `--health-timeout`.
    pub timeout: Option<Duration>,
    /// `--health-retries`.
    pub retries: Option<u32>,
    /// `--health-start-period`.
    pub start_period: Option<Duration>,
    /// `--health-start-interval`.
    pub start_interval: Option<Duration>,
    /// `--health-on-failure`.
    pub on_failure: Option<OnFailure>,
}

/// How the starting command and its container stay together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreground {
    /// `--sig-proxy`: signals that the command gets go on to the container's process.
    pub proxy_signals: bool,
    /// `--explain`: what was done, and which flag asked for it, is told (yes), not even kept (no), or kept for later where
    /// the container is.
    #[serde(default)]
    pub explain: Option<bool>,
    /// `--sdnotify`: the service manager that waits for word of this start.
    #[serde(skip)]
    pub notify: Option<Notify>,
}

impl Default for Foreground {
    fn default() -> Self {
        Self { proxy_signals: true, explain: None, notify: None }
    }
}

/// A service manager (sd_notify(3)), and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Its socket, `NOTIFY_SOCKET`.
    pub manager: PathBuf,
    /// The word that it waits for.
    pub ready: Ready,
}

/// Who says that a container is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// We do, when its command runs.
    Started,
    /// It does.
    Said,
}

/// A container's name: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, as docker and podman have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerName(pub(crate) String);

impl ContainerName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ContainerName> for String {
    fn from(name: ContainerName) -> Self {
        name.0
    }
}

impl TryFrom<String> for ContainerName {
    type Error = crate::flags::Invalid;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}
