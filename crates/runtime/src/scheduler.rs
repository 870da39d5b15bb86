//! How the process is scheduled: `process.scheduler`, and `process.ioPriority` for its disk.
//!
//! Both are set in the stub while it has root's capabilities still, since most policies need `CAP_SYS_NICE`.

use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::subject::Subject;
use init::plan::Op;
use oci::runtime::{IoPriority, IoPriorityClass, Scheduler};

/// Policies (sched(7)); `SCHED_ISO` has a number that no kernel takes.
const POLICIES: [(&str, u32); 7] = [
    ("SCHED_OTHER", 0),
    ("SCHED_FIFO", 1),
    ("SCHED_RR", 2),
    ("SCHED_BATCH", 3),
    ("SCHED_ISO", 4),
    ("SCHED_IDLE", 5),
    ("SCHED_DEADLINE", 6),
];

/// Flags (linux/sched.h). The specification has the flags of utilisation clamps and no values for them, which are 0
/// then, as runc has it.
const FLAGS: [(&str, u64); 7] = [
    ("SCHED_FLAG_RESET_ON_FORK", 0x01),
    ("SCHED_FLAG_RECLAIM", 0x02),
    ("SCHED_FLAG_DL_OVERRUN", 0x04),
    ("SCHED_FLAG_KEEP_POLICY", 0x08),
    ("SCHED_FLAG_KEEP_PARAMS", 0x10),
    ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
    ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
];

/// Adds the step for a policy.
pub fn schedule(plan: &mut Plan, scheduler: &Scheduler) -> Result<()> {
    plan.bytes(Subject::Scheduler, Op::Scheduler, &attributes(scheduler)?);
    Ok(())
}

/// Adds the step for a priority of I/O. The process leads a group of its own by then, and the priority is the group's.
pub fn prioritise(plan: &mut Plan, io: IoPriority) -> Result<()> {
    let class = match io.class {
        IoPriorityClass::RealTime => 1,
        IoPriorityClass::BestEffort => 2,
        IoPriorityClass::Idle => 3,
    };
    if io.priority > 7 {
        return Err(Error::spec(format!("ioPriority {} is not between 0 and 7", io.priority)));
    }
    plan.plain(Subject::IoPriority, Op::IoPriority, [class << 13 | u64::from(io.priority)]);
    Ok(())
}

/// `struct sched_attr` in its second version, with the clamps (Linux 5.3).
fn attributes(scheduler: &Scheduler) -> Result<[u8; 56]> {
    let Scheduler { policy, nice, priority, flags, runtime, deadline, period } = scheduler;
    let known = POLICIES.iter().find(|(name, _)| name == policy);
    let Some((_, number)) = known else {
        return Err(Error::spec(format!("scheduler: unknown policy {policy:?}")));
    };
    let (nice, priority) = (nice.unwrap_or(0), priority.unwrap_or(0));
    let bad = |field: &str, rule: &str| Err(Error::spec(format!("scheduler.{field}: {rule}")));
    if matches!(policy.as_str(), "SCHED_OTHER" | "SCHED_BATCH") && !(-20..=19).contains(&nice) {
        return bad("nice", &format!("{nice} is not between -20 and 19"));
    }
    if matches!(policy.as_str(), "SCHED_FIFO" | "SCHED_RR") {
        if !(1..=99).contains(&priority) {
            return bad("priority", &format!("{priority} is not between 1 and 99"));
        }
    } else if priority != 0 {
        return bad("priority", "only SCHED_FIFO and SCHED_RR have one");
    }
    let times = [runtime, deadline, period].map(|time| time.unwrap_or(0));
    if policy != "SCHED_DEADLINE" && times != [0; 3] {
        return bad("runtime, deadline and period", "only SCHED_DEADLINE has them");
    }
    let mut bits = 0;
    for flag in flags {
        let Some((_, bit)) = FLAGS.iter().find(|(name, _)| name == flag) else {
            return bad("flags", &format!("unknown flag {flag:?}"));
        };
        bits |= bit;
    }
    let mut out = [0; 56];
    out[0..4].copy_from_slice(&56_u32.to_ne_bytes());
    out[4..8].copy_from_slice(&number.to_ne_bytes());
    out[8..16].copy_from_slice(&bits.to_ne_bytes());
    out[16..20].copy_from_slice(&nice.to_ne_bytes());
    out[20..24].copy_from_slice(&priority.to_ne_bytes());
    for (place, time) in out[24..48].chunks_exact_mut(8).zip(times) {
        place.copy_from_slice(&time.to_ne_bytes());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(policy: &str) -> Scheduler {
        Scheduler { policy: policy.to_owned(), ..Scheduler::default() }
    }

    #[test]
    fn what_a_policy_has_not_is_refused() {
        let refused = [
            of(""),
            of("SCHED_FAST"),
            of("SCHED_FIFO"),
            Scheduler { nice: Some(20), ..of("SCHED_OTHER") },
            Scheduler { nice: Some(-21), ..of("SCHED_BATCH") },
            Scheduler { priority: Some(1), ..of("SCHED_OTHER") },
            Scheduler { priority: Some(100), ..of("SCHED_RR") },
            Scheduler { priority: Some(-1), ..of("SCHED_FIFO") },
            Scheduler { runtime: Some(1), ..of("SCHED_IDLE") },
            Scheduler { flags: vec!["SCHED_FLAG_X".to_owned()], ..of("SCHED_OTHER") },
        ];
        for scheduler in refused {
            assert!(attributes(&scheduler).is_err(), "{scheduler:?}");
        }
    }

    #[test]
    fn the_attributes_lie_where_the_kernel_reads_them() {
        let deadline = Scheduler {
            nice: Some(-1),
            flags: vec!["SCHED_FLAG_RESET_ON_FORK".to_owned(), "SCHED_FLAG_DL_OVERRUN".to_owned()],
            runtime: Some(42_000),
            deadline: Some(100_000),
            period: Some(1_000_000),
            ..of("SCHED_DEADLINE")
        };
        let bytes = attributes(&deadline).unwrap_or([0; 56]);
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        // struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period, clamps.
        let words: Vec<u32> = (0..56).step_by(4).map(word).collect();
        assert_eq!(words, [56, 6, 5, 0, u32::MAX, 0, 42_000, 0, 100_000, 0, 1_000_000, 0, 0, 0]);
    }
}
