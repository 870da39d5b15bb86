//! Whoever is killed, and wherever: the command, the monitor, or who starts a container for it. The next commands see what
//! is there, start it and remove it, and nothing is left of it.
//!
//! A first run lists the system calls that change something, of all processes that take part, with strace. Then the same
//! is done once for each of them, and the process that makes it is killed there. The gate takes some, `cargo xtask proof
//! kills` all of them.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use testkit::{Leavings, Outcome, Sandbox, Scope, User, requires, within};

/// What makes, names, mounts, removes, tells, waits or is told.
const CHANGES: &str = "write,fsync,fdatasync,flock,renameat2,mkdirat,symlinkat,unlinkat,mknodat,fchownat,fchmodat,\
                       fsmount,move_mount,mount_setattr,open_tree,pivot_root,umount2,unshare,setns,\
                       clone3,execve,setsid,socketpair,sendto,sendmsg,recvfrom,recvmsg,connect,accept4,listen,\
                       pidfd_open,pidfd_send_signal,kill,ppoll,waitid,exit_group";

/// Longer than any of this takes, but for what hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// What is there before, and what is done while somebody is killed.
struct Case {
    before: &'static [&'static str],
    words: &'static str,
}

impl Case {
    fn joins(&self) -> bool {
        self.before.iter().chain([&self.words]).any(|words| words.contains("NET"))
    }
}

fn long() -> bool {
    std::env::var_os("CORACLE_LONG").is_some()
}

/// A sandbox whose containers' cgroups are told from those of others.
struct World {
    sandbox: Sandbox,
    above: String,
}

impl World {
    fn new(user: Option<&User>) -> Self {
        testkit::reap_orphans();
        let sandbox = user.map_or_else(Sandbox::new, Sandbox::of);
        let above = sandbox.path().file_name().expect("a name").to_string_lossy().into_owned();
        Self { sandbox, above }
    }

    /// Words without blanks in them; a container's options are those of all containers here.
    fn coracle(&self, words: &str) -> testkit::Invocation {
        // A user's are below his session's, or nowhere.
        let parent = match self.sandbox.user() {
            None => format!("--cgroup-parent=/{}", self.above),
            Some(_) => "--cgroups=disabled".to_owned(),
        };
        let places = words.split(' ').flat_map(|word| match word {
            "BOX" => vec!["--name", "box", "--network=none", &parent],
            "NET" => vec!["--name", "box", "--network=bridge", "-p", "8080:80", &parent],
            word => vec![word],
        });
        self.sandbox.coracle(places.map(str::to_owned).collect::<Vec<_>>()).timeout(LIMIT)
    }

    fn leavings(&self, case: &Case) -> Leavings {
        self.coracle(if case.joins() { "run --rm NET host: true" } else { "run --rm BOX host: true" }).ok();
        self.end_idle();
        // A full file of lines becomes the second one, once and for good.
        let lines = self.sandbox.runroot().join("starts");
        fs::copy(&lines, lines.with_extension("1")).expect("a second file of lines");
        Leavings::count(&Scope::new().dir(self.sandbox.path()).cgroup(&self.above))
    }

    /// Does it under strace, which follows what it leaves running.
    fn traced(&self, case: &Case, strace: &[&str]) -> Outcome {
        for before in case.before {
            self.coracle(before).ok();
        }
        let strace = ["strace", "-D", "-f", "-qq"].iter().chain(strace);
        self.coracle(case.words).above(strace).run()
    }

    /// Ends what waits for the next container in a network, and would end by itself after ten seconds: resolvers, and who
    /// keeps a user's namespaces.
    fn end_idle(&self) {
        let run = self.sandbox.runroot();
        let networks = fs::read_dir(run.join("networks")).into_iter().flatten().flatten();
        for lock in networks.map(|network| network.path().join("resolver")).filter(|lock| lock.exists()) {
            let holders = testkit::Invocation::new("fuser").arg(&lock).run();
            for pid in holders.stdout.split_whitespace().filter_map(|pid| pid.parse().ok()) {
                let _ = sys::process::kill(pid, 9);
            }
        }
        for name in ["commons", "commons.pasta"] {
            let text = fs::read_to_string(run.join(name)).unwrap_or_default();
            if let Some(pid) = text.trim().split('-').next().and_then(|pid| pid.parse().ok()) {
                let _ = sys::process::kill(pid, 9);
            }
        }
    }

