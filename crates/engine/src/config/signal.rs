//! Signals by number and name.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A signal, 1 to 64, by its number on x86-64 and arm64 (signal(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signal(pub(crate) u8);

/// Names without `SIG`; the number is the index plus one.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// Second names.
const ALIASES: [(&str, u8); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];

/// The first real-time signal as programs see it: glibc and musl keep 32 and 33 (musl also 34) for themselves, and
/// both docker and podman count from 34.
const RTMIN: u8 = 34;
/// The last.
const RTMAX: u8 = 64;

impl Signal {
    /// SIGTERM, what `stop` sends when nobody says otherwise.
    pub const TERM: Self = Self(15);
    /// SIGKILL.
    pub const KILL: Self = Self(9);

    /// Its number.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }

    /// By number.
    pub fn by_number(number: u32) -> Option<Self> {
        (1..=u32::from(RTMAX)).contains(&number).then_some(Self(number as u8))
    }

    /// By name in any case, with or without `SIG`, real-time ones as `RTMIN+n` and `RTMAX-n`.
    pub fn by_name(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(index) = NAMES.iter().position(|known| *known == bare) {
            return Some(Self(index as u8 + 1));
        }
        if let Some((_, number)) = ALIASES.iter().find(|(alias, _)| *alias == bare) {
            return Some(Self(*number));
        }
        let number = match (bare.strip_prefix("RTMIN"), bare.strip_prefix("RTMAX")) {
            (Some(""), _) => RTMIN,
            (_, Some("")) => RTMAX,
            (Some(rest), _) => RTMIN.checked_add(rest.strip_prefix('+')?.parse().ok()?)?,
            (_, Some(rest)) => RTMAX.checked_sub(rest.strip_prefix('-')?.parse().ok()?)?,
            (None, None) => return None,
        };
        (RTMIN..=RTMAX).contains(&number).then_some(Self(number))
    }

    /// Names to choose from in a suggestion, without `SIG`.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter()
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0).wrapping_sub(1)) {
            Some(name) => write!(f, "SIG{name}"),
            None if self.0 == RTMIN => f.write_str("SIGRTMIN"),
            None if self.0 > RTMIN => write!(f, "SIGRTMIN+{}", self.0 - RTMIN),
            None => self.0.fmt(f),
        }
    }
}
