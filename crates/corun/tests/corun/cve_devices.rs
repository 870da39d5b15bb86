//! Images that bring a /dev of their own making: CVE-2025-31133, CVE-2026-41579, CVE-2026-47766.

use crate::bundle::{Bait, Bundle};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use testkit::requires;

/// A bundle without any mount at /dev or below.
fn without_dev() -> Bundle {
    let mut bundle = Bundle::script("echo ran; ls -l /dev/ >/dev/null");
    for destination in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.without_mount(destination);
    }
    bundle
}

#[test]
fn cve_2025_31133_a_null_device_that_is_a_link_is_refused_and_its_target_untouched() {
    requires!(root, busybox);
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    for target in ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"] {
        let bundle = without_dev();
        symlink(target, bundle.rootfs.inside("dev/null")).unwrap();
        bundle.refused("/dev/null").stdout_lacks("ran");
    }
    assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), pattern);
}

#[test]
fn cve_2025_31133_masks_are_made_of_the_hosts_null_device_not_the_roots() {
    requires!(root, busybox);
    // /dev is the image's own, with a link for /dev/null: what hides a file must not come from there.
    let mut bundle =
        Bundle::script("cat /hide; cat /etc/secret; echo pwned > /hide; cat /proc/sys/kernel/core_pattern");
    bundle.rootfs.file("hide", "hidden").file("etc/secret", "the image's own\n");
    bundle.push("/linux/maskedPaths", json!("/hide")).push("/linux/maskedPaths", json!("/etc/secret"));
    let dev = bundle.sandbox.join("dev");
    fs::create_dir(&dev).unwrap();
    symlink("/proc/sys/kernel/core_pattern", dev.join("null")).unwrap();
    for destination in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.without_mount(destination);
    }
    bundle.mount("bind", dev, "/dev", &["rbind"]);
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    bundle.ok().stdout_is(&pattern);
    assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), pattern);
}

#[test]
fn cve_2026_41579_and_47766_a_dev_that_is_a_link_to_the_host_leaves_the_host_alone() {
    requires!(root, busybox);
    let bundle = without_dev();
    let bait = Bait::new(&bundle);
    fs::remove_dir(bundle.rootfs.inside("dev")).unwrap();
    symlink(bait.path(), bundle.rootfs.inside("dev")).unwrap();
    // Within the root the link leads to a directory of the same name, which is made there.
    bundle.run();
    bait.assert_untouched();
    let names: Vec<_> = fs::read_dir(bait.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn cve_2026_41579_nor_with_a_mount_at_dev() {
    requires!(root, busybox);
    for up in ["", "../../../../../../../../.."] {
        let bundle = Bundle::script("echo ran");
        let bait = Bait::new(&bundle);
        fs::remove_dir(bundle.rootfs.inside("dev")).unwrap();
        symlink(format!("{up}{}", bait.path().display()), bundle.rootfs.inside("dev")).unwrap();
        bundle.run();
        bait.assert_untouched();
    }
}

#[test]
fn cve_2025_24965_nothing_that_we_make_in_a_root_goes_through_a_link_to_the_host() {
    requires!(root, busybox);
    // Each name that a start may make is a link to a file of the host that is not there, and to one that is.
    for name in
        ["ptmx", "fd", "stdin", "stdout", "stderr", "core", "zero", "full", "tty", "console", "pts", "shm", "mqueue"]
    {
        for target in ["new", "file"] {
            let mut bundle = without_dev();
            let bait = Bait::new(&bundle);
            bundle.mount("tmpfs", "shm", "/dev/shm", &[]).mount("devpts", "devpts", "/dev/pts", &["newinstance"]);
            symlink(bait.path().join(target), bundle.rootfs.inside(&format!("dev/{name}"))).unwrap();
            bundle.run();
            bait.assert_untouched();
        }
    }
}

#[test]
fn a_device_node_goes_nowhere_but_into_the_root() {
    requires!(root, busybox);
    for path in ["/escape/zero", "/dev/../escape/zero", "/dev/../../../../../../escape/zero"] {
        let mut bundle = Bundle::script("true");
        let bait = Bait::new(&bundle);
        symlink(bait.path(), bundle.rootfs.inside("escape")).unwrap();
        bundle.set(
            "/linux/devices",
            json!([{ "type": "c", "path": path, "major": 1, "minor": 5, "fileMode": 0o777, "uid": 12 }]),
        );
        bundle.run();
        bait.assert_untouched();
    }
}

#[test]
fn the_mode_of_a_node_that_is_there_is_set_on_the_node_itself() {
    requires!(root, busybox);
    let mut bundle = without_dev();
    bundle.command(&["stat", "-c", "%a %u", "/dev/own"]);
    testkit::Invocation::new("mknod")
        .args(["-m", "600"])
        .arg(bundle.rootfs.inside("dev/own"))
        .args(["c", "1", "5"])
        .ok();
    bundle.set(
        "/linux/devices",
        json!([{ "type": "c", "path": "/dev/own", "major": 1, "minor": 5, "fileMode": 0o622, "uid": 9 }]),
    );
    bundle.ok().stdout_is("622 9\n");
}
