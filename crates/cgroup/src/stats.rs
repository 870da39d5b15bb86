//! What a cgroup uses, has used, and was refused; one shape for both versions.
//!
//! Every part is absent where its controller is, and so is each number that one version or an older kernel does not
//! count: nothing is made up.

use crate::group::Branch;
use crate::{Cgroup, Controller, Result, Version, file};
use std::collections::BTreeMap;

/// A cgroup's statistics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Memory and swap.
    pub memory: Option<MemoryStats>,
    /// CPU time.
    pub cpu: Option<CpuStats>,
    /// Number of tasks.
    pub pids: Option<PidsStats>,
    /// Block I/O by device.
    pub io: Vec<IoStats>,
    /// Huge pages by size.
    pub hugetlb: Vec<HugetlbStats>,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// In use now, page cache included.
    pub usage: u64,
    /// Of it, page cache that could be dropped without I/O pressure (inactive file pages).
    pub inactive_file: Option<u64>,
    /// The most that was ever in use (v2: Linux 5.19).
    pub peak: Option<u64>,
    /// The limit; absent when there is none.
    pub limit: Option<u64>,
    /// Swap in use (v1: from memory and swap together).
    pub swap_usage: Option<u64>,
    /// Limit of swap alone; absent when there is none or it is not counted.
    pub swap_limit: Option<u64>,
    /// How often a limit (v1: of memory, or of memory and swap) was hit and something had to be reclaimed.
    pub limit_hits: Option<u64>,
    /// How many processes the kernel killed for it.
    pub oom_kills: Option<u64>,
}

/// CPU time, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// Used in all.
    pub usage: Option<u64>,
    /// Of it, in user space.
    pub user: Option<u64>,
    /// Of it, in the kernel.
    pub system: Option<u64>,
    /// Enforcement periods in which it wanted to run; 0 without a quota.
    pub periods: Option<u64>,
    /// Periods in which the quota was used up.
    pub throttled_periods: Option<u64>,
    /// How long it had to wait for the next period.
    pub throttled: Option<u64>,
}

/// Number of tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PidsStats {
    /// Now.
    pub current: u64,
    /// The limit; absent when there is none.
    pub limit: Option<u64>,
}

/// Block I/O of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IoStats {
    /// Major and minor number.
    pub device: (u32, u32),
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Read operations.
    pub reads: u64,
    /// Write operations.
    pub writes: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HugetlbStats {
    /// Such as `2MB`.
    pub page_size: String,
    /// In use now.
    pub usage: u64,
    /// The limit; absent when there is none.
    pub limit: Option<u64>,
    /// How often the limit refused a page.
    pub limit_hits: u64,
}

/// v1 writes "no limit" as the largest number of whole pages.
const V1_UNLIMITED: u64 = 1 << 62;

impl Cgroup {
    /// Reads all statistics.
    pub fn stats(&self) -> Result<Stats> {
        Ok(Stats {
            memory: self.find(Controller::Memory).map(memory).transpose()?,
            cpu: self.cpu()?,
            pids: self.find(Controller::Pids).map(pids).transpose()?,
            io: self.find(Controller::Io).map(io).transpose()?.unwrap_or_default(),
            hugetlb: self.find(Controller::Hugetlb).map(hugetlb).transpose()?.unwrap_or_default(),
        })
    }

    /// How many processes the kernel has killed in this cgroup for want of memory; 0 where nobody counts.
    pub fn oom_kills(&self) -> Result<u64> {
        Ok(self.find(Controller::Memory).map(oom_kills).transpose()?.flatten().unwrap_or(0))
    }

    fn cpu(&self) -> Result<Option<CpuStats>> {
        match (self.find(Controller::Cpu), self.find(Controller::Cpuacct)) {
            (Some(branch), _) if branch.version == Version::V2 => cpu_v2(branch).map(Some),
            // v2 counts time without the controller.
            (None, None) => self.unified().map(cpu_v2).transpose(),
            (cpu, cpuacct) => cpu_v1(cpu, cpuacct).map(Some),
        }
    }
}

fn number(branch: &Branch, name: &str) -> Result<Option<u64>> {
    let path = branch.file(name);
    file::read_optional(&path)?.map(|text| file::number(&path, &text)).transpose()
}

