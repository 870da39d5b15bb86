//! The rarer resources, in whatever hierarchy this machine has them; and that one which it has not is asked for in vain.

use crate::bundle::Bundle;
use crate::live::Live;
use serde_json::{Value, json};
use testkit::{Invocation, requires};

fn sleeping(resources: &str, value: Value) -> Live {
    let mut bundle = Bundle::new();
    bundle.command(&["sleep", "600"]);
    bundle.set(&format!("/linux/resources/{resources}"), value);
    Live::of(bundle)
}

#[test]
fn huge_pages_are_limited_in_use_and_as_reserved() {
    requires!(root, busybox, controller = "hugetlb");
    let live = sleeping("hugepageLimits", json!([{ "pageSize": "2MB", "limit": 4 << 20 }]));
    let limit = (4 << 20).to_string();
    assert_eq!(live.limit(("hugetlb", "hugetlb.2MB.limit_in_bytes"), "hugetlb.2MB.max"), limit);
    assert_eq!(live.limit(("hugetlb", "hugetlb.2MB.rsvd.limit_in_bytes"), "hugetlb.2MB.rsvd.max"), limit);
}

#[test]
fn network_classes_are_set_where_v1_has_them() {
    requires!(root, busybox, cgroups, that = apart());
    // A hierarchy of their own, seen by nobody but this test and what it runs.
    let script = "mkdir -p /tmp/net && mount -t cgroup -o net_cls net /tmp/net && \"$@\"; code=$?
        rmdir /tmp/net/coracle* 2>/dev/null; umount /tmp/net; exit $code";
    let mut bundle = Bundle::script("sleep 0");
    bundle.set("/linux/resources/network", json!({ "classID": 1_048_577 }));
    // Read by a hook of the host's, before the container's command.
    let read = format!("cat /tmp/net/{0}/net_cls.classid; exit 1", bundle.id);
    bundle.set("/hooks/createRuntime", json!([{ "path": "/bin/sh", "args": ["sh", "-c", read] }]));
    let outcome = bundle.invocation().under(["unshare", "-m", "sh", "-c", script, "sh"]).run();
    outcome.code(1).stderr_contains("1048577");
}

/// A machine on which nobody else counts hierarchies: a guest. It has no net_prio.
fn apart() -> Result<(), String> {
    let table = std::fs::read_to_string("/proc/cgroups").unwrap_or_default();
    testkit::requires::cgroup_v2()?;
    if table.contains("net_cls\t0") { Ok(()) } else { Err("net_cls, mounted nowhere".to_owned()) }
}

#[test]
fn a_disk_is_throttled_by_all_four_rates() {
    requires!(root, busybox, controller = "blkio", that = disk().map(drop));
    let (major, minor) = disk().unwrap();
    let rate = |rate: u64| json!([{ "major": major, "minor": minor, "rate": rate }]);
    let live = sleeping(
        "blockIO",
        json!({
            "throttleReadBpsDevice": rate(1 << 20), "throttleWriteBpsDevice": rate(2 << 20),
            "throttleReadIOPSDevice": rate(100), "throttleWriteIOPSDevice": rate(200)
        }),
    );
    for (name, rate) in [("read_bps", 1 << 20), ("write_bps", 2 << 20), ("read_iops", 100), ("write_iops", 200)] {
        let file = format!("blkio.throttle.{name}_device");
        assert_eq!(live.limit(("blkio", &file), ""), format!("{major}:{minor} {rate}"), "{file}");
    }
    let words = ["update", "--resources", "-"];
    let none = json!({ "blockIO": { "throttleReadBpsDevice": rate(0) } }).to_string();
    live.verb(&words).stdin(none.into_bytes()).ok();
    assert_eq!(live.limit(("blkio", "blkio.throttle.read_bps_device"), ""), "");
}

/// A whole disk of the machine's.
fn disk() -> Result<(u64, u64), String> {
    let disks = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let numbers = disks.filter_map(|disk| {
        let name = disk.file_name().into_string().ok()?;
        let numbers = std::fs::read_to_string(disk.path().join("dev")).ok()?;
        let (major, minor) = numbers.trim().split_once(':')?;
        let real = ["vd", "sd", "nvme", "xvd"].iter().any(|kind| name.starts_with(kind));
        real.then_some((major.parse().ok()?, minor.parse().ok()?))
    });
    numbers.into_iter().next().ok_or_else(|| "a disk".to_owned())
}

