//! The ABIs that a filter tells apart, and which of them one machine can run.

use oci::runtime::Arch;

/// The bit that marks a call as one of x32's (`__X32_SYSCALL_BIT`).
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// A way to call the kernel. x86_64 and x32 share `AUDIT_ARCH_X86_64`; bit 30 of the number tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Abi {
    /// 64-bit x86.
    X86_64,
    /// x86 with 64-bit registers and 32-bit pointers.
    X32,
    /// 32-bit x86, "i386" to the kernel.
    X86,
    /// 64-bit Arm.
    Aarch64,
    /// 32-bit Arm, the EABI.
    Arm,
}

impl Abi {
    /// How many there are.
    pub(crate) const COUNT: usize = 5;

    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [Self::X86_64, Self::X32, Self::X86, Self::Aarch64, Self::Arm];

    /// `AUDIT_ARCH_…` (linux/audit.h), what `seccomp_data.arch` holds.
    pub const fn audit_arch(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// What is added to a number of the tables.
    pub(crate) const fn base(self) -> u32 {
        if matches!(self, Self::X32) { X32_BIT } else { 0 }
    }

    /// How much of an argument a rule looks at.
    pub(crate) const fn width(self) -> Width {
        match self {
            Self::X86_64 | Self::Aarch64 => Width::Whole,
            Self::X32 | Self::X86 | Self::Arm => Width::Low,
        }
    }

    /// The ABI of an architecture's name in a profile; `None` for those of other machines.
    pub const fn of(arch: Arch) -> Option<Self> {
        match arch {
            Arch::X86_64 => Some(Self::X86_64),
            Arch::X32 => Some(Self::X32),
            Arch::X86 => Some(Self::X86),
            Arch::Aarch64 => Some(Self::Aarch64),
            Arch::Arm => Some(Self::Arm),
            _ => None,
        }
    }
}

/// How much of an argument a rule looks at. On the 32-bit ABIs that is the lower half, of the argument and of the value
/// compared with: so does libseccomp, for x32 too, though a program may leave something in the upper half there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// All 64 bits.
    Whole,
    /// The lower 32 bits.
    Low,
}

/// A machine: one native ABI and those that its kernel may run beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// x86_64, with i386 and x32.
    X86_64,
    /// arm64, with 32-bit Arm.
    Aarch64,
}

impl Machine {
    /// The machine that this was built for.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Self = Self::X86_64;
    /// The machine that this was built for.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Self = Self::Aarch64;

    /// Its own ABI.
    pub const fn abi(self) -> Abi {
        match self {
            Self::X86_64 => Abi::X86_64,
            Self::Aarch64 => Abi::Aarch64,
        }
    }

    /// Whether programs of that ABI can run here.
    pub const fn runs(self, abi: Abi) -> bool {
        match self {
            Self::X86_64 => matches!(abi, Abi::X86_64 | Abi::X32 | Abi::X86),
            Self::Aarch64 => matches!(abi, Abi::Aarch64 | Abi::Arm),
        }
    }

    /// The architectures that Docker's default profile lists for this machine.
    pub(crate) const fn architectures(self) -> &'static [Arch] {
        match self {
            Self::X86_64 => &[Arch::X86_64, Arch::X86, Arch::X32],
            Self::Aarch64 => &[Arch::Aarch64, Arch::Arm],
        }
    }

    /// Go's name of the machine, which Docker's profiles use in `includes` and `excludes`.
    pub(crate) const fn go_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }
}
