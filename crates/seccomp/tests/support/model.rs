//! What the specification says of a call, worked out rule by rule from the profile itself.

use oci::runtime::{Action, Arch, Arg, Operator, Seccomp, SyscallRule};
use seccomp::{Abi, syscalls};

use super::{Data, ENOSYS, KILL_THREAD, errno};

/// The verdicts that a profile allows for a call: one, or several where rules contradict each other.
pub fn verdicts(profile: &Seccomp, data: Data) -> Vec<u32> {
    let default = value(profile.default_action, profile.default_errno_ret);
    let abi = match data.arch {
        arch if arch == Abi::X86_64.audit_arch() => {
            if data.number & 0x4000_0000 == 0 {
                Abi::X86_64
            } else {
                Abi::X32
            }
        }
        arch if arch == Abi::X86.audit_arch() => Abi::X86,
        _ => return vec![KILL_THREAD],
    };
    let lists = |arch| profile.architectures.contains(&arch);
    if abi == Abi::X86 && !lists(Arch::X86) {
        return vec![KILL_THREAD];
    }
    if abi == Abi::X32 && !lists(Arch::X32) {
        return vec![if data.number == u32::MAX { default } else { KILL_THREAD }];
    }
    let strict = !matches!(profile.default_action, Action::Allow | Action::Log | Action::Trace);
    if strict && newest(profile, abi).is_some_and(|newest| data.number > newest) {
        return vec![ENOSYS];
    }
    if abi == Abi::X86_64 && data.number > 0x7fff_ffff && !lists(Arch::X32) {
        return vec![KILL_THREAD];
    }
    let mut found = Found::default();
    for rule in &profile.syscalls {
        let verdict = value(rule.action, rule.errno_ret);
        if verdict == default {
            continue;
        }
        for name in &rule.names {
            if syscalls::number(name, abi) == Some(data.number) {
                found.add(verdict, &alternatives(rule), data, abi);
            }
            if abi == Abi::X86
                && let Some((number, selector)) = multiplexed(name)
                && data.number == number
            {
                let selected = Arg { index: 0, value: selector, value_two: 0, op: Operator::Equal };
                let alternatives: Vec<Vec<Arg>> = alternatives(rule)
                    .into_iter()
                    .map(|args| args.into_iter().filter(|arg| arg.index != 0).chain([selected]).collect())
                    .collect();
                found.add(verdict, &alternatives, data, abi);
            }
        }
    }
    match found.fixed {
        Some(verdict) => vec![verdict],
        None if found.conditional.is_empty() => vec![default],
        None => found.conditional,
    }
}

#[derive(Default)]
struct Found {
    fixed: Option<u32>,
    conditional: Vec<u32>,
}

impl Found {
    fn add(&mut self, verdict: u32, alternatives: &[Vec<Arg>], data: Data, abi: Abi) {
        for args in alternatives {
            if args.is_empty() {
                self.fixed.get_or_insert(verdict);
            } else if args.iter().all(|arg| holds(arg, data, abi)) {
                self.conditional.push(verdict);
            }
        }
    }
}

fn alternatives(rule: &SyscallRule) -> Vec<Vec<Arg>> {
    let asks = |arg: &&Arg| arg.op != Operator::MaskedEqual || arg.value != 0;
    let twice = (0..6).any(|index| rule.args.iter().filter(|arg| arg.index == index).count() > 1);
    if twice {
        rule.args.iter().map(|arg| Some(arg).filter(asks).into_iter().copied().collect()).collect()
    } else {
        vec![rule.args.iter().filter(asks).copied().collect()]
    }
}

fn holds(arg: &Arg, data: Data, abi: Abi) -> bool {
    let width = if matches!(abi, Abi::X86_64 | Abi::Aarch64) { u64::MAX } else { 0xffff_ffff };
    let (given, value) = (data.args[arg.index as usize] & width, arg.value & width);
    match arg.op {
        Operator::NotEqual => given != value,
        Operator::Less => given < value,
        Operator::LessEqual => given <= value,
        Operator::Equal => given == value,
        Operator::GreaterEqual => given >= value,
        Operator::Greater => given > value,
        Operator::MaskedEqual => given & value == arg.value_two & value,
    }
}

pub fn value(action: Action, number: Option<u32>) -> u32 {
    match action {
        Action::KillProcess => 0x8000_0000,
        Action::KillThread => KILL_THREAD,
        Action::Trap => 0x0003_0000,
        Action::Errno => errno(number.unwrap_or(1)),
        Action::Trace => 0x7ff0_0000 | number.unwrap_or(1),
        Action::Log => 0x7ffc_0000,
        Action::Notify => 0x7fc0_0000,
        Action::Allow => super::ALLOW,
    }
}

/// The highest number that the profile names on an ABI.
pub fn newest(profile: &Seccomp, abi: Abi) -> Option<u32> {
    let names = profile.syscalls.iter().flat_map(|rule| &rule.names);
    names
        .flat_map(|name| {
            let through = if abi == Abi::X86 { multiplexed(name).map(|(number, _)| number) } else { None };
            [syscalls::number(name, abi), through]
        })
        .flatten()
        .max()
}

/// Those of the names in use that i386 has behind socketcall (102) and ipc (117), see linux/net.h and linux/ipc.h.
fn multiplexed(name: &str) -> Option<(u32, u64)> {
    match name {
        "socket" => Some((102, 1)),
        "accept" => Some((102, 5)),
        "recv" => Some((102, 10)),
        "semop" => Some((117, 1)),
        "shmat" => Some((117, 21)),
        _ => None,
    }
}
