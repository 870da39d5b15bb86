//! What else a process has from its start: environment, directory, masks, sysctls, execution domain, keyring, fds.

use crate::bundle::Bundle;
use serde_json::json;
use std::fs;
use testkit::requires;

#[test]
fn the_environment_is_the_specifications_and_nothing_else() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.command(&["env"]).set("/process/env", json!(["A=b c", "EMPTY=", "PATH=/bin", "A=last"]));
    let outcome = bundle.ok();
    let mut lines = outcome.lines();
    lines.sort_unstable();
    assert!(lines.contains(&"EMPTY=") && lines.contains(&"PATH=/bin"), "{outcome}");
    assert!(!lines.iter().any(|line| line.starts_with("CORACLE_") || line.starts_with("TERM")), "{outcome}");
}

#[test]
fn a_home_that_is_not_given_is_what_the_image_says_of_the_user() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("echo $HOME");
    let long = format!("other:x:1000:1000:{}:/far", ":".repeat(3));
    bundle.rootfs.file(
        "etc/passwd",
        format!("root:x:0:0:r:/root:/bin/sh\n{long}\nu:x:1001:1:{}:/home/u:/bin/sh", "g".repeat(2000)),
    );
    bundle.set("/process/env", json!(["PATH=/bin"]));
    for (uid, home) in [(0, "/root"), (1001, "/home/u"), (1002, "/"), (1000, "/")] {
        bundle.set("/process/user/uid", uid).ok().stdout_is(&format!("{home}\n"));
    }
    bundle.set("/process/env", json!(["HOME=/x", "PATH=/bin", "HOME="])).set("/process/user/uid", 0);
    bundle.ok().stdout_is("/root\n");
    bundle.set("/process/env", json!(["PATH=/bin", "HOME=/x"]));
    bundle.ok().stdout_is("/x\n");
}

#[test]
fn a_passwd_that_is_no_file_does_not_stop_a_start() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("echo $HOME");
    bundle.set("/process/env", json!(["PATH=/bin"]));
    let passwd = bundle.rootfs.inside("etc/passwd");
    let _ = fs::remove_file(&passwd);
    bundle.ok().stdout_is("/\n");
    testkit::Invocation::new("mkfifo").arg(&passwd).ok();
    bundle.ok().stdout_is("/\n");
}

#[test]
fn a_missing_working_directory_is_made_also_for_an_ordinary_user() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("pwd; stat -c '%a %u' .");
    bundle.set("/process/cwd", "/new/deep");
    bundle.ok().stdout_is("/new/deep\n755 0\n");
    bundle.set("/process/cwd", "/other/new").set("/process/user/uid", 1000);
    bundle.ok().stdout_is("/other/new\n755 0\n");
}

#[test]
fn a_user_can_start_in_a_directory_that_is_closed_to_him_and_see_nothing_of_it() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("pwd; ls . ; cat ./secret");
    fs::create_dir(bundle.rootfs.inside("closed")).unwrap();
    bundle.rootfs.file("closed/secret", "hidden").mode("closed", 0o700);
    bundle.set("/process/cwd", "/closed").set("/process/user/uid", 1000);
    let outcome = bundle.run();
    outcome.code(1).stdout_is("/closed\n").stderr_contains("Permission denied");
}

#[test]
fn the_file_mode_mask_is_set() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("umask");
    bundle.ok().stdout_is("0022\n");
    bundle.set("/process/user/umask", 0o077);
    bundle.ok().stdout_is("0077\n");
    bundle.set("/process/user/umask", 0);
    bundle.ok().stdout_is("0000\n");
}

#[test]
fn the_execution_domain_is_set() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /proc/self/personality; uname -m");
    bundle.ok().stdout_contains("00000000\n");
    bundle.set("/linux/personality", json!({ "domain": "LINUX32" }));
    let outcome = bundle.ok();
    outcome.stdout_contains("00000008\n");
    requires!(timing);
    // User-mode Linux says x86_64 all the same.
    outcome.stdout_contains("i686");
}

