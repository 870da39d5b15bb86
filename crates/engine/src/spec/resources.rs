//! Limits: what the container's cgroup carries.

use super::origin::Origins;
use super::{Controllers, Error, Facts, Origin, SpecPath, device};
use crate::config::{
    BlockIo, CgroupUse, ContainerConfig, CpuSet, CpuTime, Cpus, DeviceLimit, LimitsConfig, MemorySwap, PidsLimit,
    Privileges,
};
use crate::flags::Invalid;
use oci::runtime::{Cpu, DeviceRule, Memory, Pids, Resources, ThrottleDevice, WeightDevice};
use std::collections::BTreeMap;

/// podman's default: more than any sane container has, less than a fork bomb needs to hurt.
const PIDS: i64 = 2048;

/// `None` without a cgroup, or with nothing to set.
pub(super) fn compose(
    config: &ContainerConfig,
    facts: &Facts,
    origins: &mut Origins,
) -> Result<Option<Resources>, Error> {
    let Facts { controllers, cpus, mems, rootless, .. } = facts;
    let there = There { controllers: *controllers, cpus, mems, rootless: *rootless };
    let limits = noted(&config.limits, &there, origins)?;
    if config.limits.cgroups == CgroupUse::Disabled {
        return Ok(None);
    }
    let resources = Resources { devices: devices(config, facts, origins), ..limits };
    Ok((resources != Resources::default()).then_some(resources))
}

/// What can be limited here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct There<'a> {
    /// The controllers that the container's cgroup has.
    pub controllers: Controllers,
    /// CPUs that are online.
    pub cpus: &'a CpuSet,
    /// Memory nodes that are online.
    pub mems: &'a CpuSet,
    /// An ordinary user asks.
    pub rootless: bool,
}

/// The limits alone, for a container that runs already.
pub(crate) fn limits(limits: &LimitsConfig, there: &There<'_>) -> Result<Resources, Error> {
    noted(limits, there, &mut Origins::default())
}

/// The same with who asked for each.
pub(crate) fn limits_and_origins(
    limits: &LimitsConfig,
    there: &There<'_>,
) -> Result<(Resources, Vec<(SpecPath, Origin)>), Error> {
    let mut origins = Origins::default();
    Ok((noted(limits, there, &mut origins)?, origins.0))
}

fn noted(limits: &LimitsConfig, there: &There<'_>, origins: &mut Origins) -> Result<Resources, Error> {
    available(limits, there)?;
    Ok(Resources {
        memory: memory(limits, there, origins),
        cpu: cpu(limits, there, origins)?,
        pids: pids(limits, there, origins),
        block_io: block_io(&limits.block_io, origins)?,
        unified: unified(limits, origins),
        ..Resources::default()
    })
}

/// Where the cgroup goes.
pub(super) fn cgroup_path(config: &ContainerConfig, facts: &Facts) -> Option<String> {
    if config.limits.cgroups == CgroupUse::Disabled { None } else { facts.cgroup_path.clone() }
}

/// Every limit that was asked for can be set, or the request is refused.
fn available(limits: &LimitsConfig, facts: &There<'_>) -> Result<(), Error> {
    let there = facts.controllers;
    let memory = (there.memory, "memory");
    let (cpu, cpuset, pids) = ((there.cpu, "cpu"), (there.cpuset, "cpuset"), (there.pids, "pids"));
    let quota = |quota: bool, period: bool| match limits.cpu_time {
        CpuTime::Quota { period: p, quota: q } => (quota && q.is_some()) || (period && p.is_some()),
        _ => false,
    };
    let swap = limits.memory_swap.is_some_and(|swap| swap != MemorySwap::Unlimited);
    for (flag, asked, (there, controller)) in [
        ("--memory", limits.memory.is_some(), memory),
        ("--memory-swap", swap, (there.memory && there.swap, "memory (with swap accounting)")),
        ("--memory-reservation", limits.memory_reservation.is_some(), memory),
        ("--oom-kill-disable", limits.oom_kill_disable, (there.oom_control, "memory.oom_control (cgroup v1)")),
        ("--cpus", matches!(limits.cpu_time, CpuTime::Cpus(_)), cpu),
        ("--cpu-quota", quota(true, false), cpu),
        ("--cpu-period", quota(false, true), cpu),
        ("--cpu-shares", limits.cpu_shares.is_some(), cpu),
        ("--cpuset-cpus", limits.cpuset_cpus.is_some(), cpuset),
        ("--cpuset-mems", limits.cpuset_mems.is_some(), cpuset),
        ("--memory-swappiness", limits.swappiness.is_some(), (there.swappiness, "memory.swappiness (cgroup v1)")),
        ("--blkio-weight", !limits.block_io.is_open(), (there.io, "io")),
        ("--cgroup-conf", !limits.unified.is_empty(), (there.unified, "pure cgroup v2")),
        ("--pids-limit", matches!(limits.pids, Some(PidsLimit::Max(_))), pids),
    ] {
        if asked && limits.cgroups == CgroupUse::Disabled {
            return Err(Error::NoCgroup { flag });
        }
        if asked && !there {
            return Err(Error::NoController { flag, controller, rootless: facts.rootless });
        }
    }
    Ok(())
}

