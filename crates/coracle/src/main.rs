//! The container engine's command line: words in, rendering and exit codes out.
//!
//! What a verb does is the engine's business; here is only how it is asked for and shown. The first thing that happens
//! is the choice of a verb: no other verb's table is looked at, and nothing is read or opened before it is known what
//! for.

#![forbid(unsafe_code)]

/// musl's own allocator maps and unmaps pages for almost every size class: a hundred system calls in a start.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

mod cli;
mod render;

use std::process::ExitCode;

fn main() -> ExitCode {
    sys::begin();
    let mut words = std::env::args_os();
    let first = cli::words_of_name(words.next());
    cli::main(first.into_iter().chain(words))
}
