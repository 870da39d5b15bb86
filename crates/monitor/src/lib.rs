//! Holding a running container: its run state, its streams, signals and terminal, its end, and the clean-up.
//!
//! What the holder must not forget, even killed, stands in the container's run directory before the container exists:
//! who holds it, and which cgroup is its own. So [`teardown`] is one idempotent function for everybody: the holder at the
//! end, and any later command that finds the leavings of a killed one.
//!
//! There are two kinds of holder. A container whose streams are those of the command that started it is held by that
//! command ([`run`]). All others have a process of their own for it ([`Supervisor`]).

#![forbid(unsafe_code)]

mod clients;
mod error;
mod foreground;
mod holder;
pub mod log;
mod marks;
mod memory;
mod outbox;
mod process;
mod restart;
mod rundir;
mod streams;
mod supervise;
mod teardown;
mod word;

pub use clients::{Client, SOCKET};
pub use error::{Error, Result};
pub use foreground::{Ended, Order, Ready, run};
pub use holder::Holder;
pub use marks::Mark;
pub use memory::Memory;
pub use outbox::Outbox;
pub use process::{Pause, Process};
pub use restart::{History, Policy};
pub use rundir::{RunDir, State, ensure_dirs};
pub use streams::{Ends, Stream, Streams};
pub use supervise::{Chore, Life, Supervisor};
pub use teardown::{end, teardown};
pub use word::{CHUNK, Word};
