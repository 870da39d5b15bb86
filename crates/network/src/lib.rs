//! Networks of containers: bridges and what hangs on them, addresses, the packet filter, published ports, names.
//!
//! Everything that is true of a running container's network stands in the run root, so that any later command can take
//! away what a killed one left. A virtual device is never removed on the way out: the end of its network namespace takes
//! it. Nothing is executed.

#![forbid(unsafe_code)]

mod attach;
mod bridge;
mod endpoint;
mod error;
mod files;
mod filter;
mod firewall;
mod inside;
mod leases;
mod networks;
pub mod pasta;
pub mod ports;
mod published;
mod record;
pub mod resolver;
pub mod sight;
mod subnet;

pub use attach::Wish;
pub use bridge::{can_bridge, has_way_out, taken_subnets};
pub use endpoint::{Endpoint, mac_text, parse_mac};
pub use error::{Error, Result};
pub use files::{lock, open_lock};
pub use firewall::{Bridge, Firewall, Obstacle, Owner, Seat};
pub use inside::furnish;
pub use netlink::Mac;
pub use networks::Networks;
pub use published::{Port, Protocol, Published};
pub use record::{DEFAULT, Driver, Network, Range, free_subnet, local_subnet};
pub use subnet::{NoSubnet, Subnet};
