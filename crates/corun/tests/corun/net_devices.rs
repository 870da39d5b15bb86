//! Network devices of the host that the container gets. The host is a network namespace of the test's own.

use crate::bundle::Bundle;
use serde_json::json;
use testkit::{Invocation, Outcome, requires};

/// Runs the bundle on a host whose network these lines of ip(8) make, and looks with `after` at what is left there.
fn run_on(bundle: &Bundle, network: &[&str], after: &str) -> Outcome {
    let lines: Vec<String> = network.iter().map(|line| format!("ip {line} || exit 99")).collect();
    let script = format!("{}\n\"$@\"; code=$?; {after}\nexit $code", lines.join("\n"));
    bundle.run_as(bundle.invocation().under(["unshare", "--net", "sh", "-c", &script, "sh"]))
}

const VETH: &str = "link add coracle0 type veth peer name coracle1";

fn with_device(script: &str, name: Option<&str>) -> Bundle {
    let mut bundle = Bundle::script(script);
    let device = name.map_or_else(|| json!({}), |name| json!({ "name": name }));
    bundle.set("/linux/netDevices", json!({ "coracle0": device }));
    bundle
}

/// A kernel that makes the links which are moved here; User-Mode-Linux does not.
fn links() -> testkit::requires::Need {
    let make = ["--net", "ip", "link", "add", "coracle0", "type", "veth", "peer", "name", "coracle1"];
    match Invocation::new("unshare").args(make).run().exit_code() {
        Some(0) => Ok(()),
        _ => Err("links of the kind veth".to_owned()),
    }
}

#[test]
fn a_device_is_in_the_container_and_up_and_not_on_the_host() {
    requires!(root, busybox, package = "ip", that = links());
    let outcome = run_on(&with_device("cat /sys/class/net/coracle0/flags", None), &[VETH], "ip link show coracle0 >&2");
    outcome.code(0).stdout_is("0x1003\n").stderr_contains("\"coracle0\" does not exist");
}

#[test]
fn a_device_keeps_its_addresses_its_mtu_and_its_mac() {
    requires!(root, busybox, package = "ip", that = links());
    let network = [
        VETH,
        "link set coracle0 address 00:11:22:33:44:55 mtu 1789",
        "link set coracle0 up",
        "addr add 192.0.2.7/24 dev coracle0",
        "addr add 2001:db8::7/64 dev coracle0 nodad",
        "addr add 127.5.5.5/8 dev coracle0 scope host",
    ];
    let outcome =
        run_on(&with_device("ip addr show dev inside; cat /sys/class/net/inside/mtu", Some("inside")), &network, "");
    outcome.code(0).stdout_contains("inet 192.0.2.7/24").stdout_contains("inet6 2001:db8::7/64");
    outcome.stdout_contains("00:11:22:33:44:55").stdout_contains("1789").stdout_lacks("127.5.5.5");
}

#[test]
fn a_pattern_makes_a_free_name() {
    requires!(root, busybox, package = "ip", that = links());
    let mut bundle = with_device("ls /sys/class/net", Some("net%d"));
    bundle.set("/linux/netDevices/coracle1", json!({ "name": "net%d" }));
    run_on(&bundle, &[VETH], "").code(0).stdout_is("lo\nnet0\nnet1\n");
}

#[test]
fn devices_of_other_kinds_move_too() {
    requires!(root, busybox, package = "ip", that = links());
    let network = [VETH.replace("coracle0", "parent"), "link add coracle0 link parent type macvlan".to_owned()];
    let network = [network[0].as_str(), network[1].as_str()];
    run_on(&with_device("ls /sys/class/net", None), &network, "").code(0).stdout_is("coracle0\nlo\n");
}

#[test]
fn a_device_that_sends_nothing_moves_with_its_addresses() {
    requires!(root, busybox, package = "ip", that = dummies());
    let network =
        ["link add coracle0 type dummy", "link set coracle0 mtu 1789 up", "addr add 192.0.2.7/24 dev coracle0"];
    let outcome = run_on(&with_device("ip addr show dev inside", Some("inside")), &network, "ip -br link >&2");
    outcome.code(0).stdout_contains("inet 192.0.2.7/24").stdout_contains("mtu 1789").stdout_contains(",UP");
    assert!(!outcome.stderr.contains("coracle0"), "{outcome}");
}

