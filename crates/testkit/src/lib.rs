//! What the tests of every room share: a [`Sandbox`] in which our programs run with a state of their own, the
//! [`requires!`] line that names what a test cannot do without, a [`Pty`] for what needs a terminal, and [`Leavings`],
//! which counts what a run left on the machine.
//!
//! Only tests may name this crate. Its functions panic where a test should fail, and say what they saw.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "tests set things up and tear them down themselves, not the product")]

mod family;
mod invocation;
mod leavings;
mod outcome;
mod program;
mod pty;
pub mod requires;
mod rootfs;
mod running;
mod sandbox;
mod user;
mod wait;

pub use family::{end_descendants, reap_orphans};
pub use invocation::Invocation;
pub use leavings::{Leavings, Scope};
pub use outcome::Outcome;
pub use program::{Program, on_path};
pub use pty::Pty;
pub use rootfs::Rootfs;
pub use running::Running;
pub use sandbox::Sandbox;
pub use user::User;
pub use wait::within;
