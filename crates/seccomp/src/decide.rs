//! What a filter says of a call, and a filter that asks somebody where it would refuse.
//!
//! A filter sees numbers alone, so whoever has the same numbers and the same program comes to the same verdict as the
//! kernel does. That is how a refusal can be told without being changed: the program keeps every instruction but the
//! last of the branches that refuse, and whoever is asked there decides by the program as it was.

use crate::abi::Abi;
use crate::program::{Filter, Flags, Instruction, code};
use crate::syscalls;

/// What a filter looks at: the kernel's `struct seccomp_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Data {
    /// The call's number.
    pub number: u32,
    /// `AUDIT_ARCH_…`.
    pub arch: u32,
    /// Where it was made.
    pub instruction: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// A verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The kernel carries it out.
    Allow,
    /// It fails with this number.
    Errno(u16),
    /// `SECCOMP_RET_…` of any other kind: killed, trapped, traced, logged, asked for.
    Other(u32),
}

const ACTION: u32 = 0xffff_0000;
const ERRNO: u32 = 0x0005_0000;
const ALLOW: u32 = 0x7fff_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;

impl Data {
    /// One 32-bit word of it, as a filter loads it.
    fn word(&self, offset: u32) -> Option<u32> {
        let half = |value: u64, upper: bool| if upper { (value >> 32) as u32 } else { value as u32 };
        Some(match offset {
            0 => self.number,
            4 => self.arch,
            8 | 12 => half(self.instruction, offset == 12),
            16..64 if offset.is_multiple_of(4) => {
                half(*self.args.get((offset as usize - 16) / 8)?, !offset.is_multiple_of(8))
            }
            _ => return None,
        })
    }
}

impl Filter {
    /// What it says of a call. Of a program that is none of ours it may say that the call is killed.
    pub fn decide(&self, data: &Data) -> Decision {
        let verdict = self.run(data).unwrap_or_default();
        match verdict & ACTION {
            ALLOW => Decision::Allow,
            ERRNO => Decision::Errno(verdict as u16),
            _ => Decision::Other(verdict),
        }
    }

    fn run(&self, data: &Data) -> Option<u32> {
        let mut accumulator = 0;
        let mut at = 0;
        loop {
            let Instruction { code: operation, jt, jf, k } = self.at(at)?;
            at += 1;
            let holds = match operation {
                code::RETURN => return Some(k),
                code::LOAD => {
                    accumulator = data.word(k)?;
                    continue;
                }
                code::AND => {
                    accumulator &= k;
                    continue;
                }
                code::JUMP => {
                    at += k as usize;
                    continue;
                }
                code::EQUAL => accumulator == k,
                code::GREATER => accumulator > k,
                code::GREATER_EQUAL => accumulator >= k,
                _ => return None,
            };
            at += usize::from(if holds { jt } else { jf });
        }
    }

    /// The same filter, but that it asks its listener where it would refuse with an error number. Every path through it
    /// is as long as before, and what is allowed is allowed by the very same instructions.
    #[must_use]
    pub fn asking(&self) -> Self {
        let ask = |instruction: Instruction| match instruction {
            Instruction { code: code::RETURN, k, .. } if k & ACTION == ERRNO => {
                Instruction { k: USER_NOTIF, ..instruction }
            }
            other => other,
        };
        let instructions: Vec<_> = self.instructions().map(ask).collect();
        Self::new(&instructions, self.flags() | Flags::NEW_LISTENER)
    }

    /// A filter that asks its listener about every call but those by which the process says that it has one: write(2),
    /// and sendmsg(2) where nobody may fetch it.
    pub fn asking_all() -> Self {
        let machine = crate::Machine::NATIVE.abi();
        let free = |name| syscalls::number(name, machine).unwrap_or(u32::MAX);
        let plain = |operation, k| Instruction { code: operation, jt: 0, jf: 0, k };
        let equal = |k, jt, jf| Instruction { code: code::EQUAL, jt, jf, k };
        let program = [
            plain(code::LOAD, 4),
            equal(machine.audit_arch(), 0, 3),
            plain(code::LOAD, 0),
            equal(free("write"), 2, 0),
            equal(free("sendmsg"), 1, 0),
            plain(code::RETURN, USER_NOTIF),
            plain(code::RETURN, ALLOW),
        ];
        Self::new(&program, Flags::SPEC_ALLOW | Flags::NEW_LISTENER)
    }

