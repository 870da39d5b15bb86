//! The compiled filter, in the layout that seccomp(2) takes.

use std::borrow::Cow;
use std::ops::BitOr;

/// Instructions that a program may have (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// Bytes of a `struct sock_filter`.
const WIDTH: usize = 8;

/// Classic BPF opcodes that are used here (linux/bpf_common.h); `seccomp_is_const_allow` in the kernel follows all of
/// them, except loads of arguments.
pub(crate) mod code {
    /// `A = seccomp_data[k]`, 32 bits.
    pub const LOAD: u16 = 0x20;
    /// `A &= k`.
    pub const AND: u16 = 0x54;
    /// Forward by `k`.
    pub const JUMP: u16 = 0x05;
    /// `A == k`.
    pub const EQUAL: u16 = 0x15;
    /// `A > k`.
    pub const GREATER: u16 = 0x25;
    /// `A >= k`.
    pub const GREATER_EQUAL: u16 = 0x35;
    /// The verdict `k`.
    pub const RETURN: u16 = 0x06;
}

/// `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when the test holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

impl Instruction {
    fn to_bytes(self) -> [u8; WIDTH] {
        let [c0, c1] = self.code.to_ne_bytes();
        let [k0, k1, k2, k3] = self.k.to_ne_bytes();
        [c0, c1, self.jt, self.jf, k0, k1, k2, k3]
    }

    fn from_bytes(bytes: [u8; WIDTH]) -> Self {
        let [c0, c1, jt, jf, k0, k1, k2, k3] = bytes;
        Self { code: u16::from_ne_bytes([c0, c1]), jt, jf, k: u32::from_ne_bytes([k0, k1, k2, k3]) }
    }
}

/// `SECCOMP_FILTER_FLAG_…`, the second argument of seccomp(2) (linux/seccomp.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u32);

impl Flags {
    /// All threads get the filter.
    pub const TSYNC: Self = Self(1 << 0);
    /// Verdicts other than allow are logged (Linux 4.14).
    pub const LOG: Self = Self(1 << 1);
    /// No speculative store bypass mitigation for the sake of the filter (Linux 4.17).
    pub const SPEC_ALLOW: Self = Self(1 << 2);
    /// seccomp(2) returns a listener's fd (Linux 5.0).
    pub const NEW_LISTENER: Self = Self(1 << 3);
    /// What a notified process waits in can only be killed (Linux 5.19).
    pub const WAIT_KILLABLE_RECV: Self = Self(1 << 5);

    /// For the system call.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A compiled profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    program: Cow<'static, [u8]>,
    flags: Flags,
}

impl Filter {
    pub(crate) fn new(instructions: &[Instruction], flags: Flags) -> Self {
        let mut program = Vec::with_capacity(instructions.len() * WIDTH);
        for instruction in instructions {
            program.extend_from_slice(&instruction.to_bytes());
        }
        Self { program: Cow::Owned(program), flags }
    }

    /// What [`Self::new`] has once written.
    pub(crate) const fn precompiled(program: &'static [u8], flags: Flags) -> Self {
        Self { program: Cow::Borrowed(program), flags }
    }

    /// The same program with these flags.
    pub(crate) fn flagged(self, flags: Flags) -> Self {
        Self { flags, ..self }
    }

    /// As a file: the flags, four bytes of this machine's order, and the program.
    pub fn to_file(&self) -> Vec<u8> {
        [&self.flags.0.to_ne_bytes(), self.as_bytes()].concat()
    }

    /// Takes up what [`Self::to_file`] has written; none if it cannot be a filter.
    pub fn from_file(bytes: &[u8]) -> Option<Self> {
        let (flags, program) = bytes.split_first_chunk::<4>()?;
        let whole =
            !program.is_empty() && program.len().is_multiple_of(WIDTH) && program.len() / WIDTH <= MAX_INSTRUCTIONS;
        let flags = Flags(u32::from_ne_bytes(*flags));
        whole.then(|| Self { program: Cow::Owned(program.to_vec()), flags })
    }

    /// The program as an array of `struct sock_filter`, in this machine's byte order.
    pub fn as_bytes(&self) -> &[u8] {
        &self.program
    }

    /// Its length in instructions, at most [`MAX_INSTRUCTIONS`]: `sock_fprog.len`.
    pub fn len(&self) -> u16 {
        (self.program.len() / WIDTH) as u16
    }

    /// Never: a program has at least its `ret`.
    pub fn is_empty(&self) -> bool {
        self.program.is_empty()
    }

    /// The instructions.
    pub fn instructions(&self) -> impl ExactSizeIterator<Item = Instruction> {
        self.program.as_chunks::<WIDTH>().0.iter().map(|bytes| Instruction::from_bytes(*bytes))
    }

    /// What to pass to seccomp(2) with `SECCOMP_SET_MODE_FILTER`.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Whether seccomp(2) returns a listener's fd for it.
    pub fn has_listener(&self) -> bool {
        self.flags.contains(Flags::NEW_LISTENER)
    }
}
