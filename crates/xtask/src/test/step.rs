//! The steps of the gate, each a function that prints what its tools print and returns a verdict.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ledger::{self, Ledger, Test};
use super::tally::Tally;
use super::{Verdict, in_guest};
use crate::error::{Doing as _, Error, Result};
use crate::guest::Machine;
use crate::metadata::{Metadata, Target};
use crate::programs::{self, on_path, workspace};
use crate::{deps, dist, fuzz, guest, outside, style};

/// A step of the gate.
pub struct Step {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, for people.
    pub what: &'static str,
    /// Does it.
    pub run: fn(&mut Context) -> Result<Verdict>,
}

/// The gate, in its order.
pub const STEPS: &[Step] = &[
    Step { name: "format", what: "rustfmt has nothing to change", run: format },
    Step { name: "lint", what: "clippy has nothing to say", run: lint },
    Step { name: "aarch64", what: "the programs compile for another processor", run: aarch64 },
    Step { name: "style", what: "the house's own rules for a file", run: |_| style::run().map(|()| Verdict::Passed) },
    Step { name: "deny", what: "licences, bans and sources of what comes from outside", run: deny },
    Step {
        name: "deps",
        what: "who names whom, and where code is unsafe",
        run: |_| deps::run().map(|()| Verdict::Passed),
    },
    Step { name: "unit", what: "tests within the code", run: unit },
    Step { name: "oracle", what: "our seccomp compiler against libseccomp", run: oracle },
    Step { name: "fuzz", what: "the fuzzer's targets compile", run: targets },
    Step { name: "doc", what: "examples within the documentation", run: doc },
    Step { name: "build", what: "the released programs, static and small", run: build },
    Step { name: "cli", what: "the released programs by their command lines", run: command_lines },
    Step { name: "root", what: "every other room, on this machine's kernel", run: rooms },
    Step { name: "guest", what: "what depends on a machine, on pure cgroup v2", run: pure_v2 },
    Step { name: "systemd", what: "what needs systemd, in a guest that boots it", run: systemd },
    Step { name: "emulated", what: "what needs Debian's own kernel, in an emulated machine", run: emulated },
    Step { name: "skips", what: "no test skipped that .ci/skips does not list", run: skips },
];

/// The packages whose programs are tested in their released form.
const FACES: &[&str] = &["coracle", "corun"];

/// The packages whose tests with needs run once more on pure cgroup v2, and which of them, by the beginnings of their
/// names; none named means all. What needs it and is elsewhere runs there too. The guest has one slow processor: the
/// hundreds of starts of the other tests would take it ten minutes. Of the runtime's those stand here that look at
/// cgroups, memory, devices, and at the end of a container, which is the cgroup's end as well.
const ON_BOTH: &[(&str, &[&str])] = &[
    ("cgroup", &[]),
    ("runtime", &[]),
    ("monitor", &[]),
    ("engine", &[]),
    ("coracle", &["seed::", "images_run::"]),
    (
        "corun",
        &[
            "corun::cgroups::",
            "corun::delegation::",
            "corun::devices::",
            "corun::end::",
            "corun::events::",
            "corun::freezing::",
            "corun::lifecycle_list::",
            "corun::memory::",
            "corun::rootless::",
            "corun::update::",
        ],
    ),
    ("bench", &["floor::"]),
];

/// The header without which the tests that compare with libseccomp do not build.
const LIBSECCOMP: &str = "/usr/include/seccomp.h";

/// What the steps of one run share.
pub struct Context {
    /// Whether nothing may be left out.
    pub ci: bool,
    /// The tests counted so far.
    pub tally: Tally,
    /// Where tests with needs write what they did.
    ledger: PathBuf,
}

impl Context {
    /// Prepares a run of these steps. One that tests on this machine forgets what tests did in earlier runs; one that only
    /// goes on in a guest takes up what they did.
    pub fn new(ci: bool, steps: &[&Step]) -> Result<Self> {
        let dir = programs::target_dir()?.join("gate");
        fs::create_dir_all(&dir).doing(|| format!("making {}", dir.display()))?;
        let ledger = dir.join("needs");
        if !ledger.exists() || steps.iter().any(|step| ["unit", "cli", "root"].contains(&step.name)) {
            fs::write(&ledger, "").doing(|| format!("emptying {}", ledger.display()))?;
        }
        Ok(Self { ci, tally: Tally::default(), ledger })
    }

    fn ledger(&self) -> Result<Ledger> {
        let text = fs::read_to_string(&self.ledger).doing(|| format!("reading {}", self.ledger.display()))?;
        Ok(Ledger::parse(&text))
    }

    /// Runs a test runner, counting what it counts.
    fn tests(&mut self, runner: &mut Command) -> Result<Verdict> {
        runner.env("CORACLE_SKIPS", &self.ledger);
        let before = self.tally;
        let ended = programs::watch(runner, |line| self.tally.note(line));
        match ended {
            Ok(()) => Ok(Verdict::Passed),
            Err(Error::Code(code)) => {
                let failed = self.tally.failed - before.failed;
                Ok(Verdict::Failed(if failed > 0 { format!("{failed} tests") } else { format!("exit code {code}") }))
            }
            Err(error) => Err(error),
        }
    }
}

