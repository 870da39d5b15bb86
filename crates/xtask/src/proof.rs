//! The long proofs at full length: what the gate does one short round of, and what it has no time for at all.
//!
//! Property tests take many more cases, races many more starts, commands are killed at every system call and not at some.
//! Two environment variables say so to the tests, a third gives them the time.

use std::process::Command;

use lexopt::prelude::*;

use crate::error::{Error, Result};
use crate::test::{released, runner};
use crate::{fuzz, programs};

/// How many cases a property test takes (proptest's own variable); its usual number is 256.
const CASES: &str = "8192";

/// A proof that can be had by itself.
struct Proof {
    name: &'static str,
    what: &'static str,
    how: How,
}

enum How {
    /// Steps of the gate.
    Steps(&'static [&'static str]),
    /// Tests of a program: the file, and the beginnings of their names.
    Tests(&'static str, &'static str, &'static [&'static str]),
    /// Targets of the fuzzer.
    Fuzz,
}

const PROOFS: &[Proof] = &[
    Proof {
        name: "tests",
        what: "every test of the gate, at full length; all but the last of what follows is in it",
        how: How::Steps(&["unit", "oracle", "cli", "root"]),
    },
    Proof {
        name: "cases",
        what: "property tests within the code, thousands of cases each",
        how: How::Steps(&["unit", "oracle"]),
    },
    Proof {
        name: "races",
        what: "names that are swapped while containers start, thousands of starts; commands at once",
        how: How::Tests("corun", "corun", &["cve_races::", "cve_exec_spy::", "lifecycle_races::"]),
    },
    Proof {
        name: "crashes",
        what: "corun killed at each of its system calls and at every moment",
        how: How::Tests("corun", "corun", &["crash::"]),
    },
    Proof {
        name: "store",
        what: "commands that change images killed at each of their changes, and on a disk that is full at each of them",
        how: How::Tests("coracle", "store_faults", &["_killed_at_each_change", "_on_a_full_disk_at_each_write"]),
    },
    Proof {
        name: "kills",
        what: "commands and monitors of containers killed at each change that they make",
        how: How::Tests("coracle", "killed", &[""]),
    },
    Proof {
        name: "soak",
        what: "containers by the thousand, eight at a time, and nothing grows",
        how: How::Tests("coracle", "soak", &[""]),
    },
    Proof {
        name: "torture",
        what: "much input and output, gigabytes of logs, and all who are attached, fast and slow",
        how: How::Tests("coracle", "torture", &[""]),
    },
    Proof {
        name: "words",
        what: "words at random for every verb",
        how: How::Tests("corun", "corun", &["fuzz_words::"]),
    },
    Proof {
        name: "callers",
        what: "podman, containerd and dockerd with corun, the long round",
        how: How::Tests("corun", "callers", &["_long::"]),
    },
    Proof { name: "fuzz", what: "the targets of fuzz/, some minutes each (needs cargo-fuzz and g++)", how: How::Fuzz },
];

const HELP: &str = "\
cargo xtask proof [--seconds N] [PROOF…]

  --seconds N   how long each target of the fuzzer runs, 120 if nothing is said

Without a proof: tests and fuzz. They are:";

/// Runs the task with its arguments.
pub fn run(mut parser: lexopt::Parser) -> Result {
    let (mut seconds, mut names) = (120, Vec::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seconds") => seconds = parser.value()?.parse()?,
            Long("help") | Short('h') => {
                println!("{HELP}");
                for proof in PROOFS {
                    println!("  {:8} {}", proof.name, proof.what);
                }
                return Ok(());
            }
            Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if names.is_empty() {
        names = ["tests", "fuzz"].map(str::to_owned).to_vec();
    }
    let find = |name: &String| {
        let proof = PROOFS.iter().find(|proof| proof.name == name);
        proof.ok_or_else(|| Error::Usage(format!("there is no proof {name:?}; --help lists them")))
    };
    let proofs = names.iter().map(find).collect::<Result<Vec<_>>>()?;
    // One that fails does not hide what the others find.
    let results: Vec<Result> = proofs.into_iter().map(|proof| prove(&proof.how, seconds)).collect();
    results.into_iter().collect()
}

fn prove(how: &How, seconds: u32) -> Result {
    match how {
        How::Steps(steps) => programs::run(long(Command::new(programs::own()?).arg("test").args(*steps))),
        How::Tests(program, file, beginnings) => beginnings.iter().try_for_each(|beginning| {
            let mut tests = runner();
            released(tests.args(["--package", program, "--test", file, beginning]))?;
            programs::run(long(&mut tests))
        }),
        How::Fuzz => fuzz::run(seconds),
    }
}

fn long(command: &mut Command) -> &mut Command {
    command.env("CORACLE_LONG", "1").env("PROPTEST_CASES", CASES).env("NEXTEST_PROFILE", "long")
}