fn memory(limits: &LimitsConfig, facts: &There<'_>, origins: &mut Origins) -> Option<Memory> {
    let mut memory = Memory::default();
    if let Some(limit) = limits.memory {
        origins.note("linux.resources.memory.limit", Origin::Flag("--memory"));
        memory.limit = Some(limit.get());
    }
    memory.swap = match (limits.memory_swap, limits.memory) {
        (Some(MemorySwap::Max(swap)), _) => {
            origins.note("linux.resources.memory.swap", Origin::Flag("--memory-swap"));
            Some(swap.get())
        }
        (Some(MemorySwap::Unlimited), _) if facts.controllers.swap => {
            origins.note("linux.resources.memory.swap", Origin::Flag("--memory-swap"));
            Some(-1)
        }
        // docker and podman: as much swap again as memory.
        (None, Some(limit)) if facts.controllers.swap => {
            origins.note("linux.resources.memory.swap", Origin::Flag("--memory"));
            Some(limit.get().saturating_mul(2))
        }
        _ => None,
    };
    if let Some(reservation) = limits.memory_reservation {
        origins.note("linux.resources.memory.reservation", Origin::Flag("--memory-reservation"));
        memory.reservation = Some(reservation.get());
    }
    if let Some(swappiness) = limits.swappiness {
        origins.note("linux.resources.memory.swappiness", Origin::Flag("--memory-swappiness"));
        memory.swappiness = Some(swappiness.into());
    }
    if limits.oom_kill_disable {
        origins.note("linux.resources.memory.disableOOMKiller", Origin::Flag("--oom-kill-disable"));
        memory.disable_oom_killer = Some(true);
    }
    (memory != Memory::default()).then_some(memory)
}

fn cpu(limits: &LimitsConfig, facts: &There<'_>, origins: &mut Origins) -> Result<Option<Cpu>, Error> {
    let mut cpu = Cpu::default();
    match limits.cpu_time {
        CpuTime::Open => {}
        CpuTime::Cpus(cpus) => {
            let there = facts.cpus.len();
            if cpus.nanos() > there as u64 * 1_000_000_000 {
                let source = Invalid::new(cpus.to_string(), format!("this machine has {there} CPUs"))
                    .hint(format!("give 0.01 to {there}"));
                return Err(Error::flag("--cpus", source));
            }
            origins.note("linux.resources.cpu.quota", Origin::Flag("--cpus"));
            origins.note("linux.resources.cpu.period", Origin::Flag("--cpus"));
            cpu.period = Some(Cpus::PERIOD);
            cpu.quota = Some(cpus.quota());
        }
        CpuTime::Quota { period, quota } => {
            if period.is_some() {
                origins.note("linux.resources.cpu.period", Origin::Flag("--cpu-period"));
            }
            if quota.is_some() {
                origins.note("linux.resources.cpu.quota", Origin::Flag("--cpu-quota"));
            }
            (cpu.period, cpu.quota) = (period, quota);
        }
    }
    if let Some(shares) = limits.cpu_shares {
        origins.note("linux.resources.cpu.shares", Origin::Flag("--cpu-shares"));
        cpu.shares = Some(shares);
    }
    cpu.cpus = set(limits.cpuset_cpus.as_ref(), facts.cpus, "--cpuset-cpus", "CPUs")?;
    cpu.mems = set(limits.cpuset_mems.as_ref(), facts.mems, "--cpuset-mems", "memory nodes")?;
    if cpu.cpus.is_some() {
        origins.note("linux.resources.cpu.cpus", Origin::Flag("--cpuset-cpus"));
    }
    if cpu.mems.is_some() {
        origins.note("linux.resources.cpu.mems", Origin::Flag("--cpuset-mems"));
    }
    Ok((cpu != Cpu::default()).then_some(cpu))
}