    /// The commands that follow see what is there, and it can be started and removed.
    #[track_caller]
    fn is_well(&self, told: &str) {
        self.coracle("ps -a").ok();
        let there = self.coracle("container exists box").run().exit_code() == Some(0);
        let expected = |code: i32| move |outcome: &Outcome| outcome.exit_code() == Some(code);
        for (words, without) in [("inspect box", 1), ("start box", 125), ("stop -t 0 box", 1), ("rm -f box", 0)] {
            let outcome = self.coracle(words).run();
            // What is removed with its end may go at any moment.
            let gone = expected(without)(&outcome) && self.coracle("container exists box").run().exit_code() == Some(1);
            assert!(there && expected(0)(&outcome) || gone, "{told}: {words}\n{outcome}");
        }
        self.coracle("ps -aq").ok().stdout_is("");
    }
}

/// The calls of all processes that take part, to the end of the last: each name with the most that one of them makes.
fn calls(world: &World, case: &Case) -> Option<BTreeMap<String, usize>> {
    let trace = world.sandbox.join("trace");
    let outcome = world.traced(case, &["-o", &trace.to_string_lossy(), "-e", &format!("trace={CHANGES}")]);
    outcome.exit_code().filter(|code| *code == 0)?;
    world.is_well("nobody was killed");
    world.end_idle();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in fs::read_to_string(&trace).expect("a trace").lines() {
        let mut parts = line.split_whitespace();
        let (Some(process), Some(call)) = (parts.next(), parts.next()) else { continue };
        let Some((name, _)) = call.split_once('(') else { continue };
        *counts.entry((process.to_owned(), name.to_owned())).or_default() += 1;
    }
    fs::remove_file(trace).expect("removing the trace");
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((_, name), count) in counts {
        let most = most.entry(name).or_default();
        *most = count.max(*most);
    }
    Some(most)
}

#[track_caller]
fn killed_at_each_call(case: &Case) {
    killed_at_each_call_of(None, case);
}

#[track_caller]
fn killed_at_each_call_of(user: Option<&User>, case: &Case) {
    let world = World::new(user);
    let leavings = world.leavings(case);
    let Some(calls) = calls(&world, case) else {
        requires!(that = Err("ptrace".to_owned()));
        return;
    };
    leavings.assert_nothing_new(LIMIT);
    let all: Vec<_> = calls.iter().flat_map(|(name, most)| (1..=*most).map(move |at| (name, at))).collect();
    assert!(all.len() > 10, "{calls:?}");
    // The short round takes others each time that it runs: over many of them, all.
    let step = if long() { 1 } else { all.len() / 8 + 1 };
    let first = std::process::id() as usize % step;
    let mut hit = 0;
    for (name, at) in all.iter().skip(first).step_by(step) {
        let inject = format!("inject={name}:signal=KILL:when={at}");
        let outcome = world.traced(case, &["-o", "/dev/null", "-e", &format!("trace={name}"), "-e", &inject]);
        hit += usize::from(outcome.exit_code() != Some(0));
        let told = format!("{inject} of {:?}", case.words);
        assert!(!outcome.stderr.contains("panicked"), "{told}\n{outcome}");
        world.is_well(&told);
        world.end_idle();
        // Who is killed at the very end leaves it to the next command.
        let clean = within(LIMIT, || world.coracle("ps -aq").ok().stdout.is_empty() && leavings.new_since().is_empty());
        assert!(clean, "{told} leaves {:#?}\n{outcome}", leavings.new_since());
    }
    assert!(hit > 0, "{:?} was never hit", case.words);
}

/// A machine of the test's own, in which containers have networks.
fn machine() {
    sys::process::unshare(sys::process::namespace::NET).expect("a network namespace");
    testkit::Invocation::new("ip").args(["link", "set", "lo", "up"]).ok();
}

