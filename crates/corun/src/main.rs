//! `corun`, the OCI runtime: a thin face over the crate `runtime`.
//!
//! Small and single-threaded, for orchestrators call it thousands of times an hour. Words are read from tables of flags,
//! a verb does one thing with a container's directory and its processes, and what went wrong is told once, here.

#![forbid(unsafe_code)]

/// musl's own allocator maps and unmaps pages for almost every size class: a hundred system calls in a start.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

mod bundle;
mod container;
mod criu;
mod crun;
mod error;
mod face;
mod filters;
mod global;
mod hand_over;
mod log;
mod manager;
mod pattern;
mod signal;
mod verb;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let face = face::Face::of(words.next());
    ExitCode::from(verb::run(face, words))
}
