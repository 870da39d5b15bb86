//! What single rules of a profile mean, and what is refused.

mod support;

use oci::runtime::Seccomp;
use seccomp::{Abi, Error, Flags, compile};
use support::{ALLOW, Data, ENOSYS, EPERM, KILL_THREAD, errno, verdict};

fn profile(json: &str) -> Seccomp {
    serde_json::from_str(json).unwrap()
}

fn refused(json: &str) -> String {
    compile(&profile(json)).unwrap_err().to_string()
}

/// Of an x86_64 call with this first argument.
fn says(json: &str, name: &str, first: u64) -> u32 {
    verdict(&compile(&profile(json)).unwrap(), Data::of(Abi::X86_64, name, [first, 0, 0, 0, 0, 0]))
}

#[test]
fn each_action_has_the_kernels_value() {
    for (action, value) in [
        ("KILL", 0),
        ("KILL_THREAD", 0),
        ("KILL_PROCESS", 0x8000_0000),
        ("TRAP", 0x0003_0000),
        ("ERRNO", 0x0005_0001),
        ("NOTIFY", 0x7fc0_0000),
        ("TRACE", 0x7ff0_0001),
        ("LOG", 0x7ffc_0000),
        ("ALLOW", 0x7fff_0000),
    ] {
        let rule = format!(r#"{{"names": ["mkdir"], "action": "SCMP_ACT_{action}"}}"#);
        let json = format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5, "syscalls": [{rule}]}}"#);
        assert_eq!(says(&json, "mkdir", 0), value, "{action}");
        assert_eq!(says(&json, "getpid", 0), errno(5));
    }
}

#[test]
fn numbers_go_with_errno_and_trace() {
    let json = r#"{"defaultAction": "SCMP_ACT_TRACE", "defaultErrnoRet": 65535, "syscalls": [
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4095}]}"#;
    assert_eq!(says(json, "mkdir", 0), errno(4095));
    assert_eq!(says(json, "getpid", 0), 0x7ff0_ffff);
}

#[test]
fn a_call_newer_than_the_profile_does_not_exist() {
    let rules = r#""syscalls": [{"names": ["openat2"], "action": "SCMP_ACT_ALLOW"}]"#;
    for (action, newer) in [
        ("ERRNO", ENOSYS),
        ("KILL_PROCESS", ENOSYS),
        ("TRAP", ENOSYS),
        ("ALLOW", ALLOW),
        ("LOG", 0x7ffc_0000),
        ("TRACE", 0x7ff0_0001),
    ] {
        let json = format!(r#"{{"defaultAction": "SCMP_ACT_{action}", {rules}}}"#);
        assert_eq!(says(&json, "pidfd_getfd", 0), newer, "{action}");
        assert_ne!(says(&json, "close_range", 0), ENOSYS, "{action}");
    }
}

#[test]
fn a_profile_that_names_nothing_has_no_newest_call() {
    assert_eq!(says(r#"{"defaultAction": "SCMP_ACT_ERRNO"}"#, "mseal", 0), EPERM);
    let unknown = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["no_such_call"], "action": "SCMP_ACT_ALLOW"}]}"#;
    assert_eq!(says(unknown, "mseal", 0), EPERM);
}

#[test]
fn a_denied_call_counts_as_known() {
    let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["mseal"], "action": "SCMP_ACT_ERRNO"}]}"#;
    assert_eq!(says(json, "mseal", 0), EPERM);
    assert_eq!(says(json, "setxattrat", 0), ENOSYS);
}

#[test]
fn two_conditions_on_one_argument_are_alternatives() {
    let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["personality"],
        "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]}]}"#;
    for (value, expected) in [(0, EPERM), (1, ALLOW), (2, ALLOW), (0x1_0000_0001, EPERM)] {
        assert_eq!(says(json, "personality", value), expected, "{value:#x}");
    }
}

#[test]
fn an_unconditional_rule_wins_over_conditions() {
    for order in [[0, 1], [1, 0]] {
        let rules = [
            r#"{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW"}"#,
            r#"{"names": ["ioctl"], "action": "SCMP_ACT_KILL", "args": [{"index": 0, "value": 7, "op": "SCMP_CMP_EQ"}]}"#,
        ];
        let json =
            format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{}, {}]}}"#, rules[order[0]], rules[order[1]]);
        assert_eq!(says(&json, "ioctl", 7), ALLOW);
    }
}

#[test]
fn equality_is_asked_before_ranges_and_narrow_ranges_before_wide_ones() {
    let rule = |value: u32, op: &str, errno: u32| {
        format!(
            r#"{{"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": {errno},
                 "args": [{{"index": 0, "value": {value}, "op": "SCMP_CMP_{op}"}}]}}"#
        )
    };
    let rules = [rule(100, "LT", 13), rule(10, "LT", 12), rule(5, "EQ", 11), rule(50, "GT", 14)].join(", ");
    let json = format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rules}]}}"#);
    for (value, expected) in [(5, 11), (4, 12), (10, 13), (60, 13), (100, 14), (u64::MAX, 14)] {
        assert_eq!(says(&json, "ioctl", value), errno(expected), "{value}");
    }
}

