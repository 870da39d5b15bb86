//! Connections of a container that is written down: kept, closed or left out, as the flags say.

use crate::bundle::Bundle;
use crate::counting::{COUNTS, Counting, SOON, criu, knows};
use std::fs;
use testkit::{Invocation, Running, requires, within};

/// A container in a network namespace from outside, whose loopback device stays as it is.
struct Connected {
    counting: Counting,
    _network: Running,
}

fn network() -> Running {
    let up = "ip link set lo up && echo up; exec sleep 600";
    let mut network = Invocation::new("unshare").args(["--net", "sh", "-c", up]).spawn();
    network.stdout_until("up");
    network
}

fn in_network(network: &Running, script: &str) -> Bundle {
    let mut bundle = Bundle::script(&format!("{script}\n{COUNTS}"));
    bundle.namespace("network", Some(&format!("/proc/{}/ns/net", network.pid())));
    bundle
}

/// A command of the host's in that network.
fn beside(network: &Running, command: &[&str]) -> Invocation {
    Invocation::new("nsenter").arg(format!("--net=/proc/{}/ns/net", network.pid())).args(command)
}

impl Connected {
    fn new(script: &str) -> Self {
        let network = network();
        Self { counting: Counting::of(in_network(&network, script)), _network: network }
    }

    /// One that hears over a connection how far it has counted.
    fn talking() -> Self {
        let talking = Self::new(
            "sleep 600 | nc -l -p 7000 >/heard &
             (while :; do cat /count; sleep 0.1; done) | (until nc 127.0.0.1 7000 2>/dev/null; do sleep 0.1; done) &",
        );
        talking.goes_on_talking();
        talking
    }

    fn heard(&self) -> u64 {
        fs::metadata(self.counting.bundle.rootfs.inside("heard")).map_or(0, |data| data.len())
    }

    #[track_caller]
    fn goes_on_talking(&self) {
        let last = self.heard();
        assert!(within(SOON, || self.heard() > last + 4), "nothing is heard beyond {last} bytes");
    }

    fn open(&self) -> bool {
        self.counting.says("netstat -tn").contains("ESTABLISHED")
    }
}

// 3.17 adds its rules once more at a restore and then fails to remove them, where the network was there all the time.
#[test]
fn a_connection_stays_open_if_that_is_asked_for() {
    requires!(root, busybox, cgroups, package = "ip", package = "iptables", that = criu(), that = knows((4, 0)));
    let talking = Connected::talking();
    talking.counting.again(&["--tcp-established"], &["--tcp-established"]);
    assert!(talking.open());
    talking.goes_on_talking();
    talking.counting.checkpoint(&[]).code(1).stderr_contains("tcp-established");
}

#[test]
fn a_connection_is_closed_if_that_is_asked_for() {
    requires!(root, busybox, cgroups, package = "ip", package = "iptables", that = criu());
    let talking = Connected::talking();
    assert!(talking.open());
    talking.counting.again(&["--tcp-established"], &["--tcp-close"]);
    assert!(!talking.open());
}

#[test]
fn packets_may_go_on_meanwhile() {
    requires!(root, busybox, cgroups, package = "ip", that = criu(), that = knows((3, 19)));
    let talking = Connected::talking();
    let skip = ["--tcp-established", "--network-lock", "skip"];
    talking.counting.again(&skip, &skip);
    talking.goes_on_talking();
}

#[test]
fn nftables_hold_packets_back_if_that_is_asked_for() {
    requires!(root, busybox, cgroups, package = "ip", that = criu(), that = knows((4, 0)), that = nftables());
    let talking = Connected::talking();
    let counting = &talking.counting;
    // Those of iptables are programs, which are nowhere now; tar and gzip are for what is in a tmpfs.
    let path = counting.bundle.sandbox.join("path");
    fs::create_dir(&path).unwrap();
    for name in ["criu", "tar", "gzip"] {
        std::os::unix::fs::symlink(testkit::on_path(name).unwrap(), path.join(name)).unwrap();
    }
    let checkpoint = |options: &[&str]| counting.corun("checkpoint", options).env("PATH", &path).run();
    checkpoint(&["--tcp-established"]).code(1).stderr_contains("tables-restore");
    let lock = ["--tcp-established", "--network-lock", "nftables"];
    checkpoint(&lock).code(0);
    counting.quiet(counting.corun("restore", &["--detach"]).args(lock).env("PATH", &path)).run().code(0);
    talking.goes_on_talking();
}

