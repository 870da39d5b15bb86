//! The other limits: memory and its combinations, tasks, the OOM score, times.

use super::{Invalid, number};
use crate::config::{Bytes, LimitsConfig, MemorySwap, PidsLimit, Umask};
use std::str::FromStr;

/// `--memory-swap`: a size, or −1.
impl FromStr for MemorySwap {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == "-1" { Ok(Self::Unlimited) } else { text.parse().map(Self::Max) }
    }
}

/// `--pids-limit`; 0 and −1 mean no limit, as docker and podman have it.
impl FromStr for PidsLimit {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match number::signed::<i64>(text) {
            Some(-1 | 0) => Ok(Self::Unlimited),
            // PID_MAX_LIMIT: the kernel refuses more in pids.max.
            Some(limit @ 1..=4_194_304) => Ok(Self::Max(limit as u32)),
            _ => Err(Invalid::new(text, "not a number of tasks").hint("give 1 to 4194304, or -1 for no limit")),
        }
    }
}

/// `--memory-swappiness`.
pub fn swappiness(text: &str) -> Result<u8, Invalid> {
    text.parse().ok().filter(|percent| *percent <= 100).ok_or_else(|| Invalid::new(text, "not in 0 to 100"))
}

/// Memory limits that fit each other. A size of 0 means unset, as docker has it.
pub fn memory(
    memory: Option<Bytes>,
    swap: Option<MemorySwap>,
    reservation: Option<Bytes>,
    limits: &mut LimitsConfig,
) -> Result<(), Invalid> {
    /// Below this no process starts: docker's minimum.
    const LEAST: i64 = 6 << 20;
    let memory = memory.filter(|bytes| bytes.get() != 0);
    let reservation = reservation.filter(|bytes| bytes.get() != 0);
    let swap = swap.filter(|swap| *swap != MemorySwap::Max(Bytes(0)));
    if let Some(memory) = memory.filter(|memory| memory.get() < LEAST) {
        return Err(Invalid::new(memory.to_string(), "less memory than any process needs").hint("give at least 6m"));
    }
    match (memory, swap) {
        (None, Some(MemorySwap::Max(swap))) => {
            return Err(Invalid::new(swap.to_string(), "--memory-swap without --memory")
                .hint("give --memory too; --memory-swap is memory and swap together"));
        }
        (Some(memory), Some(MemorySwap::Max(swap))) if swap < memory => {
            return Err(Invalid::new(swap.to_string(), format!("--memory-swap is below --memory {memory}"))
                .hint("it is memory and swap together; give the same as --memory for no swap"));
        }
        _ => {}
    }
    if let (Some(memory), Some(reservation)) = (memory, reservation)
        && reservation > memory
    {
        return Err(Invalid::new(reservation.to_string(), format!("--memory-reservation is above --memory {memory}")));
    }
    (limits.memory, limits.memory_swap, limits.memory_reservation) = (memory, swap, reservation);
    Ok(())
}

/// `--oom-score-adj`.
pub fn oom_score_adj(text: &str) -> Result<i32, Invalid> {
    match number::signed(text) {
        Some(score @ -1000..=1000) => Ok(score),
        _ => Err(Invalid::new(text, "not an OOM score").hint("give -1000 (never killed) to 1000 (killed first)")),
    }
}

/// `--stop-timeout` in seconds; −1 waits for ever.
pub fn stop_timeout(text: &str) -> Result<i32, Invalid> {
    match number::signed(text) {
        Some(seconds @ -1..) => Ok(seconds),
        _ => Err(Invalid::new(text, "not a number of seconds").hint("give 0 or more, or -1 to wait for ever")),
    }
}

/// A plain number, such as that of `--preserve-fds`.
pub fn count(text: &str) -> Result<u32, Invalid> {
    number::decimal(text).ok_or_else(|| Invalid::new(text, "not a number").hint("give 0 to 4294967295"))
}

/// `--umask` in octal.
impl FromStr for Umask {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match number::mode(text) {
            Ok(mask) if mask <= 0o777 => Ok(Self(mask)),
            _ => Err(Invalid::new(text, "not a mask").hint("write it in octal, such as 0022")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(m: Option<&str>, swap: Option<&str>, reservation: Option<&str>) -> Result<LimitsConfig, Invalid> {
        let mut limits = LimitsConfig::default();
        let size = |text: Option<&str>| text.map(|text| text.parse::<Bytes>().unwrap());
        memory(size(m), swap.map(|text| text.parse().unwrap()), size(reservation), &mut limits)?;
        Ok(limits)
    }

    #[test]
    fn memory_limits_must_fit_each_other() {
        assert!(fits(Some("64m"), Some("128m"), Some("32m")).is_ok());
        assert!(fits(Some("64m"), Some("64m"), None).is_ok());
        assert!(fits(Some("64m"), Some("-1"), None).is_ok());
        assert!(fits(None, Some("-1"), None).is_ok());
        assert!(fits(Some("64m"), Some("32m"), None).is_err());
        assert!(fits(None, Some("32m"), None).is_err());
        assert!(fits(Some("64m"), None, Some("65m")).is_err());
        assert!(fits(Some("1m"), None, None).is_err());
    }

    #[test]
    fn zero_means_unset() {
        assert_eq!(fits(Some("0"), Some("0"), Some("0")), Ok(LimitsConfig::default()));
    }

    #[test]
    fn tasks_are_counted_or_not() {
        for (text, expected) in [
            ("1", Some(PidsLimit::Max(1))),
            ("4194304", Some(PidsLimit::Max(4_194_304))),
            ("0", Some(PidsLimit::Unlimited)),
            ("-1", Some(PidsLimit::Unlimited)),
            ("-2", None),
            ("4194305", None),
            ("many", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }

    #[test]
    fn masks_are_octal() {
        assert_eq!("0022".parse(), Ok(Umask(0o22)));
        for text in ["", "8", "1777", "0x12", "-1"] {
            assert!(text.parse::<Umask>().is_err(), "{text}");
        }
    }
}
