//! Why a container has ended by SIGKILL, or by its own filter: for want of memory, at which limit, or because somebody
//! outside wanted it. Who that was cannot be known: the kernel does not tell it.

use monitor::Memory;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An end that wants an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Death {
    /// For want of memory. The first process need not have been among those that were killed.
    OutOfMemory(Memory),
    /// SIGKILL to its first process, which cannot come from within, nor from the kernel for want of memory.
    Outside,
    /// The first process did a system call that its filter kills for.
    Filter,
}

impl Death {
    /// What there is to say of an end by a signal, and of what the kernel killed.
    pub(crate) fn of(signal: Option<i32>, memory: Memory, own_pids: bool) -> Option<Self> {
        const SIGKILL: i32 = 9;
        const SIGSYS: i32 = 31;
        match ((memory.killed > 0).then_some(memory), signal) {
            (Some(memory), _) => Some(Self::OutOfMemory(memory)),
            // One that shares the machine's processes can be killed by itself.
            (None, Some(SIGKILL)) if own_pids => Some(Self::Outside),
            (None, Some(SIGSYS)) => Some(Self::Filter),
            _ => None,
        }
    }

    /// All of it on a line.
    pub fn told(&self) -> String {
        self.remedy().map_or_else(|| self.to_string(), |remedy| format!("{self} ({remedy})"))
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::OutOfMemory(Memory { at_own_limit: true, .. }) => Some("give more by --memory"),
            Self::OutOfMemory(_) => {
                Some("give the cgroup above, or the machine, more memory; or this container less by --memory")
            }
            Self::Outside => None,
            Self::Filter => Some("allow what it does in the profile, or say --security-opt seccomp=unconfined"),
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory(Memory { killed, limit, at_own_limit, peak }) => {
                f.write_str("out of memory: ")?;
                match killed {
                    1 => f.write_str("a process was killed")?,
                    more => write!(f, "{more} processes were killed")?,
                }
                match (limit, at_own_limit) {
                    (Some(limit), true) => write!(f, " at the limit of {}", size(*limit))?,
                    (Some(limit), false) => {
                        write!(f, " at a limit above the container's own, which is {}", size(*limit))?;
                    }
                    (None, _) => f.write_str(", and the container had no limit of its own")?,
                }
                peak.map_or(Ok(()), |peak| write!(f, "; it has used {} at most", size(peak)))
            }
            Self::Outside => f.write_str("killed from outside (SIGKILL), not for want of memory"),
            Self::Filter => {
                f.write_str("killed by its seccomp filter (SIGSYS): it did a system call that the filter kills for")
            }
        }
    }
}

/// As `--memory` takes it, to a tenth.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10)];
    let Some((letter, unit)) = UNITS.into_iter().find(|(_, unit)| bytes >= *unit) else { return bytes.to_string() };
    match bytes % unit * 10 / unit {
        0 => format!("{}{letter}", bytes / unit),
        tenths => format!("{}.{tenths}{letter}", bytes / unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_comes_before_the_signal() {
        let memory = Memory { killed: 1, ..Memory::default() };
        assert_eq!(Death::of(Some(9), memory, true), Some(Death::OutOfMemory(memory)));
        // A child was killed, and the command has gone on.
        assert_eq!(Death::of(None, memory, true), Some(Death::OutOfMemory(memory)));
        assert_eq!(Death::of(Some(9), Memory::default(), true), Some(Death::Outside));
        assert_eq!(Death::of(Some(9), Memory::default(), false), None);
        assert_eq!(Death::of(Some(31), Memory::default(), true), Some(Death::Filter));
        assert_eq!(Death::of(Some(15), Memory::default(), true), None);
        assert_eq!(Death::of(None, Memory::default(), true), None);
    }
}
