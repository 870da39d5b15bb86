//! How a container ends, and what is left of it then: nothing.

use crate::bundle::{Bundle, CLEARING};
use rustix::process::Signal;
use testkit::{Leavings, requires, within};

#[test]
fn the_exit_code_comes_back() {
    requires!(root, busybox);
    for code in [0, 1, 42, 255] {
        Bundle::script(&format!("exit {code}")).run().code(code);
    }
}

#[test]
fn a_signal_that_ends_the_command_is_128_and_its_number() {
    requires!(root, busybox);
    // As PID 1 it is safe from its own signals: a child of it is not.
    Bundle::script("sh -c 'kill -SEGV $$'; exit $?").run().code(128 + 11);
    let mut bundle = Bundle::script("kill -TERM $$; exit 3");
    bundle.without_namespace("pid").without_mount("/proc").mount("bind", "/proc", "/proc", &["rbind"]);
    bundle.run().code(128 + 15);
}

#[test]
fn signals_are_passed_on() {
    requires!(root, busybox);
    for (signal, name) in [(Signal::TERM, "TERM"), (Signal::USR1, "USR1"), (Signal::HUP, "HUP")] {
        let bundle =
            Bundle::script(&format!("trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 0.05; done"));
        let mut running = bundle.invocation().spawn();
        running.stdout_until("ready");
        running.kill(signal);
        running.wait().code(7).stdout_contains(&format!("got {name}"));
    }
}

#[test]
fn standard_streams_are_the_callers_own() {
    requires!(root, busybox);
    let bundle = Bundle::script("read line; echo out $line; echo err $line >&2");
    let outcome = bundle.invocation().stdin("word\n").run();
    outcome.code(0).stdout_is("out word\n").stderr_is("err word\n");
}

#[test]
fn nothing_is_left_after_a_success_not_even_what_ran_on() {
    requires!(root, busybox);
    let bundle = Bundle::script("sleep 1000 & sleep 1000 & exit 5");
    bundle.run().code(5);
}

#[test]
fn what_runs_on_without_a_pid_namespace_ends_with_its_cgroup() {
    requires!(root, busybox, cgroups);
    let mut bundle = Bundle::script("sleep 1000 >/dev/null 2>&1 & sleep 1000 >/dev/null 2>&1 & exit 5");
    bundle.without_namespace("pid").without_mount("/proc").mount("bind", "/proc", "/proc", &["rbind"]);
    bundle.run().code(5);
}

#[test]
fn a_killed_corun_takes_its_container_along() {
    requires!(root, busybox);
    let bundle = Bundle::script("echo ready; while :; do sleep 1; done");
    let invocation = bundle.invocation();
    let before = Leavings::count(&testkit::Scope::new());
    let mut running = invocation.spawn();
    running.stdout_until("ready");
    running.kill(Signal::KILL);
    running.wait().signal(9);
    before.assert_nothing_new(std::time::Duration::from_secs(5));
    // Nobody is there to remove its cgroup: the next one of the name does.
    bundle.command_again("true").run().code(0);
}

#[test]
fn one_killed_while_it_starts_leaves_no_process() {
    // User-mode Linux panics when a process is killed in its first instructions.
    requires!(root, busybox, timing);
    let mut bundle = Bundle::script("sleep 1000");
    bundle.user_namespace();
    let before = Leavings::count(&testkit::Scope::new());
    for microseconds in (0..6000).step_by(250) {
        let running = bundle.invocation().spawn();
        std::thread::sleep(std::time::Duration::from_micros(microseconds));
        running.kill(Signal::KILL);
        let _ = running.wait();
        before.assert_nothing_new(CLEARING);
    }
    bundle.command_again("true").run().code(0);
}

#[test]
fn two_containers_of_one_id_at_once_are_refused() {
    requires!(root, busybox, cgroups);
    let bundle = Bundle::script("echo ready; read line; echo still $line");
    let mut running = bundle.invocation().spawn();
    running.stdout_until("ready");
    bundle.invocation().run().code(1);
    running.write("here\n");
    running.wait().code(0).stdout_contains("still here");
    assert!(within(CLEARING, || bundle.invocation().stdin("x\n").run().exit_code() == Some(0)));
}

impl Bundle {
    /// The same bundle with another command.
    fn command_again(mut self, command: &str) -> Self {
        self.command(&[command]);
        self
    }
}
