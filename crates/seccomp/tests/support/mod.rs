//! What the tests share: the kernel's rules for a program, and a machine that runs one.
#![allow(dead_code, reason = "each test uses its part")]

pub mod model;
pub mod random;

use seccomp::{Abi, Filter, Instruction};

/// `SECCOMP_RET_…`.
pub const ALLOW: u32 = 0x7fff_0000;
pub const KILL_THREAD: u32 = 0;
pub const EPERM: u32 = errno(1);
pub const ENOSYS: u32 = errno(38);

pub const fn errno(number: u32) -> u32 {
    0x0005_0000 | number
}

/// Docker's capabilities for a container that asks for none.
pub const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// `struct seccomp_data`.
#[derive(Debug, Clone, Copy)]
pub struct Data {
    pub number: u32,
    pub arch: u32,
    pub args: [u64; 6],
}

impl Data {
    pub fn of(abi: Abi, name: &str, args: [u64; 6]) -> Self {
        let number = seccomp::syscalls::number(name, abi).unwrap_or_else(|| panic!("{abi:?} has no {name}"));
        Self { number, arch: abi.audit_arch(), args }
    }

    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.arch,
            8 | 12 => 0xdead_beef,
            16..64 => {
                let arg = self.args[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) { arg as u32 } else { (arg >> 32) as u32 }
            }
            _ => panic!("load from {offset}"),
        }
    }
}

/// What a filter says of a call.
pub fn verdict(filter: &Filter, data: Data) -> u32 {
    run(&filter.instructions().collect::<Vec<_>>(), data)
}

/// How many instructions a filter executes for a call.
pub fn steps(filter: &Filter, data: Data) -> usize {
    execute(&filter.instructions().collect::<Vec<_>>(), data).1
}

/// What a program says of a call.
pub fn run(program: &[Instruction], data: Data) -> u32 {
    execute(program, data).0
}

/// Classic BPF as seccomp has it: the instructions that libseccomp and we use. The verdict, and the instructions
/// that it took.
fn execute(program: &[Instruction], data: Data) -> (u32, usize) {
    let (mut accumulator, mut at, mut steps) = (0_u32, 0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        steps += 1;
        let test = match code {
            0x20 => {
                accumulator = data.word(k);
                continue;
            }
            0x54 => {
                accumulator &= k;
                continue;
            }
            0x05 => {
                at += k as usize;
                continue;
            }
            0x06 => return (k, steps),
            0x15 => accumulator == k,
            0x25 => accumulator > k,
            0x35 => accumulator >= k,
            0x45 => accumulator & k != 0,
            _ => panic!("instruction {code:#x}"),
        };
        at += usize::from(if test { jt } else { jf });
    }
}

/// What `bpf_check_classic` and `seccomp_check_filter` (Linux 6.18) ask of a program, and that no instruction is dead.
pub fn check(program: &[Instruction]) {
    assert!(!program.is_empty() && program.len() <= seccomp::MAX_INSTRUCTIONS, "{} instructions", program.len());
    assert_eq!(program.last().map(|last| last.code), Some(0x06), "the last instruction returns");
    let mut reached = vec![false; program.len()];
    reached[0] = true;
    for (at, Instruction { code, jt, jf, k }) in program.iter().enumerate() {
        assert!(reached[at], "instruction {at} is dead");
        let next = at + 1;
        let targets = match code {
            0x20 => {
                assert!(k.is_multiple_of(4) && *k < 64, "load from {k}");
                vec![next]
            }
            0x54 => vec![next],
            0x05 => vec![next + *k as usize],
            0x06 => vec![],
            0x15 | 0x25 | 0x35 => vec![next + usize::from(*jt), next + usize::from(*jf)],
            _ => panic!("instruction {code:#x}"),
        };
        for target in targets {
            assert!(target < program.len(), "jump from {at} to {target}");
            reached[target] = true;
        }
    }
}

/// As the kernel does it to fill its bitmap (`seccomp_is_const_allow`, Linux 5.11): whether a call is allowed without a
/// look at anything but its number and its architecture.
pub fn allowed_whatever_the_arguments(program: &[Instruction], number: u32, arch: u32) -> bool {
    let (mut accumulator, mut at) = (0_u32, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let test = match code {
            0x20 if k == 0 => {
                accumulator = number;
                continue;
            }
            0x20 if k == 4 => {
                accumulator = arch;
                continue;
            }
            0x54 => {
                accumulator &= k;
                continue;
            }
            0x05 => {
                at += k as usize;
                continue;
            }
            0x06 => return k == ALLOW,
            0x15 => accumulator == k,
            0x25 => accumulator > k,
            0x35 => accumulator >= k,
            _ => return false,
        };
        at += usize::from(if test { jt } else { jf });
    }
}
