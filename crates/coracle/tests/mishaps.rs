//! What happens to a machine with containers on it: its disk is full, it has gone down, its numbers are given to others,
//! its clock jumps.

#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use testkit::{Invocation, Leavings, Sandbox, Scope, requires, within};

const SOON: Duration = Duration::from_secs(20);

/// A sandbox with a store on a small file system of its own.
struct Small(Sandbox);

impl Drop for Small {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.fill());
        let _ = self.0.coracle(["rm", "-f", "-a"]).run();
        let _ = Invocation::new("umount").arg("-l").arg(self.0.root()).run();
    }
}

impl Small {
    fn new() -> Self {
        let small = Self(Sandbox::new());
        Invocation::new("mount").args(["-t", "tmpfs", "-o", "mode=755,size=2m", "tmpfs"]).arg(small.0.root()).ok();
        small
    }

    fn fill(&self) -> PathBuf {
        self.0.root().join("fill")
    }

    /// Not a byte more finds room.
    fn is_filled(&self) {
        Invocation::new("sh").args(["-c", "cat /dev/zero >$0"]).arg(self.fill()).run().code(1);
    }
}

/// What `inspect` says.
#[track_caller]
fn shown(sandbox: &Sandbox, name: &str, template: &str) -> String {
    sandbox.run(["inspect", "--format", template, name]).code(0).stdout.trim().to_owned()
}

#[track_caller]
fn background(sandbox: &Sandbox, name: &str, script: &str) -> PathBuf {
    let id = sandbox.run(["run", "-d", "--name", name, "host:", "sh", "-c", script]).code(0).stdout.trim().to_owned();
    sandbox.runroot().join("containers").join(id)
}

#[track_caller]
fn pid(sandbox: &Sandbox, name: &str) -> u32 {
    shown(sandbox, name, "{{.State.Pid}}").parse().expect("a pid")
}

