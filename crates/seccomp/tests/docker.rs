//! Profiles in Docker's format.

use oci::runtime::{Action, Arch, Operator, Seccomp};
use seccomp::{Machine, docker};

fn read(json: &str, capabilities: &[&str], kernel: (u32, u32)) -> Result<Seccomp, docker::Error> {
    docker::from_json_for(json.as_bytes(), capabilities, kernel, Machine::X86_64)
}

/// The calls that are left of one rule for `mkdir` under these conditions.
fn kept(conditions: &str, capabilities: &[&str], kernel: (u32, u32)) -> bool {
    let json = format!(
        r#"{{"defaultAction": "SCMP_ACT_ERRNO",
             "syscalls": [{{"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", {conditions}}}]}}"#
    );
    !read(&json, capabilities, kernel).unwrap().syscalls.is_empty()
}

#[test]
fn includes_asks_for_all_capabilities_and_excludes_for_one() {
    let two = r#"{"caps": ["CAP_BPF", "CAP_SYSLOG"]}"#;
    for (capabilities, included, excluded) in
        [(&[][..], false, false), (&["CAP_BPF"][..], false, true), (&["CAP_BPF", "CAP_SYSLOG"][..], true, true)]
    {
        assert_eq!(kept(&format!(r#""includes": {two}"#), capabilities, (6, 1)), included, "{capabilities:?}");
        assert_eq!(kept(&format!(r#""excludes": {two}"#), capabilities, (6, 1)), !excluded, "{capabilities:?}");
    }
}

#[test]
fn arches_are_gos_names() {
    assert!(kept(r#""includes": {"arches": ["s390x", "amd64"]}"#, &[], (6, 1)));
    assert!(!kept(r#""includes": {"arches": ["arm64"]}"#, &[], (6, 1)));
    assert!(!kept(r#""excludes": {"arches": ["amd64"]}"#, &[], (6, 1)));
    assert!(kept(r#""includes": {}, "excludes": {}"#, &[], (6, 1)));
}

#[test]
fn a_minimum_kernel_is_compared_as_two_numbers() {
    for (kernel, reached) in [((4, 7), false), ((4, 10), true), ((4, 8), true), ((5, 0), true), ((3, 20), false)] {
        assert_eq!(kept(r#""includes": {"minKernel": "4.8"}"#, &[], kernel), reached, "{kernel:?}");
        assert_eq!(kept(r#""excludes": {"minKernel": "4.8"}"#, &[], kernel), !reached, "{kernel:?}");
    }
}

#[test]
fn the_arch_map_gives_this_machines_architectures() {
    let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "archMap": [
        {"architecture": "SCMP_ARCH_S390X", "subArchitectures": ["SCMP_ARCH_S390"]},
        {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": null},
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}]}"#;
    assert_eq!(read(json, &[], (6, 1)).unwrap().architectures, [Arch::X86_64, Arch::X86, Arch::X32]);
}

#[test]
fn the_old_form_has_one_name_a_rule() {
    let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"],
        "syscalls": [{"name": "mkdir", "action": "SCMP_ACT_ALLOW", "args": null}]}"#;
    let profile = read(json, &[], (6, 1)).unwrap();
    assert_eq!(profile.syscalls[0].names, ["mkdir"]);
    assert_eq!(profile.architectures, [Arch::X86]);
}

#[test]
fn a_plain_runtime_profile_is_read_whole() {
    let json = r#"{"defaultAction": "SCMP_ACT_TRACE", "defaultErrnoRet": 9, "flags": [], "listenerPath": "/run/agent",
        "listenerMetadata": "m", "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7,
        "args": [{"index": 1, "value": 2, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}]}]}"#;
    let profile = read(json, &[], (6, 1)).unwrap();
    assert_eq!(profile, serde_json::from_str(json).unwrap());
    assert_eq!(profile.default_action, Action::Trace);
    assert_eq!(profile.syscalls[0].args[0].op, Operator::MaskedEqual);
}

#[test]
fn error_names_stand_beside_numbers_as_podman_writes_them() {
    let json = |number: &str| {
        format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "defaultErrno": "ENOSYS", "syscalls": [
                {{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errno": "EPERM" {number}}}]}}"#
        )
    };
    let profile = read(&json(r#", "errnoRet": 1"#), &[], (6, 1)).unwrap();
    assert_eq!((profile.default_errno_ret, profile.syscalls[0].errno_ret), (Some(38), Some(1)));
    let error = read(&json(""), &[], (6, 1)).unwrap_err();
    assert_eq!(error.to_string(), r#"the rule for mkdir has errno "EPERM" without errnoRet"#);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |json: &str| read(json, &[], (6, 1)).unwrap_err().to_string();
    assert_eq!(refused("{}"), "the profile has no defaultAction");
    assert_eq!(refused("["), "not a seccomp profile");
    let both = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"],
        "archMap": [{"architecture": "SCMP_ARCH_X86_64"}]}"#;
    assert_eq!(refused(both), "the profile has both architectures and archMap");
    let names = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"name": "mkdir", "names": ["rmdir"], "action": "SCMP_ACT_ALLOW"}]}"#;
    assert_eq!(refused(names), "a rule has both name and names (mkdir)");
    for version in ["4", "4.8.1", "four.eight"] {
        let json = format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
                {{"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "includes": {{"minKernel": "{version}"}}}}]}}"#
        );
        assert_eq!(refused(&json), format!("minKernel {version:?} is not a version such as \"4.8\""));
    }
}