#[test]
fn network_priorities_are_set_where_v1_has_them() {
    let there = || match std::fs::read_to_string("/proc/cgroups") {
        Ok(table) if table.contains("net_prio\t0") => testkit::requires::cgroup_v2(),
        _ => Err(String::new()),
    };
    let there = there().map_err(|_| "net_prio, mounted nowhere (cargo xtask guest --emulated)".to_owned());
    requires!(root, busybox, cgroups, that = there);
    let script = "mkdir -p /tmp/prio && mount -t cgroup -o net_prio prio /tmp/prio && \"$@\"; code=$?
        rmdir /tmp/prio/coracle* 2>/dev/null; umount /tmp/prio; exit $code";
    let mut bundle = Bundle::script("sleep 0");
    bundle.set("/linux/resources/network", json!({ "priorities": [{ "name": "lo", "priority": 7 }] }));
    let read = format!("cat /tmp/prio/{0}/net_prio.ifpriomap; exit 1", bundle.id);
    bundle.set("/hooks/createRuntime", json!([{ "path": "/bin/sh", "args": ["sh", "-c", read] }]));
    let outcome = bundle.invocation().under(["unshare", "-m", "sh", "-c", script, "sh"]).run();
    outcome.code(1).stderr_contains("lo 7");
}

#[test]
fn handles_and_objects_of_an_rdma_device_are_limited() {
    requires!(root, busybox, controller_v2 = "rdma", package = "ip", package = "rdma");
    // One that is made of software, on a device that sends nothing; both go with their namespace.
    let make = "ip link add coracle0 type dummy && rdma link add coracle0 type rxe netdev coracle0 && echo up";
    let script = format!("{make}; exec sleep 600");
    let mut network = Invocation::new("unshare").args(["--net", "sh", "-c", &script]).spawn();
    network.stdout_until("up");
    let live = sleeping("rdma", json!({ "coracle0": { "hcaHandles": 3, "hcaObjects": 10_000 } }));
    let now = || live.limit(("rdma", "rdma.max"), "rdma.max");
    assert_eq!(now(), "coracle0 hca_handle=3 hca_object=10000");
    let fewer = json!({ "rdma": { "coracle0": { "hcaHandles": 2 } } }).to_string();
    live.verb(&["update", "--resources", "-"]).stdin(fewer.into_bytes()).ok();
    assert_eq!(now(), "coracle0 hca_handle=2 hca_object=10000");
    let mut bundle = Bundle::new();
    bundle.set("/linux/resources/rdma", json!({ "coracle1": { "hcaHandles": 3 } }));
    bundle.refused("coracle1");
}

#[test]
fn what_the_controller_misc_does_not_count_is_refused_in_the_kernels_words() {
    requires!(root, busybox, controller_v2 = "misc");
    let live = sleeping("unified", json!({ "pids.max": "20" }));
    assert_eq!(live.limit(("misc", "misc.current"), "misc.current"), "", "a machine without such resources");
    let mut bundle = Bundle::new();
    bundle.set("/linux/resources/unified", json!({ "misc.max": "coracle 1" }));
    bundle.refused("misc.max").stderr_contains("EINVAL");
}

#[test]
fn weights_of_disks_are_those_of_the_scheduler_that_has_them() {
    requires!(root, busybox, controller_v2 = "io", that = bfq());
    let mut bundle = Bundle::new();
    bundle.command(&["sleep", "600"]);
    bundle.set("/linux/resources/blockIO", json!({ "weight": 300 }));
    let live = Live::of(bundle);
    let now = || live.limit(("blkio", "blkio.bfq.weight"), "io.bfq.weight");
    assert_eq!(now(), "default 300");
    live.verb(&["update", "--blkio-weight", "500"]).ok();
    assert_eq!(now(), "default 500");
}

/// The I/O scheduler bfq, whose module brings its files of cgroups. Loaded where nobody else is only.
fn bfq() -> testkit::requires::Need {
    let guest = testkit::requires::timing().is_err();
    let loaded = guest && Invocation::new("modprobe").arg("bfq").run().exit_code() == Some(0);
    if loaded { Ok(()) } else { Err("the scheduler bfq (cargo xtask guest --emulated)".to_owned()) }
}

#[test]
fn what_the_machine_has_no_controller_or_file_for_is_named() {
    requires!(root, busybox, cgroups);
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let bound = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    for (controller, field, value) in [
        ("net_cls", "network", json!({ "classID": 1 })),
        ("net_prio", "network", json!({ "priorities": [{ "name": "lo", "priority": 1 }] })),
        ("rdma", "rdma", json!({ "mlx5_1": { "hcaHandles": 3, "hcaObjects": 100 } })),
        ("misc", "unified", json!({ "misc.max": "res_a 1" })),
    ] {
        if table.contains(controller) || bound.split_whitespace().any(|name| name == controller) {
            continue;
        }
        let mut bundle = Bundle::new();
        bundle.set(&format!("/linux/resources/{field}"), value);
        bundle.refused(controller);
    }
    for (value, told) in [
        (json!({ "weight": 5 }), "blockIO.weight"),
        (json!({ "leafWeight": 1001 }), "blockIO.leafWeight"),
        (json!({ "weightDevice": [{ "major": 8, "minor": 0, "weight": 2000 }] }), "blockIO.weightDevice"),
        (json!({ "throttleReadBpsDevice": [{ "major": -1, "minor": 0, "rate": 1 }] }), "blockIO.throttle"),
    ] {
        requires!(controller = if bound.is_empty() { "blkio" } else { "io" });
        let mut bundle = Bundle::new();
        bundle.set("/linux/resources/blockIO", value);
        bundle.refused(told);
    }
}
