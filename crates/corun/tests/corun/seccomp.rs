//! The system call filter in force.

use crate::bundle::{Bundle, field};
use serde_json::json;
use testkit::requires;

#[test]
fn a_denied_call_gives_its_error_number() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("mkdir /x; grep Seccomp: /proc/self/status");
    bundle.set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 }]
        }),
    );
    bundle.ok().stdout_is("Seccomp:\t2\n").stderr_contains("No space left on device");
}

#[test]
fn arguments_are_looked_at() {
    requires!(root, busybox);
    // chmod with exactly this mode, and no other.
    let mut bundle = Bundle::script("touch /tmp/x; chmod 600 /tmp/x && echo 600; chmod 644 /tmp/x && echo 644; true");
    bundle.set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{
                "names": ["chmod"], "action": "SCMP_ACT_ERRNO",
                "args": [{ "index": 1, "value": 0o644, "op": "SCMP_CMP_EQ" }]
            }]
        }),
    );
    bundle.ok().stdout_is("600\n").stderr_contains("Operation not permitted");
}

#[test]
fn several_architectures_are_one_filter() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("mkdir /x; ls / >/dev/null && echo fine");
    bundle.set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO" }]
        }),
    );
    bundle.ok().stdout_is("fine\n").stderr_contains("Operation not permitted");
}

#[test]
fn a_killing_filter_kills() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("mkdir /x; echo $?");
    bundle.set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_KILL_PROCESS" }]
        }),
    );
    bundle.ok().stdout_is("159\n");
}

#[test]
fn a_filter_that_denies_what_the_start_itself_uses_still_starts() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("echo runs");
    let filter = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{
            "names": [
                "sendmsg", "sendto", "recvmsg", "recvfrom", "capset", "prctl", "close_range", "openat2", "setresuid",
                "setresgid", "setgroups", "seccomp", "mount", "unshare", "clone3", "umount2", "pivot_root", "chdir"
            ],
            "action": "SCMP_ACT_ERRNO"
        }]
    });
    bundle.set("/linux/seccomp", filter).set("/process/noNewPrivileges", true);
    bundle.ok().stdout_is("runs\n");
}

#[test]
fn without_no_new_privileges_the_filter_may_deny_messages() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("echo runs");
    let filter = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{ "names": ["sendmsg", "sendto", "recvmsg", "socket"], "action": "SCMP_ACT_ERRNO" }]
    });
    bundle.set("/linux/seccomp", filter);
    bundle.ok().stdout_is("runs\n");
}

#[test]
fn the_filter_holds_for_an_ordinary_user_too() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("mkdir /tmp/x; cat /proc/self/status");
    bundle.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    bundle.set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_ERRNO" }]
        }),
    );
    let outcome = bundle.ok();
    outcome.stderr_contains("Operation not permitted");
    assert_eq!((field(&outcome.stdout, "Seccomp"), field(&outcome.stdout, "CapEff")), ("2", "0000000000000000"));
}

#[test]
fn a_listener_that_nobody_serves_is_refused() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" }]
        }),
    );
    bundle.refused("SCMP_ACT_NOTIFY");
}

#[test]
fn an_unknown_action_is_told_with_line_and_column() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.set("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_FLY" }));
    bundle.refused("SCMP_ACT_FLY").stderr_contains("line 1 column");
}

/// A bundle whose filter denies one call.
fn denying(call: &str) -> Bundle {
    let mut bundle = Bundle::script("mkdir /x; rmdir /y; true");
    std::fs::create_dir_all(bundle.rootfs.inside("y")).unwrap();
    bundle.set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{ "names": [call], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 }]
        }),
    );
    bundle
}

#[test]
fn a_filter_is_compiled_once_and_another_profile_gets_another() {
    requires!(root, busybox);
    let mut bundle = denying("mkdir");
    let kept = bundle.sandbox.join("run/.seccomp");
    let filters = || {
        let names = std::fs::read_dir(&kept).unwrap().flatten().map(|entry| entry.path());
        names.filter(|path| path.file_name().is_some_and(|name| name.len() == 32)).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        bundle.run().code(0).stderr_contains("mkdir: can't create directory '/x': No space left on device");
        assert_eq!(filters().len(), 1);
    }
    // Files that are no filters are not taken for some.
    std::fs::write(&filters()[0], [0, 0, 0, 0, 1, 2, 3]).unwrap();
    bundle.run().code(0).stderr_contains("No space left on device");
    bundle.set("/linux/seccomp/syscalls/0/names/0", "rmdir");
    bundle.run().code(0).stderr_contains("rmdir: '/y': No space left on device").stderr_lacks("mkdir");
    assert_eq!(filters().len(), 2);
}
