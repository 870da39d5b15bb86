//! The targets of `fuzz/`, each for a while, by cargo-fuzz: input that grows towards code that no input has reached.
//!
//! No sanitizer is used, which wants a nightly compiler: `unsafe` is in two rooms alone, and what is looked for is panics,
//! overflows and input that takes too long. What is found in the end stays in the target directory for the next time.

use std::fs;
use std::process::Command;

use crate::error::{Doing as _, Error, Result};
use crate::programs::{self, on_path, target_dir, workspace};

/// Checks that the targets compile, for they name files of the house by their paths and no other build sees them.
pub fn check() -> Result {
    lock()?;
    let mut check = programs::cargo();
    check.args(["check", "--quiet", "--manifest-path", "fuzz/Cargo.toml", "--target-dir"]);
    check.arg(target_dir()?.join("fuzz-check"));
    // As cargo-fuzz sets it. Nothing is linked, so the fuzzer's own library, which is C++, need not be built.
    programs::run(check.env("RUSTFLAGS", "--cfg fuzzing").env("CUSTOM_LIBFUZZER_PATH", "/absent/libfuzzer.a"))
}

/// The fuzzed code has the same dependencies as the built one.
fn lock() -> Result {
    let lock = workspace().join("fuzz/Cargo.lock");
    fs::copy(workspace().join("Cargo.lock"), &lock).map(drop).doing(|| format!("writing {}", lock.display()))
}

/// Runs each target for so many seconds.
pub fn run(seconds: u32) -> Result {
    let target = target_dir()?;
    let own = target.join("tools/bin/cargo-fuzz");
    let program = on_path("cargo-fuzz").or_else(|| own.is_file().then_some(own));
    let program =
        program.ok_or_else(|| Error::Found("cargo-fuzz is missing: cargo install --locked cargo-fuzz".into()))?;
    lock()?;
    let seeds = workspace().join("fuzz/seeds");
    let found = fs::read_dir(&seeds).doing(|| format!("reading {}", seeds.display()))?.flatten();
    let mut names: Vec<_> = found.map(|entry| entry.file_name()).collect();
    names.sort();
    let results: Vec<Result> = names
        .iter()
        .map(|name| {
            println!("\n=== fuzz: {}", name.display());
            let corpus = target.join("fuzz/corpus").join(name);
            fs::create_dir_all(&corpus).doing(|| format!("making {}", corpus.display()))?;
            let mut fuzz = Command::new(&program);
            fuzz.current_dir(workspace()).args(["run", "--sanitizer", "none", "--target-dir"]);
            fuzz.arg(target.join("fuzz")).arg(name).arg(&corpus).arg(seeds.join(name)).arg("--");
            // What the code prints is nobody's to read; the fuzzer keeps an output of its own.
            fuzz.args([
                "-close_fd_mask=3",
                "-timeout=10",
                "-rss_limit_mb=2048",
                "-print_final_stats=1",
                "-verbosity=0",
            ]);
            programs::run(fuzz.arg(format!("-max_total_time={seconds}")))
        })
        .collect();
    results.into_iter().collect()
}
