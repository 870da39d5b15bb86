//! What stands before the verb.

use crate::error::{Error, Result};
use crate::face::Face;
use crate::log::Log;
use flag::{Flag, Invalid, put_word};
use std::path::PathBuf;

/// The flags before the verb, as given.
#[derive(Debug, Default)]
pub struct Given {
    root: Option<String>,
    log: Option<String>,
    log_format: Option<String>,
    log_level: Option<String>,
    manager: Option<String>,
    systemd: bool,
    /// Print the version.
    pub version: bool,
    debug: bool,
}

type F = Flag<Given>;

/// Their table.
pub const FLAGS: &[F] = &[
    F::takes("root", "DIR", |g, w| put_word(&mut g.root, w), "Where the state of containers lies; best a tmpfs")
        .under("Options"),
    F::takes("log", "FILE", |g, w| put_word(&mut g.log, w), "Where errors are written, besides standard error")
        .under("Options"),
    F::takes("log-format", "FORMAT", format, "How: text (the default) or json").under("Options"),
    F::takes("log-level", "LEVEL", |g, w| put_word(&mut g.log_level, w), "debug is as --debug; others are accepted"),
    F::switch("debug", |g, on| g.debug = on, "Tell the stages of a start, too").under("Options"),
    F::switch(
        "systemd-cgroup",
        |g, on| g.systemd = on,
        "Make cgroups through systemd (cgroupsPath: slice:prefix:name)",
    )
    .under("Options"),
    F::takes("cgroup-manager", "MANAGER", manager, "Who makes cgroups: cgroupfs (the default), systemd or disabled")
        .under("Options"),
    F::takes("rootless", "WHETHER", |_, _| Ok(()), "Accepted: who we are and what we may do is looked at instead"),
    F::switch("version", |g, on| g.version = on, "Tell the version").short('v').under("Options"),
];

fn format(given: &mut Given, word: &str) -> std::result::Result<(), Invalid> {
    match word {
        "text" | "json" => put_word(&mut given.log_format, word),
        _ => Err(Invalid::new(word, "not a format of the log").hint("give text or json")),
    }
}

fn manager(given: &mut Given, word: &str) -> std::result::Result<(), Invalid> {
    match word {
        "cgroupfs" | "systemd" | "disabled" => put_word(&mut given.manager, word),
        _ => Err(Invalid::new(word, "nobody who makes cgroups").hint("give cgroupfs, systemd or disabled")),
    }
}

/// Who makes cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// We do.
    Cgroupfs,
    /// systemd does, asked over D-Bus.
    Systemd,
    /// Nobody: the container stays in our cgroup.
    Disabled,
}

/// What every verb knows.
#[derive(Debug)]
pub struct Context {
    /// Our name.
    pub face: Face,
    /// Where the state of containers lies.
    pub root: PathBuf,
    /// Somebody said so.
    pub root_given: bool,
    /// Who makes cgroups.
    pub manager: Manager,
    /// What is told besides the output.
    pub log: Log,
}

impl Given {
    /// The flags and what is to be taken where there are none.
    pub fn context(&self, face: Face) -> Result<Context> {
        let root = self.root.as_ref().map_or_else(|| face.root(), PathBuf::from);
        let root = std::path::absolute(&root).map_err(|source| Error::file(&root, source))?;
        let manager = match self.manager.as_deref() {
            Some("disabled") => Manager::Disabled,
            Some("systemd") => Manager::Systemd,
            None if self.systemd => Manager::Systemd,
            _ => Manager::Cgroupfs,
        };
        Ok(Context { face, root, root_given: self.root.is_some(), manager, log: self.log() })
    }

    /// Where errors and the like are written.
    pub fn log(&self) -> Log {
        let path = self.log.as_deref().filter(|log| !log.is_empty());
        Log {
            path: path.map(|path| path.strip_prefix("file:").unwrap_or(path).into()),
            json: self.log_format.as_deref() == Some("json"),
            debug: self.debug || self.log_level.as_deref() == Some("debug"),
        }
    }
}
