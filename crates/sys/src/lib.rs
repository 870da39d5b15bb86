//! The system calls that change state, typed; and the recorder of what they did.
//!
//! Everything of ours that makes, changes or removes something in the kernel while a container starts or ends goes
//! through this crate (clippy bans rustix's own calls elsewhere), so that `--explain` shows the very path that ran.
//! Reading calls are rustix's. This is the home of `unsafe`.

#![allow(clippy::disallowed_methods, reason = "this crate is where the banned calls are wrapped")]

pub mod bpf;
mod call;
pub mod capture;
pub mod command;
pub mod cwd;
pub mod detached;
pub mod direct;
mod error;
pub mod flags;
pub mod fs;
pub mod inet;
pub mod listener;
mod marks;
pub mod memfd;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod netlink;
mod noted;
pub mod nr;
pub mod parked;
pub mod perf;
pub mod process;
pub mod raw;
pub mod record;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod time;
pub mod usage;
pub mod xattr;

pub use call::{Recorder, now, step};
pub use error::{Error, Named, Result, text};
pub use marks::{began, begin, marks};
pub use noted::Record;
pub use rustix::io::Errno;
