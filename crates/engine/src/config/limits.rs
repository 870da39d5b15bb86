//! What a container may use: the limits that its cgroup carries.

use super::{Bytes, CpuSet, Cpus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

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
    /// `--memory-swappiness`, 0 to 100 (cgroup v1 only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swappiness: Option<u8>,
    /// `--blkio-…` and `--device-read-bps` and its like.
    #[serde(default, skip_serializing_if = "BlockIo::is_open")]
    pub block_io: BlockIo,
    /// `--cgroup-conf`: files of the cgroup and what is written to them (cgroup v2 only).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unified: BTreeMap<String, String>,
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

/// Limits of block devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockIo {
    /// `--blkio-weight`, 10 to 1000.
    pub weight: Option<u16>,
    /// `--blkio-weight-device`, the same.
    pub weights: Vec<DeviceLimit>,
    /// `--device-read-bps`, bytes a second.
    pub read_bytes: Vec<DeviceLimit>,
    /// `--device-write-bps`, bytes a second.
    pub write_bytes: Vec<DeviceLimit>,
    /// `--device-read-iops`, operations a second.
    pub read_operations: Vec<DeviceLimit>,
    /// `--device-write-iops`, operations a second.
    pub write_operations: Vec<DeviceLimit>,
}

impl BlockIo {
    /// Nothing was asked for.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

/// A limit of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLimit {
    /// Its node on the host.
    pub device: PathBuf,
    /// How much.
    pub value: u64,
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
