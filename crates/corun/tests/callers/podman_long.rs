//! Podman, the long round: what people do with it less often.

use std::path::Path;

use testkit::{Invocation, Pty, Running, User, requires, within};

use crate::place::long;
use crate::podman::{IMAGE, Podman, SOON};

#[test]
fn a_container_without_cgroups_of_its_own() {
    requires!(root, busybox, cgroups, package = "podman", that = long());
    let podman = Podman::new("crun");
    let run =
        podman.podman(["run", "--rm", "--cgroups=disabled", "--cgroupns=host", IMAGE, "cat", "/proc/self/cgroup"]);
    let ours = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    run.ok().stdout_is(&ours);
}

#[test]
fn one_that_ignores_sigterm_is_killed_and_a_signal_by_name_arrives() {
    requires!(root, busybox, cgroups, package = "podman", that = long());
    let podman = Podman::new("corun");
    let deaf = "trap '' TERM; trap 'echo usr1' USR1; echo up; while :; do sleep 0.1; done";
    podman.run(["--detach", "--name=deaf", IMAGE, "sh", "-c", deaf]).ok();
    assert!(within(SOON, || podman.podman(["logs", "deaf"]).run().stdout.contains("up\n")));
    podman.podman(["kill", "--signal=USR1", "deaf"]).ok();
    assert!(within(SOON, || podman.podman(["logs", "deaf"]).run().stdout.contains("usr1\n")));
    podman.podman(["stop", "--time=1", "deaf"]).ok();
    assert_eq!(podman.inspect("deaf", "State.ExitCode"), "137");
    // Also the end of what has no process id namespace of its own, where nobody's end takes the others along.
    podman.run(["--detach", "--name=host", "--pid=host", IMAGE, "sh", "-c", "sleep 61 & sleep 61"]).ok();
    podman.podman(["rm", "--force", "--time=0", "host"]).ok();
    assert!(within(SOON, || Invocation::new("pgrep").args(["-fx", "sleep 61"]).run().exit_code() == Some(1)));
}

#[test]
fn the_memory_limit_kills() {
    requires!(root, busybox, cgroups, package = "podman", that = long());
    let podman = Podman::new("corun");
    // That it was the limit podman does not tell here, with no runtime: its monitor does not look at hybrid cgroups.
    let hungry = ["--rm", "--memory=24m", "--memory-swap=24m", IMAGE, "sh", "-c", "exec tail /dev/zero"];
    podman.run(hungry).run().code(137);
}

#[test]
fn a_healthcheck_runs_in_the_container() {
    requires!(root, busybox, cgroups, package = "podman", that = long());
    let podman = Podman::new("corun");
    podman.up("h", ["--health-cmd=test -e /tmp/well", "--health-interval=disable"]);
    podman.podman(["healthcheck", "run", "h"]).run().code(1).stdout_contains("unhealthy");
    podman.podman(["exec", "h", "touch", "/tmp/well"]).ok();
    podman.podman(["healthcheck", "run", "h"]).ok();
}

#[test]
fn exec_has_all_that_podman_can_ask_for() {
    requires!(root, busybox, cgroups, package = "podman", that = long());
    let podman = Podman::new("corun");
    podman.up("c", ["--volume=/etc/hostname:/etc/outside:ro"]);
    let script = "id -u; pwd; echo $A; cat /etc/outside";
    let outcome = podman.podman(["exec", "--user=alice", "--workdir=/tmp", "--env=A=b", "c", "sh", "-c", script]).ok();
    let name = std::fs::read_to_string("/etc/hostname").unwrap();
    outcome.stdout_is(&format!("1000\n/tmp\nb\n{name}"));
    podman.podman(["exec", "--interactive", "c", "cat"]).stdin("typed\n").ok().stdout_is("typed\n");
    podman.podman(["exec", "--detach", "c", "touch", "/tmp/detached"]).ok();
    assert!(within(SOON, || podman.podman(["exec", "c", "test", "-e", "/tmp/detached"]).run().exit_code() == Some(0)));
    let capabilities = podman.podman(["exec", "--privileged", "c", "grep", "CapBnd", "/proc/self/status"]).ok();
    let plain = podman.podman(["exec", "c", "grep", "CapBnd", "/proc/self/status"]).ok();
    assert_ne!(capabilities.stdout, plain.stdout);
    podman.podman(["top", "c", "pid", "comm"]).ok().stdout_contains("sh");
}