#[test]
fn x32_that_is_not_listed_is_killed_but_for_the_tracers_minus_one() {
    let filter = compile(&profile(r#"{"defaultAction": "SCMP_ACT_LOG"}"#)).unwrap();
    let arch = Abi::X86_64.audit_arch();
    let of = |number| verdict(&filter, Data { number, arch, args: [0; 6] });
    assert_eq!(of(0x4000_0000), KILL_THREAD);
    assert_eq!(of(u32::MAX - 1), KILL_THREAD);
    assert_eq!(of(u32::MAX), 0x7ffc_0000);
}

#[test]
fn socketcall_obeys_the_rules_for_socket() {
    let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"], "syscalls": [
        {"names": ["socket", "accept"], "action": "SCMP_ACT_ALLOW"}]}"#;
    let filter = compile(&profile(json)).unwrap();
    for (selector, expected) in [(1, ALLOW), (2, EPERM), (5, ALLOW), (6, EPERM)] {
        let data = Data::of(Abi::X86, "socketcall", [selector, 0, 0, 0, 0, 0]);
        assert_eq!(verdict(&filter, data), expected, "{selector}");
    }
    assert_eq!(verdict(&filter, Data::of(Abi::X86, "socket", [0; 6])), ALLOW);
}

#[test]
fn flags_are_those_of_the_profile_or_spec_allow() {
    let flags =
        |words: &str| compile(&profile(&format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW"{words}}}"#))).unwrap().flags();
    assert_eq!(flags(""), Flags::SPEC_ALLOW);
    assert_eq!(flags(r#", "flags": []"#), Flags::default());
    let three =
        r#", "flags": ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]"#;
    // TSYNC says nothing of a process with one thread.
    assert_eq!(flags(three).bits(), 0b110);
}

#[test]
fn what_cannot_be_done_is_refused() {
    let rule = |rule: &str| refused(&format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}]}}"#));
    assert_eq!(
        rule(r#"{"names": ["mkdir", "rmdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096}"#),
        "errnoRet 4096 of the rule for mkdir, rmdir is above 4095"
    );
    assert_eq!(
        rule(r#"{"names": ["mkdir"], "action": "SCMP_ACT_TRACE", "errnoRet": 65536}"#),
        "errnoRet 65536 of the rule for mkdir is above 65535"
    );
    assert_eq!(
        rule(r#"{"names": ["mkdir"], "action": "SCMP_ACT_TRAP", "errnoRet": 1}"#),
        "errnoRet given for the rule for mkdir, but SCMP_ACT_TRAP takes none"
    );
    assert_eq!(
        rule(
            r#"{"names": ["mkdir"], "action": "SCMP_ACT_TRAP", "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}"#
        ),
        "argument index 6 of the rule for mkdir is above 5"
    );
    assert_eq!(rule(r#"{"names": [], "action": "SCMP_ACT_TRAP"}"#), "a rule names no system call");
    assert_eq!(
        rule(r#"{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}"#),
        "SCMP_ACT_NOTIFY cannot be used for the write syscall"
    );
    let twice = |action| {
        format!(
            r#"{{"names": ["ioctl"], "action": "{action}", "args": [{{"index": 1, "value": 9, "op": "SCMP_CMP_EQ"}}]}}"#
        )
    };
    assert_eq!(
        rule(&format!("{}, {}", twice("SCMP_ACT_KILL"), twice("SCMP_ACT_TRAP"))),
        "two rules for ioctl have the same conditions and different actions"
    );
    assert_eq!(refused(r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#), "SCMP_ACT_NOTIFY cannot be the default action");
    assert_eq!(
        refused(r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NEW"]}"#),
        r#"unknown seccomp flag "SECCOMP_FILTER_FLAG_NEW""#
    );
    let wait = r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}"#;
    assert!(matches!(compile(&profile(wait)), Err(Error::WaitKillableWithoutNotify)));
}

#[test]
fn a_program_that_the_kernel_would_not_take_is_refused() {
    let rules: Vec<String> = (0..4_200)
        .map(|value| {
            format!(
                r#"{{"names": ["ioctl"], "action": "SCMP_ACT_ERRNO",
                     "args": [{{"index": 1, "value": {value}, "op": "SCMP_CMP_EQ"}}]}}"#
            )
        })
        .collect();
    let message = refused(&format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{}]}}"#, rules.join(", ")));
    assert!(message.ends_with("instructions, the kernel takes 4096"), "{message}");
}

#[test]
fn what_a_profile_lists_in_vain_is_told() {
    let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_S390X"],
        "syscalls": [{"names": ["read", "swapcontext", "chown32"], "action": "SCMP_ACT_ALLOW"}]}"#;
    let notes = seccomp::notes(&profile(json));
    assert_eq!(notes.architectures, [oci::runtime::Arch::S390x]);
    assert_eq!(notes.names, ["swapcontext", "chown32"]);
}
