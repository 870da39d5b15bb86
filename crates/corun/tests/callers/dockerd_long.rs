//! dockerd, the long round.

use testkit::{Invocation, Pty, requires, within};

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

#[test]
fn exec_has_all_that_docker_can_ask_for() {
    requires!(root, busybox, cgroups, package = "dockerd", package = "docker", package = "ip", that = long());
    let dockerd = Dockerd::new("crun");
    dockerd.up("c1", &["--volume=/etc/hostname:/etc/outside:ro"]);
    let script = "id -u; pwd; echo $A; cat /etc/outside";
    let exec = ["exec", "--user=alice", "--workdir=/tmp", "--env=A=b", "c1", "sh", "-c", script];
    let name = std::fs::read_to_string("/etc/hostname").unwrap();
    dockerd.docker(exec).ok().stdout_is(&format!("1000\n/tmp\nb\n{name}"));
    dockerd.docker(["exec", "--interactive", "c1", "cat"]).stdin("typed\n").ok().stdout_is("typed\n");
    dockerd.docker(["exec", "--detach", "c1", "touch", "/tmp/detached"]).ok();
    assert!(within(SOON, || dockerd.docker(["exec", "c1", "test", "-e", "/tmp/detached"]).run().exit_code() == Some(0)));
    let bounds = |flags: &[&str]| {
        dockerd.docker(["exec"]).args(flags).args(["c1", "grep", "CapBnd", "/proc/self/status"]).ok().stdout
    };
    assert_ne!(bounds(&["--privileged"]), bounds(&[]));
}

#[test]
fn one_that_ignores_sigterm_is_killed_and_a_signal_by_name_arrives() {
    requires!(root, busybox, cgroups, package = "dockerd", package = "docker", package = "ip", that = long());
    let dockerd = Dockerd::new("corun");
    let deaf = "trap '' TERM; trap 'echo usr1' USR1; echo up; while :; do sleep 0.1; done";
    dockerd.docker(["run", "--detach", "--name=deaf", "busybox", "sh", "-c", deaf]).ok();
    let says = |text| within(SOON, || dockerd.docker(["logs", "deaf"]).run().stdout.contains(text));
    assert!(says("up\n"));
    dockerd.docker(["kill", "--signal=USR1", "deaf"]).ok();
    assert!(says("usr1\n"));
    dockerd.docker(["stop", "--time=1", "deaf"]).ok();
    assert_eq!(dockerd.inspect("deaf", "State.ExitCode"), "137");
    // Also the end of what has no process id namespace of its own, where nobody's end takes the others along.
    dockerd.docker(["run", "--detach", "--name=host", "--pid=host", "busybox", "sh", "-c", "sleep 65 & sleep 65"]).ok();
    dockerd.docker(["rm", "--force", "host"]).ok();
    assert!(within(SOON, || Invocation::new("pgrep").args(["-fx", "sleep 65"]).run().exit_code() == Some(1)));
}

