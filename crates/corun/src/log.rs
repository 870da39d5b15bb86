//! What is told besides the output: errors, warnings and, with `--debug`, how a start went on. An error goes into the file
//! that the caller reads as exactly one line: podman reads the whole file as one JSON object, containerd the last line
//! whose level is "error".
//!
//! The stages of a start have runc's names here, for people know them from its log, and tools look for them.

use oci::runtime::Process;
use seccomp::Filter;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where it goes, and in what shape.
#[derive(Debug, Default)]
pub struct Log {
    /// A file; without one warnings go to standard error.
    pub path: Option<PathBuf>,
    /// As JSON.
    pub json: bool,
    /// The stages of a start are told, too.
    pub debug: bool,
}

/// One line of a log.
#[derive(serde::Serialize)]
struct Line<'a> {
    level: &'a str,
    msg: &'a str,
    time: String,
}

impl Log {
    /// An error, which standard error has been told already.
    pub fn error(&self, message: &str) {
        if self.path.is_some() {
            self.write("error", message);
        }
    }

    /// Something that is not as it was asked for, and no reason to stop.
    pub fn warning(&self, message: &str) {
        self.write("warning", message);
    }

    /// How far a start is.
    pub fn debug(&self, message: impl FnOnce() -> String) {
        if self.debug {
            self.write("debug", &message());
        }
    }

    /// What a process asks for and does not get, and, for `--debug`, what is made for it.
    pub fn making(&self, process: Option<&Process>, filter: Option<&Filter>) {
        let sets = process.and_then(|process| process.capabilities.as_ref());
        for name in sets.iter().flat_map(|sets| &sets.ambient) {
            // capabilities(7): only what is permitted and inheritable can be raised.
            if sets.is_some_and(|sets| !sets.inheritable.contains(name) || !sets.permitted.contains(name)) {
                self.warning(&format!(
                    "can't raise ambient capability {name}: it is not both permitted and inheritable"
                ));
            }
        }
        self.debug(|| "nsexec container setup: the stub is cloned".to_owned());
        if let Some(filter) = filter {
            self.debug(|| format!("seccomp filter flags: {}", filter.flags().bits()));
        }
    }

    /// The process exists, and is where and what it will be.
    pub fn made(&self, pid: i32) {
        self.debug(|| format!("child process in init(): {pid} has done its part of the plan"));
    }

    /// The process is left to itself.
    pub fn left(&self) {
        self.debug(|| "init: closing the pipe to signal completion".to_owned());
    }

    /// Appends a line. A log that cannot be written is told to standard error.
    fn write(&self, level: &str, message: &str) {
        use std::io::Write;
        let line = Line { level, msg: message, time: now() };
        let text = if self.json {
            serde_json::to_string(&line).unwrap_or_default()
        } else {
            format!("time={:?} level={level} msg={message:?}", line.time)
        };
        let Some(path) = &self.path else { return eprintln!("{text}") };
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        if let Err(error) = file.and_then(|mut file| writeln!(file, "{text}")) {
            eprintln!("corun: log {}: {error}", path.display());
        }
    }
}

/// The time, as RFC 3339 in UTC.
pub fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    oci::image::rfc3339(since.as_secs() as i64, since.subsec_nanos())
}