/// The kernel refuses a set with members that are not there, with a bare EINVAL.
fn set(
    asked: Option<&CpuSet>,
    there: &CpuSet,
    flag: &'static str,
    what: &'static str,
) -> Result<Option<String>, Error> {
    let Some(asked) = asked else { return Ok(None) };
    match asked.first_missing_in(there) {
        Some(missing) => {
            let source = Invalid::new(asked.to_string(), format!("{missing} is not there"))
                .hint(format!("this machine has {what} {there}"));
            Err(Error::flag(flag, source))
        }
        None => Ok(Some(asked.to_string())),
    }
}

fn pids(limits: &LimitsConfig, facts: &There<'_>, origins: &mut Origins) -> Option<Pids> {
    let (limit, origin) = match limits.pids {
        Some(PidsLimit::Max(limit)) => (i64::from(limit), Origin::Flag("--pids-limit")),
        Some(PidsLimit::Unlimited) if facts.controllers.pids => (-1, Origin::Flag("--pids-limit")),
        None if facts.controllers.pids => (PIDS, Origin::Default),
        _ => return None,
    };
    origins.note("linux.resources.pids.limit", origin);
    Some(Pids { limit: Some(limit) })
}

fn unified(limits: &LimitsConfig, origins: &mut Origins) -> BTreeMap<String, String> {
    for name in limits.unified.keys() {
        origins.note(format!("linux.resources.unified[{name}]"), Origin::Flag("--cgroup-conf"));
    }
    limits.unified.clone()
}

fn block_io(asked: &BlockIo, origins: &mut Origins) -> Result<Option<oci::runtime::BlockIo>, Error> {
    if asked.is_open() {
        return Ok(None);
    }
    origins.note("linux.resources.blockIO", Origin::Flag("--blkio-weight"));
    let throttles = |flag, limits: &[DeviceLimit]| -> Result<Vec<_>, Error> {
        let throttle = |limit: &DeviceLimit| {
            let (major, minor) = numbers(flag, limit)?;
            Ok(ThrottleDevice { major, minor, rate: limit.value })
        };
        limits.iter().map(throttle).collect()
    };
    let weight = |limit: &DeviceLimit| {
        let (major, minor) = numbers("--blkio-weight-device", limit)?;
        Ok(WeightDevice { major, minor, weight: u16::try_from(limit.value).ok(), leaf_weight: None })
    };
    Ok(Some(oci::runtime::BlockIo {
        weight: asked.weight,
        leaf_weight: None,
        weight_device: asked.weights.iter().map(weight).collect::<Result<_, Error>>()?,
        throttle_read_bps_device: throttles("--device-read-bps", &asked.read_bytes)?,
        throttle_write_bps_device: throttles("--device-write-bps", &asked.write_bytes)?,
        throttle_read_iops_device: throttles("--device-read-iops", &asked.read_operations)?,
        throttle_write_iops_device: throttles("--device-write-iops", &asked.write_operations)?,
    }))
}

/// Major and minor number of a block device.
fn numbers(flag: &'static str, limit: &DeviceLimit) -> Result<(i64, i64), Error> {
    let source = |errno: rustix::io::Errno| Error::Source { flag, path: limit.device.clone(), source: errno.into() };
    let stat = rustix::fs::stat(&limit.device).map_err(source)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::BlockDevice {
        return Err(Error::flag(flag, Invalid::new(limit.device.to_string_lossy(), "not a block device")));
    }
    Ok((rustix::fs::major(stat.st_rdev).into(), rustix::fs::minor(stat.st_rdev).into()))
}

/// In a user namespace no node can be made, and the file modes of what is bound decide.
fn devices(config: &ContainerConfig, facts: &Facts, origins: &mut Origins) -> Vec<DeviceRule> {
    if facts.user_namespace.maps().is_some() || !facts.controllers.devices {
        return Vec::new();
    }
    if config.privileges.level == Privileges::Privileged {
        origins.note("linux.resources.devices", Origin::Flag("--privileged"));
        return vec![device::rule(true, None, None, None, "rwm")];
    }
    origins.note("linux.resources.devices", Origin::Default);
    let mut rules = device::default_rules();
    for asked in &facts.devices {
        origins.note(format!("linux.resources.devices[{}]", asked.container), Origin::Flag("--device"));
        rules.push(asked.rule());
    }
    if !config.files.device_rules.is_empty() {
        origins.note("linux.resources.devices", Origin::Flag("--device-cgroup-rule"));
    }
    rules.extend(config.files.device_rules.iter().cloned());
    rules
}