fn format(_: &mut Context) -> Result<Verdict> {
    verdict(programs::cargo().args(["fmt", "--all", "--check"]), "cargo fmt --all")
}

fn lint(_: &mut Context) -> Result<Verdict> {
    let mut clippy = programs::cargo();
    clippy.args(["clippy", "--workspace", "--all-targets"]);
    if Path::new(LIBSECCOMP).exists() {
        clippy.args(["--features", "seccomp/oracle"]);
    }
    verdict(clippy.args(["--", "-D", "warnings"]), "see above")
}

fn targets(_: &mut Context) -> Result<Verdict> {
    match fuzz::check() {
        Err(Error::Code(_)) => Ok(Verdict::Failed("see above".to_owned())),
        other => other.map(|()| Verdict::Passed),
    }
}

/// What no machine here executes shall not rot. Without the target or its linker that is said, and is no reason to stop:
/// neither can be had everywhere.
fn aarch64(_: &mut Context) -> Result<Verdict> {
    const TARGET: &str = "aarch64-unknown-linux-gnu";
    const LINKER: &str = "aarch64-linux-gnu-gcc";
    let mut there = Command::new("rustc");
    let library = programs::read(there.args(["--print", "target-libdir", "--target", TARGET]))?;
    if !Path::new(library.trim()).is_dir() || on_path(LINKER).is_none() {
        eprintln!("aarch64: not compiled (rustup target add {TARGET}, and {LINKER} of gcc-aarch64-linux-gnu)");
        return Ok(Verdict::Passed);
    }
    let mut check = programs::cargo();
    check.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER);
    verdict(check.args(["check", "--target", TARGET, "-p", "corun", "-p", "coracle"]), "see above")
}

fn verdict(command: &mut Command, hint: &str) -> Result<Verdict> {
    match programs::run(command) {
        Ok(()) => Ok(Verdict::Passed),
        Err(Error::Code(_)) => Ok(Verdict::Failed(hint.to_owned())),
        Err(error) => Err(error),
    }
}

fn deny(_: &mut Context) -> Result<Verdict> {
    let own = programs::target_dir()?.join("tools/bin/cargo-deny");
    let Some(program) = on_path("cargo-deny").or_else(|| own.is_file().then_some(own)) else {
        eprintln!("deny: without cargo-deny, by what Cargo tells (cargo install --locked cargo-deny looks at more)");
        let broken = outside::check()?;
        for line in &broken {
            eprintln!("deny: {line}");
        }
        return Ok(if broken.is_empty() {
            Verdict::Passed
        } else {
            Verdict::Failed("deny.toml does not allow it".into())
        });
    };
    let mut check = Command::new(program);
    check.current_dir(workspace()).args(["check", "bans", "licenses", "sources"]);
    verdict(&mut check, "deny.toml does not allow it")
}

fn unit(context: &mut Context) -> Result<Verdict> {
    context.tests(runner().args(["--workspace", "--lib", "--bins"]))
}

fn oracle(context: &mut Context) -> Result<Verdict> {
    if !Path::new(LIBSECCOMP).exists() {
        return Ok(Verdict::LeftOut("libseccomp is not installed: apt-get install libseccomp-dev".to_owned()));
    }
    context.tests(runner().args(["--package", "seccomp", "--features", "oracle", "--test", "oracle"]))
}

fn doc(context: &mut Context) -> Result<Verdict> {
    context.tests(programs::cargo().args(["test", "--workspace", "--doc", "--quiet"]))
}

fn build(_: &mut Context) -> Result<Verdict> {
    dist::build(None).map(|_| Verdict::Passed)
}

fn command_lines(context: &mut Context) -> Result<Verdict> {
    in_files(context, |package| FACES.contains(&package))
}

fn rooms(context: &mut Context) -> Result<Verdict> {
    in_files(context, |package| !FACES.contains(&package))
}

/// Runs the tests in files of their own of the packages that `wanted` names, on the released programs where those are
/// built. Named one by one, since `--test '*'` fails for a test whose features are off.
fn in_files(context: &mut Context, wanted: impl Fn(&str) -> bool) -> Result<Verdict> {
    let metadata = Metadata::of_workspace()?;
    let mut runner = runner();
    let mut count = 0;
    for package in metadata.members().filter(|package| wanted(&package.name)) {
        let is_test = |target: &&Target| target.kind == ["test"] && target.required_features.is_empty();
        let tests: Vec<&str> = package.targets.iter().filter(is_test).map(|target| target.name.as_str()).collect();
        if !tests.is_empty() {
            runner.args(["--package", &package.name]);
        }
        for test in &tests {
            runner.args(["--test", test]);
        }
        count += tests.len();
    }
    if count == 0 {
        return Ok(Verdict::Failed("there are no tests".to_owned()));
    }
    released(&mut runner)?;
    context.tests(&mut runner)
}