/// A kernel that makes dummy devices.
fn dummies() -> testkit::requires::Need {
    let make = ["--net", "ip", "link", "add", "coracle0", "type", "dummy"];
    match Invocation::new("unshare").args(make).run().exit_code() {
        Some(0) => Ok(()),
        _ => Err("links of the kind dummy (cargo xtask guest --emulated)".to_owned()),
    }
}

#[test]
fn a_container_in_a_user_namespace_gets_devices() {
    requires!(root, busybox, package = "ip", that = links());
    let mut bundle = with_device("ip link set coracle0 down && ls /sys/class/net", None);
    bundle.user_namespace().capabilities(&["CAP_NET_ADMIN"]);
    run_on(&bundle, &[VETH], "").code(0).stdout_is("coracle0\nlo\n");
}

#[test]
fn a_device_goes_to_a_namespace_that_exists_and_stays_there() {
    requires!(root, busybox, package = "ip", that = links());
    let mut bundle = with_device("ls /sys/class/net", Some("inside"));
    let file = bundle.sandbox.file("net", "");
    let path = file.to_string_lossy().into_owned();
    bundle.namespace("network", Some(&path));
    // The mount of the namespace, and all that it holds, go with the mount namespace.
    let script = format!(
        "mount --make-rprivate /; unshare --net={path} true; ip {VETH}
         \"$@\"; code=$?; nsenter --net={path} ls /sys/class/net; exit $code"
    );
    let invocation = bundle.invocation().under(["unshare", "--net", "--mount", "sh", "-c", &script, "sh"]);
    // ls on the host shows the host's sysfs, whose names of devices are those of who has mounted it.
    bundle.run_as(invocation).code(0).stdout_contains("inside\nlo\n");
}

#[test]
fn a_name_that_is_taken_is_an_error() {
    requires!(root, busybox, package = "ip", that = links());
    let outcome = run_on(&with_device("true", Some("lo")), &[VETH], "ip -o link show coracle0");
    outcome
        .code(1)
        .stderr_contains("network device coracle0: the container has a device lo already")
        .stdout_contains("coracle0@");
}

#[test]
fn a_device_that_cannot_move_or_is_not_there_is_an_error_in_the_kernels_words() {
    requires!(root, busybox, package = "ip", that = links());
    run_on(&with_device("true", None), &["link add coracle0 type bridge"], "")
        .code(1)
        .stderr_contains("network device coracle0: move it into the container: RTM_NEWLINK = EINVAL");
    run_on(&with_device("true", None), &["link set lo up"], "").code(1).stderr_contains("ENODEV");
}

#[test]
fn devices_without_a_network_namespace_and_names_that_are_none_are_refused() {
    requires!(root, busybox);
    let mut bundle = with_device("true", None);
    bundle.without_namespace("network");
    bundle.refused("netDevices");
    for name in ["a/b", "sixteen-letters-", "..", "a b"] {
        with_device("true", Some(name)).refused("invalid network device name");
        let mut bundle = Bundle::new();
        bundle.set("/linux/netDevices", json!({ name: {} }));
        bundle.refused("invalid network device name");
    }
}

#[test]
fn a_new_network_namespace_in_a_user_namespace_that_exists_gets_devices() {
    requires!(root, busybox, package = "ip", that = links());
    let mut bundle = with_device("ls /sys/class/net", None);
    let file = bundle.sandbox.file("user", "");
    let path = file.to_string_lossy().into_owned();
    bundle.namespace("user", Some(&path));
    let script = format!(
        "mount --make-rprivate /; unshare --user sh -c 'mkfifo {path}.gate; read x < {path}.gate' & p=$!
         for i in $(seq 500); do test -p {path}.gate && break; sleep 0.01; done
         echo 0 0 65536 > /proc/$p/uid_map; echo 0 0 65536 > /proc/$p/gid_map
         mount --bind /proc/$p/ns/user {path}; echo > {path}.gate
         ip {VETH}; \"$@\""
    );
    let invocation = bundle.invocation().under(["unshare", "--net", "--mount", "sh", "-c", &script, "sh"]);
    bundle.run_as(invocation).code(0).stdout_is("coracle0\nlo\n");
}
