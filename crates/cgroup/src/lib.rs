//! What a container may use: control groups v1, v2 and hybrid; limits in, statistics out.
//!
//! A machine is described by a [`Layout`]: which hierarchy owns which controller. A container has one [`Cgroup`], which
//! is a directory in each hierarchy that matters; every limit and every question is routed to the directory whose
//! hierarchy owns the controller, so pure v1, pure v2 and hybrid machines are one case and not three. The surprising
//! thing: nothing here holds a directory open. A cgroup is a list of paths ([`Cgroup::paths`]), so that a later command
//! has the same cgroup as the one that made it.

#![forbid(unsafe_code)]

mod controller;
mod create;
mod delegate;
mod devices;
mod enable;
mod error;
mod events;
mod file;
mod freeze;
mod group;
mod join;
mod kill;
mod layout;
mod limits;
mod look;
mod mountinfo;
mod path;
mod remove;
mod stats;
mod sub;
mod systemd;
mod view;
mod walk;

pub use controller::{Controller, Controllers, Version};
pub use devices::{default_rules, device_program};
pub use error::{Denied, Error, Result};
pub use group::Cgroup;
pub use join::{Join, JoinBy};
pub use layout::{Hierarchy, Layout, Mode};
pub use limits::is_tight;
pub use look::OomWatch;
pub use path::CgroupPath;
pub use stats::{CpuStats, HugetlbStats, IoStats, MemoryStats, PidsStats, Stats};
pub use systemd::{Bus, Driver, Unit, UnitRequest};
pub use view::{Namespace, ViewStep};