fn pure_v2(context: &mut Context) -> Result<Verdict> {
    let ledger = context.ledger()?;
    let wanted = |test: &Test| {
        let missing = ledger.skipped.get(test).map_or("", String::as_str);
        let on_both = ON_BOTH.iter().any(|(package, beginnings)| {
            let name = format!("{}::{}", test.binary, test.path);
            *package == test.package
                && (beginnings.is_empty() || beginnings.iter().any(|start| name.starts_with(start)))
        });
        let on_both = on_both && !missing.contains("--systemd");
        on_both || missing.contains("(cargo xtask guest)")
    };
    let tests: Vec<&Test> = ledger.tests().into_iter().filter(|test| wanted(test)).collect();
    run_in_guest(context, &tests, Machine::UserMode, false)
}

fn systemd(context: &mut Context) -> Result<Verdict> {
    let ledger = context.ledger()?;
    let wanted = |test: &&Test| ledger.skipped.get(test).is_some_and(|missing| missing.contains("guest --systemd"));
    let tests: Vec<&Test> = ledger.tests().into_iter().filter(wanted).collect();
    run_in_guest(context, &tests, Machine::UserMode, true)
}

fn emulated(context: &mut Context) -> Result<Verdict> {
    let ledger = context.ledger()?;
    let asking = |words: &str| -> Vec<&Test> {
        ledger.never_ran().filter(|(_, missing)| missing.contains(words)).map(|(test, _)| test).collect()
    };
    let bare = run_in_guest(context, &asking("guest --emulated)"), Machine::Emulated, false)?;
    let booted = run_in_guest(context, &asking("guest --emulated --systemd)"), Machine::Emulated, true)?;
    let told = matches!(booted, Verdict::Failed(_)) || matches!(bare, Verdict::Passed);
    Ok(if told { booted } else { bare })
}

fn run_in_guest(context: &mut Context, tests: &[&Test], machine: Machine, systemd: bool) -> Result<Verdict> {
    if tests.is_empty() {
        return Ok(Verdict::LeftOut("no test asks for it (the steps before find out which do)".to_owned()));
    }
    if let Err(error) = guest::possible(machine, systemd) {
        return Ok(Verdict::LeftOut(error.to_string()));
    }
    let share = context.ledger.parent().unwrap_or(workspace());
    let mut run = in_guest::command(tests, machine, systemd, share)?;
    released(&mut run)?;
    let earlier = fs::read_to_string(&context.ledger).doing(|| format!("reading {}", context.ledger.display()))?;
    let verdict = context.tests(&mut run)?;
    let all = fs::read_to_string(&context.ledger).doing(|| format!("reading {}", context.ledger.display()))?;
    // A name that a binary does not know is no failure to it: it runs nothing and is content.
    let heard = Ledger::parse(all.get(earlier.len()..).unwrap_or_default());
    let silent: Vec<_> = tests.iter().filter(|test| !heard.tests().contains(*test)).collect();
    for test in &silent {
        println!("guest: {test} was not heard of");
    }
    match verdict {
        Verdict::Passed if !silent.is_empty() => Ok(Verdict::Failed(format!("{} tests did not run", silent.len()))),
        verdict => Ok(verdict),
    }
}

fn skips(context: &mut Context) -> Result<Verdict> {
    let path = workspace().join(".ci/skips");
    let allowed = fs::read_to_string(&path).doing(|| format!("reading {}", path.display()))?;
    let ledger = context.ledger()?;
    context.tally.skipped = ledger.never_ran().count() as u64;
    // Those have returned early, which the runners count as passing.
    context.tally.passed = context.tally.passed.saturating_sub(ledger.skips);
    let breaches = ledger::breaches(&ledger, &allowed);
    for breach in &breaches {
        println!("skips: {breach}");
    }
    Ok(match breaches.len() {
        0 => Verdict::Passed,
        count if context.ci => Verdict::Failed(format!("{count} lines above")),
        count => Verdict::LeftOut(format!("{count} tests lack something on this machine, see above")),
    })
}

/// The test runner: nextest, which gives each test a process of its own, or cargo's, one test at a time, since tests
/// count what is left on the machine.
pub fn runner() -> Command {
    let mut cargo = programs::cargo();
    if on_path("cargo-nextest").is_some() {
        cargo.args(["nextest", "run", "--no-fail-fast", "--status-level=slow", "--final-status-level=fail"]);
    } else {
        cargo.args(["test", "--no-fail-fast"]).env("RUST_TEST_THREADS", "1");
    }
    cargo
}

/// Lets tests find the released programs.
pub fn released(command: &mut Command) -> Result {
    let dist = programs::target_dir()?.join("dist");
    for (variable, name) in [("CORACLE_BIN", "coracle"), ("CORUN_BIN", "corun")] {
        if dist.join(name).is_file() {
            command.env(variable, dist.join(name));
        }
    }
    Ok(())
}
