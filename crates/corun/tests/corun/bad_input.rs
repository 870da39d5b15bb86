//! What cannot be: one line that says what and why, exit code 1, and nothing left behind.

use crate::bundle::Bundle;
use serde_json::{Value, json};
use std::fs;
use testkit::{Invocation, Program, requires};

#[test]
fn a_bundle_without_config_json() {
    requires!(root, busybox);
    let bundle = Bundle::new();
    let invocation = bundle.invocation();
    fs::remove_file(bundle.dir().join("config.json")).unwrap();
    bundle
        .run_as(invocation)
        .code(1)
        .stderr_contains("JSON specification file ")
        .stderr_contains("config.json not found")
        .stderr_contains("--bundle");
    Invocation::new(Program::Corun.path())
        .args(["run", "-b", "/no/such", "x"])
        .run()
        .code(1)
        .stderr_contains("/no/such");
}

#[test]
fn broken_json_is_told_with_line_and_column() {
    requires!(root, busybox);
    for (text, at) in [
        ("{\n \"root\": {\n", "line 3 column 0"),
        ("{\n \"root\": { \"path\": 7 }\n}", "line 2 column"),
        ("", "line 1 column 0"),
        ("7", "line 1 column"),
        ("{} x", "line 1 column 4"),
        ("{ \"linux\": { \"namespaces\": [{ \"type\": \"flies\" }] } }", "flies"),
    ] {
        let bundle = Bundle::new();
        let invocation = bundle.invocation();
        bundle.sandbox.file("bundle/config.json", text);
        bundle.run_as(invocation).code(1).stderr_contains(at).stderr_contains("config.json");
    }
}

#[test]
fn json_nested_without_end_is_no_crash() {
    requires!(root, busybox);
    let bundle = Bundle::new();
    let invocation = bundle.invocation();
    bundle.sandbox.file("bundle/config.json", format!("{{\"annotations\":{}", "[".repeat(1_000_000)));
    bundle.run_as(invocation).code(1).stderr_contains("line 1 column");
}

#[test]
fn parts_that_must_be_there() {
    requires!(root, busybox);
    for (path, text) in [("/root", "root"), ("/process", "process"), ("/linux", "mount namespace")] {
        let mut bundle = Bundle::new();
        bundle.unset(path);
        if path == "/linux" {
            bundle.unset("/hostname");
        }
        bundle.refused_apart(text);
    }
}

#[test]
fn a_root_that_is_not_there_or_is_no_directory() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.set("/root/path", "nosuch");
    bundle.refused("root file system").stderr_contains("nosuch").stderr_contains("ENOENT");
    bundle.sandbox.file("bundle/file", "");
    bundle.set("/root/path", "file");
    bundle.refused("root").stderr_contains("ENOTDIR");
}

#[test]
fn arguments_and_directory() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.set("/process/args", json!([]));
    bundle.refused("process.args is empty");
    let mut bundle = Bundle::new();
    bundle.set("/process/cwd", "relative");
    bundle.refused("not absolute");
    bundle.set("/process/cwd", "");
    bundle.refused("not absolute");
    bundle.set("/process/cwd", "/etc/passwd");
    bundle.refused("change to /etc/passwd").stderr_contains("ENOTDIR");
}

#[test]
fn mounts_that_cannot_be() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.mount("bind", "/etc", "/vol", &["bind", "fly"]);
    bundle.refused("unknown option fly");
    let mut bundle = Bundle::new();
    bundle.mount("bind", "/no/such/source", "/vol", &["bind"]);
    bundle.refused("/no/such/source").stderr_contains("ENOENT");
    let mut bundle = Bundle::new();
    bundle.mount("bind", "", "/vol", &["bind"]);
    bundle.refused("no source");
    let mut bundle = Bundle::new();
    bundle.push("/mounts", json!({ "destination": "/vol" }));
    bundle.refused("neither a type nor bind");
    let mut bundle = Bundle::new();
    bundle.mount("tmpfs", "tmpfs", "/vol", &["fly=high"]);
    bundle.refused("/vol").stderr_contains("EINVAL");
    let mut bundle = Bundle::new();
    bundle.mount("bind", "/etc/passwd", "/etc", &["bind"]);
    bundle.refused("/etc").stderr_contains("ENOTDIR");
    let mut bundle = Bundle::new();
    bundle.mount("bind", "/etc", "/etc/passwd", &["bind"]);
    bundle.refused("/etc/passwd").stderr_contains("ENOTDIR");
    for destination in ["/", "//", "/.", "/etc/.."] {
        let mut bundle = Bundle::new();
        bundle.mount("tmpfs", "tmpfs", destination, &[]);
        bundle.refused("root");
    }
}

