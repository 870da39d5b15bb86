//! Where the process's memory comes from: `linux.memoryPolicy`, set_mempolicy(2), which outlives exec.

use crate::cpuset::CpuSet;
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::subject::Subject;
use oci::runtime::MemoryPolicy;

/// Modes (linux/mempolicy.h).
pub const MODES: [(&str, u64); 7] = [
    ("MPOL_DEFAULT", 0),
    ("MPOL_PREFERRED", 1),
    ("MPOL_BIND", 2),
    ("MPOL_INTERLEAVE", 3),
    ("MPOL_LOCAL", 4),
    ("MPOL_PREFERRED_MANY", 5),
    ("MPOL_WEIGHTED_INTERLEAVE", 6),
];

/// Flags of a mode.
pub const FLAGS: [(&str, u64); 3] =
    [("MPOL_F_STATIC_NODES", 1 << 15), ("MPOL_F_RELATIVE_NODES", 1 << 14), ("MPOL_F_NUMA_BALANCING", 1 << 13)];

/// Adds the step for a policy.
pub fn memory_policy(plan: &mut Plan, policy: &MemoryPolicy) -> Result<()> {
    let (mode, nodes) = check(policy)?;
    plan.memory_policy(Subject::MemoryPolicy, mode, nodes.as_ref());
    Ok(())
}

fn check(policy: &MemoryPolicy) -> Result<(u64, Option<CpuSet>)> {
    let MemoryPolicy { mode, nodes, flags } = policy;
    let Some((_, number)) = MODES.iter().find(|(name, _)| name == mode) else {
        return Err(Error::spec(format!("invalid memory policy mode {mode:?}")));
    };
    let nodes = if nodes.is_empty() { None } else { Some(CpuSet::parse(nodes)) };
    let nodes = nodes.transpose().map_err(|problem| Error::spec(format!("invalid memory policy nodes: {problem}")))?;
    let count = nodes.as_ref().map_or(0, CpuSet::count);
    match mode.as_str() {
        "MPOL_DEFAULT" | "MPOL_LOCAL" if count > 0 => {
            return Err(Error::spec(format!("memoryPolicy: {mode}: this mode requires 0 nodes but got {count}")));
        }
        "MPOL_DEFAULT" | "MPOL_LOCAL" | "MPOL_PREFERRED" => {}
        _ if count == 0 => {
            return Err(Error::spec(format!("memoryPolicy: {mode}: this mode requires at least one node but got 0")));
        }
        _ => {}
    }
    let mut bits = *number;
    for flag in flags {
        let Some((_, bit)) = FLAGS.iter().find(|(name, _)| name == flag) else {
            return Err(Error::spec(format!("invalid memory policy flag {flag:?}")));
        };
        bits |= bit;
    }
    Ok((bits, nodes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mode: &str, nodes: &str, flags: &[&str]) -> MemoryPolicy {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        MemoryPolicy { mode: mode.to_owned(), nodes: nodes.to_owned(), flags }
    }

    #[test]
    fn a_mode_has_the_nodes_that_it_needs() {
        for (mode, nodes) in [
            ("MPOL_DEFAULT", ""),
            ("MPOL_LOCAL", ""),
            ("MPOL_PREFERRED", ""),
            ("MPOL_PREFERRED", "0"),
            ("MPOL_BIND", "0-2000"),
            ("MPOL_WEIGHTED_INTERLEAVE", "1"),
        ] {
            assert!(check(&of(mode, nodes, &[])).is_ok(), "{mode} {nodes}");
        }
        for (mode, nodes) in [
            ("", "0"),
            ("INTERLEAVE", "0"),
            ("MPOL_DEFAULT", "0-7"),
            ("MPOL_LOCAL", "0"),
            ("MPOL_BIND", ""),
            ("MPOL_PREFERRED_MANY", ""),
            ("MPOL_BIND", "0-9876543210"),
        ] {
            assert!(check(&of(mode, nodes, &[])).is_err(), "{mode} {nodes}");
        }
    }

    #[test]
    fn flags_are_bits_beside_the_mode() {
        // linux/mempolicy.h
        let policy = of("MPOL_BIND", "0", &["MPOL_F_STATIC_NODES", "MPOL_F_NUMA_BALANCING"]);
        assert_eq!(check(&policy).map(|(mode, _)| mode).ok(), Some(0xa002));
        assert!(check(&of("MPOL_BIND", "0", &["badflag"])).is_err());
    }
}
