//! What runs in a container, and as whom.

use super::{Signal, Ulimit};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// The container's process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessConfig {
    /// What stands behind IMAGE; empty means the image's own command.
    pub command: Vec<String>,
    /// `--entrypoint`: `Some` and empty clears the image's. Setting it also drops the image's command.
    pub entrypoint: Option<Vec<String>>,
    /// `--env` and `--env-file` in the order in which they apply: the last of a name wins.
    pub env: Vec<EnvVar>,
    /// `--unsetenv` and `--unsetenv-all`: which of the variables that nobody asked for are not there.
    #[serde(default, skip_serializing_if = "Unset::is_none")]
    pub unset: Unset,
    /// `--workdir`: absolute path in the container.
    pub workdir: Option<PathBuf>,
    /// `--user`.
    pub user: Option<UserSpec>,
    /// `--group-add`.
    pub groups: Vec<IdOrName>,
    /// `--tty`.
    pub terminal: TerminalMode,
    /// `--interactive`.
    pub stdin: StdinMode,
    /// `--init`: a small init is process 1, reaps orphans and forwards signals.
    pub init: bool,
    /// `--stop-signal`.
    pub stop_signal: Option<Signal>,
    /// `--stop-timeout` in seconds; −1 waits for ever.
    pub stop_timeout: Option<i32>,
    /// `--timeout` in seconds: the container is killed after that long.
    pub timeout: Option<u32>,
    /// `--umask`.
    pub umask: Option<Umask>,
    /// `--ulimit`.
    pub ulimits: Vec<Ulimit>,
    /// `--oom-score-adj`, −1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// `--preserve-fds`: this many descriptors from 3 on are handed to the process.
    pub preserve_fds: u32,
}

/// Variables that are taken away before those that were asked for come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unset {
    /// Of these names.
    These(Vec<String>),
    /// All that the image and the engine would set.
    All,
}

impl Default for Unset {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl Unset {
    /// None of them.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it has this name.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::These(names) => names.iter().any(|unset| unset == name),
            Self::All => true,
        }
    }
}

/// One environment variable; the name is not empty and holds no `=`, neither holds NUL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    /// Name.
    pub name: String,
    /// Value, which may be empty.
    pub value: String,
}

impl fmt::Display for EnvVar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

/// `USER[:GROUP]`. Both may be left out: `:GROUP` keeps the default user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSpec {
    /// User.
    pub user: Option<IdOrName>,
    /// Group; absent means the user's own, and with it the user's supplementary groups.
    pub group: Option<IdOrName>,
}

/// A number, or a name for the container's own passwd and group files.
///
/// Digits are always a number and never looked up as a name: an image whose `/etc/passwd` calls root `1000` must not
/// turn `--user 1000` into root (CVE-2016-3697). Digits beyond the range are an error, not a name that happens to be
/// missing and not a truncated number (CVE-2024-40635).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdOrName {
    /// 0 to 2³²−2; 2³²−1 means "no id" to the kernel.
    Id(u32),
    /// A name.
    Name(String),
}

impl fmt::Display for IdOrName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for UserSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            user.fmt(f)?;
        }
        match &self.group {
            Some(group) => write!(f, ":{group}"),
            None => Ok(()),
        }
    }
}

/// Whether the process gets a terminal of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TerminalMode {
    /// The three standard streams as they are.
    #[default]
    Streams,
    /// `--tty`: a pseudo-terminal.
    Pty,
}

/// Whether the process can read what its starter reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StdinMode {
    /// It reads an end of file.
    #[default]
    Closed,
    /// `--interactive`.
    Open,
}

/// File mode creation mask, 0 to 0777.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Umask(pub(crate) u32);

impl Umask {
    /// The mask.
    pub fn bits(self) -> u32 {
        self.0
    }
}