#[test]
fn devices_that_cannot_be() {
    requires!(root, busybox);
    for device in [
        json!({ "type": "c", "path": "relative", "major": 1, "minor": 3 }),
        json!({ "type": "c", "path": "/dev/x", "major": -1, "minor": 3 }),
        json!({ "type": "c", "path": "/dev/x", "major": 1, "minor": 4_294_967_296_u64 }),
        json!({ "type": "a", "path": "/dev/x" }),
        json!({ "type": "c", "path": "/dev/x", "major": 1, "minor": 3, "uid": u32::MAX }),
        json!({ "type": "z", "path": "/dev/x", "major": 1, "minor": 3 }),
    ] {
        let mut bundle = Bundle::new();
        bundle.set("/linux/devices", json!([device]));
        bundle.refused(if device["type"] == "z" { "unknown variant" } else { "device" });
    }
}

/// Beside those above, what the specification's own checker and runc's call malformed.
#[test]
fn values_that_mean_nothing() {
    requires!(root, busybox);
    let rule = |rule: Value| json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] });
    let argument =
        |argument: Value| rule(json!({ "names": ["getcwd"], "action": "SCMP_ACT_ERRNO", "args": [argument] }));
    for (path, value, text) in [
        ("/ociVersion", json!("x"), "ociVersion \"x\""),
        ("/ociVersion", json!(""), "ociVersion \"\""),
        ("/ociVersion", json!("2.0.0"), "ociVersion \"2.0.0\""),
        ("/annotations", json!({ "a": 1 }), "line 1 column"),
        ("/hostname", json!("h".repeat(65)), "host name"),
        ("/domainname", json!("h".repeat(65)), "domain name"),
        ("/root", json!({}), "root.path is empty"),
        ("/process/args", json!([1]), "line 1 column"),
        ("/process/args", json!(["true", "\0"]), "zero byte"),
        ("/process/env", json!(["X"]), "\"X\" is not NAME=VALUE"),
        ("/process/env", json!(["A=1", "=x"]), "\"=x\" is not NAME=VALUE"),
        ("/process/env", json!(["A=\0"]), "zero byte"),
        ("/process/user/uid", json!(-1), "u32"),
        ("/process/user/uid", json!(1_u64 << 32), "u32"),
        ("/process/user/uid", json!("0"), "u32"),
        ("/process/user/gid", json!(1.5), "u32"),
        ("/process/user/gid", json!(u32::MAX), "is no id"),
        ("/process/user/additionalGids", json!([u32::MAX]), "is no id"),
        ("/process/rlimits", json!([{ "soft": 1, "hard": 1 }]), "unknown type"),
        ("/process/rlimits", json!([{ "type": "RLIMIT_CORE", "soft": -1, "hard": 1 }]), "u64"),
        ("/process/scheduler", json!({ "nice": 1 }), "policy"),
        ("/process/ioPriority", json!({ "priority": 1 }), "class"),
        ("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_FLY" }), "IOPRIO_CLASS_FLY"),
        ("/process/consoleSize", json!({ "height": 70_000, "width": 80 }), "u16"),
        ("/hooks/prestart", json!([{ "args": ["x"] }]), "not absolute"),
        ("/hooks/createRuntime", json!([{ "path": "/no/such" }]), "/no/such"),
        ("/hooks/createRuntime", json!([{ "path": "/etc/passwd" }]), "ermission denied"),
        ("/hooks/createContainer", json!([{ "path": "/bin/true", "timeout": 0 }]), "timeout"),
        ("/hooks/poststop", json!([{ "path": "/bin/true", "env": ["X"] }]), "\"X\" is not NAME=VALUE"),
        ("/linux/rootfsPropagation", json!("far"), "far"),
        ("/linux/maskedPaths", json!(["proc/kcore"]), "\"proc/kcore\" is not absolute"),
        ("/linux/readonlyPaths", json!([""]), "\"\" is not absolute"),
        ("/linux/personality", json!({ "domain": "OTHER" }), "OTHER"),
        ("/linux/sysctl", json!({ "kernel.hostname": "x" }), "hostname"),
        ("/linux/sysctl", json!({ "net/../kernel/x": "1" }), "no name of a kernel parameter"),
        ("/linux/cgroupsPath", json!("/../../x"), ".."),
        ("/linux/seccomp", json!({ "syscalls": [] }), "defaultAction"),
        ("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_FLY" }), "SCMP_ACT_FLY"),
        ("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["FLY"] }), "FLY"),
        ("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW", "flags": ["FLY"] }), "FLY"),
        ("/linux/seccomp", rule(json!({ "names": [], "action": "SCMP_ACT_ERRNO" })), "names no system call"),
        ("/linux/seccomp", argument(json!({ "index": 6, "value": 1, "op": "SCMP_CMP_EQ" })), "index 6"),
        ("/linux/seccomp", argument(json!({ "index": 0, "value": 1, "op": "SCMP_CMP" })), "SCMP_CMP"),
        ("/linux/devices", json!([{ "type": "c", "major": 1, "minor": 3 }]), "path"),
        ("/linux/devices", json!([{ "type": "c", "path": "/dev", "major": 1, "minor": 3 }]), "/dev"),
        ("/linux/resources/devices", json!([{ "allow": true, "access": "x" }]), "access"),
        ("/linux/resources/devices", json!([{ "allow": true, "type": "z" }]), "unknown variant"),
        ("/linux/resources/memory", json!({ "limit": -5 }), "memory.limit"),
        ("/linux/resources/memory", json!({ "limit": "1" }), "i64"),
        ("/linux/resources/memory", json!({ "limit": 64 << 20, "swap": 32 << 20 }), "memory.swap"),
        ("/linux/resources/cpu", json!({ "shares": -1 }), "u64"),
        ("/linux/resources/pids", json!({ "limit": "x" }), "i64"),
        ("/linux/resources/hugepageLimits", json!([{ "pageSize": "../x", "limit": 1 }]), "page size"),
        ("/linux/resources/unified", json!({ "../x": "1" }), "control file"),
    ] {
        let mut bundle = Bundle::new();
        bundle.set(path, value);
        bundle.refused(text);
    }
}

