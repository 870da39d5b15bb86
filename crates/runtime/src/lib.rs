//! The runtime: an OCI runtime spec in, a running container out.
//!
//! A spec becomes a plan, a list of small steps; the parent prepares what only it can, clones once, and the stub
//! (crate `init`) does the steps inside. See `create.rs` for the walk. The crate prints nothing, keeps no state
//! directory, and wants a process with one thread.

#![forbid(unsafe_code)]

pub mod activation;
pub mod affinity;
pub mod checkpoint;
mod context;
mod cpuset;
mod create;
mod error;
mod exec;
pub mod features;
mod foreground;
mod group;
mod handle;
pub mod hooks;
pub mod idmap;
mod inherit;
mod label;
mod launch;
pub mod listener;
mod mounts;
mod namespace;
mod net_device;
pub mod notify;
mod numa;
mod part;
mod parts;
mod plan;
mod process;
pub mod rdt;
mod recording;
mod report;
pub mod rootfs;
mod scheduler;
mod subject;
mod sysctl;
pub mod terminal;

pub use cgroup::{Bus, Cgroup, Driver, Layout, Unit};
pub use context::is_root;
#[cfg(fuzzing)]
pub use create::planned::planned;
pub use create::{Container, Request, create};
pub use error::{Error, Result};
pub use exec::{Exec, exec, namespaces_of};
pub use foreground::{Foreground, Held, Newlines, Typed, hold, hold_notifying, hold_until};
pub use group::{Group, cgroup_path, make_cgroup, make_cgroup_with, plan_cgroup};
pub use handle::{Handle, Record, delete, start_time};
pub use launch::begin;
pub use mounts::{MountId, Target, add_mounts, remove_mounts};
pub use part::Part;
pub use process::{CAPABILITIES, Holding};
pub use recording::Recording;
pub use subject::{Heading, Subject};