#[test]
fn sysctls_of_its_own_namespaces_are_set() {
    requires!(root, busybox);
    let host = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    let mut bundle =
        Bundle::script("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni /proc/sys/fs/mqueue/msg_max");
    bundle.set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1", "kernel.shmmni": "77", "fs.mqueue.msg_max": "9" }));
    bundle.ok().stdout_is("1\n77\n9\n");
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(), host);
}

#[test]
fn limits_of_a_user_namespace_of_its_own_are_set() {
    requires!(root, busybox);
    let host = fs::read_to_string("/proc/sys/user/max_mnt_namespaces").unwrap();
    let mut bundle = Bundle::script("cat /proc/sys/user/max_mnt_namespaces");
    bundle.user_namespace().set("/linux/sysctl", json!({ "user.max_mnt_namespaces": "9" }));
    bundle.ok().stdout_is("9\n");
    assert_eq!(fs::read_to_string("/proc/sys/user/max_mnt_namespaces").unwrap(), host);
}

#[test]
fn a_sysctl_of_the_whole_machine_is_refused() {
    requires!(root, busybox);
    let file = "/proc/sys/vm/overcommit_memory";
    let before = fs::read_to_string(file).unwrap();
    for (name, value) in [
        ("vm.overcommit_memory", before.trim()),
        ("kernel.core_pattern", "|/evil"),
        ("kernel/core_pattern", "|/evil"),
        ("fs.file-max", "1"),
        ("kernel.shm/../core_pattern", "|/evil"),
        ("net.ipv4./../../kernel.core_pattern", "|/evil"),
        ("kernel.shm_rmid_forced/../core_pattern", "x"),
    ] {
        let mut bundle = Bundle::new();
        bundle.set("/linux/sysctl", json!({ name: value }));
        bundle.refused("sysctl");
    }
    assert_eq!(fs::read_to_string(file).unwrap(), before);
}

#[test]
fn a_sysctl_without_its_namespace_is_refused() {
    requires!(root, busybox);
    let value = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    for (name, value, kind) in [
        ("net.ipv4.ip_forward", value.trim(), "network"),
        ("kernel.msgmax", "9000", "ipc"),
        ("fs.mqueue.msg_max", "9", "ipc"),
        ("kernel.domainname", "x", "uts"),
        ("user.max_mnt_namespaces", "9", "user"),
    ] {
        let mut bundle = Bundle::new();
        bundle.without_namespace(kind).set("/linux/sysctl", json!({ name: value }));
        if kind == "uts" {
            bundle.unset("/hostname");
        }
        bundle.refused("sysctl").stderr_contains(kind);
    }
}

#[test]
fn the_session_keyring_is_its_own() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /proc/keys");
    bundle.set("/linux/maskedPaths", json!([]));
    let name = format!("{}: ", bundle.id);
    bundle.run_as(bundle.invocation_with(&["--no-new-keyring"])).code(0).stdout_lacks(&name);
    bundle.ok().stdout_contains(&name);
}

#[test]
fn a_bundles_unknown_keys_are_ignored() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.set("/x-vendor", json!({ "a": 1 })).set("/process/future", true).set("/linux/future", json!([]));
    bundle.ok();
}

#[test]
fn a_zero_byte_in_a_text_is_refused() {
    requires!(root, busybox);
    for path in ["/process/cwd", "/hostname"] {
        let mut bundle = Bundle::new();
        bundle.set(path, "/\0/etc");
        bundle.refused("zero byte");
    }
    let mut bundle = Bundle::new();
    bundle.push("/process/args", json!("a\0b"));
    bundle.refused("zero byte");
    // What a check reads and what the kernel reads must be the same path.
    let mut bundle = Bundle::new();
    bundle.mount("tmpfs", "tmpfs", "/proc\0x", &[]);
    bundle.refused("zero byte");
}
