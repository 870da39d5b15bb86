//! Amounts: bytes, CPU time, sets of CPUs.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A number of bytes, at most 2⁶³−1 as the kernel's files and the runtime specification count signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bytes(pub(crate) i64);

impl Bytes {
    /// That many.
    pub fn new(bytes: u64) -> Option<Self> {
        i64::try_from(bytes).ok().map(Self)
    }

    /// The number, never negative.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, i64); 4] = [("t", 1 << 40), ("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10)];
        match UNITS.into_iter().find(|(_, unit)| self.0 >= *unit && self.0 % unit == 0) {
            Some((letter, unit)) => write!(f, "{}{letter}", self.0 / unit),
            None => self.0.fmt(f),
        }
    }
}

/// A share of the machine's CPU time in billionths of a CPU, more than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cpus(pub(crate) u64);

impl Cpus {
    /// The period that a quota is counted in, in microseconds: docker's and podman's.
    pub const PERIOD: u64 = 100_000;

    /// Billionths of a CPU.
    pub fn nanos(self) -> u64 {
        self.0
    }

    /// Microseconds per [`Self::PERIOD`].
    pub fn quota(self) -> i64 {
        (self.0 / (1_000_000_000 / Self::PERIOD)) as i64
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// CPUs or memory nodes in the kernel's list format, such as `0-3,7`; sorted, merged and not empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuSet(pub(crate) Vec<(u32, u32)>);

impl CpuSet {
    /// The highest number a set may hold: more than any kernel is built for, and a bound for hostile input.
    pub const MAX: u32 = 65_535;

    /// One CPU or node.
    pub fn only(number: u32) -> Self {
        Self(vec![(number, number)])
    }

    /// Sorts and joins ranges; `None` when there are none.
    pub fn from_ranges(mut ranges: Vec<(u32, u32)>) -> Option<Self> {
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        (!joined.is_empty()).then_some(Self(joined))
    }

    /// How many it holds.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(first, last)| (last - first) as usize + 1).sum()
    }

    /// Never true; here because `len` is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its members.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// The lowest member that `other` lacks.
    pub fn first_missing_in(&self, other: &Self) -> Option<u32> {
        self.iter().find(|wanted| !other.0.iter().any(|(first, last)| (first..=last).contains(&wanted)))
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}") } else { write!(f, "{comma}{first}-{last}") }?;
        }
        Ok(())
    }
}
