//! /proc and /sys that are not what they seem: CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2023-28642,
//! CVE-2025-52881.

use crate::bundle::{Bait, Bundle};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use testkit::requires;

#[test]
fn cve_2019_16884_nothing_but_procfs_stands_at_proc() {
    requires!(root, busybox);
    for destination in ["/proc", "/proc/", "//proc", "/proc/self/attr", "/proc/sys", "/x/../proc/1"] {
        let mut bundle = Bundle::new();
        bundle.mount("tmpfs", "tmpfs", destination, &[]);
        bundle.refused("only procfs may stand at /proc");
        let mut bundle = Bundle::new();
        bundle.mount("bind", "/tmp", destination, &["rbind"]);
        bundle.refused("only procfs may stand at /proc");
    }
}

#[test]
fn cve_2019_16884_nor_by_a_link_in_the_image() {
    requires!(root, busybox);
    for (link, target) in [("alias", "/proc"), ("alias", "proc/self/attr"), ("alias", "/proc/sys/kernel")] {
        let mut bundle = Bundle::script("echo ran");
        symlink(target, bundle.rootfs.inside(link)).unwrap();
        bundle.mount("tmpfs", "tmpfs", "/alias", &[]);
        let outcome = bundle.run();
        outcome.code(1).stdout_lacks("ran");
    }
}

#[test]
fn what_lxcfs_replaces_may_be_replaced() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /proc/meminfo");
    let file = bundle.sandbox.file("meminfo", "MemTotal: 1 kB\n");
    bundle.mount("bind", file, "/proc/meminfo", &["bind"]);
    bundle.ok().stdout_is("MemTotal: 1 kB\n");
}

#[test]
fn cve_2019_19921_and_27561_a_proc_or_sys_that_is_a_link_is_refused() {
    requires!(root, busybox);
    for name in ["proc", "sys"] {
        for target in ["/tmp", "../../../../../../../../tmp", "/", "/nowhere"] {
            let bundle = Bundle::script("echo ran");
            let bait = Bait::new(&bundle);
            fs::remove_dir(bundle.rootfs.inside(name)).unwrap();
            symlink(target, bundle.rootfs.inside(name)).unwrap();
            bundle.run().code(1).stdout_lacks("ran").stderr_contains(&format!("/{name}"));
            bait.assert_untouched();
        }
    }
}

#[test]
fn cve_2023_28642_a_bind_at_a_proc_that_is_a_link_is_refused() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("echo ran");
    fs::remove_dir(bundle.rootfs.inside("proc")).unwrap();
    symlink("/tmp", bundle.rootfs.inside("proc")).unwrap();
    bundle.without_mount("/proc").mount("bind", "/proc", "/proc", &["rbind"]);
    bundle.run().code(1).stdout_lacks("ran");
}

#[test]
fn cve_2025_52881_sysctls_are_written_through_the_hosts_procfs() {
    requires!(root, busybox);
    // The image's own /proc, with files in the place of the sysctls: no mount of procfs at all.
    let mut bundle = Bundle::script("cat /fake/sys/net/ipv4/ip_forward");
    let host = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    bundle.without_mount("/proc").set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([]));
    bundle.rootfs.file("proc/sys/net/ipv4/ip_forward", "fake\n").file("fake/sys/net/ipv4/ip_forward", "fake\n");
    bundle.rootfs.file("proc/self/oom_score_adj", "fake\n");
    bundle.set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1" })).set("/process/oomScoreAdj", 123);
    bundle.ok().stdout_is("fake\n");
    assert_eq!(fs::read_to_string(bundle.rootfs.inside("proc/self/oom_score_adj")).unwrap(), "fake\n");
    assert_eq!(fs::read_to_string(bundle.rootfs.inside("proc/sys/net/ipv4/ip_forward")).unwrap(), "fake\n");
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(), host);
}

#[test]
fn cve_2025_52881_a_proc_of_the_hosts_that_is_no_procfs_is_refused() {
    requires!(root, busybox);
    // What a container with an own mount namespace can do to a runtime that runs in it.
    let mut bundle = Bundle::new();
    bundle.without_mount("/sys/fs/cgroup");
    let line = bundle.invocation().under(["unshare", "-m", "sh", "-c", "mount -t tmpfs x /proc && exec \"$@\"", "sh"]);
    line.run().code(1).stderr_contains("/proc");
}

#[test]
fn cve_2025_52881_a_file_mounted_over_a_sysctl_is_not_written() {
    requires!(root, busybox);
    // core_pattern stands over another parameter in the caller's view, as a shared mount could put it there.
    let pattern = || fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let before = pattern();
    for (name, value) in [("net.ipv4.ip_forward", "1"), ("kernel.domainname", "x"), ("kernel.shmmni", "77")] {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let mut bundle = Bundle::script(&format!("cat {path}"));
        bundle.set("/linux/sysctl", json!({ name: value }));
        let over = format!("mount --bind /proc/sys/kernel/core_pattern {path} && exec \"$@\"");
        let outcome = bundle.invocation().under(["unshare", "-m", "sh", "-c", &over, "sh"]).run();
        assert_eq!(pattern(), before, "{outcome}");
        // A parameter of which each namespace has a file of its own is not covered by it.
        match outcome.exit_code() {
            Some(0) => outcome.stdout_is(&format!("{value}\n")),
            _ => outcome.stderr_contains(name),
        };
    }
}

#[test]
fn cve_2019_18837_every_component_of_a_destination_may_be_a_link_to_the_hosts_root() {
    requires!(root, busybox);
    for parts in [["a", "b", "c"], ["etc", "b", "c"]] {
        for linked in 0..3 {
            let mut bundle = Bundle::script("echo ran");
            let bait = Bait::new(&bundle);
            let mut at = bundle.rootfs.path().to_owned();
            for (index, part) in parts.iter().enumerate() {
                at.push(part);
                if index == linked {
                    let _ = fs::remove_dir_all(&at);
                    symlink(bait.path(), &at).unwrap();
                    break;
                }
                fs::create_dir_all(&at).unwrap();
            }
            bundle.mount("tmpfs", "tmpfs", &format!("/{}", parts.join("/")), &[]);
            let file = bundle.sandbox.file("source", "x");
            bundle.mount("bind", file, &format!("/{}/new/file", parts.join("/")), &["bind"]);
            bundle.run();
            bait.assert_untouched();
        }
    }
}
