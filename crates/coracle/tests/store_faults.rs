//! Whatever stops a command that changes the store, and wherever: nothing is half there, and the next command goes on.
//!
//! A first run lists the system calls that change something, with strace; then the command is run once for each of them
//! and killed there, or told there that the disk is full. The gate takes some, `cargo xtask proof store` all of them.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "it looks for a free port")]

#[path = "seed/archive.rs"]
mod archive;
#[path = "seed/registry.rs"]
mod served;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use archive::{docker_archive, layer, skopeo_copy, text};
use serde_json::json;
use served::registry;
use testkit::{Invocation, Outcome, Running, Sandbox, requires, within};

/// What writes, names, removes, or puts on disk.
const CHANGES: &str = "write,pwrite64,ftruncate,fsync,fdatasync,syncfs,rename,renameat,renameat2,mkdirat,symlinkat,\
                       linkat,unlinkat,fchmod,utimensat,openat2";

/// What a full disk refuses.
const FILLS: [&str; 9] =
    ["write", "pwrite64", "ftruncate", "fsync", "fdatasync", "renameat2", "mkdirat", "symlinkat", "linkat"];

/// A store, on a tmpfs if may be, with an image in it and one to come, which share a layer.
struct World {
    sandbox: Sandbox,
    driver: &'static str,
    archive: PathBuf,
    memory: PathBuf,
    served: Option<(Running, String)>,
}

impl Drop for World {
    fn drop(&mut self) {
        if self.driver == "overlay" {
            let _ = Invocation::new("umount").arg("-l").arg(&self.memory).run();
        }
    }
}

impl World {
    fn new(driver: &'static str) -> Self {
        let sandbox = Sandbox::new();
        let memory = sandbox.join("memory");
        fs::create_dir(&memory).expect("a directory");
        // No image is mounted from a file on a tmpfs.
        if driver == "overlay" {
            Invocation::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(&memory).ok();
        }
        let base = layer(&sandbox, "base", &[("etc/one", "1"), ("usr/lib/two", &"2".repeat(20_000)), ("bin/sh", "")]);
        fs::copy("/bin/busybox", base.join("bin/sh")).expect("a shell");
        let upper = layer(&sandbox, "upper", &[("etc/.wh.one", ""), ("big", &"x".repeat(300_000)), ("d/e/f", "")]);
        let config = json!({"Cmd": ["sh"]});
        let there = docker_archive(&sandbox, "there", std::slice::from_ref(&base), &config);
        let archive = docker_archive(&sandbox, "new", &[base, upper], &config);
        let world = Self { sandbox, driver, archive, memory, served: None };
        world.coracle(&["load", "-i", text(&there)]).ok();
        // The copy is not made while its child still puts layers on disk.
        assert!(within(Duration::from_mins(2), || world.is_settled()));
        Invocation::new("cp").arg("-a").arg(world.memory.join("store")).arg(world.memory.join("template")).ok();
        world
    }

    fn with_registry(mut self) -> Self {
        let (running, name) = registry(&self.sandbox, "");
        let from = format!("docker-archive:{}", self.archive.display());
        skopeo_copy(&from, &format!("docker://{name}/new:latest"), &["--dest-tls-verify=false"]);
        self.served = Some((running, name));
        self
    }

    fn store(&self) -> PathBuf {
        self.memory.join("store")
    }

    fn is_settled(&self) -> bool {
        let layers = fs::read_dir(self.store().join("layers")).expect("layers").flatten();
        let record = |layer: fs::DirEntry| fs::read_to_string(layer.path().join("record.json"));
        layers.map(record).all(|record| record.is_ok_and(|text| !text.contains("\"boot\"")))
    }

    fn coracle(&self, words: &[&str]) -> Invocation {
        let root = self.store();
        self.sandbox.coracle(["--root", text(&root), "--storage-driver", self.driver]).args(words)
    }

    /// The store is as it was in the beginning.
    fn reset(&self) {
        // Somebody may still be putting layers on disk in it.
        while self.store().exists() {
            let _ = fs::remove_dir_all(self.store());
        }
        Invocation::new("cp").arg("-a").arg(self.memory.join("template")).arg(self.store()).ok();
    }

    /// Whatever has happened: what is there is whole, and it is nothing but what may be.
    #[track_caller]
    fn is_whole(&self, told: &str) {
        let images = self.coracle(&["images", "--format", "{{.Repository}}"]).ok();
        let known = |line: &&str| line.ends_with("new") || matches!(*line, "there" | "<none>");
        assert!(images.lines().iter().all(known), "{told}\n{images}");
        let check = self.coracle(&["system", "check"]).run();
        assert_eq!(check.exit_code(), Some(0), "{told}\n{check}");
    }
}

