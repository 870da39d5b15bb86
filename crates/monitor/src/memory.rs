//! What is to be known of a container's memory once the kernel has killed in it. Where it has not, which is nearly always,
//! one file is read and no more.

use runtime::Cgroup;
use serde::{Deserialize, Serialize};

/// How the memory of a container was when it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Processes that the kernel has killed for want of it.
    pub killed: u64,
    /// The container's own limit, in bytes.
    pub limit: Option<u64>,
    /// It has run against that limit; else the limit was that of a cgroup above, or all that the machine has.
    pub at_own_limit: bool,
    /// The most that it has ever used, in bytes.
    pub peak: Option<u64>,
}

impl Memory {
    /// Of a cgroup that is still there.
    pub fn of(cgroup: &Cgroup) -> Self {
        let killed = cgroup.oom_kills().unwrap_or(0);
        if killed == 0 {
            return Self::default();
        }
        let Some(memory) = cgroup.stats().ok().and_then(|stats| stats.memory) else {
            return Self { killed, ..Self::default() };
        };
        let hits = memory.limit_hits.unwrap_or(0);
        Self { killed, limit: memory.limit, at_own_limit: memory.limit.is_some() && hits > 0, peak: memory.peak }
    }
}
