//! The guest, booted for real: what the rest of the tests rely on when they say that they ran on pure cgroup v2.

#![forbid(unsafe_code)]

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use testkit::{Invocation, Sandbox, requires};

fn guest(words: &[&str]) -> Invocation {
    Invocation::new(env!("CARGO_BIN_EXE_xtask")).arg("guest").args(words)
}

#[test]
fn its_hierarchy_is_pure_v2_with_memory_and_pids() {
    requires!(package = "linux.uml");
    let outcome = guest(&["--", "cat", "/sys/fs/cgroup/cgroup.controllers", "/proc/self/cgroup"]).ok();
    let [controllers, membership] = outcome.lines()[..] else { panic!("{outcome}") };
    assert!(["cpu", "io", "memory", "pids"].iter().all(|name| controllers.split(' ').any(|word| word == *name)));
    assert_eq!(membership, "0::/session");
}

#[test]
fn the_exit_code_and_both_outputs_come_back() {
    requires!(package = "linux.uml");
    let outcome = guest(&["--", "sh", "-c", "echo out; echo err >&2; exit 7"]).run();
    outcome.code(7).stdout_is("out\n").stderr_is("err\n");
}

#[test]
fn a_command_that_is_not_there_is_127() {
    requires!(package = "linux.uml");
    guest(&["no-such-program"]).run().code(127).one_line_error("no-such-program");
}

#[test]
fn only_what_is_shared_is_written() {
    requires!(root, package = "linux.uml");
    let sandbox = Sandbox::new();
    let (kept, lost) = (tempfile::tempdir_in("/var/tmp").unwrap(), sandbox.file("data/file", "before"));
    let script = "echo after >$1/file && mkdir -p ${2%/*} && echo after >$2";
    guest(&["--share"]).arg(kept.path()).args(["sh", "-c", script, "sh"]).arg(kept.path()).arg(&lost).ok();
    assert_eq!(fs::read_to_string(kept.path().join("file")).unwrap(), "after\n");
    assert_eq!(fs::read_to_string(lost).unwrap(), "before");
}

#[test]
fn output_appears_before_the_end_and_the_guest_dies_with_its_caller() {
    requires!(package = "linux.uml");
    let sandbox = Sandbox::new();
    let before = sandbox.leavings();
    let mut running = guest(&["sh", "-c", "echo started; sleep 300"]).spawn();
    running.stdout_until("started");
    running.kill(Signal::KILL);
    running.wait().signal(9);
    before.assert_nothing_new(Duration::from_secs(10));
}

#[test]
fn one_that_does_not_end_is_ended() {
    requires!(package = "linux.uml");
    let sandbox = Sandbox::new();
    let before = sandbox.leavings();
    guest(&["--timeout", "4", "sleep", "300"]).run().code(124).stderr_contains("no answer in 4 s");
    before.assert_nothing_new(Duration::from_secs(10));
}

#[test]
fn systemd_runs_and_is_healthy() {
    requires!(package = "linux.uml", package = "dbus-daemon");
    let script = "cat /proc/1/comm /proc/self/cgroup; systemctl is-system-running --wait";
    let outcome = guest(&["--systemd", "--", "sh", "-c", script]).ok();
    outcome.stdout_is("systemd\n0::/system.slice/guest.service\nrunning\n");
}

#[test]
fn wrong_options_are_refused() {
    guest(&["--frobnicate", "true"]).run().code(2).one_line_error("--frobnicate");
    guest(&[]).run().code(2).one_line_error("command");
}
