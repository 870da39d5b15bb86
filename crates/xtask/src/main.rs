//! The project's own tasks, run as `cargo xtask TASK`: whatever needs more logic than a line of shell. Each task stands in
//! a file of its own.

#![forbid(unsafe_code)]

mod bench;
mod deps;
mod dist;
mod error;
mod fuzz;
mod guest;
mod metadata;
mod outside;
mod programs;
mod proof;
mod source;
mod style;
mod suite;
mod test;
mod verbs;

use std::error::Error as _;
use std::path::PathBuf;
use std::process::ExitCode;

use error::{Error, Result};
use lexopt::prelude::*;

const HELP: &str = "\
cargo xtask TASK [ARGUMENT…]

  bench   how long a start takes, beside other runtimes and the floor
  build   the programs as users get them, static, in target/dist
  deps    check who names whom, what the start path links, and where code is unsafe
  guest   run a command on a kernel of its own with pure cgroup v2, with systemd, or Debian's
  proof   the long proofs at full length: races, crashes, random cases, fuzzing
  style   check the house's own rules for a file
  suite   another project's tests of a runtime, run against ours
  test    the whole gate, or some of its steps
  verbs   which verbs and flags of docker and podman ours has";

fn main() -> ExitCode {
    match task(lexopt::Parser::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, Error::Code(_)) {
                eprintln!("xtask: {}", with_sources(&error));
            }
            error.exit_code()
        }
    }
}

fn task(mut parser: lexopt::Parser) -> Result {
    let name = match parser.next()? {
        Some(Value(name)) => name.string()?,
        None | Some(Long("help") | Short('h')) => "help".to_owned(),
        Some(other) => return Err(other.unexpected().into()),
    };
    match name.as_str() {
        "bench" => bench::start(parser),
        "build" => dist::run(parser),
        "deps" => deps::run(),
        "guest" => guest::run(parser),
        "guest-init" => guest::init::first(&directory(parser)?),
        "guest-unit" => guest::init::unit(&directory(parser)?),
        "proof" => proof::run(parser),
        "style" => style::run(),
        "suite" => suite::run(parser),
        "test" => test::run(parser),
        "verbs" => verbs::run(parser),
        "help" => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(Error::Usage(format!("there is no task {other:?}"))),
    }
}

fn directory(mut parser: lexopt::Parser) -> Result<PathBuf> {
    Ok(parser.value()?.into())
}

/// An error with all that caused it, on one line.
fn with_sources(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