/// A command, what has to be before it, and what is true when it has done its work.
struct Case {
    name: &'static str,
    before: Vec<Vec<String>>,
    words: Vec<String>,
    done: fn(&World) -> bool,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn has_new(world: &World) -> bool {
    world.coracle(&["images", "--format", "{{.Repository}}"]).ok().lines().iter().any(|line| line.ends_with("new"))
}

fn load(world: &World) -> Case {
    Case { name: "load", before: Vec::new(), words: words(&["load", "-i", text(&world.archive)]), done: has_new }
}

fn pull(world: &World) -> Case {
    let (_, name) = world.served.as_ref().expect("a registry");
    let image = format!("{name}/new");
    Case { name: "pull", before: Vec::new(), words: words(&["pull", "--tls-verify=false", &image]), done: has_new }
}

fn import(world: &World) -> Case {
    let tar = world.sandbox.join("home/new-parts/layer-1.tar");
    Case { name: "import", before: Vec::new(), words: words(&["import", text(&tar), "new"]), done: has_new }
}

fn commit(_: &World) -> Case {
    let before = vec![words(&["run", "--name=changed", "there", "sh", "-c", "echo 1 >/new; rm /etc/one"])];
    Case { name: "commit", before, words: words(&["commit", "-q", "changed", "new"]), done: has_new }
}

fn rmi(world: &World) -> Case {
    let before = vec![words(&["load", "-i", text(&world.archive)])];
    Case { name: "rmi", before, words: words(&["rmi", "new"]), done: |world| !has_new(world) }
}

fn prune(world: &World) -> Case {
    let before = vec![words(&["load", "-i", text(&world.archive)]), words(&["untag", "new"])];
    let gone = |world: &World| world.coracle(&["images", "-q"]).ok().lines().len() == 1;
    Case { name: "prune", before, words: words(&["system", "prune", "-f"]), done: gone }
}

fn repair(world: &World) -> Case {
    let before = vec![words(&["load", "-i", text(&world.archive)])];
    Case { name: "check --repair", before, words: words(&["system", "check", "--repair"]), done: has_new }
}

fn long() -> bool {
    std::env::var_os("CORACLE_LONG").is_some()
}

/// The system calls that a command makes: each name with the most that one of its processes and threads makes.
fn calls(world: &World, case: &Case) -> Option<BTreeMap<String, usize>> {
    let trace = world.sandbox.join("trace");
    let select = format!("trace={CHANGES}");
    let outcome = run(world, case, &["-f", "-o", text(&trace), "-e", &select]);
    if outcome.exit_code() != Some(0) {
        return None;
    }
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in fs::read_to_string(trace).expect("a trace").lines() {
        let mut parts = line.split_whitespace();
        let (Some(process), Some(call)) = (parts.next(), parts.next()) else { continue };
        let Some((name, _)) = call.split_once('(') else { continue };
        *counts.entry((process.to_owned(), name.to_owned())).or_default() += 1;
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((_, name), count) in counts {
        let most = most.entry(name).or_default();
        *most = count.max(*most);
    }
    Some(most)
}

/// Runs a command under strace, from the beginning.
fn run(world: &World, case: &Case, strace: &[&str]) -> Outcome {
    world.reset();
    for before in &case.before {
        world.coracle(&before.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    }
    again(world, case).under([&["strace"], strace].concat()).run()
}

fn again(world: &World, case: &Case) -> Invocation {
    world.coracle(&case.words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Does the same to a command at each of its calls, or at a good part of them.
#[track_caller]
fn at_each_call(world: &World, case: &Case, fault: &str, wanted: impl Fn(&str) -> bool) {
    let Some(calls) = calls(world, case) else {
        requires!(that = Err("ptrace".to_owned()));
        return;
    };
    assert!((case.done)(world), "{}", case.name);
    let wanted = calls.iter().filter(|(name, _)| wanted(name));
    let all: Vec<_> = wanted.flat_map(|(name, most)| (1..=*most).map(move |at| (name, at))).collect();
    assert!(all.len() > 5, "{calls:?}");
    // The short round takes others each time that it runs: over many of them, all.
    let step = if long() { 1 } else { all.len() / 8 + 1 };
    let first = std::process::id() as usize % step;
    let mut hit = 0;
    for (name, at) in all.iter().skip(first).step_by(step) {
        let inject = format!("inject={name}:{fault}:when={at}");
        let outcome = run(world, case, &["-f", "-o", "/dev/null", "-e", "trace=all", "-e", &inject]);
        let told = format!("{} of {} with {}", inject, case.name, world.driver);
        hit += usize::from(outcome.exit_code() != Some(0));
        assert!(!outcome.stderr.contains("panicked"), "{told}\n{outcome}");
        world.is_whole(&told);
        let outcome = again(world, case).run();
        let done = (case.done)(world);
        assert!(done, "{told}, and again\n{outcome}");
        world.is_whole(&told);
    }
    assert!(hit > 2, "{hit} of {} were hit", case.name);
}

fn drivers() -> Vec<&'static str> {
    let tried = Sandbox::new();
    let images = tried.run(["--storage-driver", "erofs", "images"]).exit_code() == Some(0);
    if images { vec!["overlay", "erofs"] } else { vec!["overlay"] }
}

fn cases(fault: &str, wanted: impl Fn(&str) -> bool + Copy, of: fn(&World) -> Case) {
    for driver in drivers() {
        let world = World::new(driver);
        at_each_call(&world, &of(&world), fault, wanted);
    }
}

#[test]
fn load_killed_at_each_change() {
    requires!(root, busybox, timing, package = "strace");
    cases("signal=KILL", |_| true, load);
}

#[test]
fn import_killed_at_each_change() {
    requires!(root, busybox, timing, package = "strace");
    cases("signal=KILL", |_| true, import);
}

#[test]
fn pull_killed_at_each_change() {
    requires!(root, busybox, timing, package = "strace", package = "docker-registry", package = "skopeo");
    for driver in drivers() {
        let world = World::new(driver).with_registry();
        at_each_call(&world, &pull(&world), "signal=KILL", |_| true);
    }
}

#[test]
fn commit_killed_at_each_change() {
    requires!(root, busybox, timing, package = "strace");
    cases("signal=KILL", |_| true, commit);
}

#[test]
fn commit_on_a_full_disk_at_each_write() {
    requires!(root, busybox, timing, package = "strace");
    cases("error=ENOSPC", |name| FILLS.contains(&name), commit);
}

#[test]
fn rmi_killed_at_each_change() {
    requires!(root, busybox, timing, package = "strace");
    cases("signal=KILL", |_| true, rmi);
}

#[test]
fn prune_killed_at_each_change() {
    requires!(root, busybox, timing, package = "strace");
    cases("signal=KILL", |_| true, prune);
}

#[test]
fn check_killed_at_each_change() {
    requires!(root, busybox, timing, package = "strace");
    cases("signal=KILL", |_| true, repair);
}

#[test]
fn load_on_a_full_disk_at_each_write() {
    requires!(root, busybox, timing, package = "strace");
    cases("error=ENOSPC", |name| FILLS.contains(&name), load);
}

#[test]
fn pull_on_a_full_disk_at_each_write() {
    requires!(root, busybox, timing, package = "strace", package = "docker-registry", package = "skopeo");
    for driver in drivers() {
        let world = World::new(driver).with_registry();
        at_each_call(&world, &pull(&world), "error=ENOSPC", |name| FILLS.contains(&name));
    }
}

#[test]
fn rmi_on_a_full_disk_at_each_write() {
    requires!(root, busybox, timing, package = "strace");
    cases("error=ENOSPC", |name| FILLS.contains(&name), rmi);
}

#[test]
fn prune_on_a_full_disk_at_each_write() {
    requires!(root, busybox, timing, package = "strace");
    cases("error=ENOSPC", |name| FILLS.contains(&name), prune);
}

#[test]
fn check_on_a_full_disk_at_each_write() {
    requires!(root, busybox, timing, package = "strace");
    cases("error=ENOSPC", |name| FILLS.contains(&name), repair);
}

/// Bytes of a directory, as du(1) counts them.
fn used(dir: &Path) -> u64 {
    let told = Invocation::new("du").args(["-sB1"]).arg(dir).ok();
    told.stdout.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn a_disk_that_is_really_full_is_told_of_and_a_larger_one_is_enough() {
    requires!(root, busybox);
    let world = World::new("overlay");
    let case = load(&world);
    let before = used(&world.memory);
    let mut failed = 0;
    for more in (0..25).map(|step| step * 240_000) {
        world.reset();
        let size = format!("remount,size={}", before + more);
        Invocation::new("mount").args(["-o", &size]).arg(&world.memory).ok();
        let outcome = again(&world, &case).run();
        if outcome.exit_code() != Some(0) {
            failed += 1;
            outcome.code(1).one_line_error("make room");
            assert!(!has_new(&world), "{outcome}");
        }
        Invocation::new("mount").args(["-o", "remount,size=64m"]).arg(&world.memory).ok();
        world.is_whole(&format!("{more} bytes more"));
        again(&world, &case).ok();
        world.is_whole("with room enough");
    }
    assert!((3..25).contains(&failed), "{failed} failed");
}
