//! /dev: the nodes that every container has, those of the specification, and what the device list lets through.

use crate::bundle::Bundle;
use serde_json::json;
use testkit::requires;

#[test]
fn the_default_devices_are_there_with_their_numbers() {
    requires!(root, busybox);
    let bundle =
        Bundle::script("for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a %u:%g' /dev/$d; done");
    let expected =
        [("null", "1:3"), ("zero", "1:5"), ("full", "1:7"), ("random", "1:8"), ("urandom", "1:9"), ("tty", "5:0")];
    let line = |(name, number): &(&str, &str)| format!("/dev/{name} character special file {number} 666 0:0\n");
    bundle.ok().stdout_is(&expected.iter().map(line).collect::<Vec<_>>().concat());
}

#[test]
fn the_default_devices_work() {
    requires!(root, busybox);
    let bundle = Bundle::script(
        "echo x > /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo x > /dev/full",
    );
    bundle.run().code(1).stdout_is("4\n4\n").stderr_contains("No space left");
}

#[test]
fn the_links_are_there() {
    requires!(root, busybox);
    let bundle = Bundle::script("cd /dev; for l in ptmx fd stdin stdout stderr; do readlink $l; done");
    bundle.ok().stdout_is("pts/ptmx\n/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n");
}

#[test]
fn a_device_of_the_specification_has_its_mode_and_owner() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("stat -c '%F %t:%T %a %u:%g' /dev/sub/zero /dev/pipe");
    bundle.set(
        "/linux/devices",
        json!([
            { "type": "c", "path": "/dev/sub/zero", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 7, "gid": 8 },
            { "type": "p", "path": "/dev/pipe", "fileMode": 0o622 }
        ]),
    );
    bundle.ok().stdout_is("character special file 1:5 640 7:8\nfifo 0:0 622 0:0\n");
}

#[test]
fn one_that_stands_where_a_link_does_makes_no_trouble() {
    requires!(root, busybox);
    // Engines list /dev/ptmx and /dev/console among the devices of a privileged container.
    let mut bundle = Bundle::script("readlink /dev/ptmx; ls /dev/shm /dev/mqueue");
    bundle.set(
        "/linux/devices",
        json!([
            { "type": "c", "path": "/dev/ptmx", "major": 5, "minor": 2 },
            { "type": "c", "path": "/dev/console", "major": 5, "minor": 1 },
            { "type": "c", "path": "/dev/mqueue/zero", "major": 1, "minor": 5 }
        ]),
    );
    bundle.ok().stdout_contains("pts/ptmx");
}

#[test]
fn without_a_mount_at_dev_the_nodes_go_into_the_root() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("stat -c '%t:%T %a' /dev/null; echo x > /dev/null");
    for destination in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.without_mount(destination);
    }
    bundle.ok().stdout_is("1:3 666\n");
    // And again, now that they are there.
    bundle.ok().stdout_is("1:3 666\n");
}

#[test]
fn in_a_user_namespace_the_devices_work_as_well() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("echo x > /dev/null; head -c 4 /dev/zero | wc -c; stat -c %t:%T /dev/null");
    bundle.user_namespace();
    bundle.ok().stdout_is("4\n1:3\n");
}

#[test]
fn in_a_user_namespace_without_a_mount_at_dev_the_hosts_are_bound() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("echo x > /dev/null; stat -c %t:%T /dev/null /dev/zero");
    bundle.user_namespace();
    for destination in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.without_mount(destination);
    }
    bundle.ok().stdout_is("1:3\n1:5\n");
}

#[test]
fn a_file_that_is_no_device_in_the_place_of_one_is_refused() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    for destination in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.without_mount(destination);
    }
    bundle.rootfs.file("dev/null", "an ordinary file");
    bundle.refused("/dev/null");
}

#[test]
fn ghsa_g54h_what_the_list_does_not_allow_is_refused() {
    requires!(root, busybox, cgroups);
    let mut bundle = Bundle::script("mknod /tmp/k c 1 11 || exit 9; cat /tmp/k; cat /dev/zero | head -c 3 | wc -c");
    bundle.capabilities(&["CAP_MKNOD", "CAP_SYS_ADMIN"]);
    // Only rules that allow: all else must stay forbidden.
    bundle.set(
        "/linux/resources/devices",
        json!([{ "allow": true, "type": "c", "major": 1, "minor": 11, "access": "m" }]),
    );
    bundle.run().code(0).stdout_is("3\n").stderr_contains("Operation not permitted");
}

#[test]
fn ghsa_g54h_without_a_list_what_no_container_has_is_refused() {
    requires!(root, busybox, cgroups);
    let mut bundle = Bundle::script("mknod /tmp/k c 1 11 || exit 9; cat /tmp/k; head -c 3 /dev/zero | wc -c");
    bundle.capabilities(&["CAP_MKNOD", "CAP_SYSLOG"]).unset("/linux/resources");
    bundle.run().code(0).stdout_is("3\n").stderr_contains("Operation not permitted");
}

#[test]
fn ghsa_g54h_what_the_list_allows_is_let_through() {
    requires!(root, busybox, cgroups);
    let mut bundle =
        Bundle::script("mknod /tmp/z c 1 11 && head -c 0 /tmp/z && echo opened; mknod /tmp/m c 1 1; cat /tmp/m");
    bundle.capabilities(&["CAP_MKNOD", "CAP_SYSLOG"]);
    let rules = json!([
        { "allow": false, "access": "rwm" },
        { "allow": true, "type": "c", "major": 1, "minor": 11, "access": "rwm" }
    ]);
    bundle.set("/linux/resources/devices", rules);
    bundle.run().code(1).stdout_is("opened\n").stderr_contains("'/tmp/m': Operation not permitted");
}