#[test]
fn what_shapes_a_container_reaches_it() {
    requires!(root, busybox, cgroups, package = "podman", package = "catatonit", that = long());
    let podman = Podman::new("runc");
    let say = |flags: &[&str], script: &str| {
        let run = podman.run(["--rm"]).args(flags).args([IMAGE, "sh", "-c", script]);
        run.ok().stdout
    };
    assert_eq!(say(&["--hostname=h1"], "hostname"), "h1\n");
    assert_eq!(say(&["--read-only"], "touch /x 2>/dev/null || echo refused"), "refused\n");
    assert_eq!(say(&["--user=1000:29"], "id -u; id -g"), "1000\n29\n");
    assert_eq!(say(&["--tmpfs=/scratch:size=1m"], "df -k /scratch | tail -1 | awk '{print $2}'"), "1024\n");
    assert_eq!(say(&["--cap-drop=all"], "grep CapEff /proc/self/status"), "CapEff:\t0000000000000000\n");
    assert_eq!(say(&["--sysctl=net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    assert_eq!(say(&["--init"], "cat /proc/1/comm"), "podman-init\n");
    assert_eq!(say(&["--device=/dev/null:/dev/nothing"], "stat -c %t:%T /dev/nothing"), "1:3\n");
    assert_eq!(
        say(&["--uidmap=0:200000:1000", "--gidmap=0:200000:1000"], "cat /proc/self/uid_map | tr -s ' '"),
        " 0 200000 1000\n"
    );
    assert_eq!(say(&["--privileged"], "test -w /proc/sys/kernel/hostname && echo writable"), "writable\n");
    assert_eq!(say(&["--security-opt=no-new-privileges"], "grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t1\n");
    assert_eq!(
        say(
            &["--pids-limit=33", "--cgroupns=private"],
            "cat /sys/fs/cgroup/pids/pids.max || cat /sys/fs/cgroup/pids.max"
        ),
        "33\n"
    );
}

#[test]
fn containers_of_a_pod_share_what_pods_share() {
    requires!(root, busybox, cgroups, package = "podman", that = long());
    let podman = Podman::new("corun");
    let parent = format!("--cgroup-parent=/{}", podman.place.cgroup);
    podman
        .podman([
            "pod",
            "create",
            "--name=p",
            &parent,
            "--infra-image=localhost/busybox",
            "--infra-command=sleep 60",
            "--share=ipc,uts,net",
        ])
        .ok();
    let first = podman.podman(["run", "--rm", "--pod=p", IMAGE, "readlink", "/proc/self/ns/ipc"]).ok().stdout;
    let second = podman.podman(["run", "--rm", "--pod=p", IMAGE, "readlink", "/proc/self/ns/ipc"]).ok().stdout;
    assert_eq!(first, second);
    podman.podman(["pod", "rm", "--force", "--time=0", "p"]).ok();
}

#[test]
fn ids_of_an_ordinary_user_are_its_own_and_its_ranges() {
    requires!(subuid_user, user_namespaces, busybox, package = "podman", that = long());
    let user = User::with_subuids();
    let podman = Podman::of(&user, "crun");
    let map = podman.run(["--rm", IMAGE, "cat", "/proc/self/uid_map"]).ok().stdout;
    let first: Vec<&str> = map.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(first, ["0", &user.uid.to_string(), "1"]);
    podman.run(["--rm", "--user=alice", IMAGE, "id", "-u"]).ok().stdout_is("1000\n");
    podman.run(["--rm", "--userns=keep-id", IMAGE, "id", "-u"]).ok().stdout_is(&format!("{}\n", user.uid));
    podman.run(["--rm", IMAGE, "no-such-command"]).run().code(127);
    podman.run(["--rm", IMAGE, "/etc/passwd"]).run().code(126);
    podman.up("c", []);
    let mut pty = Pty::spawn(&podman.podman(["exec", "-it", "c", "sh", "-c", "tty; read x; exit $x"]));
    pty.expect("/dev/pts/0");
    pty.send("4\r");
    pty.wait().code(4);
    podman.podman(["rm", "--force", "--time=0", "c"]).ok();
}

#[test]
fn a_bridge_reaches_containers_by_port_and_by_name() {
    requires!(root, busybox, cgroups, package = "podman", package = "unshare", package = "nsenter", that = long());
    requires!(package = "iptables", that = netavark());
    let podman = Podman::new("corun");
    // Its bridge and its rules are made where it runs, so it runs beside the machine's own network; and it keeps the
    // addresses that it has given away in a place that no setting names.
    let script = "ip link set lo up && mount -t tmpfs tmpfs /run && echo up && exec sleep 120";
    let mut network = podman.sandbox().command("unshare").args(["--net", "--mount", "sh", "-c", script]).spawn();
    network.stdout_until("up\n");
    let inside = |command: Invocation, network: &Running| {
        command.under(["nsenter", "--net", "--mount", "--target", &network.pid().to_string()])
    };
    inside(podman.podman(["network", "create", "n1"]), &network).ok();
    let serve = "echo served > /tmp/index.html; echo up; exec httpd -f -p 80 -h /tmp";
    let run = ["--detach", "--name=s1", "--network=n1", "--publish=8080:80", IMAGE, "sh", "-c", serve];
    inside(podman.run(run), &network).ok();
    let get = |command: Invocation| within(SOON, || inside(command.clone(), &network).run().stdout == "served\n");
    assert!(get(Invocation::new("busybox").args(["wget", "-qO-", "http://127.0.0.1:8080"])));
    assert!(get(podman.run(["--rm", "--network=n1", IMAGE, "wget", "-qO-", "http://s1"])));
    inside(podman.podman(["rm", "--force", "--time=0", "s1"]), &network).ok();
}

/// Needs what makes podman's bridges and answers for the names of containers.
fn netavark() -> testkit::requires::Need {
    let there = ["netavark", "aardvark-dns"].iter().all(|name| Path::new("/usr/lib/podman").join(name).exists());
    if there { Ok(()) } else { Err("netavark and aardvark-dns".to_owned()) }
}
