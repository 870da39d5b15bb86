//! Podman on pure cgroup v2, where it makes the cgroups itself and where systemd makes them. The life of a container in
//! few commands, since the processor of a guest is slow and podman large.

use std::fs;

use testkit::{requires, within};

use crate::place::{Place, cgroup_of};
use crate::podman::{Podman, SOON};

#[test]
fn a_container_lives_on_pure_v2() {
    requires!(root, busybox, cgroup_v2, package = "podman");
    let podman = Podman::at(Place::new(), "corun", "cgroupfs");
    let parent = format!("/{}/libpod-", podman.place.cgroup);
    lives(&podman, &parent, "");
}

#[test]
fn a_container_lives_in_a_scope_of_systemd() {
    requires!(root, busybox, systemd, package = "podman");
    lives(&Podman::at(Place::new(), "corun", "systemd"), "/machine.slice/libpod-", ".scope");
}

/// A container from its start to its end, in a cgroup of which the path begins and ends like this.
#[track_caller]
fn lives(podman: &Podman, before: &str, after: &str) {
    let rootfs = podman.sandbox().rootfs("rootfs");
    let pid = podman.sandbox().join("pid");
    let script = "trap 'exit 3' TERM; touch /tmp/up; while :; do sleep 0.1; done";
    let run = podman.run(["--detach", "--name=c", "--memory=64m", "--pidfile"]).arg(&pid).arg("--rootfs");
    let id = run.arg(rootfs.path()).args(["sh", "-c", script]).ok().stdout;
    assert!(within(SOON, || rootfs.inside("/tmp/up").exists()), "it does not run");
    let (path, cgroup) = cgroup_of(&fs::read_to_string(&pid).unwrap());
    assert_eq!(path, format!("{before}{}{after}", id.trim()));
    let holds = |file: &str, value: &str| assert_eq!(fs::read_to_string(cgroup.join(file)).unwrap().trim(), value);
    holds("memory.max", "67108864");
    podman.podman(["exec", "c", "sh", "-c", "echo inside; exit 5"]).run().code(5).stdout_is("inside\n");
    podman.podman(["update", "--memory=32m", "c"]).ok();
    holds("memory.max", "33554432");
    let stats = podman.podman(["stats", "--no-stream", "--format={{.Name}} {{.PIDs}}", "c"]).ok();
    assert!(stats.stdout.trim() == "c 1" || stats.stdout.trim() == "c 2", "{}", stats.stdout);
    podman.podman(["pause", "c"]).ok();
    holds("cgroup.freeze", "1");
    podman.podman(["unpause", "c"]).ok();
    holds("cgroup.freeze", "0");
    podman.podman(["stop", "--time=60", "c"]).ok();
    podman.podman(["wait", "c"]).ok().stdout_is("3\n");
    assert!(!cgroup.exists(), "its cgroup is left");
}
