//! Paths that are hidden or read-only.

use crate::bundle::Bundle;
use serde_json::json;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use testkit::requires;

#[test]
fn a_masked_file_reads_as_empty_and_a_masked_directory_has_nothing() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /secret/key; ls -A /secrets; cat /proc/timer_list; echo ends");
    bundle.rootfs.file("secret/key", "hidden").file("secrets/key", "hidden");
    bundle.push("/linux/maskedPaths", json!("/secret/key")).push("/linux/maskedPaths", json!("/secrets"));
    bundle.ok().stdout_is("ends\n");
}

#[test]
fn what_is_not_there_needs_no_mask() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    for path in ["/no/such/path", "/etc/passwd/below", "/proc/nosuch"] {
        bundle.push("/linux/maskedPaths", json!(path)).push("/linux/readonlyPaths", json!(path));
    }
    bundle.ok();
}

#[test]
fn nothing_can_be_written_into_a_masked_directory() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("touch /secrets/x || touch /sys/firmware/x || echo refused");
    bundle.rootfs.file("secrets/key", "hidden");
    bundle.push("/linux/maskedPaths", json!("/secrets"));
    bundle.ok().stdout_is("refused\n");
}

#[test]
fn a_masked_file_gives_no_hold_on_the_hosts_null_device() {
    requires!(root, busybox);
    let of = |path: &str| std::fs::metadata(path).map(|meta| (meta.mode(), meta.uid(), meta.gid())).unwrap();
    let before = of("/dev/null");
    let bundle = Bundle::script(
        "for path in /proc/kcore /proc/keys /proc/timer_list; do chmod 600 $path; chown 1:1 $path; done 2>/dev/null; true",
    );
    bundle.ok();
    let after = of("/dev/null");
    if after != before {
        std::os::unix::fs::chown("/dev/null", Some(before.1), Some(before.2)).unwrap();
        std::fs::set_permissions("/dev/null", std::os::unix::fs::PermissionsExt::from_mode(before.0)).unwrap();
    }
    assert_eq!(after, before, "a container has changed the host's /dev/null");
}

#[test]
fn a_read_only_path_is_read_only_with_what_is_mounted_below() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("touch /ro/x; touch /ro/sub/x; echo box2 > /proc/sys/kernel/hostname; hostname");
    bundle.rootfs.file("ro/file", "");
    bundle.mount("tmpfs", "tmpfs", "/ro/sub", &[]).push("/linux/readonlyPaths", json!("/ro"));
    let outcome = bundle.ok();
    outcome.stdout_is("box\n");
    for path in ["/ro/x", "/ro/sub/x", "hostname"] {
        let said = outcome.stderr.lines().any(|line| line.contains(path) && line.contains("Read-only file system"));
        assert!(said, "{path}: {outcome}");
    }
}

#[test]
fn masks_go_through_links_that_stay_inside() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /real/key");
    bundle.rootfs.file("real/key", "hidden");
    std::os::unix::fs::symlink("/real", bundle.rootfs.inside("alias")).unwrap();
    bundle.push("/linux/maskedPaths", json!("/alias/key"));
    bundle.ok().stdout_is("");
}

#[test]
fn a_path_that_stands_twice_is_hidden_once() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("grep -c ' /secrets ' /proc/self/mountinfo");
    fs::create_dir(bundle.rootfs.inside("secrets")).unwrap();
    bundle.push("/linux/maskedPaths", json!("/secrets")).push("/linux/maskedPaths", json!("/secrets"));
    bundle.ok().stdout_is("1\n");
}
