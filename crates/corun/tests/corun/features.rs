//! What is told of this runtime holds: runc 1.5.1's own words, kept beside, are those that callers ask for.

use crate::bundle::Bundle;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{Sandbox, requires};

const OF_RUNC: &str = include_str!("features/runc.json");

fn told(words: &[&str]) -> Value {
    let outcome = Sandbox::new().corun(["features"]).args(words).ok();
    assert!(outcome.stdout.starts_with("{\n    \"ociVersionMin\": \"1.0.0\",\n"), "{outcome}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// Where runc's are not all among ours: these are missing.
fn missing(ours: &Value, path: &str) -> Vec<String> {
    let runc: Value = serde_json::from_str(OF_RUNC).unwrap();
    let words = |value: &Value| -> BTreeSet<String> {
        let list = value.pointer(path).and_then(Value::as_array).unwrap_or_else(|| panic!("no {path}"));
        list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    words(&runc).difference(&words(ours)).cloned().collect()
}

#[test]
fn all_that_runc_can_do_is_there() {
    let ours = told(&[]);
    for path in [
        "/hooks",
        "/linux/namespaces",
        "/linux/capabilities",
        "/linux/seccomp/actions",
        "/linux/seccomp/operators",
        "/linux/seccomp/archs",
        "/linux/seccomp/knownFlags",
        "/linux/memoryPolicy/modes",
        "/linux/memoryPolicy/flags",
    ] {
        assert!(missing(&ours, path).is_empty(), "{path}: {:?}", missing(&ours, path));
    }
    assert!(missing(&ours, "/mountOptions").is_empty(), "{:?}", missing(&ours, "/mountOptions"));
    for path in ["/linux/cgroup", "/linux/apparmor", "/linux/selinux", "/linux/mountExtensions", "/linux/netDevices"] {
        let runc: Value = serde_json::from_str(OF_RUNC).unwrap();
        assert_eq!(ours.pointer(path), runc.pointer(path), "{path}");
    }
    assert_eq!(ours["ociVersionMax"], "1.3.0");
    for key in ["version", "commit", "checkpoint.enabled"] {
        assert!(ours["annotations"][format!("org.opencontainers.runc.{key}")].is_string(), "{key}");
    }
}

#[test]
fn what_is_told_of_intel_rdt_is_what_a_start_does() {
    requires!(root, busybox);
    let runc: Value = serde_json::from_str(OF_RUNC).unwrap();
    assert_eq!(told(&[])["linux"]["intelRdt"], runc["linux"]["intelRdt"]);
    if std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - resctrl ") {
        return;
    }
    // It is known, and this machine has none.
    let mut bundle = Bundle::new();
    bundle.set("/linux/intelRdt", json!({ "closID": "x" }));
    bundle.refused("no resctrl file system is mounted");
}

#[test]
fn every_mount_option_that_is_told_can_be_given() {
    requires!(root, busybox, cgroups);
    let told = told(&[]);
    let options = told["mountOptions"].as_array().unwrap();
    assert!(options.len() > 60, "{options:?}");
    // Those that name something else than an attribute have tests of their own.
    let other = [
        "remount",
        "bind",
        "rbind",
        "idmap",
        "ridmap",
        "copy-symlink",
        "src-nofollow",
        "dest-nofollow",
        "mand",
        "sync",
    ];
    let plain = options.iter().filter(|word| !other.contains(&word.as_str().unwrap()));
    let mut bundle = Bundle::new();
    for (index, word) in plain.enumerate() {
        let mount =
            json!({ "type": "tmpfs", "source": "tmpfs", "destination": format!("/mnt{index}"), "options": [word] });
        bundle.push("/mounts", mount);
    }
    bundle.ok();
}

#[test]
fn what_the_machine_allows_is_looked_at() {
    requires!(root);
    let told = told(&["--host"]);
    let host = &told["host"];
    assert_eq!(host["kernel"], std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim());
    // A detached tmpfs can have mapped ids since Linux 6.3.
    requires!(kernel = (6, 3));
    assert_eq!(host["mounts"]["idmapped"]["tmpfs"], true, "{host:#}");
    assert_eq!(host["mounts"]["idmapped"]["ramfs"], false, "{host:#}");
    assert_eq!(host["mounts"]["newApi"], true);
    assert_eq!(host["mounts"]["recursiveAttributes"], true);
    let v2 = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    assert_eq!(host["cgroup"]["mode"] == "v2", v2);
    assert_eq!(host["namespaces"]["user"], true);
    let table = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap();
    assert_eq!(host["seccomp"]["notify"], table.contains("user_notif"));
    // pidfd_info came with 6.13, uname says which this is.
    let numbers: Vec<u32> = host["kernel"].as_str().unwrap().split('.').filter_map(|n| n.parse().ok()).collect();
    assert_eq!(host["process"]["pidfdInfo"], (numbers[0], numbers[1]) >= (6, 13));
}

#[test]
fn an_ordinary_user_is_told_too() {
    requires!(root, subuid_user);
    let user = testkit::User::with_subuids();
    let sandbox = Sandbox::of(&user);
    let outcome = sandbox.corun(["features", "--host"]).ok();
    let told: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(told["host"]["root"], false);
    assert_eq!(told["host"]["mounts"]["newApi"], false);
}
