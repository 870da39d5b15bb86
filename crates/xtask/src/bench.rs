//! `cargo xtask bench`: builds our programs as users get them, and hands over to the package `bench`.

use std::ffi::OsString;
use std::path::Path;

use crate::dist;
use crate::error::Result;
use crate::programs::{cargo, run};

/// All arguments are those of the package `bench`.
pub fn start(mut parser: lexopt::Parser) -> Result {
    let arguments: Vec<OsString> = parser.raw_args()?.collect();
    let programs = dist::build(None)?;
    let mut bench = cargo();
    bench.args(["run", "--quiet", "--release", "--package", "bench", "--"]).args(arguments);
    for name in ["corun", "coracle"] {
        bench.arg("--peer").arg(peer(&programs, name));
    }
    run(&mut bench)
}

fn peer(programs: &Path, name: &str) -> OsString {
    let mut word = OsString::from(format!("{name}="));
    word.push(programs.join(name));
    word
}
