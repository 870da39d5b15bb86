//! A command that is killed at any moment of its work: what it left is removed by `delete --force`, all of it.

use crate::bundle::Bundle;
use crate::container::{Container, SLEEP, SOON};
use rustix::process::Signal;
use std::fs;
use std::time::Duration;
use testkit::{Invocation, requires, within};

/// The step from one moment to the next, and the last of them, in microseconds.
fn moments() -> impl Iterator<Item = Duration> {
    let step = if long() { 50 } else { 900 };
    (0..12_000).step_by(step).map(Duration::from_micros)
}

fn long() -> bool {
    std::env::var_os("CORACLE_LONG").is_some()
}

/// Starts it, and kills it after a while.
fn killed_after(invocation: Invocation, moment: Duration) {
    let running = invocation.spawn();
    std::thread::sleep(moment);
    running.kill(Signal::KILL);
    let _ = running.wait();
}

fn waiting() -> Container {
    let container = Container::planned(Bundle::script(SLEEP));
    // What a killed command leaves beside the container's directory would be a leaving as well.
    assert!(fs::read_dir(container.bundle.sandbox.runroot()).unwrap().next().is_none());
    container
}

#[track_caller]
fn nothing_is_left(container: &Container) {
    container.gone();
    let left: Vec<_> = fs::read_dir(container.bundle.sandbox.runroot()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

impl Container {
    fn verb_with_bundle(&self, verb: &str) -> Invocation {
        self.corun(&[verb, "--bundle"]).arg(self.bundle.dir()).arg(&self.bundle.id)
    }
}

fn run_detached(container: &Container) -> Invocation {
    container.corun(&["run", "--detach", "--bundle"]).arg(container.bundle.dir()).arg(&container.bundle.id)
}

#[test]
fn create_and_run_at_any_moment() {
    // User-mode Linux panics when a process is killed in its first instructions.
    requires!(root, busybox, timing);
    let container = waiting();
    for moment in moments() {
        for line in [container.create_with(&[]), run_detached(&container)] {
            killed_after(container.apart(line), moment);
            nothing_is_left(&container);
        }
    }
}

#[test]
fn create_in_a_user_namespace_at_any_moment() {
    requires!(root, busybox, timing);
    let mut bundle = Bundle::script(SLEEP);
    bundle.user_namespace();
    let container = Container::planned(bundle);
    for moment in moments() {
        killed_after(container.apart(container.create_with(&[])), moment);
        nothing_is_left(&container);
    }
}

#[test]
fn start_and_delete_at_any_moment() {
    requires!(root, busybox, timing);
    let container = waiting();
    for moment in moments().map(|moment| moment / 4) {
        for verb in ["start", "delete"] {
            container.create().code(0);
            killed_after(container.verb(verb), moment);
            nothing_is_left(&container);
        }
    }
}

#[test]
fn exec_at_any_moment() {
    requires!(root, busybox, timing);
    let container = Container::sleeping();
    for moment in moments().map(|moment| moment / 2) {
        killed_after(container.exec(&["true"]), moment);
        no_stub_is_left(&container);
    }
    assert_eq!(container.status(), "running");
    container.exec(&["true"]).ok();
}

/// A process that never came to its command must not stay in the container.
#[track_caller]
fn no_stub_is_left(container: &Container) {
    let mut seen = String::new();
    let gone = within(SOON, || {
        seen = container.corun(&["ps", "--format", "json", &container.bundle.id]).ok().stdout;
        let pids: Vec<u32> = serde_json::from_str(&seen).unwrap();
        !pids.iter().any(|pid| {
            let link = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            link.to_string_lossy().contains("coracle-init")
        })
    });
    assert!(gone, "a stub is left: {seen}");
}

/// The system calls that a command makes itself, in order: each name with how often it has come before.
fn calls(container: &Container, line: Invocation) -> Option<Vec<(String, usize)>> {
    let trace = container.bundle.sandbox.join("trace");
    let strace = ["strace", "-o", &trace.to_string_lossy()].map(str::to_owned);
    let outcome = container.apart(line.under(strace)).run();
    if outcome.exit_code() != Some(0) {
        return None;
    }
    let mut seen: Vec<(String, usize)> = Vec::new();
    for line in fs::read_to_string(trace).unwrap().lines() {
        let Some((name, _)) = line.split_once('(') else { continue };
        let count = seen.iter().filter(|(other, _)| other == name).count();
        seen.push((name.to_owned(), count + 1));
    }
    Some(seen)
}

/// Kills a command before each of its system calls, or before a good part of them.
fn killed_at_each_call(container: &Container, before: impl Fn(), line: impl Fn() -> Invocation, after: impl Fn()) {
    before();
    let Some(calls) = calls(container, line()) else {
        requires!(that = Err("ptrace".to_owned()));
        return;
    };
    after();
    assert!(calls.len() > 20, "{calls:?}");
    // The short round takes others each time that it runs: over many of them, all.
    let step = if long() { 1 } else { calls.len() / 16 + 1 };
    let first = std::process::id() as usize % step;
    let mut killed = 0;
    for (name, count) in calls.iter().skip(first).step_by(step) {
        before();
        let inject = format!("inject={name}:signal=KILL:when={count}");
        let strace = ["strace", "-o", "/dev/null", "-e", "trace=all", "-e", &inject].map(str::to_owned);
        let outcome = container.apart(line().under(strace)).run();
        killed += usize::from(outcome.exit_code() != Some(0));
        after();
    }
    assert!(killed > 8 || long(), "{killed} of them were killed");
}

#[test]
fn create_at_each_of_its_system_calls() {
    requires!(root, busybox, timing, package = "strace");
    let container = waiting();
    let dir = container.bundle.sandbox.join("pids");
    fs::create_dir(&dir).unwrap();
    let file = dir.join("pid");
    let create = || container.create_with(&["--pid-file", &file.to_string_lossy()]);
    killed_at_each_call(
        &container,
        || (),
        create,
        || {
            nothing_is_left(&container);
            // What the caller named is his, and it is whole.
            let left: Vec<_> = fs::read_dir(&dir).unwrap().flatten().map(|entry| entry.path()).collect();
            assert!(left.is_empty() || left == [file.clone()], "{left:?}");
            assert!(left.is_empty() || fs::read_to_string(&file).unwrap().parse::<u32>().is_ok());
            let _ = fs::remove_file(&file);
        },
    );
}

#[test]
fn run_at_each_of_its_system_calls() {
    requires!(root, busybox, timing, package = "strace");
    let container = Container::planned(Bundle::script("exit 0"));
    killed_at_each_call(&container, || (), || container.verb_with_bundle("run"), || nothing_is_left(&container));
}

#[test]
fn kill_and_delete_of_an_ended_one_at_each_of_their_system_calls() {
    requires!(root, busybox, timing, package = "strace");
    let container = waiting();
    let started = || {
        container.create().code(0);
        container.verb("start").ok();
    };
    let kill = || container.corun(&["kill", &container.bundle.id, "KILL"]);
    killed_at_each_call(&container, started, kill, || nothing_is_left(&container));
    let ended = || {
        started();
        kill().ok();
        container.becomes("stopped");
    };
    killed_at_each_call(&container, ended, || container.verb("delete"), || nothing_is_left(&container));
}

#[test]
fn pause_resume_and_update_at_each_of_their_system_calls() {
    requires!(root, busybox, cgroups, timing, package = "strace");
    let container = Container::sleeping();
    // It is as before or as was asked for, and whoever comes next can do with it what he wants.
    let whole = || {
        let status = container.status();
        assert!(status == "running" || status == "paused", "{status}");
        if status == "paused" {
            container.verb("resume").ok();
        }
        assert_eq!(container.status(), "running");
        container.exec(&["true"]).ok();
        container.corun(&["list", "--quiet"]).ok().stdout_is(&format!("{}\n", container.bundle.id));
    };
    killed_at_each_call(&container, || (), || container.verb("pause"), whole);
    let paused = || drop(container.verb("pause").ok());
    killed_at_each_call(&container, paused, || container.verb("resume"), whole);
    let rule = r#"{"devices":[{"allow":true,"type":"c","major":10,"minor":200,"access":"rw"}],"pids":{"limit":50}}"#;
    let file = container.bundle.sandbox.file("limits.json", rule);
    let update = || container.corun(&["update", "--resources"]).arg(&file).arg(&container.bundle.id);
    killed_at_each_call(
        &container,
        || (),
        update,
        || {
            whole();
            update().ok();
        },
    );
}

#[test]
fn run_detached_at_each_of_its_system_calls() {
    requires!(root, busybox, timing, package = "strace");
    let container = waiting();
    killed_at_each_call(&container, || (), || run_detached(&container), || nothing_is_left(&container));
}

#[test]
fn start_and_delete_at_each_of_their_system_calls() {
    requires!(root, busybox, timing, package = "strace");
    let container = waiting();
    let created = || {
        container.create().code(0);
    };
    killed_at_each_call(&container, created, || container.verb("start"), || nothing_is_left(&container));
    let started = || {
        container.create().code(0);
        container.verb("start").ok();
    };
    let delete = || container.corun(&["delete", "--force", &container.bundle.id]);
    killed_at_each_call(&container, started, delete, || nothing_is_left(&container));
}

#[test]
fn exec_at_each_of_its_system_calls() {
    requires!(root, busybox, timing, package = "strace");
    let container = Container::sleeping();
    killed_at_each_call(&container, || (), || container.exec(&["true"]), || no_stub_is_left(&container));
    container.exec(&["true"]).ok();
}
