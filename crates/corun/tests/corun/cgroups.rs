//! Membership and limits, in whatever layout the machine has.

use crate::bundle::Bundle;
use serde_json::json;
use testkit::requires;

#[test]
fn it_is_a_member_of_its_own_cgroup_on_every_hierarchy() {
    requires!(root, busybox, cgroups);
    let mut bundle = Bundle::script("cat /proc/self/cgroup");
    bundle.without_namespace("cgroup");
    let outcome = bundle.ok();
    for line in outcome.lines() {
        assert!(line.ends_with(&format!(":/{}", bundle.id)) || line.contains(&format!("/{}", bundle.id)), "{line}");
    }
}

#[test]
fn its_own_is_the_root_of_those_that_it_sees() {
    requires!(root, busybox, cgroups);
    let outcome = Bundle::script("cut -d: -f3 /proc/self/cgroup | sort -u").ok();
    outcome.stdout_is("/\n");
}

#[test]
fn the_pids_limit_holds() {
    requires!(root, busybox, cgroups);
    let mut bundle = Bundle::script("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do sleep 5 & done; echo started");
    bundle.set("/linux/resources/pids", json!({ "limit": 8 }));
    bundle.run().stdout_lacks("started").stderr_contains("Resource temporarily unavailable");
}

#[test]
fn the_view_is_read_only() {
    requires!(root, busybox, cgroups);
    let bundle = Bundle::script(
        "for file in $(find /sys/fs/cgroup -name cgroup.procs -o -name tasks -o -name notify_on_release); do
            echo 0 2>/dev/null > $file && echo wrote $file; done; mkdir /sys/fs/cgroup/x /sys/fs/cgroup/*/x; true",
    );
    bundle.ok().stdout_is("");
}

#[test]
fn cve_2023_25809_without_a_cgroup_namespace_nothing_can_be_written_either() {
    requires!(root, busybox, cgroups);
    let mut bundle = Bundle::script(
        "for file in $(find /sys/fs/cgroup -name cgroup.procs -o -name tasks -o -name release_agent); do
            echo 0 2>/dev/null > $file && echo wrote $file; done; mkdir /sys/fs/cgroup/x /sys/fs/cgroup/*/x; true",
    );
    bundle.without_namespace("cgroup");
    bundle.ok().stdout_is("");
    bundle.user_namespace();
    bundle.ok().stdout_is("");
}

#[test]
fn cve_2022_0492_the_release_agent_is_out_of_reach() {
    requires!(root, busybox, cgroup_v1);
    let mut bundle = Bundle::script(
        "find /sys/fs/cgroup -name release_agent | while read f; do echo x > $f && echo wrote; done; true",
    );
    bundle.ok().stdout_is("");
    bundle.capabilities(&["CAP_SYS_ADMIN"]);
    bundle.ok().stdout_is("");
}

#[test]
fn a_bad_limit_is_refused_and_leaves_no_cgroup() {
    requires!(root, busybox, controller = "memory");
    let mut bundle = Bundle::new();
    bundle.set("/linux/resources/unified", json!({ "no.such.file": "1" }));
    bundle.refused("no.such.file");
}

#[test]
fn a_path_that_leads_out_is_refused() {
    requires!(root, busybox, cgroups);
    for path in ["/../../x", "/coracle/../../x"] {
        let mut bundle = Bundle::new();
        bundle.set("/linux/cgroupsPath", path);
        bundle.refused("cgroup");
    }
}
