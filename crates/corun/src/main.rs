//! `corun`, the OCI runtime: a thin face over the crate `runtime`.
//!
//! Small and single-threaded, for orchestrators call it thousands of times an hour. This file reads the global flags
//! and hands the rest to the verb.

#![forbid(unsafe_code)]

/// musl's own allocator maps and unmaps pages for almost every size class: a hundred system calls in a start.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

mod run;
mod usage;

use std::process::ExitCode;

fn main() -> ExitCode {
    match usage::Arguments::read(std::env::args_os().skip(1)) {
        Ok(usage::Arguments::Help) => {
            print!("{}", usage::HELP);
            ExitCode::SUCCESS
        }
        Ok(usage::Arguments::Version) => {
            println!("corun version {}\nspec: {}", env!("CARGO_PKG_VERSION"), oci::runtime::VERSION);
            ExitCode::SUCCESS
        }
        Ok(usage::Arguments::Run(arguments)) => match run::run(&arguments) {
            Ok(code) => ExitCode::from(code),
            Err(error) => failed(&error),
        },
        Err(problem) => {
            eprintln!("corun: {problem} (corun --help lists what there is)");
            ExitCode::FAILURE
        }
    }
}

/// Prints an error with its causes, and what to do about it, on one line.
fn failed(error: &run::Error) -> ExitCode {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    match error.hint() {
        Some(hint) => eprintln!("corun: {text} ({hint})"),
        None => eprintln!("corun: {text}"),
    }
    ExitCode::FAILURE
}
