//! libseccomp as the judge: what runc would load for a profile, and what we would, say the same of every call.
//!
//! Needs Debian's libseccomp-dev; `cargo test -p seccomp --features oracle`. Debian 12's is 2.5.4 and does not know calls
//! newer than Linux 5.17: the profiles here name only calls that it knows.

mod support;

use std::io::Read;
use std::os::fd::AsFd;

use libseccomp::error::SeccompError;
use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use oci::runtime::{Action, Arch, Arg, Operator, Seccomp, SyscallRule};
use proptest::prelude::*;
use seccomp::{Abi, Instruction, Machine, compile_for, default_profile_for, syscalls};
use support::{CAPABILITIES, Data, ENOSYS, check, model, random, run};

/// What runc makes of a profile: a rule that says what the default says is dropped, an unknown name too, several
/// conditions on one argument become several rules.
fn theirs(profile: &Seccomp, machine: Machine) -> Result<Vec<Instruction>, SeccompError> {
    let default = action(profile.default_action, profile.default_errno_ret);
    let mut filter = ScmpFilterContext::new(default)?;
    if machine != Machine::NATIVE {
        filter.remove_arch(ScmpArch::Native)?;
        filter.add_arch(arch(Arch::Aarch64))?;
    }
    for listed in &profile.architectures {
        filter.add_arch(arch(*listed))?;
    }
    // The tree of calls, not the list: in the list libseccomp 2.5.4 forgets to load the number where the first
    // call is one that the architecture does not have. runc asks for the tree from 33 rules on.
    filter.set_ctl_optimize(2)?;
    for rule in &profile.syscalls {
        let action = action(rule.action, rule.errno_ret);
        let twice = (0..6).any(|index| rule.args.iter().filter(|arg| arg.index == index).count() > 1);
        let conditions: Vec<ScmpArgCompare> = rule.args.iter().map(compare).collect();
        for name in rule.names.iter().filter(|_| action != default) {
            let Ok(call) = ScmpSyscall::from_name(name) else { continue };
            if twice {
                for condition in &conditions {
                    filter.add_rule_conditional(action, call, &[*condition])?;
                }
            } else {
                filter.add_rule_conditional(action, call, &conditions)?;
            }
        }
    }
    let (mut reader, writer) = std::io::pipe().unwrap();
    let drain = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    });
    filter.export_bpf(writer.as_fd())?;
    drop(writer);
    let bytes = drain.join().unwrap().unwrap();
    Ok(bytes.chunks_exact(8).map(instruction).collect())
}

fn instruction(bytes: &[u8]) -> Instruction {
    let k = u32::from_ne_bytes(bytes[4..8].try_into().unwrap());
    Instruction { code: u16::from_ne_bytes([bytes[0], bytes[1]]), jt: bytes[2], jf: bytes[3], k }
}

fn arch(arch: Arch) -> ScmpArch {
    match arch {
        Arch::X86 => ScmpArch::X86,
        Arch::X86_64 => ScmpArch::X8664,
        Arch::X32 => ScmpArch::X32,
        Arch::Arm => ScmpArch::Arm,
        Arch::Aarch64 => ScmpArch::Aarch64,
        other => panic!("{other:?}"),
    }
}

fn action(action: Action, errno: Option<u32>) -> ScmpAction {
    match action {
        Action::KillThread => ScmpAction::KillThread,
        Action::KillProcess => ScmpAction::KillProcess,
        Action::Trap => ScmpAction::Trap,
        Action::Errno => ScmpAction::Errno(errno.unwrap_or(1).cast_signed()),
        Action::Trace => ScmpAction::Trace(errno.unwrap_or(1).try_into().unwrap()),
        Action::Allow => ScmpAction::Allow,
        Action::Log => ScmpAction::Log,
        Action::Notify => ScmpAction::Notify,
    }
}