fn limit(value: Option<u64>) -> Option<u64> {
    value.filter(|value| *value < V1_UNLIMITED)
}

fn oom_kills(branch: &Branch) -> Result<Option<u64>> {
    let name = if branch.version == Version::V2 { "memory.events" } else { "memory.oom_control" };
    Ok(file::read_optional(&branch.file(name))?.and_then(|text| file::keyed(&text, "oom_kill")))
}

fn memory(branch: &Branch) -> Result<MemoryStats> {
    let stat = file::read_optional(&branch.file("memory.stat"))?.unwrap_or_default();
    let oom_kills = oom_kills(branch)?;
    if branch.version == Version::V2 {
        let events = file::read_optional(&branch.file("memory.events"))?.unwrap_or_default();
        return Ok(MemoryStats {
            usage: number(branch, "memory.current")?.unwrap_or(0),
            inactive_file: file::keyed(&stat, "inactive_file"),
            peak: number(branch, "memory.peak")?,
            limit: limit(number(branch, "memory.max")?),
            swap_usage: number(branch, "memory.swap.current")?,
            swap_limit: limit(number(branch, "memory.swap.max")?),
            limit_hits: file::keyed(&events, "max"),
            oom_kills,
        });
    }
    let usage = number(branch, "memory.usage_in_bytes")?.unwrap_or(0);
    let memory_limit = limit(number(branch, "memory.limit_in_bytes")?);
    let both_limit = limit(number(branch, "memory.memsw.limit_in_bytes")?);
    Ok(MemoryStats {
        usage,
        inactive_file: file::keyed(&stat, "total_inactive_file"),
        peak: number(branch, "memory.max_usage_in_bytes")?,
        limit: memory_limit,
        swap_usage: file::keyed(&stat, "total_swap"),
        swap_limit: both_limit.zip(memory_limit).map(|(both, memory)| both.saturating_sub(memory)),
        // Memory and swap together are charged first, and a hit there is not one of memory.
        limit_hits: number(branch, "memory.failcnt")?
            .map(|hits| Ok::<_, crate::Error>(hits + number(branch, "memory.memsw.failcnt")?.unwrap_or(0)))
            .transpose()?,
        oom_kills,
    })
}

fn cpu_v2(branch: &Branch) -> Result<CpuStats> {
    let text = file::read_optional(&branch.file("cpu.stat"))?.unwrap_or_default();
    let nanoseconds = |key| file::keyed(&text, key).map(|micros| micros.saturating_mul(1000));
    Ok(CpuStats {
        usage: nanoseconds("usage_usec"),
        user: nanoseconds("user_usec"),
        system: nanoseconds("system_usec"),
        periods: file::keyed(&text, "nr_periods"),
        throttled_periods: file::keyed(&text, "nr_throttled"),
        throttled: nanoseconds("throttled_usec"),
    })
}

fn cpu_v1(cpu: Option<&Branch>, cpuacct: Option<&Branch>) -> Result<CpuStats> {
    let mut stats = CpuStats::default();
    if let Some(branch) = cpu {
        let text = file::read_optional(&branch.file("cpu.stat"))?.unwrap_or_default();
        stats.periods = file::keyed(&text, "nr_periods");
        stats.throttled_periods = file::keyed(&text, "nr_throttled");
        stats.throttled = file::keyed(&text, "throttled_time");
    }
    if let Some(branch) = cpuacct {
        stats.usage = number(branch, "cpuacct.usage")?;
        // Linux 4.6.
        stats.user = number(branch, "cpuacct.usage_user")?;
        stats.system = number(branch, "cpuacct.usage_sys")?;
    }
    Ok(stats)
}

fn pids(branch: &Branch) -> Result<PidsStats> {
    let current = number(branch, "pids.current")?.unwrap_or(0);
    Ok(PidsStats { current, limit: limit(number(branch, "pids.max")?) })
}

