//! CPU time: weight, quota, burst, real-time budget, idle.

use super::{given, invalid, v1_only};
use crate::group::Branch;
use crate::{Cgroup, Controller, Result, file};
use oci::runtime::Cpu;

const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

pub(super) fn apply(cgroup: &Cgroup, limits: &Cpu) -> Result<()> {
    let (shares, quota, period) = (given(limits.shares), given(limits.quota), given(limits.period));
    let (runtime, rt_period) = (given(limits.realtime_runtime), given(limits.realtime_period));
    let field = match () {
        () if shares.is_some() => "cpu.shares",
        () if quota.is_some() => "cpu.quota",
        () if period.is_some() => "cpu.period",
        () if limits.burst.is_some() => "cpu.burst",
        () if runtime.is_some() => "cpu.realtimeRuntime",
        () if rt_period.is_some() => "cpu.realtimePeriod",
        () if limits.idle.is_some() => "cpu.idle",
        () => return Ok(()),
    };
    let branch = cgroup.need(Controller::Cpu, field)?;
    // An idle group has no weight: leave that state before a weight is set, enter it after.
    if limits.idle == Some(0) {
        branch.write(Controller::Cpu, "cpu.idle", "0")?;
    }
    match shares {
        Some(shares) if branch.is_v2() => {
            branch.write(Controller::Cpu, "cpu.weight", &weight(shares).to_string())?;
        }
        // The kernel would take the nearest without a word.
        Some(shares) if !SHARES.contains(&shares) => {
            return Err(invalid("cpu.shares", shares, "is not in 2 to 262144"));
        }
        Some(shares) => branch.write(Controller::Cpu, "cpu.shares", &shares.to_string())?,
        None => {}
    }
    bandwidth(branch, quota, period, limits.burst)?;
    if branch.is_v2() {
        if let Some(runtime) = runtime {
            return Err(v1_only("cpu.realtimeRuntime", runtime));
        }
        if let Some(period) = rt_period {
            return Err(v1_only("cpu.realtimePeriod", period));
        }
    } else {
        let mut values = Vec::new();
        values.extend(rt_period.map(|period| ("cpu.rt_period_us", period.to_string())));
        values.extend(runtime.map(|runtime| ("cpu.rt_runtime_us", runtime.to_string())));
        branch.settle(Controller::Cpu, &values)?;
    }
    match limits.idle {
        Some(0) | None => Ok(()),
        Some(idle) => branch.write(Controller::Cpu, "cpu.idle", &idle.to_string()),
    }
}

fn bandwidth(branch: &Branch, quota: Option<i64>, period: Option<u64>, burst: Option<u64>) -> Result<()> {
    let mut values = Vec::new();
    if branch.is_v2() {
        let quota = quota.map(super::or_max);
        match (quota, period) {
            (Some(quota), Some(period)) => values.push(("cpu.max", format!("{quota} {period}"))),
            // The kernel keeps the period when it is not named.
            (Some(quota), None) => values.push(("cpu.max", quota)),
            (None, Some(period)) => {
                let now = branch.read("cpu.max")?;
                let quota = now.split_ascii_whitespace().next().unwrap_or("max");
                values.push(("cpu.max", format!("{quota} {period}")));
            }
            (None, None) => {}
        }
        values.extend(burst.map(|burst| ("cpu.max.burst", burst.to_string())));
    } else {
        values.extend(period.map(|period| ("cpu.cfs_period_us", period.to_string())));
        values.extend(quota.map(|quota| ("cpu.cfs_quota_us", quota.max(-1).to_string())));
        values.extend(burst.map(|burst| ("cpu.cfs_burst_us", burst.to_string())));
    }
    // A burst of 0 is what a new group has, and kernels before 5.14 have no such file.
    if burst == Some(0) {
        let file = branch.file(if branch.is_v2() { "cpu.max.burst" } else { "cpu.cfs_burst_us" });
        if file::read_optional(&file)?.is_none() {
            values.pop();
        }
    }
    branch.settle(Controller::Cpu, &values)
}

/// v2's weight (1 to 10000, usually 100) for v1's shares (2 to 262144, usually 1024): the parabola over the logarithm
/// that maps both ends and the usual value onto one another, the same as runc 1.3.2 and crun 1.23 use.
pub(crate) fn weight(shares: u64) -> u64 {
    if shares <= *SHARES.start() {
        return 1;
    }
    if shares >= *SHARES.end() {
        return 10_000;
    }
    #[allow(clippy::cast_precision_loss, reason = "less than 2^18")]
    let log = (shares as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    10_f64.powf(exponent).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_and_the_usual_value_are_mapped_onto_one_another() {
        assert_eq!([0, 1, 2, 1024, 262_144, u64::MAX].map(weight), [1, 1, 1, 100, 10_000, 10_000]);
    }

    #[test]
    fn more_shares_never_weigh_less() {
        let weights: Vec<_> = (2..=262_144).step_by(97).map(weight).collect();
        assert!(weights.is_sorted());
    }
}