#[test]
fn run_in_a_network_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace", package = "ip", package = "fuser");
    machine();
    killed_at_each_call(&Case { before: &[], words: "run -d NET host: sleep 1000" });
}

#[test]
fn rm_from_a_network_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace", package = "ip", package = "fuser");
    machine();
    killed_at_each_call(&Case { before: &["run -d NET host: sleep 1000"], words: "rm -f box" });
}

const RUNNING: &[&str] = &["run -d BOX host: sleep 1000"];

#[test]
fn create_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace");
    killed_at_each_call(&Case { before: &[], words: "create BOX host: sleep 1000" });
}

#[test]
fn run_in_the_background_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace");
    killed_at_each_call(&Case { before: &[], words: "run -d BOX host: sleep 1000" });
}

#[test]
fn run_in_the_foreground_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace");
    killed_at_each_call(&Case { before: &[], words: "run BOX host: true" });
}

#[test]
fn start_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace");
    killed_at_each_call(&Case { before: &["create BOX host: sleep 1000"], words: "start box" });
}

#[test]
fn restart_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace");
    killed_at_each_call(&Case { before: RUNNING, words: "restart -t 0 box" });
}

#[test]
fn a_restart_by_policy_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace");
    killed_at_each_call(&Case { before: &[], words: "run -d --restart=on-failure:1 BOX host: false" });
}

#[test]
fn stop_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace");
    killed_at_each_call(&Case { before: RUNNING, words: "stop -t 0 box" });
}

#[test]
fn exec_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace");
    killed_at_each_call(&Case { before: RUNNING, words: "exec box true" });
}

#[test]
fn exec_in_the_background_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace");
    killed_at_each_call(&Case { before: RUNNING, words: "exec -d box sleep 1000" });
}

#[test]
fn rm_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace");
    killed_at_each_call(&Case { before: &["run BOX host: true"], words: "rm box" });
}

#[test]
fn rm_by_force_killed_at_each_change() {
    requires!(root, cgroups, timing, package = "strace");
    killed_at_each_call(&Case { before: RUNNING, words: "rm -f box" });
}

/// An ordinary user's.
#[track_caller]
fn a_users_killed_at_each_call(before: &'static [&'static str], words: &'static str) {
    killed_at_each_call_of(Some(&User::with_subuids()), &Case { before, words });
}

#[test]
fn a_users_run_in_a_network_killed_at_each_change() {
    requires!(subuid_user, user_namespaces, timing, package = "strace", package = "ip", package = "fuser");
    machine();
    a_users_killed_at_each_call(&[], "run -d NET host: sleep 1000");
}

#[test]
fn a_users_rm_from_a_network_killed_at_each_change() {
    requires!(subuid_user, user_namespaces, timing, package = "strace", package = "ip", package = "fuser");
    machine();
    a_users_killed_at_each_call(&["run -d NET host: sleep 1000"], "rm -f box");
}

#[test]
fn a_users_create_killed_at_each_change() {
    requires!(subuid_user, user_namespaces, timing, package = "strace");
    a_users_killed_at_each_call(&[], "create BOX host: sleep 1000");
}

#[test]
fn a_users_run_in_the_background_killed_at_each_change() {
    requires!(subuid_user, user_namespaces, timing, package = "strace");
    a_users_killed_at_each_call(&[], "run -d BOX host: sleep 1000");
}

#[test]
fn a_users_start_killed_at_each_change() {
    requires!(subuid_user, user_namespaces, timing, package = "strace");
    a_users_killed_at_each_call(&["create BOX host: sleep 1000"], "start box");
}

#[test]
fn a_users_stop_killed_at_each_change() {
    requires!(subuid_user, user_namespaces, timing, package = "strace");
    a_users_killed_at_each_call(RUNNING, "stop -t 0 box");
}

#[test]
fn a_users_exec_killed_at_each_change() {
    requires!(subuid_user, user_namespaces, timing, package = "strace");
    a_users_killed_at_each_call(RUNNING, "exec box true");
}

#[test]
fn a_users_rm_killed_at_each_change() {
    requires!(subuid_user, user_namespaces, timing, package = "strace");
    a_users_killed_at_each_call(&["run BOX host: true"], "rm box");
}
