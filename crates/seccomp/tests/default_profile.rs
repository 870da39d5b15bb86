//! The default profile, by what it says of calls.

mod support;

use oci::runtime::{Seccomp, SyscallRule};
use seccomp::{Abi, Filter, compile, default_filter, default_profile, docker};
use support::{ALLOW, CAPABILITIES, Data, ENOSYS, EPERM, KILL_THREAD, allowed_whatever_the_arguments, check, verdict};

fn filter(capabilities: &[&str]) -> Filter {
    compile(&default_profile(capabilities)).unwrap()
}

fn of(filter: &Filter, name: &str, args: [u64; 6]) -> u32 {
    verdict(filter, Data::of(Abi::X86_64, name, args))
}

#[test]
fn it_is_small_and_valid() {
    let program: Vec<_> = filter(&CAPABILITIES).instructions().collect();
    check(&program);
    assert!(program.len() < 512, "{}", program.len());
}

#[test]
fn calls_behind_a_capability_need_it() {
    let without = filter(&[]);
    for (capability, names) in [
        ("CAP_SYS_ADMIN", "mount umount2 setns unshare fsopen bpf perf_event_open syslog clone3 quotactl sethostname"),
        ("CAP_BPF", "bpf"),
        ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
        ("CAP_PERFMON", "perf_event_open"),
        ("CAP_SYSLOG", "syslog"),
        ("CAP_SYS_BOOT", "reboot"),
        ("CAP_SYS_CHROOT", "chroot"),
        ("CAP_SYS_MODULE", "init_module finit_module delete_module"),
        ("CAP_SYS_NICE", "mbind set_mempolicy get_mempolicy"),
        ("CAP_SYS_PACCT", "acct"),
        ("CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
        ("CAP_SYS_RAWIO", "iopl ioperm"),
        ("CAP_SYS_TIME", "settimeofday clock_settime"),
        ("CAP_SYS_TTY_CONFIG", "vhangup"),
    ] {
        let with = filter(&[capability]);
        for name in names.split(' ') {
            let refused = if name == "clone3" { ENOSYS } else { EPERM };
            assert_eq!(of(&without, name, [0; 6]), refused, "{name}");
            assert_eq!(of(&with, name, [0; 6]), ALLOW, "{name} with {capability}");
        }
    }
}

#[test]
fn some_calls_are_for_nobody() {
    let filter = filter(&["CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_RAWIO"]);
    for name in ["keyctl", "add_key", "request_key", "kexec_load", "userfaultfd", "swapon", "io_uring_setup"] {
        assert_eq!(of(&filter, name, [0; 6]), EPERM, "{name}");
    }
}

#[test]
fn clone_makes_threads_but_no_namespaces() {
    let filter = filter(&CAPABILITIES);
    let thread = 0x003d_0f00;
    assert_eq!(of(&filter, "clone", [thread, 0, 0, 0, 0, 0]), ALLOW);
    for flag in [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000] {
        assert_eq!(of(&filter, "clone", [thread | flag, 0, 0, 0, 0, 0]), EPERM, "{flag:#x}");
    }
}

#[test]
fn sockets_of_two_families_are_refused() {
    let filter = filter(&CAPABILITIES);
    for family in 0..64 {
        let expected = if [38, 40].contains(&family) { EPERM } else { ALLOW };
        assert_eq!(of(&filter, "socket", [family, 0, 0, 0, 0, 0]), expected, "{family}");
    }
    assert_eq!(of(&filter, "socket", [u64::MAX, 0, 0, 0, 0, 0]), ALLOW);
}

#[test]
fn five_personalities_are_allowed() {
    let filter = filter(&CAPABILITIES);
    for value in [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff] {
        assert_eq!(of(&filter, "personality", [value, 0, 0, 0, 0, 0]), ALLOW, "{value:#x}");
    }
    for value in [1, 0x4_0000, 0x1_0000_0000, u64::MAX] {
        assert_eq!(of(&filter, "personality", [value, 0, 0, 0, 0, 0]), EPERM, "{value:#x}");
    }
}

#[test]
fn calls_newer_than_the_profile_do_not_exist() {
    let filter = filter(&CAPABILITIES);
    let arch = Abi::X86_64.audit_arch();
    // removexattrat is the newest call that it names.
    assert_eq!(of(&filter, "removexattrat", [0; 6]), ALLOW);
    for number in [467, 470, 1000, 0x3fff_ffff] {
        assert_eq!(verdict(&filter, Data { number, arch, args: [0; 6] }), ENOSYS, "{number}");
    }
}

#[test]
fn other_architectures_are_killed() {
    let filter = filter(&CAPABILITIES);
    for abi in [Abi::Aarch64, Abi::Arm] {
        assert_eq!(verdict(&filter, Data::of(abi, "read", [0; 6])), KILL_THREAD);
    }
    for abi in [Abi::X86_64, Abi::X32, Abi::X86] {
        assert_eq!(verdict(&filter, Data::of(abi, "read", [0; 6])), ALLOW, "{abi:?}");
        assert_eq!(verdict(&filter, Data::of(abi, "mount", [0; 6])), EPERM, "{abi:?}");
    }
}

#[test]
fn what_is_allowed_always_goes_into_the_kernels_bitmap() {
    let program: Vec<_> = filter(&CAPABILITIES).instructions().collect();
    let argued = ["socket", "personality", "clone"];
    for name in seccomp::syscalls::names() {
        for abi in [Abi::X86_64, Abi::X86] {
            let Some(number) = seccomp::syscalls::number(name, abi) else { continue };
            let data = Data { number, arch: abi.audit_arch(), args: [u64::MAX; 6] };
            let allowed = support::run(&program, data) == ALLOW;
            let constant = allowed_whatever_the_arguments(&program, number, data.arch);
            assert_eq!(constant, allowed && !argued.contains(&name), "{name} {abi:?}");
        }
    }
}

#[test]
fn no_way_through_the_numbers_is_long() {
    let filter = filter(&CAPABILITIES);
    for name in seccomp::syscalls::names() {
        for abi in [Abi::X86_64, Abi::X86, Abi::X32] {
            let Some(number) = seccomp::syscalls::number(name, abi) else { continue };
            let data = Data { number, arch: abi.audit_arch(), args: [u64::MAX; 6] };
            let steps = support::steps(&filter, data);
            // Two loads, a test of the architecture, a verdict, and eight tests in a tree of at most 256 ranges.
            let limit = if ["socket", "personality", "clone"].contains(&name) { 18 } else { 12 };
            assert!(steps <= limit, "{steps} for {name} on {abi:?}");
        }
    }
}

/// A profile as triples that can be compared: rules of names that our ABIs do not have are left out.
fn rules(profile: &Seccomp) -> Vec<String> {
    let known = |name: &&String| Abi::ALL.iter().any(|abi| seccomp::syscalls::number(name, *abi).is_some());
    let line =
        |rule: &SyscallRule, name: &String| format!("{name} {:?} {:?} {:?}", rule.action, rule.errno_ret, rule.args);
    let mut rules: Vec<_> = profile
        .syscalls
        .iter()
        .flat_map(|rule| rule.names.iter().filter(known).map(move |name| line(rule, name)))
        .collect();
    rules.sort();
    rules.dedup();
    rules
}

#[test]
fn it_equals_mobys() {
    let Ok(path) = std::env::var("CORACLE_MOBY_PROFILE") else {
        eprintln!("SKIPPED it_equals_mobys: CORACLE_MOBY_PROFILE does not name moby's seccomp/default.json");
        return;
    };
    let json = std::fs::read(path).unwrap();
    let all = "ADMIN BOOT CHROOT MODULE NICE PACCT PTRACE RAWIO TIME TTY_CONFIG"
        .split(' ')
        .map(|name| format!("CAP_SYS_{name}"));
    let all: Vec<String> =
        all.chain(["BPF", "DAC_READ_SEARCH", "PERFMON", "SYSLOG", "CHOWN"].map(|name| format!("CAP_{name}"))).collect();
    let mut sets: Vec<Vec<String>> = all.iter().map(|capability| vec![capability.clone()]).collect();
    sets.extend([vec![], all.clone(), CAPABILITIES.map(String::from).to_vec(), all[1..].to_vec()]);
    for machine in [seccomp::Machine::X86_64, seccomp::Machine::Aarch64] {
        for set in &sets {
            let theirs = docker::from_json_for(&json, set, (6, 18), machine).unwrap();
            let ours = seccomp::default_profile_for(set, machine);
            assert_eq!(rules(&ours), rules(&theirs), "{machine:?} {set:?}");
            assert_eq!(ours.default_errno_ret, theirs.default_errno_ret);
            assert_eq!(ours.default_action, theirs.default_action);
            assert_eq!(ours.architectures, theirs.architectures);
        }
    }
}

/// The capabilities that the profile looks at, and two that it does not.
const SOME: [&str; 16] = [
    "CAP_CHOWN",
    "CAP_NET_ADMIN",
    "CAP_SYS_ADMIN",
    "CAP_BPF",
    "CAP_DAC_READ_SEARCH",
    "CAP_PERFMON",
    "CAP_SYSLOG",
    "CAP_SYS_BOOT",
    "CAP_SYS_CHROOT",
    "CAP_SYS_MODULE",
    "CAP_SYS_NICE",
    "CAP_SYS_PACCT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
];

#[test]
fn the_default_filter_is_that_of_the_default_profile() {
    let same = |held: &[&str]| assert_eq!(default_filter(held).unwrap(), filter(held), "{held:?}");
    same(&[]);
    same(&CAPABILITIES);
    same(&SOME);
    for (at, one) in SOME.iter().enumerate() {
        same(&[one]);
        for other in &SOME[at + 1..] {
            same(&[one, other]);
        }
    }
}

#[test]
fn what_usual_containers_get_is_ready_made() {
    let place = |held: &[&str]| default_filter(held).unwrap().as_bytes().as_ptr();
    assert_eq!(place(&CAPABILITIES), place(&["CAP_SYS_CHROOT"]));
    assert_eq!(place(&["CAP_CHOWN", "CAP_NET_ADMIN"]), place(&[]));
}