#[test]
fn a_command_that_is_not_there() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.command(&["no-such-command"]);
    bundle.refused("executable file not found in $PATH");
    bundle.command(&["/no/such"]);
    bundle.refused("no such file or directory");
    bundle.command(&[""]);
    bundle.refused("executable file not found");
    bundle.command(&["sh"]).set("/process/env", json!(["PATH="]));
    bundle.refused("executable file not found in $PATH");
}

#[test]
fn a_command_without_x_bit_or_that_is_a_directory() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.rootfs.file("plain", "text").file("bin/plain2", "text");
    for command in ["/plain", "plain2", "/etc"] {
        bundle.command(&[command]);
        bundle.refused("permission denied");
    }
}

/// The header of a static program for another machine: EM_AARCH64, one loadable segment.
fn foreign() -> Vec<u8> {
    let mut elf = vec![0; 120];
    elf[..20].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 183, 0]);
    elf[20] = 1;
    elf[24..32].copy_from_slice(&0x40_0078_u64.to_le_bytes());
    elf[32..40].copy_from_slice(&64_u64.to_le_bytes());
    elf[52..58].copy_from_slice(&[64, 0, 56, 0, 1, 0]);
    elf[64..72].copy_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
    elf[80..88].copy_from_slice(&0x40_0000_u64.to_le_bytes());
    elf[96..104].copy_from_slice(&120_u64.to_le_bytes());
    elf[104..112].copy_from_slice(&120_u64.to_le_bytes());
    elf
}

#[test]
fn a_command_that_the_kernel_cannot_execute() {
    requires!(root, busybox, that = no_emulation());
    let mut bundle = Bundle::new();
    bundle.rootfs.file("foreign", foreign()).mode("foreign", 0o755);
    bundle.rootfs.file("orphan", "#!/no/such/interpreter\n").mode("orphan", 0o755);
    bundle.rootfs.file("bare", "echo no first line\n").mode("bare", 0o755);
    bundle.command(&["/foreign"]);
    bundle.refused("exec format error").stderr_contains("architecture");
    bundle.command(&["/orphan"]);
    bundle.refused("exec /orphan: no such file or directory").stderr_is("exec /orphan: no such file or directory\n");
    bundle.command(&["/bare"]);
    bundle.refused("exec format error").stderr_contains("#!");
}

fn no_emulation() -> Result<(), String> {
    let there = fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten().flatten();
    let emulated = there.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("aarch64"));
    if emulated { Err("a machine that cannot run arm64 programs".to_owned()) } else { Ok(()) }
}

#[test]
fn what_is_not_supported_yet_is_refused_and_not_left_out() {
    requires!(root, busybox);
    for (path, value, text) in [
        ("/linux/intelRdt", json!({ "closID": "x" }), "intelRdt"),
        ("/linux/mountLabel", json!("x"), "mountLabel"),
        ("/process/apparmorProfile", json!("no-such"), "AppArmor"),
        ("/process/selinuxLabel", json!("a:b:c"), "SELinux"),
    ] {
        if path.contains("apparmor") && fs::exists("/sys/kernel/security/apparmor").unwrap_or(false) {
            continue;
        }
        let mut bundle = Bundle::new();
        bundle.set(path, value);
        bundle.refused(text);
    }
}
