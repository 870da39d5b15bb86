//! Holding a running container: its run state, its signals and terminal, its end, and the clean-up.
//!
//! A container in the foreground is held by the very process that started it. What this process must not forget, even
//! killed, stands in the container's run directory before the container exists: who holds it, and which cgroup is its
//! own. So [`teardown`] is one idempotent function for everybody: the holder at the end, and any later command that
//! finds the leavings of a killed one.

#![forbid(unsafe_code)]

mod error;
mod foreground;
mod rundir;
mod teardown;

pub use error::{Error, Result};
pub use foreground::{Ended, Order, run};
pub use rundir::{Holder, RunDir, State};
pub use teardown::{end, teardown};
