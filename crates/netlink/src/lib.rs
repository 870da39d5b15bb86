//! rtnetlink on one socket: links, their addresses, routes, and the move of a link to another network namespace.
//!
//! A [`Route`] speaks for the network namespace that it was opened in, whatever becomes of the process. Requests are made
//! and answers read by hand: there are few of them, and no process is started for any.

#![forbid(unsafe_code)]

mod address;
mod error;
mod link;
mod message;
pub mod nft;
mod path;
mod route;
mod rule;
mod socket;

pub use address::{Address, octets};
pub use error::{Error, Result};
pub use link::{End, Link, Mac, MacvlanMode};
pub use path::Path;
pub use route::Route;
