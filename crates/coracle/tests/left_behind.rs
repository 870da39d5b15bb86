//! Whatever ends a run, and whenever: nothing of it is left on the machine, or the next command removes it unasked.

#![forbid(unsafe_code)]

#[path = "seed/world.rs"]
mod world;

use std::time::Duration;

use rustix::process::Signal;
use testkit::requires;
use world::{World, eventually};

/// The longest that the kernel's own clearing up may take.
const SOON: Duration = Duration::from_secs(5);

/// Moments at which a run is disturbed: over its whole start, and some after. Fewer where each takes long.
fn moments() -> impl Iterator<Item = Duration> {
    let (count, step) = if requires::timing().is_ok() { (40, 750) } else { (8, 40_000) };
    (0..count).map(move |number| Duration::from_micros(number * step))
}

const PATIENT: &str = "trap 'exit 3' TERM INT; sleep 0.3 & wait";

#[track_caller]
fn interrupted_at_any_moment(world: &World) {
    let before = world.leavings();
    for (number, moment) in moments().enumerate() {
        let signal = if number % 2 == 0 { Signal::TERM } else { Signal::INT };
        let running = world.invocation(&[], &["host:", "sh", "-c", PATIENT]).spawn();
        std::thread::sleep(moment);
        running.kill(signal);
        let outcome = running.wait();
        // Before anything was made the signal itself ends it; then coracle says so; then the command decides.
        let code = outcome.exit_code();
        let by_signal = code.is_none() || code == Some(128 + signal.as_raw());
        assert!(by_signal || matches!(code, Some(0 | 3)), "after {moment:?}\n{outcome}");
    }
    before.assert_nothing_new(SOON);
}

#[test]
fn a_run_of_root_that_is_interrupted_at_any_moment_leaves_nothing() {
    requires!(root, cgroups);
    interrupted_at_any_moment(&World::root());
}

#[test]
fn a_run_with_ids_of_its_own_that_is_interrupted_at_any_moment_leaves_nothing() {
    requires!(root, cgroups);
    interrupted_at_any_moment(&World::root_auto());
}

#[test]
fn a_users_run_that_is_interrupted_at_any_moment_leaves_nothing() {
    requires!(subuid_user, user_namespaces);
    interrupted_at_any_moment(&World::user());
}

#[track_caller]
fn killed_at_any_moment(world: &World) {
    let before = world.leavings();
    for moment in moments() {
        let running = world.invocation(&[], &["host:", "sleep", "60"]).spawn();
        std::thread::sleep(moment);
        running.kill(Signal::KILL);
        running.wait().signal(9);
    }
    world.sandbox.run(["ps", "-a"]).code(0);
    before.assert_nothing_new(SOON);
}

#[test]
fn what_a_run_of_root_killed_at_any_moment_leaves_goes_with_the_next_command() {
    requires!(root, cgroups);
    killed_at_any_moment(&World::root());
}

#[test]
fn what_a_run_with_ids_of_its_own_killed_at_any_moment_leaves_goes_with_the_next_command() {
    requires!(root, cgroups);
    killed_at_any_moment(&World::root_auto());
}

#[test]
fn what_a_users_run_killed_at_any_moment_leaves_goes_with_the_next_command() {
    requires!(subuid_user, user_namespaces);
    killed_at_any_moment(&World::user());
}

#[test]
fn a_container_dies_with_the_coracle_that_held_it() {
    requires!(root);
    let world = World::root();
    let before = world.leavings();
    let (running, _) = world.start(&[], "sleep 1000 & sleep 1000");
    running.kill(Signal::KILL);
    running.wait().signal(9);
    eventually("the container's processes die", || {
        !before.new_since().iter().any(|thing| thing.starts_with("process") || thing.starts_with("namespace"))
    });
    world.sandbox.run(["ps", "-a"]).code(0).stdout_lacks("host:");
    before.assert_nothing_new(SOON);
}

#[test]
fn signals_to_coracle_are_the_commands() {
    requires!(root);
    let world = World::root();
    let cases = [(Signal::TERM, "TERM"), (Signal::INT, "INT"), (Signal::HUP, "HUP"), (Signal::USR1, "USR1")];
    for (signal, name) in cases {
        let script = format!("trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 0.05; done");
        let (mut running, _) = world.start(&[], &script);
        running.stdout_until("ready");
        running.kill(signal);
        running.wait().code(7).stdout_contains(&format!("got {name}"));
    }
}
