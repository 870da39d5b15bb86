//! What a container may use: the limits that its cgroup carries.

use super::{Bytes, CpuSet, Cpus};
use serde::{Deserialize, Serialize};

/// Limits; absent means none asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsConfig {
    /// `--memory`, at least 6 MiB.
    pub memory: Option<Bytes>,
    /// `--memory-swap`: memory and swap together.
    pub memory_swap: Option<MemorySwap>,
    /// `--memory-reservation`.
    pub memory_reservation: Option<Bytes>,
    /// `--cpus`, or `--cpu-period` and `--cpu-quota`.
    pub cpu_time: CpuTime,
    /// `--cpu-shares`, 2 to 262144.
    pub cpu_shares: Option<u64>,
    /// `--cpuset-cpus`.
    pub cpuset_cpus: Option<CpuSet>,
    /// `--cpuset-mems`.
    pub cpuset_mems: Option<CpuSet>,
    /// `--pids-limit`.
    pub pids: Option<PidsLimit>,
    /// `--shm-size`: size of `/dev/shm`.
    pub shm_size: Option<Bytes>,
    /// `--oom-kill-disable` (cgroup v1 only).
    pub oom_kill_disable: bool,
    /// `--cgroup-parent`.
    pub cgroup_parent: Option<String>,
    /// `--cgroups`.
    pub cgroups: CgroupUse,
}

/// `--memory-swap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemorySwap {
    /// −1: as much swap as there is.
    Unlimited,
    /// Memory and swap together.
    Max(Bytes),
}

/// How the share of CPU time was given; the two ways exclude each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CpuTime {
    /// Not at all.
    #[default]
    Open,
    /// `--cpus`.
    Cpus(Cpus),
    /// `--cpu-period` and `--cpu-quota`, in microseconds.
    Quota {
        /// 1000 to 1000000.
        period: Option<u64>,
        /// At least 1000; −1 means no limit.
        quota: Option<i64>,
    },
}

/// `--pids-limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PidsLimit {
    /// −1 or 0, as docker and podman have it.
    Unlimited,
    /// At most this many tasks.
    Max(u32),
}

/// `--cgroups`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CgroupUse {
    /// A cgroup of its own.
    #[default]
    Enabled,
    /// A cgroup of its own below the caller's, which the caller leaves for another one below it: for a service, whose
    /// cgroup systemd has delegated.
    Split,
    /// The container stays in the caller's cgroups; no limit can be set.
    Disabled,
}
