//! The long proofs at full length: what the gate does one short round of.
//!
//! Property tests take many more cases, races many more starts. Two environment variables say so to the
//! tests, a third gives them the time.

use std::process::Command;

use crate::error::{Error, Result};

/// How many cases a property test takes (proptest's own variable); its usual number is 256.
const CASES: &str = "8192";
/// The steps that have long proofs in them.
const STEPS: [&str; 4] = ["unit", "oracle", "cli", "root"];

/// Runs them.
pub fn run() -> Result {
    let me = std::env::current_exe().map_err(|error| Error::Usage(format!("cannot find this program: {error}")))?;
    let status = Command::new(me)
        .arg("test")
        .args(STEPS)
        .env("CORACLE_LONG", "1")
        .env("PROPTEST_CASES", CASES)
        .env("NEXTEST_PROFILE", "long")
        .status()
        .map_err(|error| Error::Usage(format!("cannot run the tests: {error}")))?;
    match status.code() {
        Some(0) => Ok(()),
        code => Err(Error::Code(code.unwrap_or(1) as u8)),
    }
}
