//! dockerd on pure cgroup v2, where the runtime makes the cgroups itself and where systemd makes them.

use testkit::requires;

use crate::dockerd::{Dockerd, NO_BRIDGE};
use crate::place::cgroup_of;

#[test]
fn a_container_lives_on_pure_v2() {
    requires!(root, busybox, cgroup_v2, package = "dockerd", package = "docker", package = "ip");
    let dockerd = Dockerd::new("corun");
    let parent = format!("/{}/", dockerd.place.cgroup);
    lives(&dockerd, &parent, "");
}

#[test]
fn a_container_lives_in_a_scope_of_systemd() {
    requires!(root, busybox, systemd, package = "dockerd", package = "docker", package = "ip");
    lives(&Dockerd::with("corun", "systemd", NO_BRIDGE), "/system.slice/docker-", ".scope");
}

/// A container from its start to its end, in a cgroup of a pure v2 hierarchy of which the path begins and ends like this.
#[track_caller]
fn lives(dockerd: &Dockerd, before: &str, after: &str) {
    dockerd.up("c1", &["--memory=64m"]);
    let (path, cgroup) = cgroup_of(&dockerd.inspect("c1", "State.Pid"));
    assert_eq!(path, format!("{before}{}{after}", dockerd.inspect("c1", "Id")));
    let holds = |file: &str, value: &str| assert_eq!(std::fs::read_to_string(cgroup.join(file)).unwrap().trim(), value);
    holds("memory.max", "67108864");
    dockerd.docker(["exec", "c1", "sh", "-c", "echo inside; exit 5"]).run().code(5).stdout_is("inside\n");
    dockerd.docker(["update", "--memory=32m", "--memory-swap=64m", "c1"]).ok();
    holds("memory.max", "33554432");
    let stats = dockerd.docker(["stats", "--no-stream", "--format={{.MemUsage}}", "c1"]).ok();
    stats.stdout_contains("/ 32MiB");
    dockerd.docker(["pause", "c1"]).ok();
    holds("cgroup.freeze", "1");
    dockerd.docker(["unpause", "c1"]).ok();
    dockerd.docker(["stop", "--time=60", "c1"]).ok();
    assert_eq!(dockerd.inspect("c1", "State.ExitCode"), "3");
    assert!(!cgroup.exists(), "its cgroup is left");
}
