//! The eight namespaces: each new, joined by its path, or refused.

use crate::bundle::Bundle;
use crate::container::Container;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use testkit::{Running, requires};

/// Each kind, as the specification and as procfs name it.
const KINDS: [(&str, &str); 8] = [
    ("pid", "pid"),
    ("network", "net"),
    ("mount", "mnt"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("user", "user"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

fn own(file: &str) -> String {
    fs::read_link(format!("/proc/self/ns/{file}")).expect("a namespace").to_string_lossy().into_owned()
}

#[test]
fn each_is_a_new_one_where_it_is_asked_for() {
    requires!(root, busybox, time_namespace);
    let mut bundle =
        Bundle::script("cd /proc/self/ns; for n in pid net mnt ipc uts user cgroup time; do readlink $n; done");
    bundle.user_namespace().namespace("time", None);
    let outcome = bundle.ok();
    for ((_, file), inside) in KINDS.iter().zip(outcome.lines()) {
        assert!(inside.starts_with(&format!("{file}:[")), "{inside}");
        assert_ne!(inside, own(file));
    }
}

#[test]
fn one_that_is_not_asked_for_is_the_callers() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("for n in net uts ipc; do readlink /proc/self/ns/$n; done");
    for kind in ["network", "uts", "ipc"] {
        bundle.without_namespace(kind);
    }
    bundle.unset("/hostname").without_mount("/dev/mqueue").without_mount("/sys");
    bundle.ok().stdout_is(&format!("{}\n{}\n{}\n", own("net"), own("uts"), own("ipc")));
}

/// Somebody whose namespaces are joined, and their names.
struct Host {
    running: Running,
}

impl Host {
    fn new(options: &[&str]) -> Self {
        let unshare = testkit::Invocation::new("unshare").args(options);
        let mut running = unshare.args(["sh", "-c", "echo up; exec sleep 1000"]).spawn();
        running.stdout_until("up");
        Self { running }
    }

    /// The pid of the process that is in them all: the child, where unshare has forked for a PID namespace.
    fn pid(&self) -> u32 {
        let parent = self.running.pid();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        children.split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap_or(parent)
    }

    fn path(&self, file: &str) -> String {
        format!("/proc/{}/ns/{file}", self.pid())
    }

    fn name(&self, file: &str) -> String {
        fs::read_link(self.path(file)).expect("a namespace").to_string_lossy().into_owned()
    }
}

#[test]
fn each_can_be_joined_by_its_path() {
    requires!(root, busybox);
    let host = Host::new(&["--net", "--ipc", "--uts", "--cgroup", "--pid", "--fork"]);
    for (kind, file) in [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("cgroup", "cgroup"), ("pid", "pid")] {
        let mut bundle = Bundle::script(&format!("readlink /proc/self/ns/{file}"));
        bundle.namespace(kind, Some(&host.path(file))).unset("/hostname");
        let outcome = bundle.invocation().run();
        outcome.code(0).stdout_is(&format!("{}\n", host.name(file)));
    }
}

#[test]
fn a_joined_pid_namespace_shows_its_processes() {
    requires!(root, busybox);
    let host = Host::new(&["--pid", "--fork"]);
    let mut bundle = Bundle::script("cat /proc/1/cmdline | tr '\\0' ' '; echo; echo $$");
    bundle.namespace("pid", Some(&host.path("pid")));
    let outcome = bundle.invocation().run();
    outcome.code(0);
    let lines = outcome.lines();
    assert_eq!(lines[0], "sleep 1000 ");
    assert_ne!(lines[1], "1");
}

#[test]
fn a_joined_time_namespace_has_its_offsets() {
    requires!(root, busybox, time_namespace);
    let host = Host::new(&["--time", "--boottime", "1000000", "--fork"]);
    let mut bundle = Bundle::script("readlink /proc/self/ns/time; cut -d. -f1 /proc/uptime");
    bundle.namespace("time", Some(&host.path("time")));
    let outcome = bundle.invocation().run();
    outcome.code(0);
    let lines = outcome.lines();
    assert_eq!(lines[0], host.name("time"));
    assert!(lines[1].parse::<u64>().unwrap() > 1_000_000, "{lines:?}");
}

#[test]
fn all_of_another_container_can_be_joined_its_clocks_and_user_namespace_included() {
    requires!(root, busybox, time_namespace);
    let mut first = Bundle::script(crate::container::SLEEP);
    first.user_namespace().namespace("time", None).set("/linux/timeOffsets", json!({ "boottime": { "secs": 1337 } }));
    let first = Container::running(first);
    let pid = first.pid();
    let mut second = Bundle::script("for n in user time net pid; do readlink /proc/self/ns/$n; done");
    second.user_namespace().unset("/linux/uidMappings").unset("/linux/gidMappings").unset("/hostname");
    for (kind, file) in KINDS.iter().filter(|(kind, _)| *kind != "mount") {
        second.namespace(kind, Some(&format!("/proc/{pid}/ns/{file}")));
    }
    let name = |file: &str| fs::read_link(format!("/proc/{pid}/ns/{file}")).unwrap().to_string_lossy().into_owned();
    let outcome = second.invocation().run();
    outcome.code(0).stdout_is(&["user", "time", "net", "pid"].map(|file| name(file) + "\n").concat());
}

#[test]
fn a_user_namespace_with_what_belongs_to_it_can_be_joined() {
    requires!(root, busybox);
    let host = Host::new(&["--user", "--net", "--uts", "--ipc"]);
    for file in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{}/{file}", host.pid()), "0 100000 65536\n").unwrap();
    }
    let mut bundle =
        Bundle::script("for n in user net; do readlink /proc/self/ns/$n; done; id -u; cat /proc/self/oom_score_adj");
    for (kind, file) in [("user", "user"), ("network", "net"), ("uts", "uts"), ("ipc", "ipc")] {
        bundle.namespace(kind, Some(&host.path(file)));
    }
    bundle.unset("/hostname").set("/process/oomScoreAdj", 321);
    let outcome = bundle.invocation().run();
    outcome.code(0).stdout_is(&format!("{}\n{}\n0\n321\n", host.name("user"), host.name("net")));
}

#[test]
fn a_network_of_the_hosts_can_be_joined_by_a_new_user_namespace() {
    requires!(root, busybox);
    let host = Host::new(&["--net", "--ipc", "--uts"]);
    let mut bundle = Bundle::script("for n in net ipc uts; do readlink /proc/self/ns/$n; done");
    bundle.user_namespace().unset("/hostname").without_mount("/sys").without_mount("/dev/mqueue");
    for (kind, file) in [("network", "net"), ("ipc", "ipc"), ("uts", "uts")] {
        bundle.namespace(kind, Some(&host.path(file)));
    }
    let outcome = bundle.invocation().run();
    outcome.code(0).stdout_is(&format!("{}\n{}\n{}\n", host.name("net"), host.name("ipc"), host.name("uts")));
}

#[test]
fn a_joined_mount_namespace_is_left_as_it_is() {
    requires!(root, busybox);
    let host = Host::new(&["--mount"]);
    // A mount of another test goes with the directory that it lies on, in all namespaces.
    let mounts = || -> Vec<String> {
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", host.pid())).unwrap();
        mounts.lines().filter(|line| !line.contains(" /tmp/coracle.")).map(str::to_owned).collect()
    };
    let before = mounts();
    let root = fs::read_link(format!("/proc/{}/root", host.pid())).unwrap();
    let mut bundle = Bundle::script("readlink /proc/self/ns/mnt");
    bundle.namespace("mount", Some(&host.path("mnt")));
    bundle.refused("a joined mount namespace has its own");
    bundle.set("/mounts", json!([])).set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([]));
    bundle.without_namespace("pid");
    bundle.command(&["/bin/sh", "-c", "readlink /proc/self/ns/mnt"]);
    let outcome = bundle.invocation().run();
    outcome.code(0).stdout_is(&format!("{}\n", host.name("mnt")));
    assert_eq!(mounts(), before);
    assert_eq!(fs::read_link(format!("/proc/{}/root", host.pid())).unwrap(), root);
}

