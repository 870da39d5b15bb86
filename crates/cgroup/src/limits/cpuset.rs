//! On which CPUs and memory nodes. v2 takes a list with CPUs that are not there and silently uses what is left of it,
//! so the list is compared with what the cgroup above really has before it is written.

use super::invalid;
use crate::group::Branch;
use crate::{Cgroup, Controller, Error, Result, file};
use oci::runtime::Cpu;
use std::fmt;

pub(super) fn apply(cgroup: &Cgroup, limits: &Cpu) -> Result<()> {
    let lists = [("cpu.cpus", "cpuset.cpus", &limits.cpus), ("cpu.mems", "cpuset.mems", &limits.mems)];
    for (field, name, list) in lists {
        let Some(list) = list.as_deref().filter(|list| !list.trim().is_empty()) else { continue };
        let branch = cgroup.need(Controller::Cpuset, field)?;
        let asked = Ranges::parse(list).ok_or_else(|| invalid(field, list, "is not a list such as 0-3,7"))?;
        let available = available(branch, name)?;
        if let Some(available) = available {
            let missing = asked.without(&available);
            if !missing.0.is_empty() {
                let (missing, available) = (missing.to_string(), available.to_string());
                return Err(Error::Unavailable { field, asked: list.to_owned(), missing, available });
            }
        }
        branch.write(Controller::Cpuset, name, list.trim())?;
    }
    Ok(())
}

/// What the cgroup above has; nothing if it does not say.
fn available(branch: &Branch, name: &str) -> Result<Option<Ranges>> {
    let names: &[String] = if branch.is_v2() {
        &[format!("{name}.effective")]
    } else {
        // `cpuset.effective_cpus`; a `noprefix` mount has neither prefix.
        &[name.replace("cpuset.", "cpuset.effective_"), name.to_owned(), name.replace("cpuset.", "")]
    };
    for name in names {
        if let Some(text) = file::read_optional(&branch.file(&format!("../{name}")))? {
            return Ok(Ranges::parse(&text).filter(|ranges| !ranges.0.is_empty()));
        }
    }
    Ok(None)
}

/// A list of numbers as the kernel writes it, sorted ranges with both ends in. Never spelled out: `0-4294967295` is a
/// short text too.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    fn parse(text: &str) -> Option<Self> {
        let mut ranges = Vec::new();
        for item in text.trim().split(',').map(str::trim).filter(|item| !item.is_empty()) {
            // `0-63:2/8` takes two of each eight (cpuset's list format); its hull is enough to compare with.
            let item = item.split_once(':').map_or(item, |(range, _)| range);
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            if first > last {
                return None;
            }
            ranges.push((first, last));
        }
        ranges.sort_unstable();
        Some(Self(ranges))
    }

    fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for &(first, last) in &self.0 {
            let mut at = u64::from(first);
            for &(start, end) in other.0.iter().filter(|(_, end)| *end >= first) {
                if u64::from(start) > u64::from(last) {
                    break;
                }
                if at < u64::from(start) {
                    left.push((at as u32, start - 1));
                }
                at = at.max(u64::from(end) + 1);
            }
            if at <= u64::from(last) {
                left.push((at as u32, last));
            }
        }
        Self(left)
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            if first == last { write!(f, "{first}")? } else { write!(f, "{first}-{last}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(asked: &str, available: &str) -> String {
        Ranges::parse(asked).unwrap().without(&Ranges::parse(available).unwrap()).to_string()
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(without("0-3,7", "0-1"), "2-3,7");
        assert_eq!(without("0-9", "2-3,5"), "0-1,4,6-9");
        assert_eq!(without("1", "0-1\n"), "");
        assert_eq!(without("0-4294967295", "0-1"), "2-4294967295");
    }

    #[test]
    fn nonsense_is_no_list() {
        for text in ["a", "3-1", "1--2", "-1", "1-2-3", "99999999999"] {
            assert_eq!(Ranges::parse(text), None, "{text}");
        }
        assert_eq!(Ranges::parse("0-7:2/4").unwrap().to_string(), "0-7");
    }
}
