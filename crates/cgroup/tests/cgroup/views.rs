//! The other tests once more, on a pure v1 and on a pure v2 view of a hybrid machine. A view is a private mount
//! namespace: nothing of the machine's own changes.

use cgroup::{Layout, Mode};
use testkit::{Invocation, requires};

/// Runs all tests but these in a mount namespace that `prepare` has changed; tells what they said.
fn suite(prepare: &str) -> testkit::Outcome {
    let me = std::env::current_exe().unwrap();
    let script = format!("{prepare} && exec \"$@\"");
    let command = Invocation::new("unshare").args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
    let command = command.arg(me).args(["--skip", "views::", "--nocapture"]).without_env("CORACLE_SKIPS");
    let outcome = command.timeout(std::time::Duration::from_mins(5)).run();
    outcome.code(0).stdout_contains("test result: ok");
    outcome
}

fn hybrid() -> testkit::requires::Need {
    let mode = Layout::detect().map(|layout| layout.mode());
    if mode.is_ok_and(|mode| mode == Mode::Hybrid) { Ok(()) } else { Err("a hybrid machine".to_owned()) }
}

#[test]
fn all_tests_hold_on_a_pure_v1_view() {
    requires!(root);
    if !testkit::requires::met("cgroup/cgroup::views::all_tests_hold_on_a_pure_v1_view", [hybrid()]) {
        return;
    }
    let outcome = suite("umount /sys/fs/cgroup/unified");
    for line in outcome.stderr.lines().filter(|line| line.starts_with("SKIP")) {
        assert!(["hugetlb", "v2 hierarchy", "systemd"].iter().any(|it| line.contains(it)), "{line}");
    }
}

#[test]
fn all_tests_hold_on_a_pure_v2_view() {
    requires!(root);
    if !testkit::requires::met("cgroup/cgroup::views::all_tests_hold_on_a_pure_v2_view", [hybrid()]) {
        return;
    }
    let outcome = suite("mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup");
    // Controllers belong to v1 still; what is the core's must be there.
    for line in outcome.stderr.lines().filter(|line| line.starts_with("SKIP")) {
        assert!(line.contains("limits::") || line.contains("systemd"), "{line}");
    }
}
