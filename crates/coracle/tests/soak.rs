//! Containers by the hundred, eight at a time, through the ways of living and dying: nothing on the machine grows. The
//! gate takes 200, `cargo xtask proof soak` 2,000.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use archive::{docker_archive, text};
use serde_json::json;
use testkit::{Invocation, Leavings, Sandbox, Scope, requires, within};

const AT_A_TIME: usize = 8;

/// Files of lines that grow up to a bound.
const BOUNDED: [&str; 2] = ["events", "starts"];

const SOON: Duration = Duration::from_secs(30);

fn count() -> usize {
    if std::env::var_os("CORACLE_LONG").is_some() { 2_000 } else { 200 }
}

/// Ways in which a container comes and goes. NAME is its name, ROOT an image or the machine's own files, and OPTIONS what
/// all of them are made with; `steady` runs through all of it.
const LIVES: [&[&str]; AT_A_TIME] = [
    &["run -d NAME OPTIONS ROOT sleep 1000", "exec NAME echo here", "stop -t 0 NAME", "rm NAME"],
    &["run --rm OPTIONS ROOT true", "exec steady true"],
    &["create NAME OPTIONS ROOT echo here", "start NAME", "wait NAME", "logs NAME", "rm NAME"],
    &["run -d --rm NAME OPTIONS ROOT true"],
    &["run NAME OPTIONS ROOT echo here", "start -a NAME", "rm NAME"],
    &["run -d --restart=always NAME OPTIONS ROOT false", "rm -f NAME"],
    &["run -d -t NAME OPTIONS ROOT sleep 1000", "exec -d NAME sleep 1000", "pause NAME", "rm -f NAME"],
    &["run -d --init --health-cmd=true NAME OPTIONS ROOT sleep 1000", "restart -t 0 NAME", "kill NAME", "rm -f NAME"],
];

/// A store and a run root that lie on file systems of their own, so that what they hold can be counted to the block.
struct World {
    sandbox: Sandbox,
    above: String,
    ids: Mutex<Vec<String>>,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.sandbox.coracle(["rm", "-f", "-a"]).run();
        for dir in [self.sandbox.root(), self.sandbox.runroot()] {
            let _ = Invocation::new("umount").arg("-l").arg(dir).run();
        }
    }
}

impl World {
    fn new() -> Self {
        testkit::reap_orphans();
        let sandbox = Sandbox::new();
        for dir in [sandbox.root(), sandbox.runroot()] {
            Invocation::new("mount").args(["-t", "tmpfs", "-o", "mode=755,size=256m", "tmpfs"]).arg(dir).ok();
        }
        let base = sandbox.rootfs("home/base").path().to_owned();
        let archive = docker_archive(&sandbox, "image", &[base], &json!({"Cmd": ["sh"]}));
        sandbox.run(["load", "-i", text(&archive)]).code(0);
        sandbox.settle();
        let above = sandbox.path().file_name().expect("a name").to_string_lossy().into_owned();
        let world = Self { sandbox, above, ids: Mutex::default() };
        world.does("run -d --name steady OPTIONS image sleep 100000");
        world
    }

    fn does(&self, words: &str) {
        let options = format!("--network=none --cgroup-parent=/{}", self.above);
        let words = words.replace("OPTIONS", &options);
        let outcome = self.sandbox.run(words.split(' ')).code(0).stdout.clone();
        self.ids.lock().expect("the ids").extend(outcome.lines().filter(|line| line.len() == 64).map(str::to_owned));
    }

    /// One container's life, another for each number.
    fn live(&self, number: usize) {
        let root = if (number / AT_A_TIME).is_multiple_of(2) { "image" } else { "host:" };
        let name = format!("box{number}");
        for words in LIVES[number % AT_A_TIME] {
            let made = ["run ", "create "].iter().any(|verb| words.starts_with(verb));
            let name = if made { format!("--name={name}") } else { name.clone() };
            self.does(&words.replace("NAME", &name).replace("ROOT", root));
        }
        // Somebody attached who just goes away.
        drop(self.sandbox.coracle(["attach", "--no-stdin", "steady"]).spawn());
    }

    /// So many lives, eight at a time.
    fn live_all(&self, count: usize) {
        let next = AtomicUsize::new(0);
        let numbers = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < count);
        std::thread::scope(|scope| {
            for _ in 0..AT_A_TIME {
                scope.spawn(|| std::iter::from_fn(numbers).for_each(|number| self.live(number)));
            }
        });
        assert!(within(SOON, || self.sandbox.run(["ps", "-aq"]).lines().len() == 1));
    }

    /// Blocks and files of the store and of the run root; fds, and KiB that no file backs, of a monitor.
    fn sizes(&self) -> [u64; 6] {
        let used = |dir: &Path| {
            let file_system = rustix::fs::statvfs(dir).expect("a file system");
            [file_system.f_blocks - file_system.f_bfree, file_system.f_files - file_system.f_ffree]
        };
        let ([blocks, files], [run_blocks, run_files]) = (used(&self.sandbox.root()), used(&self.sandbox.runroot()));
        // Events are kept, up to a bound.
        let told = fs::read_dir(self.sandbox.runroot()).expect("the run root").flatten().filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_bounded = BOUNDED.iter().any(|bounded| name.starts_with(bounded));
            entry.metadata().ok().filter(|_| is_bounded).map(|meta| meta.len().div_ceil(4096))
        });
        let run_blocks = run_blocks - told.sum::<u64>();
        let id = self.sandbox.run(["inspect", "--format={{.Id}}", "steady"]).code(0).stdout.trim().to_owned();
        let state = self.sandbox.runroot().join("containers").join(id).join("state.json");
        let state: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(state).expect("a state")).expect("JSON");
        let monitor = format!("/proc/{}", state["holder"]["pid"]);
        let fds = fs::read_dir(format!("{monitor}/fd")).expect("its fds").count() as u64;
        let memory = fs::read_to_string(format!("{monitor}/smaps_rollup")).expect("its memory");
        // Pages of its program count as its own, or not, by who else runs it at the moment.
        let own =
            memory.lines().find_map(|line| line.strip_prefix("Anonymous:")?.split_whitespace().next()?.parse().ok());
        [blocks, files, run_blocks, run_files, fds, own.expect("its own memory")]
    }
}

#[test]
fn hundreds_of_containers_come_and_go_and_nothing_grows() {
    requires!(root, cgroups, busybox, timing);
    let world = World::new();
    world.live_all(2 * AT_A_TIME);
    // A full file of lines becomes the second one, once and for good.
    for name in BOUNDED {
        let lines = world.sandbox.runroot().join(name);
        fs::copy(&lines, lines.with_extension("1")).expect("a second file of lines");
    }
    let leavings = Leavings::count(&Scope::new().dir(world.sandbox.path()).cgroup(&world.above));
    let before = world.sizes();
    world.live_all(count());
    leavings.assert_same(SOON);
    assert!(within(SOON, || world.sizes()[..5] == before[..5]), "{:?} were {before:?}", world.sizes());
    let grown = world.sizes()[5].saturating_sub(before[5]);
    assert!(grown <= 64, "the monitor has grown by {grown} KiB");
    let ids = world.ids.lock().expect("the ids").clone();
    let steady = ids.first().expect("the first of all");
    let keyrings = || fs::read_to_string("/proc/keys").expect("the keys");
    let gone = || !ids.iter().any(|id| id != steady && keyrings().contains(id));
    assert!(within(SOON, gone), "{}", keyrings());
}