#[test]
fn a_full_disk_costs_the_log_and_never_the_end() {
    requires!(root);
    let small = Small::new();
    let sandbox = &small.0;
    sandbox.run(["create", "--name", "made", "host:", "sh", "-c", "exit 3"]).code(0);
    background(sandbox, "other", "sleep 1000");
    background(sandbox, "box", "while [ ! -e /go ]; do sleep 0.05; done; seq 1 300000; exit 7");
    small.is_filled();
    fs::write(format!("/proc/{}/root/go", pid(sandbox, "box")), "").expect("a file in it");
    sandbox.run(["wait", "box"]).code(0).stdout_is("7\n");
    sandbox.run(["wait", "box"]).code(0).stdout_is("7\n");
    sandbox.run(["ps", "-a"]).code(0).stdout_contains("Exited (7)");
    sandbox.run(["exec", "other", "echo", "here"]).code(0).stdout_is("here\n");
    sandbox.run(["create", "--name", "more", "host:"]).code(125).one_line_error("make room");
    sandbox.run(["run", "-d", "--name", "more", "host:", "true"]).code(125).one_line_error("make room");
    sandbox.run(["start", "-a", "made"]).code(3);
    sandbox.run(["stop", "-t", "0", "other"]).code(0);
    sandbox.run(["rm", "made", "other"]).code(0);
    sandbox.run(["ps", "-aq"]).code(0);
    fs::remove_file(small.fill()).expect("room");
    assert_eq!(shown(sandbox, "box", "{{.State.ExitCode}} {{.State.Status}}"), "7 exited");
    sandbox.run(["logs", "box"]).code(0);
    sandbox.run(["rm", "box"]).code(0);
    let left: Vec<_> = fs::read_dir(sandbox.runroot().join("containers")).expect("a directory").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_log_tells_what_it_has_lost() {
    requires!(root);
    let small = Small::new();
    let sandbox = &small.0;
    background(
        sandbox,
        "box",
        "while [ ! -e /go ]; do sleep 0.05; done; seq 1 300000; while :; do echo on; sleep 0.1; done",
    );
    small.is_filled();
    fs::write(format!("/proc/{}/root/go", pid(sandbox, "box")), "").expect("a file in it");
    std::thread::sleep(Duration::from_millis(500));
    fs::remove_file(small.fill()).expect("room");
    let told = || sandbox.run(["logs", "box"]).stderr.contains("bytes of output were lost");
    assert!(within(SOON, told));
    assert!(within(SOON, || sandbox.run(["logs", "-n", "1", "box"]).stdout == "on\n"));
}

/// A run directory as another boot has left it: whose numbers were the monitor's and the container's then, are others' now.
#[test]
fn whoever_has_the_pid_now_is_left_alone() {
    requires!(root);
    testkit::reap_orphans();
    let sandbox = Sandbox::new();
    sandbox.run(["run", "--rm", "host:", "true"]).code(0);
    let leavings = Leavings::count(&Scope::new().dir(sandbox.path()));
    let bystander = sandbox.command("sleep").arg("1000").spawn();
    // A process is known by its number and the clock tick it began in: one that has the number of another began in a later tick.
    std::thread::sleep(Duration::from_millis(30));
    for words in [&["ps", "-a"][..], &["stop", "box"], &["rm", "-f", "box"], &["start", "box"], &["kill", "box"]] {
        let run_dir = background(&sandbox, "box", "sleep 1000");
        let first = pid(&sandbox, "box");
        let state = fs::read_to_string(run_dir.join("state.json")).expect("a state");
        let json: serde_json::Value = serde_json::from_str(&state).expect("JSON");
        let monitor = json["holder"]["pid"].as_u64().expect("a pid");
        for pid in [monitor, first.into()] {
            Invocation::new("kill").args(["-9", &pid.to_string()]).ok();
        }
        let dead = |pid: u64| !fs::exists(format!("/proc/{pid}")).expect("a look");
        assert!(within(SOON, || dead(monitor) && dead(first.into())));
        let other = bystander.pid().to_string();
        let given = |text: &str, was: &str| text.replacen(was, &other, 1);
        fs::write(run_dir.join("state.json"), given(&state, &monitor.to_string())).expect("a state");
        let process = fs::read_to_string(run_dir.join("pid")).expect("a process");
        fs::write(run_dir.join("pid"), given(&process, &first.to_string())).expect("a process");
        for mark in fs::read_dir(sandbox.runroot().join("holders")).expect("marks").flatten() {
            let name = mark.file_name().to_string_lossy().replace(&format!(".{monitor}-"), &format!(".{other}-"));
            fs::rename(mark.path(), mark.path().with_file_name(name)).expect("another mark");
        }
        let code = i32::from(words[0] == "kill");
        sandbox.run(words).code(code);
        let status = (words[0] != "rm").then(|| shown(&sandbox, "box", "{{.State.Status}}"));
        let expected = if words[0] == "start" { "running" } else { "exited" };
        assert!(status.is_none_or(|status| status == expected), "{words:?}");
        sandbox.run(["rm", "-f", "box"]).code(0);
        // Neither killed (Z) nor stopped (T); on a busy machine it may still be on its way to sleep.
        let bystander = fs::read_to_string(format!("/proc/{other}/stat")).expect("the bystander");
        assert!([") S ", ") R ", ") D "].iter().any(|state| bystander.contains(state)), "{bystander}");
    }
    drop(bystander);
    leavings.assert_nothing_new(SOON);
}

#[test]
fn a_clock_that_was_wrong_confuses_nobody() {
    requires!(root);
    let sandbox = Sandbox::new();
    let run_dir =
        background(&sandbox, "box", "echo one; while [ ! -e /go ]; do sleep 0.05; done; echo two; sleep 1000");
    assert!(within(SOON, || sandbox.run(["logs", "box"]).stdout == "one\n"));
    // All of it was written when the clock was years ahead.
    let id = run_dir.file_name().expect("an id");
    let dir = sandbox.root().join("containers").join(id);
    let log = fs::read_to_string(dir.join("log")).expect("a log");
    fs::write(dir.join("log"), log.replacen("20", "29", 1)).expect("another time");
    let record = fs::read_to_string(dir.join("record.json")).expect("a record");
    let mut json: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    json["config"]["created"] = 30_000_000_000_u64.into();
    fs::write(dir.join("record.json"), json.to_string()).expect("another record");
    let process = fs::read_to_string(run_dir.join("pid")).expect("a process");
    let words: Vec<&str> = process.split(' ').collect();
    fs::write(run_dir.join("pid"), format!("{} 30000000000 {}", words[0], words[2])).expect("another time");
    fs::write(format!("/proc/{}/root/go", pid(&sandbox, "box")), "").expect("a file in it");
    assert!(within(SOON, || sandbox.run(["logs", "box"]).stdout == "one\ntwo\n"));
    sandbox.run(["logs", "--until", "1m", "box"]).code(0).stdout_is("");
    sandbox.run(["logs", "--since", "1m", "box"]).code(0).stdout_is("one\ntwo\n");
    sandbox.run(["ps", "-a"]).code(0).stdout_contains("Up ");
    sandbox.run(["ps", "-a", "--filter", "since=box"]).code(0);
    sandbox.run(["stop", "-t", "0", "box"]).code(0);
    sandbox.run(["ps", "-a"]).code(0).stdout_contains("Exited (137)");
    sandbox.run(["container", "prune", "-f", "--filter", "until=1h"]).code(0);
    sandbox.run(["start", "box"]).code(0);
    sandbox.run(["rm", "-f", "box"]).code(0);
}