fn compare(arg: &Arg) -> ScmpArgCompare {
    let (op, value) = match arg.op {
        Operator::NotEqual => (ScmpCompareOp::NotEqual, arg.value),
        Operator::Less => (ScmpCompareOp::Less, arg.value),
        Operator::LessEqual => (ScmpCompareOp::LessOrEqual, arg.value),
        Operator::Equal => (ScmpCompareOp::Equal, arg.value),
        Operator::GreaterEqual => (ScmpCompareOp::GreaterEqual, arg.value),
        Operator::Greater => (ScmpCompareOp::Greater, arg.value),
        Operator::MaskedEqual => (ScmpCompareOp::MaskedEqual(arg.value), arg.value_two),
    };
    ScmpArgCompare::new(arg.index, op, value)
}

/// runc's prefix to the filter: calls above the newest that the profile names get ENOSYS.
fn stubbed(profile: &Seccomp, machine: Machine, data: Data) -> bool {
    let x32 = data.arch == Abi::X32.audit_arch() && data.number & 0x4000_0000 != 0;
    let abi = Abi::ALL.into_iter().find(|abi| abi.audit_arch() == data.arch && (*abi == Abi::X32) == x32);
    let listed = |abi| machine.abi() == abi || profile.architectures.iter().any(|arch| Abi::of(*arch) == Some(abi));
    let strict = !matches!(profile.default_action, Action::Allow | Action::Log | Action::Trace);
    abi.is_some_and(|abi| {
        strict && listed(abi) && model::newest(profile, abi).is_some_and(|newest| data.number > newest)
    })
}

/// What libseccomp compiles rightly. A call has one action, since what it makes of contradictions depends on the order
/// in which it meets them. A call has one rule of any form, or several that ask for equality of one lower half: where a
/// rule fails halfway, libseccomp goes on to the next without loading again what that one compares.
fn within_reason(mut profile: Seccomp) -> Seccomp {
    let mut split: Vec<SyscallRule> = Vec::new();
    for name in random::NAMES {
        let mut rules: Vec<_> =
            profile.syscalls.iter().filter(|rule| rule.names.iter().any(|other| other == name)).collect();
        rules.dedup();
        for rule in &rules {
            let mut args = rule.args.clone();
            if rules.len() == 1 {
                args.sort_by_key(|arg| arg.index);
                args.dedup_by_key(|arg| arg.index);
            } else {
                args.truncate(1);
                for arg in &mut args {
                    (arg.op, arg.value) = (Operator::Equal, arg.value & 0xffff_ffff);
                }
            }
            let SyscallRule { action, errno_ret, .. } = *rules[0];
            split.push(SyscallRule { names: vec![name.into()], action, errno_ret, args });
        }
    }
    profile.syscalls = split;
    profile
}

proptest! {
    // Names that an ABI does not have are drawn again, a dozen a case: their number grows with that of the cases.
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, max_global_rejects: 10000, max_local_rejects: u32::MAX, ..ProptestConfig::default() })]

    #[test]
    fn random_profiles(
        profile in random::profile(random::rule(0..3, 0..6)).prop_map(within_reason),
        calls in proptest::collection::vec(random::call(), 60),
    ) {
        let Ok(theirs) = theirs(&profile, Machine::X86_64) else { return Err(TestCaseError::reject("refused")) };
        let ours: Vec<_> = compile_for(&profile, Machine::X86_64).unwrap().instructions().collect();
        check(&ours);
        for data in calls {
            let expected = if stubbed(&profile, Machine::X86_64, data) { ENOSYS } else { run(&theirs, data) };
            let verdict = run(&ours, data);
            prop_assert!(verdict == expected, "{verdict:#x}, not {expected:#x} for {data:x?}");
        }
    }
}

/// The number that libseccomp has for a call; a socket or System V IPC call of i386 is socketcall or ipc to it.
fn their_number(name: &str, abi: Abi) -> Option<u32> {
    let number = ScmpSyscall::from_name_by_arch_rewrite(name, scmp(abi)).map_or(-1, i32::from);
    u32::try_from(number).ok()
}