    /// The same with more flags.
    #[must_use]
    pub fn with(self, flags: Flags) -> Self {
        let flags = self.flags() | flags;
        self.flagged(flags)
    }

    /// It refuses something with an error number.
    pub fn refuses(&self) -> bool {
        self.instructions().any(|instruction| instruction.code == code::RETURN && instruction.k & ACTION == ERRNO)
    }

    /// Whether a process under it can say that it has a listener: by write(2) to any fd that it may have, and sendmsg(2).
    pub fn lets_speak(&self) -> bool {
        let machine = crate::Machine::NATIVE.abi();
        let allows = |name: &str, fd: u64| {
            let number = syscalls::number(name, machine).unwrap_or(u32::MAX);
            let data = Data { number, arch: machine.audit_arch(), instruction: 0, args: [fd, 0, 0, 0, 0, 0] };
            self.decide(&data) == Decision::Allow
        };
        (3..64).all(|fd| allows("write", fd) && allows("sendmsg", fd))
    }

    fn at(&self, index: usize) -> Option<Instruction> {
        self.instructions().nth(index)
    }
}

/// The name of a call by what a filter sees of it; x32's have bit 30 set.
pub fn name_of(data: &Data) -> Option<&'static str> {
    let abi = Abi::ALL.into_iter().find(|abi| {
        let x32 = data.arch == Abi::X32.audit_arch() && data.number & crate::abi::X32_BIT != 0;
        abi.audit_arch() == data.arch && (*abi == Abi::X32) == x32
    })?;
    syscalls::Call::of(abi).find(|(number, _)| number | abi.base() == data.number).map(|(_, call)| call.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compile, default_filter, default_profile};

    const CAPS: &[&str] = &["CAP_CHOWN", "CAP_SYS_CHROOT"];

    fn data(name: &str, args: [u64; 6]) -> Data {
        let abi = crate::Machine::NATIVE.abi();
        let number = syscalls::number(name, abi).expect("a call");
        Data { number, arch: abi.audit_arch(), instruction: 0, args }
    }

    #[test]
    fn it_says_what_the_profile_says() {
        let filter = compile(&default_profile(CAPS)).expect("a filter");
        let of = |name, args| filter.decide(&data(name, args));
        assert_eq!(of("mount", [0; 6]), Decision::Errno(1));
        assert_eq!(of("clone3", [0; 6]), Decision::Errno(38));
        assert_eq!(of("getppid", [0; 6]), Decision::Allow);
        assert_eq!(of("socket", [40, 1, 0, 0, 0, 0]), Decision::Errno(1));
        assert_eq!(of("socket", [2, 1, 0, 0, 0, 0]), Decision::Allow);
        assert_eq!(of("clone", [0x1000_0000, 0, 0, 0, 0, 0]), Decision::Errno(1));
        assert_eq!(filter.decide(&Data { arch: 1, ..data("read", [0; 6]) }), Decision::Other(0));
    }

    #[test]
    fn what_asks_differs_in_its_refusals_alone_and_is_as_long() {
        let filter = default_filter(CAPS).expect("a filter");
        let asking = filter.asking();
        assert!(filter.refuses() && filter.lets_speak() && asking.has_listener());
        assert_eq!(filter.len(), asking.len());
        for (before, after) in filter.instructions().zip(asking.instructions()) {
            let refuses = before.code == code::RETURN && before.k & ACTION == ERRNO;
            assert_eq!(after.k == USER_NOTIF, refuses);
            assert_eq!(Instruction { k: before.k, ..after }, before);
        }
        assert!(!asking.refuses());
    }

    #[test]
    fn who_asks_about_all_can_still_say_so() {
        let filter = Filter::asking_all();
        assert_eq!(filter.decide(&data("write", [3, 0, 0, 0, 0, 0])), Decision::Allow);
        assert_eq!(filter.decide(&data("read", [0; 6])), Decision::Other(USER_NOTIF));
        assert!(filter.lets_speak());
    }

    #[test]
    fn names_come_from_numbers() {
        assert_eq!(name_of(&data("keyctl", [0; 6])), Some("keyctl"));
        let i386 = Data { number: 120, arch: Abi::X86.audit_arch(), ..Data::default() };
        assert_eq!(name_of(&i386), Some("clone"));
        let x32 = Data { number: 0x4000_0000, arch: Abi::X32.audit_arch(), ..Data::default() };
        assert_eq!(name_of(&x32), Some("read"));
        assert_eq!(name_of(&Data { number: 5000, ..i386 }), None);
    }
}
