//! Random profiles and calls that have a chance to meet.

use oci::runtime::{Action, Arch, Arg, Operator, Seccomp, SyscallRule};
use proptest::prelude::*;
use seccomp::Abi;

use super::Data;

/// Calls of all sorts: old and new, with other numbers elsewhere, multiplexed on i386, missing on some ABIs.
pub const NAMES: [&str; 14] = [
    "read",
    "clone",
    "personality",
    "socket",
    "accept",
    "recv",
    "semop",
    "shmat",
    "ioctl",
    "chown32",
    "uselib",
    "process_vm_readv",
    "close_range",
    "waitid",
];

/// Values around the places where a comparison in two halves can go wrong.
pub fn value() -> impl Strategy<Value = u64> {
    let edges = [0, 1, 2, 5, 0x7fff_ffff, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0005, 0x5_0000_0001, u64::MAX];
    (proptest::sample::select(edges.to_vec()), 0_u64..3)
        .prop_map(|(edge, offset)| edge.wrapping_add(offset).wrapping_sub(1))
}

fn operator() -> impl Strategy<Value = Operator> {
    proptest::sample::select(
        &[
            Operator::NotEqual,
            Operator::Less,
            Operator::LessEqual,
            Operator::Equal,
            Operator::GreaterEqual,
            Operator::Greater,
            Operator::MaskedEqual,
        ][..],
    )
}

fn arg(indices: std::ops::Range<u32>) -> impl Strategy<Value = Arg> {
    (indices, value(), value(), operator()).prop_map(|(index, value, value_two, op)| Arg {
        index,
        value,
        value_two,
        op,
    })
}

pub fn action() -> impl Strategy<Value = (Action, Option<u32>)> {
    prop_oneof![
        Just((Action::Allow, None)),
        Just((Action::KillProcess, None)),
        Just((Action::KillThread, None)),
        Just((Action::Trap, None)),
        Just((Action::Log, None)),
        Just((Action::Errno, None)),
        (0_u32..4096).prop_map(|errno| (Action::Errno, Some(errno))),
        (0_u32..4096).prop_map(|errno| (Action::Trace, Some(errno))),
    ]
}

pub fn rule(args: std::ops::Range<usize>, indices: std::ops::Range<u32>) -> impl Strategy<Value = SyscallRule> {
    let names = proptest::sample::subsequence(&NAMES[..], 1..4);
    (names, action(), proptest::collection::vec(arg(indices), args)).prop_map(|(names, (action, errno_ret), args)| {
        SyscallRule { names: names.into_iter().map(String::from).collect(), action, errno_ret, args }
    })
}

pub fn profile(rules: impl Strategy<Value = SyscallRule>) -> impl Strategy<Value = Seccomp> {
    let architectures = proptest::sample::subsequence(&[Arch::X86_64, Arch::X86, Arch::X32][..], 0..=3);
    (action(), architectures, proptest::collection::vec(rules, 0..12)).prop_map(
        |((default_action, default_errno_ret), architectures, syscalls)| Seccomp {
            default_action,
            default_errno_ret,
            architectures,
            flags: None,
            listener_path: None,
            listener_metadata: None,
            syscalls,
        },
    )
}

/// Calls by name and by number, on ABIs of this machine and others; arguments in part small, for the multiplexers.
pub fn call() -> impl Strategy<Value = Data> {
    let abi = || proptest::sample::select(&[Abi::X86_64, Abi::X86, Abi::X32, Abi::X86_64, Abi::X86, Abi::Aarch64][..]);
    let args = || proptest::array::uniform6(prop_oneof![3 => value(), 1 => 0_u64..26]);
    let mut names = NAMES.to_vec();
    names.extend(["socketcall", "ipc", "write", "mseal"]);
    let named =
        (abi(), proptest::sample::select(names), args()).prop_filter_map("no such call", |(abi, name, args)| {
            let number = seccomp::syscalls::number(name, abi)?;
            Some(Data { number, arch: abi.audit_arch(), args })
        });
    let edges = [0_u32, 0x3fff_ffff, 0x4000_0000, 0x7fff_ffff, 0x8000_0000, 0xbfff_ffff, 0xc000_0000, u32::MAX];
    let number = prop_oneof![
        0_u32..600,
        0x4000_0000_u32..0x4000_0300,
        (proptest::sample::select(edges.to_vec()), 0_u32..3).prop_map(|(edge, more)| edge.wrapping_add(more)),
    ];
    let numbered =
        (abi(), number, args()).prop_map(|(abi, number, args)| Data { number, arch: abi.audit_arch(), args });
    prop_oneof![4 => named, 1 => numbered]
}