/// A criu that was built with nftables.
fn nftables() -> testkit::requires::Need {
    let libraries = testkit::on_path("criu").map(|criu| Invocation::new("ldd").arg(criu).run().stdout);
    let there = libraries.is_some_and(|text| text.contains("libnftables"));
    if there { Ok(()) } else { Err("a criu with nftables".to_owned()) }
}

/// Listens, and lets nobody in.
const DEAF: &str = "import socket, time
socket = socket.create_server(('127.0.0.1', 7000))
time.sleep(600)";

#[test]
fn who_has_not_been_let_in_is_left_out_if_that_is_asked_for() {
    requires!(
        root,
        busybox,
        cgroups,
        package = "ip",
        package = "nsenter",
        package = "python3",
        that = criu(),
        that = knows((4, 0))
    );
    let network = network();
    let mut bundle = in_network(&network, &format!("/usr/bin/python3 -c \"{DEAF}\" &"));
    for path in ["/usr/bin/python3", "/usr/lib", "/lib", "/lib64"] {
        bundle.mount("bind", path, path, &["rbind", "ro"]);
    }
    let counting = Counting::of(bundle);
    let inside = |state: &str| counting.says("netstat -tna").lines().filter(|line| line.ends_with(state)).count();
    assert!(within(SOON, || inside("LISTEN      ") == 1), "it listens");
    let knock = || beside(&network, &["busybox", "nc", "127.0.0.1", "7000"]).spawn();
    let _visitor = knock();
    // Both ends of it are in this network.
    assert!(within(SOON, || inside("ESTABLISHED ") == 2), "the visitor stands before the door");
    counting.checkpoint(&[]).code(1).stderr_contains("In-flight connection");
    counting.again(&["--tcp-skip-in-flight"], &[]);
    assert_eq!(inside("LISTEN      "), 1);
    let _another = knock();
    assert!(within(SOON, || inside("ESTABLISHED ") >= 2), "it can be reached");
}

/// Says what comes to a socket.
const HEARS: &str = "import socket, sys
socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
socket.bind(sys.argv[1])
print('bound', flush=True)
while True: print(socket.recv(256).decode(), flush=True)";

#[test]
fn a_socket_outside_is_spoken_to_if_that_is_asked_for() {
    requires!(root, busybox, cgroups, package = "ip", package = "nsenter", package = "python3", that = criu());
    let network = network();
    let mut bundle = in_network(&network, "");
    let path = bundle.sandbox.file("outside/x", "").with_file_name("log").to_string_lossy().into_owned();
    let mut outside = beside(&network, &["python3", "-c", HEARS, &path]).spawn();
    outside.stdout_until("bound");
    // Its name is one in the container, too.
    let dir = bundle.sandbox.join("outside");
    bundle.mount("bind", &dir, &dir.to_string_lossy(), &["bind", "rw"]);
    let speaks = "ln -s $0 /dev/log; (while :; do cat /count 2>/dev/null; sleep 0.1; done) | logger &";
    bundle.command(&["sh", "-c", &format!("{speaks} {COUNTS}"), &path]);
    let counting = Counting::of(bundle);
    outside.stdout_until("root: 2");
    counting.again(&["--ext-unix-sk"], &["--ext-unix-sk"]);
    let soon = counting.count() + 3;
    outside.stdout_until(&format!("root: {soon}"));
    counting.checkpoint(&[]).code(1);
    let log = fs::read_to_string(counting.bundle.dir().join("checkpoint/dump.log")).unwrap();
    assert!(log.contains("ext-unix-sk"), "{log}");
}