#[test]
fn the_clocks_have_their_offsets() {
    requires!(root, busybox, time_namespace);
    let mut bundle = Bundle::script("cat /proc/self/timens_offsets");
    bundle.namespace("time", None);
    bundle
        .set("/linux/timeOffsets", json!({ "monotonic": { "secs": 1000, "nanosecs": 5 }, "boottime": { "secs": -7 } }));
    let outcome = bundle.run();
    // A clock cannot be set to before its beginning.
    if outcome.exit_code() != Some(0) {
        outcome.stderr_contains("offsets");
        bundle.set(
            "/linux/timeOffsets",
            json!({ "monotonic": { "secs": 1000, "nanosecs": 5 }, "boottime": { "secs": 7 } }),
        );
    }
    let outcome = bundle.ok();
    let words: Vec<&str> = outcome.stdout.split_whitespace().collect();
    assert_eq!(words[..3], ["monotonic", "1000", "5"]);
    assert_eq!(words[3], "boottime");
}

#[test]
fn one_that_stands_twice_is_refused() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.push("/linux/namespaces", json!({ "type": "pid" }));
    bundle.refused("pid stands twice");
}

#[test]
fn a_path_of_another_kind_is_refused() {
    requires!(root, busybox);
    for (kind, file) in KINDS {
        let other = if file == "net" { "ipc" } else { "net" };
        let mut bundle = Bundle::new();
        bundle.namespace(kind, Some(&format!("/proc/self/ns/{other}")));
        bundle.refused("namespace");
    }
    let mut bundle = Bundle::new();
    bundle.namespace("network", Some("/etc/passwd"));
    bundle.refused("namespace");
    bundle.namespace("network", Some("/no/such/file"));
    bundle.refused("ENOENT");
}

