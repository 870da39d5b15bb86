//! containerd on pure cgroup v2, where the runtime makes the cgroups itself and where systemd makes them.

use testkit::requires;

use crate::containerd::Containerd;
use crate::place::cgroup_of;

#[test]
fn a_task_lives_on_pure_v2() {
    requires!(root, busybox, cgroup_v2, package = "containerd", package = "ctr");
    let containerd = Containerd::new("corun");
    let path = format!("/{}/c", containerd.place.cgroup);
    lives(&containerd, &[], &path);
}

#[test]
fn a_task_lives_in_a_scope_of_systemd() {
    requires!(root, busybox, systemd, package = "containerd", package = "ctr");
    let flags = ["--runc-systemd-cgroup", "--cgroup=system.slice:corun:c"];
    lives(&Containerd::new("corun"), &flags, "/system.slice/corun-c.scope");
}

/// A task from its start to its end, in this cgroup of a pure v2 hierarchy.
#[track_caller]
fn lives(containerd: &Containerd, flags: &[&str], path: &str) {
    let pid = containerd.place.sandbox.join("pid");
    let pid_file = format!("--pid-file={}", pid.display());
    let flags = [&["--memory-limit=67108864", &pid_file], flags].concat();
    containerd.up("c", &flags);
    let (found, cgroup) = cgroup_of(&std::fs::read_to_string(&pid).unwrap());
    assert_eq!(found, path);
    assert_eq!(std::fs::read_to_string(cgroup.join("memory.max")).unwrap(), "67108864\n");
    containerd.exec("c", &[], &["sh", "-c", "echo inside; exit 5"]).run().code(5).stdout_is("inside\n");
    containerd.ctr(["task", "pause", "c"]).ok();
    assert_eq!(containerd.status("c"), "PAUSED");
    containerd.ctr(["task", "resume", "c"]).ok();
    containerd.ctr(["task", "metrics", "c"]).ok().stdout_contains("67108864").stdout_contains("pids.current");
    containerd.ctr(["task", "kill", "c"]).ok();
    containerd.is_gone("c");
    assert!(!cgroup.exists(), "its cgroup is left");
}
