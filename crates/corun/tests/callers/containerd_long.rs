//! containerd, the long round.

use testkit::{Invocation, Pty, requires, within};

use crate::containerd::{Containerd, SOON};
use crate::place::long;

#[test]
fn terminals_of_run_and_exec() {
    requires!(root, busybox, cgroups, package = "containerd", package = "ctr", that = long());
    let containerd = Containerd::new("runc");
    let command = ["sh", "-c", "tty; read x; exit $x"];
    let mut pty = Pty::spawn_sized(&containerd.run(&["--rm", "--tty"], "t", &command), 33, 111);
    pty.expect("/dev/pts/0");
    pty.send("9\r");
    pty.wait().code(9);
    containerd.up("c", &[]);
    let mut pty = Pty::spawn(&containerd.exec("c", &["--tty"], &command));
    pty.expect("/dev/pts/0");
    pty.send("6\r");
    pty.wait().code(6);
}

#[test]
fn kill_reaches_all_of_a_task_without_a_pid_namespace_and_one_of_an_exec() {
    requires!(root, busybox, cgroups, package = "containerd", package = "ctr", that = long());
    let containerd = Containerd::new("corun");
    let with = format!("--with-ns=pid:/proc/{}/ns/pid", std::process::id());
    let script = "sleep 62 & touch /tmp/up; wait";
    containerd.run(&["--detach", &with], "h", &["sh", "-c", script]).ok();
    assert!(within(SOON, || containerd.place.sandbox.join("rootfs/tmp/up").exists()));
    containerd.ctr(["task", "kill", "--all", "--signal", "SIGKILL", "h"]).ok();
    containerd.is_gone("h");
    assert!(within(SOON, || Invocation::new("pgrep").args(["-fx", "sleep 62"]).run().exit_code() == Some(1)));
    std::fs::remove_file(containerd.place.sandbox.join("rootfs/tmp/up")).unwrap();
    // What has ended or never was, is said to be so.
    containerd.ctr(["task", "kill", "h"]).run().code(1).stderr_contains("not found");

    containerd.up("c", &[]);
    let exec = containerd.exec("c", &[], &["sh", "-c", "echo here; exec sleep 63"]);
    let mut exec = exec.spawn();
    exec.stdout_until("here");
    containerd.ctr(["task", "kill", "--exec-id", "e", "--signal", "SIGKILL", "c"]).ok();
    exec.wait().code(137);
    assert_eq!(containerd.status("c"), "RUNNING");
}

#[test]
fn what_shapes_a_task_reaches_it() {
    requires!(root, busybox, cgroups, package = "containerd", package = "ctr", that = long());
    let containerd = Containerd::new("crun");
    let mut count = 0;
    let mut say = |flags: &[&str], script: &str| {
        count += 1;
        let flags = [&["--rm"], flags].concat();
        containerd.run(&flags, &format!("s{count}"), &["sh", "-c", script]).ok().stdout
    };
    assert_eq!(say(&["--read-only"], "touch /x 2>/dev/null || echo refused"), "refused\n");
    assert_eq!(say(&["--cwd=/tmp", "--env=A=b"], "pwd; echo $A"), "/tmp\nb\n");
    assert_eq!(say(&["--seccomp"], "grep Seccomp: /proc/self/status"), "Seccomp:\t2\n");
    let mount = "--mount=type=bind,src=/etc,dst=/mnt,options=rbind:ro";
    assert_eq!(say(&[mount], "touch /mnt/x 2>/dev/null || echo refused"), "refused\n");
    containerd.run(&["--detach", "--memory-limit=33554432"], "m", &["sleep", "60"]).ok();
    containerd.ctr(["task", "metrics", "m"]).ok().stdout_contains(" 33554432");
}

#[test]
fn exec_has_all_that_ctr_can_ask_for() {
    requires!(root, busybox, cgroups, package = "containerd", package = "ctr", that = long());
    let containerd = Containerd::new("corun");
    containerd.up("c", &[]);
    let exec = containerd.exec("c", &["--user=1000:29", "--cwd=/tmp"], &["sh", "-c", "id -u; id -g; pwd"]);
    exec.ok().stdout_is("1000\n29\n/tmp\n");
    containerd.exec("c", &[], &["cat"]).stdin("typed\n").ok().stdout_is("typed\n");
    containerd.exec("c", &["--detach"], &["touch", "/tmp/detached"]).ok();
    assert!(within(SOON, || containerd.place.sandbox.join("rootfs/tmp/detached").exists()));
}

#[test]
fn a_death_for_want_of_memory_is_told() {
    requires!(root, busybox, cgroups, package = "containerd", package = "ctr", that = long());
    let containerd = Containerd::new("corun");
    let mut events = containerd.ctr(["events"]).spawn();
    // It tells nothing of the time before it listens.
    let mut count = 0;
    let heard = || {
        count += 1;
        containerd.run(&["--rm"], &format!("w{count}"), &["true"]).ok();
        events.stdout().contains("/tasks/exit")
    };
    assert!(within(SOON, heard), "no events");
    let hungry = containerd.run(&["--rm", "--memory-limit=25165824"], "hungry", &["tail", "/dev/zero"]);
    hungry.run().code(137);
    events.stdout_until("/tasks/oom");
}

#[test]
fn a_network_is_made_in_the_namespace_of_a_task() {
    requires!(root, busybox, cgroups, package = "containerd", package = "ctr", that = long(), that = cni());
    let containerd = Containerd::new("corun");
    let sandbox = &containerd.place.sandbox;
    let addresses = sandbox.join("addresses").display().to_string();
    let network = format!(
        r#"{{"cniVersion": "0.4.0", "name": "n1", "plugins": [{{"type": "bridge", "bridge": "b1", "isGateway": true,
            "ipam": {{"type": "host-local", "subnet": "10.99.0.0/24", "dataDir": "{addresses}"}}}}]}}"#
    );
    let network = sandbox.file("n1.conflist", network).display().to_string();
    // `ctr` runs the plugins itself, from where it wants them, and where they make their bridge.
    let place = "for dir in /opt /var/lib /etc/cni; do mkdir -p $dir && mount -t tmpfs tmpfs $dir || exit; done
        mkdir -p /opt/cni/bin /etc/cni/net.d && mount --bind /usr/lib/cni /opt/cni/bin &&
        cp $0 /etc/cni/net.d && exec \"$@\"";
    let run = containerd.run(&["--rm", "--cni"], "n", &["sh", "-c", "ip -o -4 addr show eth0; ping -c 1 10.99.0.1"]);
    let outcome = run.under(["unshare", "--net", "--mount", "sh", "-c", place, &network]).ok();
    outcome.stdout_contains("inet 10.99.0.").stdout_contains("1 packets received");
    // Refused where it is somebody's.
    let _ = std::fs::remove_dir("/etc/cni");
}

/// Needs the plugins of the Container Network Interface.
fn cni() -> testkit::requires::Need {
    let there = ["bridge", "host-local"].iter().all(|name| std::path::Path::new("/usr/lib/cni").join(name).exists());
    if there { Ok(()) } else { Err("containernetworking-plugins".to_owned()) }
}