/// Whether libseccomp lacks a call that the tables have: they are newer.
fn too_new(name: &str, abi: Abi) -> bool {
    syscalls::number(name, abi).is_some() && their_number(name, abi).is_none()
}

fn scmp(abi: Abi) -> ScmpArch {
    match abi {
        Abi::X86_64 => ScmpArch::X8664,
        Abi::X32 => ScmpArch::X32,
        Abi::X86 => ScmpArch::X86,
        Abi::Aarch64 => ScmpArch::Aarch64,
        Abi::Arm => ScmpArch::Arm,
    }
}

#[test]
fn the_default_profile_over_all_calls() {
    let values = [
        0,
        1,
        8,
        16,
        38,
        39,
        40,
        41,
        0x2_0000,
        0x2_0008,
        0x7e02_0000,
        0x4000_0000,
        0xffff_ffff,
        0x1_0000_0000,
        u64::MAX,
    ];
    let mut compared = 0;
    for machine in [Machine::X86_64, Machine::Aarch64] {
        for capabilities in [&[][..], &CAPABILITIES[..], &["CAP_SYS_ADMIN"][..]] {
            let mut profile = default_profile_for(capabilities, machine);
            // runc's stub looks at what libseccomp resolves, so what it does not know must not count.
            for rule in &mut profile.syscalls {
                rule.names.retain(|name| !Abi::ALL.iter().any(|abi| too_new(name, *abi)));
            }
            let theirs = theirs(&profile, machine).unwrap();
            let ours: Vec<_> = compile_for(&profile, machine).unwrap().instructions().collect();
            assert!(ours.len() < theirs.len(), "{} instructions, libseccomp {}", ours.len(), theirs.len());
            for abi in Abi::ALL {
                let base = if abi == Abi::X32 { 0x4000_0000 } else { 0 };
                for number in (0..700).chain(0x0f_0000..0x0f_0010).map(|number| base + number) {
                    for value in values {
                        let args = [value, value.rotate_left(7), value, 1, value ^ 1, value];
                        let data = Data { number, arch: abi.audit_arch(), args };
                        let expected = if stubbed(&profile, machine, data) { ENOSYS } else { run(&theirs, data) };
                        assert_eq!(run(&ours, data), expected, "{machine:?} {capabilities:?} {data:x?}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 300_000);
}

#[test]
fn the_tables() {
    let mut compared = 0;
    for name in syscalls::names() {
        for abi in Abi::ALL {
            let (ours, theirs) = (syscalls::number(name, abi), their_number(name, abi));
            if too_new(name, abi) {
                // map_shadow_stack came to x32 later than to the others, 335 and 336 are uretprobe and uprobe.
                let number = ours.unwrap_or_default() & 0xfff;
                assert!([335, 336].contains(&number) || number >= 449, "{name} {abi:?}");
                continue;
            }
            // Its own number is compared below.
            if theirs != ours && abi == Abi::X86 && [Some(102), Some(117)].contains(&theirs) {
                continue;
            }
            assert_eq!(ours, theirs, "{name} {abi:?}");
            compared += 1;
        }
    }
    // i386's own socket and System V IPC calls (arch/x86/entry/syscalls/syscall_32.tbl).
    for (number, name) in (359..).zip(
        "socket socketpair bind connect listen accept4 getsockopt setsockopt getsockname getpeername sendto sendmsg \
         recvfrom recvmsg shutdown"
            .split_whitespace(),
    ) {
        assert_eq!(syscalls::number(name, Abi::X86), Some(number), "{name}");
    }
    for (number, name) in (393..).zip("semget semctl shmget shmctl shmat shmdt msgget msgsnd msgrcv msgctl".split(' '))
    {
        assert_eq!(syscalls::number(name, Abi::X86), Some(number), "{name}");
    }
    assert!(compared > 2000, "{compared}");
}