fn io(branch: &Branch) -> Result<Vec<IoStats>> {
    if branch.version == Version::V2 {
        let text = file::read_optional(&branch.file("io.stat"))?.unwrap_or_default();
        return Ok(text.lines().filter_map(io_v2).collect());
    }
    let mut devices = BTreeMap::new();
    // The throttler sees all schedulers' I/O, but since Linux 6.10 only on disks that something throttles.
    for policy in ["throttle", "bfq"] {
        let read = |name: &str| {
            let text = file::read_optional(&branch.file(&format!("blkio.{policy}.{name}_recursive")))?;
            Ok::<_, crate::Error>(text.unwrap_or_default())
        };
        io_v1(&read("io_service_bytes")?, &mut devices, |stats| (&mut stats.read_bytes, &mut stats.write_bytes));
        io_v1(&read("io_serviced")?, &mut devices, |stats| (&mut stats.reads, &mut stats.writes));
        if !devices.is_empty() {
            break;
        }
    }
    Ok(devices.into_values().collect())
}

fn device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
fn io_v2(line: &str) -> Option<IoStats> {
    let (name, fields) = line.split_once(' ')?;
    let value = |key: &str| {
        let field = fields.split(' ').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
        field.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    Some(IoStats {
        device: device(name)?,
        read_bytes: value("rbytes"),
        write_bytes: value("wbytes"),
        reads: value("rios"),
        writes: value("wios"),
    })
}

/// `8:0 Read 1`, `8:0 Write 2`, further words that overlap with these, and `Total 3`.
fn io_v1(
    text: &str,
    devices: &mut BTreeMap<(u32, u32), IoStats>,
    fields: impl Fn(&mut IoStats) -> (&mut u64, &mut u64),
) {
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(Some(number)), Some(kind), Some(value)) =
            (words.next().map(device), words.next(), words.next().and_then(|value| value.parse().ok()))
        else {
            continue;
        };
        let stats = devices.entry(number).or_insert_with(|| IoStats { device: number, ..IoStats::default() });
        match kind {
            "Read" => *fields(stats).0 = value,
            "Write" => *fields(stats).1 = value,
            _ => {}
        }
    }
}

fn hugetlb(branch: &Branch) -> Result<Vec<HugetlbStats>> {
    let v2 = branch.version == Version::V2;
    let suffix = if v2 { ".current" } else { ".usage_in_bytes" };
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&branch.path).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let size = name.to_str().and_then(|name| name.strip_prefix("hugetlb.")?.strip_suffix(suffix));
        // `2MB.rsvd` counts reservations.
        let Some(size) = size.filter(|size| !size.contains('.')) else { continue };
        let limit_file = if v2 { "max" } else { "limit_in_bytes" };
        let hits = if v2 {
            let events = file::read_optional(&branch.file(&format!("hugetlb.{size}.events")))?.unwrap_or_default();
            file::keyed(&events, "max")
        } else {
            number(branch, &format!("hugetlb.{size}.failcnt"))?
        };
        all.push(HugetlbStats {
            page_size: size.to_owned(),
            usage: number(branch, &format!("hugetlb.{size}{suffix}"))?.unwrap_or(0),
            limit: limit(number(branch, &format!("hugetlb.{size}.{limit_file}"))?),
            limit_hits: hits.unwrap_or(0),
        });
    }
    all.sort_by(|a, b| a.page_size.cmp(&b.page_size));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v2_io_is_read_by_key() {
        let stats = io_v2("254:16 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0").unwrap();
        let expected = IoStats { device: (254, 16), read_bytes: 4096, write_bytes: 8192, reads: 1, writes: 2 };
        assert_eq!(stats, expected);
        assert_eq!(io_v2("254:0 "), Some(IoStats { device: (254, 0), ..IoStats::default() }));
    }

    #[test]
    fn v1_io_is_put_together_from_two_files() {
        let mut devices = BTreeMap::new();
        let bytes = "8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\n8:0 Total 30\nTotal 30\n";
        io_v1(bytes, &mut devices, |stats| (&mut stats.read_bytes, &mut stats.write_bytes));
        io_v1("8:0 Read 1\n8:0 Write 2\n", &mut devices, |stats| (&mut stats.reads, &mut stats.writes));
        let expected = IoStats { device: (8, 0), read_bytes: 10, write_bytes: 20, reads: 1, writes: 2 };
        assert_eq!(devices.into_values().collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn no_limit_is_nothing_in_both_versions() {
        assert_eq!(limit(Some(u64::MAX)), None);
        assert_eq!(limit(Some(9_223_372_036_854_771_712)), None);
        assert_eq!(limit(Some(1 << 40)), Some(1 << 40));
    }
}
