//! criu, which writes processes down into files and makes them again from these, asked over its own protocol.
//!
//! It runs as a child of ours, `criu swrk FD`, and serves one request on a socket: protocol buffers, one message a
//! datagram, of which the handful that we need are written and read by hand. While it works it notifies us of points at
//! which a runtime has something to do, and waits for the answer.

#![forbid(unsafe_code)]

mod log;
mod request;
mod response;
mod swrk;
mod wire;

pub use log::errors;
pub use request::{CgroupMode, Features, Kind, NetworkLock, Options, PageServer, Request};
pub use response::{Notice, Response, Version};
pub use swrk::{Streams, Swrk, check, check_version};

/// What this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// criu could not be asked, or could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there.
    #[error("criu: executable file not found in $PATH: checkpoint and restore are its work (install the package criu)")]
    Missing,
    /// It cannot be started.
    #[error("criu cannot be started")]
    Start(#[source] std::io::Error),
    /// The conversation broke off.
    #[error("talk to criu")]
    Talk(#[from] sys::Error),
    /// It does not run on this machine.
    #[error("criu does not run on this machine (criu check): {0}")]
    Unable(String),
    /// It ended without an answer.
    #[error("criu ended without an answer: {0}")]
    Ended(std::process::ExitStatus),
    /// Its answer is none.
    #[error("criu's answer cannot be read")]
    Malformed,
    /// It lacks something.
    #[error("criu {0} on this kernel lacks {1} (criu check --feature {1})")]
    Lacks(Version, &'static str),
    /// It is too old.
    #[error("criu {version} does not know {what}, criu {since} does: install a newer one")]
    Old {
        /// Which it is.
        version: Version,
        /// What it does not know.
        what: &'static str,
        /// The first that does.
        since: Version,
    },
    /// It could not do what was asked.
    #[error("criu failed: type {kind} errno {errno}{text}")]
    Failed {
        /// What was asked.
        kind: Kind,
        /// Its error number.
        errno: i32,
        /// More words of it, behind a colon.
        text: String,
    },
}
