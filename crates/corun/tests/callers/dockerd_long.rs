//! dockerd, the long round.

use testkit::{Pty, requires, within};

use crate::dockerd::{Dockerd, SOON};
use crate::place::long;

#[test]
fn the_memory_limit_is_told_from_other_deaths() {
    requires!(root, busybox, cgroups, package = "dockerd", package = "docker", package = "ip", that = long());
    let dockerd = Dockerd::new("corun");
    let hungry =
        ["run", "--name=hungry", "--memory=24m", "--memory-swap=24m", "busybox", "sh", "-c", "exec tail /dev/zero"];
    dockerd.docker(hungry).run().code(137);
    assert_eq!(dockerd.inspect("hungry", "State.OOMKilled"), "true");
}

#[test]
fn terminals_of_run_and_exec() {
    requires!(root, busybox, cgroups, package = "dockerd", package = "docker", package = "ip", that = long());
    let dockerd = Dockerd::new("runc");
    let command = ["sh", "-c", "tty; read x; exit $x"];
    let mut pty = Pty::spawn(&dockerd.docker(["run", "--rm", "-it", "busybox"]).args(command));
    pty.expect("/dev/pts/0");
    pty.send("9\r");
    pty.wait().code(9);
    dockerd.up("c1", &[]);
    let mut pty = Pty::spawn(&dockerd.docker(["exec", "-it", "c1"]).args(command));
    pty.expect("/dev/pts/0");
    pty.send("6\r");
    pty.wait().code(6);
}

#[test]
fn a_swarm_service_runs_and_is_scaled() {
    requires!(root, busybox, cgroups, package = "dockerd", package = "docker", package = "ip", that = long());
    let dockerd = Dockerd::new("corun");
    dockerd.docker(["swarm", "init", "--advertise-addr", "127.0.0.1"]).ok();
    let script = "echo serving; exec sleep 100";
    let create = ["service", "create", "--detach", "--name=s1", "--no-resolve-image", "--network=host", "busybox"];
    dockerd.docker(create).args(["sh", "-c", script]).ok();
    let running = |count: usize| {
        let list = dockerd.docker(["ps", "--quiet"]).run();
        list.lines().len() == count
    };
    assert!(within(SOON, || running(1)), "one task runs");
    let id = dockerd.docker(["ps", "--quiet"]).ok().stdout.trim().to_owned();
    assert_eq!(dockerd.inspect(&id, "HostConfig.Runtime"), "ours");
    dockerd.docker(["service", "scale", "--detach", "s1=3"]).ok();
    assert!(within(SOON, || running(3)), "three tasks run");
    // A task that dies is replaced.
    dockerd.docker(["kill", &id]).ok();
    assert!(within(SOON, || running(3) && !dockerd.docker(["ps", "--quiet"]).run().stdout.contains(&id)));
    dockerd.docker(["service", "rm", "s1"]).ok();
    assert!(within(SOON, || running(0)), "no task runs");
    dockerd.docker(["swarm", "leave", "--force"]).ok();
}
