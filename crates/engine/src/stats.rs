//! What a container uses now: one look at its cgroup and at its network devices. Rates come of two.

use crate::engine::Engine;
use crate::error::Result;
use crate::exec::Running;
use crate::processes;
use std::fs;
use std::time::Instant;

/// One look.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// Nanoseconds of processor time that it has used.
    pub cpu: u64,
    /// Bytes of memory in use, without what the kernel could drop.
    pub memory: u64,
    /// Bytes that it may have: its limit, or all that the machine has.
    pub memory_limit: u64,
    /// Bytes received and sent by its network devices; `None` where the network is not its own.
    pub network: Option<[u64; 2]>,
    /// Bytes read from and written to block devices.
    pub io: [u64; 2],
    /// Tasks.
    pub pids: u64,
}

impl Engine {
    /// What a container that runs uses. What nobody counts for it is 0.
    pub fn sample(&self, text: &str) -> Result<Sample> {
        let running = self.find_running(text)?;
        let at = Instant::now();
        let stats = running.handle.cgroup.stats()?;
        let machine = processes::memory();
        let memory = stats.memory.unwrap_or_default();
        let sum = |of: fn(&cgroup::IoStats) -> u64| stats.io.iter().map(of).sum();
        Ok(Sample {
            at,
            cpu: stats.cpu.and_then(|cpu| cpu.usage).unwrap_or(0),
            memory: memory.usage.saturating_sub(memory.inactive_file.unwrap_or(0)),
            memory_limit: memory.limit.unwrap_or(machine).min(machine),
            network: network(&running),
            io: [sum(|io| io.read_bytes), sum(|io| io.write_bytes)],
            pids: stats.pids.map_or(0, |pids| pids.current),
        })
    }
}

impl Sample {
    /// Processor time since an earlier look, in hundredths of a percent of one processor.
    pub fn cpu_share(&self, before: &Self) -> u64 {
        let passed = self.at.saturating_duration_since(before.at).as_nanos();
        share(self.cpu.saturating_sub(before.cpu).into(), passed)
    }

    /// Memory, in hundredths of a percent of what it may have.
    pub fn memory_share(&self) -> u64 {
        share(self.memory.into(), self.memory_limit.into())
    }
}

fn share(part: u128, whole: u128) -> u64 {
    (part * 10_000 / whole.max(1)).try_into().unwrap_or(u64::MAX)
}

/// All devices of its network namespace but the loopback. That of the machine tells nothing of a container.
fn network(running: &Running) -> Option<[u64; 2]> {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let pid = running.handle.pid.to_string();
    if namespace(&pid) == namespace("self") {
        return None;
    }
    let text = fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?;
    let mut sums = [0, 0];
    for line in text.lines() {
        let Some((name, numbers)) = line.split_once(':') else { continue };
        let numbers: Vec<u64> = numbers.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
        if name.trim() != "lo" {
            sums[0] += numbers.first().copied().unwrap_or(0);
            sums[1] += numbers.get(8).copied().unwrap_or(0);
        }
    }
    Some(sums)
}