#[test]
fn what_shapes_a_container_reaches_it() {
    requires!(root, busybox, cgroups, package = "dockerd", package = "docker", package = "ip", that = long());
    let dockerd = Dockerd::new("runc");
    let say = |flags: &[&str], script: &str| {
        dockerd.docker(["run", "--rm"]).args(flags).args(["busybox", "sh", "-c", script]).ok().stdout
    };
    assert_eq!(say(&["--hostname=h1"], "hostname"), "h1\n");
    assert_eq!(
        say(&["--user=1000:29", "--workdir=/tmp", "--env=A=b"], "id -u; id -g; pwd; echo $A"),
        "1000\n29\n/tmp\nb\n"
    );
    assert_eq!(say(&["--read-only"], "touch /x 2>/dev/null || echo refused"), "refused\n");
    assert_eq!(say(&["--tmpfs=/scratch:size=1m"], "df -k /scratch | tail -1 | awk '{print $2}'"), "1024\n");
    assert_eq!(say(&["--shm-size=2m"], "df -k /dev/shm | tail -1 | awk '{print $2}'"), "2048\n");
    // The fifth capability is CAP_KILL.
    let kill = ["--cap-drop=all", "--cap-add=kill"];
    assert_eq!(say(&kill, "grep CapEff /proc/self/status"), "CapEff:\t0000000000000020\n");
    assert_eq!(say(&["--sysctl=net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    assert_eq!(say(&["--init"], "cat /proc/1/comm"), "docker-init\n");
    assert_eq!(say(&["--device=/dev/null:/dev/nothing"], "stat -c %t:%T /dev/nothing; echo x > /dev/nothing"), "1:3\n");
    assert_eq!(say(&["--ulimit=nofile=100:200"], "ulimit -Sn; ulimit -Hn"), "100\n200\n");
    assert_eq!(say(&["--privileged"], "test -w /proc/sys/kernel/hostname && echo writable"), "writable\n");
    assert_eq!(say(&["--security-opt=no-new-privileges"], "grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t1\n");
    assert_eq!(say(&["--security-opt=seccomp=unconfined"], "grep Seccomp: /proc/self/status"), "Seccomp:\t0\n");
    assert_eq!(say(&[], "grep Seccomp: /proc/self/status"), "Seccomp:\t2\n");
    assert_eq!(say(&["--pids-limit=33"], "cat /sys/fs/cgroup/pids/pids.max || cat /sys/fs/cgroup/pids.max"), "33\n");
    let own = std::fs::read_link("/proc/self/ns/ipc").unwrap();
    assert_eq!(say(&["--ipc=host"], "readlink /proc/self/ns/ipc"), format!("{}\n", own.display()));
    dockerd.up("c1", &["--ipc=shareable"]);
    let shared =
        say(&["--ipc=container:c1", "--pid=container:c1", "--network=container:c1"], "readlink /proc/self/ns/ipc; ps");
    assert!(
        shared.starts_with(&dockerd.docker(["exec", "c1", "readlink", "/proc/self/ns/ipc"]).ok().stdout),
        "{shared}"
    );
    assert!(shared.contains("while :"), "{shared}");
}

#[test]
fn a_healthcheck_runs_in_the_container() {
    requires!(root, busybox, cgroups, package = "dockerd", package = "docker", package = "ip", that = long());
    let dockerd = Dockerd::new("corun");
    dockerd.up("h1", &["--health-cmd=test -e /tmp/well", "--health-interval=200ms", "--health-retries=1"]);
    let is = |health| within(SOON, || dockerd.inspect("h1", "State.Health.Status") == health);
    assert!(is("unhealthy"));
    dockerd.docker(["exec", "h1", "touch", "/tmp/well"]).ok();
    assert!(is("healthy"));
}

#[test]
fn bridges_reach_containers_by_port_and_by_name() {
    requires!(root, busybox, cgroups, package = "dockerd", package = "docker", package = "ip", that = long());
    requires!(package = "iptables", package = "nsenter");
    let dockerd = Dockerd::with("corun", "cgroupfs", r#""iptables": true"#);
    let serve = "echo served > /tmp/index.html; echo up; exec httpd -f -p 80 -h /tmp";
    let up = |flags: &[&str], name: &str| {
        dockerd.docker(["run", "--detach", "--name", name]).args(flags).args(["busybox", "sh", "-c", serve]).ok();
        assert!(within(SOON, || dockerd.docker(["logs", name]).run().stdout == "up\n"));
    };
    let get = |command: Invocation| within(SOON, || command.clone().run().stdout == "served\n");
    up(&["--publish=127.0.0.1:8080:80"], "s1");
    assert!(get(dockerd.beside(&["busybox", "wget", "-qO-", "http://127.0.0.1:8080"])));
    dockerd.docker(["network", "create", "n1"]).ok();
    up(&["--network=n1"], "s2");
    assert!(get(dockerd.docker(["run", "--rm", "--network=n1", "busybox", "wget", "-qO-", "http://s2"])));
}