#[test]
fn what_belongs_to_a_namespace_is_refused_without_it() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.without_namespace("uts");
    bundle.refused("uts namespace");
    let mut bundle = Bundle::new();
    bundle.without_namespace("uts").unset("/hostname").set("/domainname", "example");
    bundle.refused("uts namespace");
    let mut bundle = Bundle::new();
    bundle.set("/linux/timeOffsets", json!({ "boottime": { "secs": 7 } }));
    bundle.refused("time namespace");
    let mut bundle = Bundle::new();
    bundle.without_namespace("mount");
    bundle.refused_apart("mount namespace");
    let mut bundle = Bundle::new();
    bundle.namespace("user", None);
    bundle.refused("uidMappings");
}

#[test]
fn ids_are_not_mapped_without_a_user_namespace_nor_clocks_set_in_one_that_is_joined() {
    requires!(root, busybox, time_namespace);
    let mut bundle = Bundle::new();
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 10 }]);
    bundle.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    bundle.refused("uidMappings needs a user namespace");
    let host = Host::new(&["--time", "--fork"]);
    let mut bundle = Bundle::new();
    bundle.namespace("time", Some(&host.path("time"))).set("/linux/timeOffsets", json!({ "boottime": { "secs": 7 } }));
    bundle.refused("timeOffsets needs a new time namespace");
}

#[test]
fn a_path_to_the_callers_own_is_as_good_as_none() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.namespace("network", Some("/proc/self/ns/net")).set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1" }));
    bundle.refused("needs a network namespace");
    let mut bundle = Bundle::new();
    bundle.namespace("uts", Some("/proc/self/ns/uts"));
    bundle.refused("hostname needs a uts namespace");
    bundle.unset("/hostname").command(&["readlink", "/proc/self/ns/uts"]);
    bundle.ok().stdout_is(&format!("{}\n", own("uts")));
}

#[test]
fn host_and_domain_name_are_its_own() {
    requires!(root, busybox);
    let before = rustix::system::uname().nodename().to_owned();
    let mut bundle = Bundle::script("hostname; cat /proc/sys/kernel/domainname");
    bundle.set("/domainname", "example.org");
    bundle.ok().stdout_is("box\nexample.org\n");
    assert_eq!(rustix::system::uname().nodename(), &*before);
}

#[test]
fn it_sees_no_process_but_its_own() {
    requires!(root, busybox);
    let bundle = Bundle::script("ls -d /proc/[0-9]*; echo $$");
    let outcome = bundle.ok();
    let lines = outcome.lines();
    assert_eq!(lines.first(), Some(&"/proc/1"));
    assert!(lines.len() <= 3, "{lines:?}");
    assert_eq!(lines.last(), Some(&"1"));
}

#[test]
fn loopback_is_up_and_there_is_nothing_else() {
    requires!(root, busybox);
    let outcome = Bundle::script("ls /sys/class/net; cat /sys/class/net/lo/flags").ok();
    let mut lines = outcome.lines();
    let flags = u32::from_str_radix(lines.pop().unwrap().trim_start_matches("0x"), 16).unwrap();
    assert_eq!(flags & 1, 1, "IFF_UP");
    assert!(lines.iter().all(|name| *name == "lo" || PathBuf::from(format!("/sys/class/net/{name}")).exists()));
}
