//! From the words of a command line, an image or an API request to the values of [`crate::config`].
//!
//! One file for each kind of value. A parser takes all of its input or fails: what it does not know is an error with
//! the nearest word that it knows, never a default. Nothing here reads a file, the environment or the machine; what
//! must be looked up comes in as an argument.

mod add_host;
mod assignment;
mod bind;
mod block_io;
mod capability;
mod command;
mod cpus;
mod device;
mod dns;
mod duration;
mod env;
mod hostname;
mod image;
mod limits;
mod log;
mod mount;
mod name;
mod namespace;
mod network;
mod number;
mod path;
mod restart;
mod secret;
mod security_opt;
mod signal;
mod size;
mod sysctl;
mod time_zone;
mod tmpfs;
mod ulimit;
mod user;
mod userns;
mod volume;

pub use add_host::host_entry;
pub use assignment::{annotations, labels, lines};
pub use block_io::{device_bytes, device_operations, device_rule, device_weight, io_weight};
pub use capability::capabilities;
pub use command::entrypoint;
pub use cpus::{cpu_period, cpu_quota, cpu_shares, cpu_time};
pub use device::device;
pub use dns::{dns_server, search_domains};
pub use duration::{duration, nanoseconds};
pub use env::{env, env_file};
pub use flag::{Invalid, nearest};
pub use image::{image, platform, rootfs};
pub use limits::{count, memory, oom_score_adj, stop_timeout, swappiness};
pub use log::{log_driver, log_option};
pub use mount::{mount, volume_option};
pub use network::{address, expose, host_label, mac_address, publish, publish_policy};
pub(crate) use number::file_id;
pub use path::{absolute, container_path};
pub use restart::restart;
pub use secret::secret;
pub use security_opt::SecurityOpt;
pub use sysctl::{Namespaced, sysctl};
pub use time_zone::time_zone;
pub use tmpfs::tmpfs;
pub(crate) use volume::named as volume_mount;
pub use volume::{duplicate_destination, volume, volume_name, volumes_from};
