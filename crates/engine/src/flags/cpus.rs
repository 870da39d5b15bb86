//! Shares of CPU time and lists of CPUs.

use super::{Invalid, number};
use crate::config::{CpuSet, CpuTime, Cpus};
use std::str::FromStr;

/// `--cpus 1.5`: a decimal number of CPUs to nine places; at least 0.01, the least that a quota can express.
impl FromStr for Cpus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let hint = "write a number of CPUs, such as 2 or 0.5";
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.is_empty() || number::is_digits(part);
        if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
            return Err(Invalid::new(text, "not a number of CPUs").hint(hint));
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 9 {
            return Err(Invalid::new(text, "more than nine decimal places").hint(hint));
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX) };
        let nanos: u64 = format!("{fraction:0<9}").parse().unwrap_or(0);
        match whole.checked_mul(1_000_000_000).and_then(|whole| whole.checked_add(nanos)) {
            Some(nanos) if nanos < 10_000_000 => {
                Err(Invalid::new(text, "less than a hundredth of a CPU").hint("give at least 0.01"))
            }
            Some(nanos) if nanos <= u64::from(CpuSet::MAX) * 1_000_000_000 => Ok(Self(nanos)),
            _ => Err(Invalid::new(text, "more CPUs than a machine can have")),
        }
    }
}

/// `--cpus`, or `--cpu-period` and `--cpu-quota`, which say the same in other words.
pub fn cpu_time(cpus: Option<Cpus>, period: Option<u64>, quota: Option<i64>) -> Result<CpuTime, Invalid> {
    match (cpus, period, quota) {
        (Some(cpus), None, None) => Ok(CpuTime::Cpus(cpus)),
        (Some(cpus), _, _) => Err(Invalid::new(cpus.to_string(), "--cpus sets period and quota already")
            .hint("leave out either --cpus or --cpu-period and --cpu-quota")),
        (None, None, None) => Ok(CpuTime::Open),
        (None, period, quota) => Ok(CpuTime::Quota { period, quota }),
    }
}

/// `--cpu-period` in microseconds; 0 means unset, as docker has it.
pub fn cpu_period(text: &str) -> Result<u64, Invalid> {
    match number::decimal(text) {
        Some(period @ (0 | 1_000..=1_000_000)) => Ok(period),
        _ => Err(Invalid::new(text, "not a period").hint("give microseconds, 1000 to 1000000")),
    }
}

/// `--cpu-quota` in microseconds; 0 means unset and −1 no limit.
pub fn cpu_quota(text: &str) -> Result<i64, Invalid> {
    match number::signed(text) {
        Some(quota @ (-1 | 0 | 1_000..)) => Ok(quota),
        _ => Err(Invalid::new(text, "not a quota").hint("give microseconds per period, at least 1000, or -1")),
    }
}

/// `--cpu-shares`; 0 means unset.
pub fn cpu_shares(text: &str) -> Result<u64, Invalid> {
    match number::decimal(text) {
        Some(shares @ (0 | 2..=262_144)) => Ok(shares),
        _ => Err(Invalid::new(text, "not a number of shares").hint("give 2 to 262144; everyone's default is 1024")),
    }
}

/// `0-3,7`, as the kernel writes it.
impl FromStr for CpuSet {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = |why| Invalid::new(text, why).hint("write numbers and ranges, such as 0-3,7");
        let number = |text: &str| number::decimal::<u32>(text).filter(|number| *number <= Self::MAX);
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => ranges.push((first, last)),
                (Some(_), Some(_)) => return Err(invalid("a range that runs backwards")),
                _ => return Err(invalid("not a list of CPUs or nodes")),
            }
        }
        Self::from_ranges(ranges).ok_or_else(|| invalid("an empty list"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cpus_become_quotas() {
        for (text, quota) in [("1", 100_000), ("0.5", 50_000), (".25", 25_000), ("1.5", 150_000), ("0.01", 1_000)] {
            assert_eq!(text.parse::<Cpus>().unwrap().quota(), quota, "{text}");
        }
    }

    #[test]
    fn what_is_no_share_of_time_is_refused() {
        for text in ["", ".", "0", "0.001", "-1", "1e1", "1/2", "1.0000000001", "65536", "99999999999999999999"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
    }

    #[test]
    fn two_ways_to_say_the_same_exclude_each_other() {
        assert!(cpu_time("1".parse().ok(), Some(1000), None).is_err());
        assert_eq!(cpu_time(None, None, Some(1000)), Ok(CpuTime::Quota { period: None, quota: Some(1000) }));
    }

    #[test]
    fn lists_are_sorted_and_joined() {
        for (text, expected) in [("0", "0"), ("3,1,2", "1-3"), ("0-3,2-5,7", "0-5,7"), ("7,0", "0,7")] {
            assert_eq!(text.parse::<CpuSet>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", ",", "1,", "3-1", "a", "-1", "1-", "0-65536", "0-4294967295", "1 - 2", "+1"] {
            assert!(text.parse::<CpuSet>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_list_reads_back_with_the_same_members(members in prop::collection::btree_set(0..300u32, 1..40)) {
            let text = members.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let set: CpuSet = text.parse().unwrap();
            prop_assert!(set.iter().eq(members.iter().copied()));
            prop_assert_eq!(set.len(), members.len());
            prop_assert_eq!(set.to_string().parse::<CpuSet>().unwrap(), set);
        }
    }
}
