//! Containers and images as their users know them.
//!
//! What a user asks for is a value ([`config`]), read from his words ([`flags`]); with what the machine and the image
//! say it becomes an OCI runtime specification ([`spec`]); and [`run`] walks from there to the end of a container. The
//! engine returns values and prints nothing.

#![forbid(unsafe_code)]

mod apart;
pub mod attach;
mod cgroup_path;
mod check;
mod chown;
mod clean;
mod commit;
mod commons;
pub mod config;
pub mod containers;
mod cp;
mod create;
mod details;
mod effect;
mod engine;
mod error;
mod etc;
pub mod events;
mod exec;
pub mod explanation;
pub mod flags;
mod gather;
pub mod health;
mod host;
mod images;
mod info;
mod joined;
mod joining;
mod keys;
mod lists;
pub mod logs;
mod mounted;
mod names;
pub mod network;
mod part;
mod pause;
mod processes;
pub mod prune;
mod publishing;
mod pull;
mod push;
mod record;
mod recorded;
mod root;
pub mod run;
pub mod save;
pub mod secrets;
mod settle;
mod side_by_side;
pub mod spec;
mod stage;
mod standing;
mod start;
mod stats;
pub mod stop;
pub mod supervised;
mod transfer;
mod update;
mod userns;
mod verify;
mod view;
pub mod volume;
mod wait;
mod watch;

pub use ::network::DEFAULT as DEFAULT_NETWORK;
pub use commit::Commit;
pub use cp::{Copy, Outside};
pub use create::image_name;
pub use details::Details;
pub use engine::{Engine, Locations, Places};
pub use error::{Error, Result};
pub use exec::Exec;
pub use info::Info;
pub use keys::Keys;
pub use layer::Compression;
pub use layer::{Change, Changed};
pub use lists::{Added, Listing, Note};
pub use processes::{ProcessInfo, Processes};
pub use pull::Pulled;
pub use push::{Format, Repacking};
pub use record::{End, Record};
pub use registry;
pub use start::Io;
pub use stats::Sample;
pub use store::{Checked, ContainerId, Depth, Driver, Image, ImageUsage, Import, Repair, Usage, Volume, VolumeName};
pub use update::Update;
pub use verify::Verified;
pub use wait::Condition;
pub use watch::{Moved, Watch};
