//! What a container uses, in runc's shape: v1's names, whatever the version. A number that is 0 is mostly left out, as
//! Go's `omitempty` does, and readers count on neither.

use crate::error::Result;
use cgroup::{Cgroup, Controller, Version};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Default, Serialize)]
pub struct Stats {
    cpu: Cpu,
    cpuset: Cpuset,
    memory: Memory,
    pids: Pids,
    blkio: Io,
    hugetlb: BTreeMap<String, Hugetlb>,
    intel_rdt: IntelRdt,
    network_interfaces: Option<()>,
}

/// Nothing is told of it.
#[derive(Debug, Default, Serialize)]
struct IntelRdt {}

fn empty<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Debug, Default, Serialize)]
struct Cpu {
    #[serde(skip_serializing_if = "empty")]
    usage: CpuUsage,
    #[serde(skip_serializing_if = "empty")]
    throttling: Throttling,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Pressure>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct CpuUsage {
    #[serde(skip_serializing_if = "empty")]
    total: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percpu: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percpu_kernel: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percpu_user: Vec<u64>,
    kernel: u64,
    user: u64,
}

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Throttling {
    #[serde(skip_serializing_if = "empty")]
    periods: u64,
    #[serde(skip_serializing_if = "empty")]
    throttled_periods: u64,
    #[serde(skip_serializing_if = "empty")]
    throttled_time: u64,
}

/// Time in which some or all processes waited (accounting/psi.rst).
#[derive(Debug, Default, Serialize)]
struct Pressure {
    #[serde(skip_serializing_if = "empty")]
    some: Waited,
    #[serde(skip_serializing_if = "empty")]
    full: Waited,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Waited {
    avg10: f64,
    avg60: f64,
    avg300: f64,
    total: u64,
}

#[derive(Debug, Default, Serialize)]
struct Cpuset {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cpus: Vec<u16>,
    cpu_exclusive: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mems: Vec<u16>,
    mem_hardwall: u64,
    mem_exclusive: u64,
    memory_migrate: u64,
    memory_spread_page: u64,
    memory_spread_slab: u64,
    memory_pressure: u64,
    sched_load_balance: u64,
    sched_relax_domain_level: i64,
}

#[derive(Debug, Default, Serialize)]
struct Memory {
    #[serde(skip_serializing_if = "empty")]
    cache: u64,
    #[serde(skip_serializing_if = "empty")]
    usage: Counter,
    #[serde(skip_serializing_if = "empty")]
    swap: Counter,
    #[serde(skip_serializing_if = "empty")]
    kernel: Counter,
    #[serde(rename = "kernelTCP", skip_serializing_if = "empty")]
    kernel_tcp: Counter,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    raw: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Pressure>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Counter {
    limit: u64,
    #[serde(skip_serializing_if = "empty")]
    usage: u64,
    #[serde(skip_serializing_if = "empty")]
    max: u64,
    failcnt: u64,
}

#[derive(Debug, Default, Serialize)]
struct Pids {
    #[serde(skip_serializing_if = "empty")]
    current: u64,
    #[serde(skip_serializing_if = "empty")]
    limit: u64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "runc's names")]
struct Io {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_service_bytes_recursive: Vec<Entry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_serviced_recursive: Vec<Entry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_queue_recursive: Vec<Entry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_service_time_recursive: Vec<Entry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_wait_time_recursive: Vec<Entry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_merged_recursive: Vec<Entry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_time_recursive: Vec<Entry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sectors_recursive: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Pressure>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Entry {
    #[serde(skip_serializing_if = "empty")]
    major: u64,
    #[serde(skip_serializing_if = "empty")]
    minor: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    op: String,
    #[serde(skip_serializing_if = "empty")]
    value: u64,
}

#[derive(Debug, Default, Serialize)]
struct Hugetlb {
    #[serde(skip_serializing_if = "empty")]
    usage: u64,
    failcnt: u64,
}

/// A cgroup's files.
struct Files<'a>(&'a Cgroup);

impl Files<'_> {
    fn text(&self, controller: Controller, name: &str) -> Result<String> {
        Ok(self.0.text(controller, name)?.unwrap_or_default())
    }

    /// A file's only number; `max` is the largest.
    fn number(&self, controller: Controller, name: &str) -> Result<u64> {
        Ok(number(&self.text(controller, name)?))
    }

    fn v2(&self, controller: Controller) -> bool {
        self.0.version_of(controller) == Some(Version::V2)
    }

    fn pressure(&self, controller: Controller, name: &str) -> Result<Option<Pressure>> {
        let text = self.text(controller, name)?;
        Ok(Some(text).filter(|text| !text.is_empty()).map(|text| pressure(&text)))
    }
}

fn number(text: &str) -> u64 {
    match text.trim() {
        "max" => u64::MAX,
        text => text.parse().unwrap_or(0),
    }
}

/// The lines of `key value`.
fn table(text: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| line.split_once(' ').map(|(key, value)| (key.to_owned(), number(value)));
    text.lines().filter_map(line).collect()
}

fn pressure(text: &str) -> Pressure {
    let mut all = Pressure::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let waited = match words.next() {
            Some("some") => &mut all.some,
            Some("full") => &mut all.full,
            _ => continue,
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let fraction = value.parse().unwrap_or(0.0);
            match key {
                "avg10" => waited.avg10 = fraction,
                "avg60" => waited.avg60 = fraction,
                "avg300" => waited.avg300 = fraction,
                "total" => waited.total = number(value),
                _ => {}
            }
        }
    }
    all
}

impl Stats {
    /// Reads them.
    pub fn of(cgroup: &Cgroup) -> Result<Self> {
        let files = Files(cgroup);
        let huge = cgroup.stats()?.hugetlb.into_iter();
        Ok(Self {
            cpu: cpu(&files)?,
            cpuset: cpuset(&files)?,
            memory: memory(&files)?,
            pids: pids(&files)?,
            blkio: io(&files)?,
            hugetlb: huge
                .map(|size| (size.page_size, Hugetlb { usage: size.usage, failcnt: size.limit_hits }))
                .collect(),
            intel_rdt: IntelRdt {},
            network_interfaces: None,
        })
    }
}

fn cpu(files: &Files<'_>) -> Result<Cpu> {
    const NANOSECONDS: u64 = 1_000_000_000;
    /// USER_HZ, which is 100 to programs on every architecture that we know.
    const TICKS: u64 = 100;
    let stat = table(&files.text(Controller::Cpu, "cpu.stat")?);
    let value = |key: &str| stat.get(key).copied().unwrap_or(0);
    let micros = |key: &str| value(key).saturating_mul(1000);
    let mut cpu = Cpu { psi: files.pressure(Controller::Cpu, "cpu.pressure")?, ..Cpu::default() };
    cpu.throttling = Throttling {
        periods: value("nr_periods"),
        throttled_periods: value("nr_throttled"),
        throttled_time: value("throttled_time").max(micros("throttled_usec")),
    };
    if files.0.version_of(Controller::Cpuacct) != Some(Version::V1) {
        let (total, kernel, user) = (micros("usage_usec"), micros("system_usec"), micros("user_usec"));
        cpu.usage = CpuUsage { total, kernel, user, ..CpuUsage::default() };
        return Ok(cpu);
    }
    let read = |name: &str| files.text(Controller::Cpuacct, name);
    let modes = table(&read("cpuacct.stat")?);
    let ticks = |key: &str| modes.get(key).copied().unwrap_or(0).saturating_mul(NANOSECONDS / TICKS);
    let all = read("cpuacct.usage_all")?;
    let column = |index: usize| all.lines().skip(1).filter_map(|line| line.split(' ').nth(index)).map(number).collect();
    cpu.usage = CpuUsage {
        total: number(&read("cpuacct.usage")?),
        percpu: read("cpuacct.usage_percpu")?.split_whitespace().map(number).collect(),
        percpu_kernel: column(2),
        percpu_user: column(1),
        kernel: ticks("system"),
        user: ticks("user"),
    };
    Ok(cpu)
}

/// v1 only: runc tells nothing of v2's here.
fn cpuset(files: &Files<'_>) -> Result<Cpuset> {
    if files.0.version_of(Controller::Cpuset) != Some(Version::V1) {
        return Ok(Cpuset::default());
    }
    let text = |name: &str| files.text(Controller::Cpuset, &format!("cpuset.{name}"));
    let value = |name: &str| text(name).map(|text| number(&text));
    Ok(Cpuset {
        cpus: list(&text("cpus")?),
        cpu_exclusive: value("cpu_exclusive")?,
        mems: list(&text("mems")?),
        mem_hardwall: value("mem_hardwall")?,
        mem_exclusive: value("mem_exclusive")?,
        memory_migrate: value("memory_migrate")?,
        memory_spread_page: value("memory_spread_page")?,
        memory_spread_slab: value("memory_spread_slab")?,
        memory_pressure: value("memory_pressure")?,
        sched_load_balance: value("sched_load_balance")?,
        sched_relax_domain_level: text("sched_relax_domain_level")?.trim().parse().unwrap_or(0),
    })
}

/// `0-3,7`, spelled out.
fn list(text: &str) -> Vec<u16> {
    let range = |item: &str| {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

fn memory(files: &Files<'_>) -> Result<Memory> {
    const MEMORY: Controller = Controller::Memory;
    if files.0.version_of(MEMORY).is_none() {
        return Ok(Memory::default());
    }
    let raw = table(&files.text(MEMORY, "memory.stat")?);
    let value = |key: &str| raw.get(key).copied().unwrap_or(0);
    if files.v2(MEMORY) {
        let counter = |name: &str| {
            let read = |what: &str| files.number(MEMORY, &format!("{name}.{what}"));
            Ok::<_, crate::error::Error>(Counter {
                limit: read("max")?,
                usage: read("current")?,
                max: read("peak")?,
                failcnt: 0,
            })
        };
        let (usage, alone) = (counter("memory")?, counter("memory.swap")?);
        // v1 counts memory and swap together, and so does runc for v2; the most that both ever were is not known.
        let limit = if alone.limit == u64::MAX { u64::MAX } else { alone.limit.saturating_add(usage.limit) };
        let swap = Counter { limit, usage: alone.usage.saturating_add(usage.usage), max: 0, failcnt: 0 };
        let psi = files.pressure(MEMORY, "memory.pressure")?;
        return Ok(Memory { cache: value("file"), usage, swap, psi, raw, ..Memory::default() });
    }
    let counter = |name: &str| {
        let read = |what: &str| files.number(MEMORY, &format!("{name}.{what}"));
        Ok::<_, crate::error::Error>(Counter {
            limit: read("limit_in_bytes")?,
            usage: read("usage_in_bytes")?,
            max: read("max_usage_in_bytes")?,
            failcnt: read("failcnt")?,
        })
    };
    Ok(Memory {
        cache: value("cache"),
        usage: counter("memory")?,
        swap: counter("memory.memsw")?,
        kernel: counter("memory.kmem")?,
        kernel_tcp: counter("memory.kmem.tcp")?,
        raw,
        psi: None,
    })
}

fn pids(files: &Files<'_>) -> Result<Pids> {
    if files.0.version_of(Controller::Pids).is_none() {
        return Ok(Pids::default());
    }
    // No limit is 0 here.
    let limit = files.number(Controller::Pids, "pids.max")?;
    let limit = if limit == u64::MAX { 0 } else { limit };
    Ok(Pids { current: files.number(Controller::Pids, "pids.current")?, limit })
}

fn io(files: &Files<'_>) -> Result<Io> {
    if files.v2(Controller::Io) {
        let mut io = io_v2(&files.text(Controller::Io, "io.stat")?);
        io.psi = files.pressure(Controller::Io, "io.pressure")?;
        return Ok(io);
    }
    if files.0.version_of(Controller::Io).is_none() {
        return Ok(Io::default());
    }
    // Who counts depends on the I/O scheduler; the throttler counts always.
    for prefix in ["blkio.bfq.", "blkio.", "blkio.throttle."] {
        let read = |name: &str| {
            Ok::<_, crate::error::Error>(entries(&files.text(Controller::Io, &format!("{prefix}{name}"))?))
        };
        let io = Io {
            io_service_bytes_recursive: read("io_service_bytes_recursive")?,
            io_serviced_recursive: read("io_serviced_recursive")?,
            io_queue_recursive: read("io_queued_recursive")?,
            io_service_time_recursive: read("io_service_time_recursive")?,
            io_wait_time_recursive: read("io_wait_time_recursive")?,
            io_merged_recursive: read("io_merged_recursive")?,
            io_time_recursive: read("time_recursive")?,
            sectors_recursive: read("sectors_recursive")?,
            psi: None,
        };
        if !io.io_serviced_recursive.is_empty() {
            return Ok(io);
        }
    }
    Ok(Io::default())
}

/// `8:0 Read 10`, or `8:0 10` where reads and writes are not told apart.
fn entries(text: &str) -> Vec<Entry> {
    let entry = |line: &str| {
        let words: Vec<&str> = line.split([' ', ':']).collect();
        let (op, value) = match words.as_slice() {
            [_, _, op, value] => (*op, *value),
            [_, _, value] => ("", *value),
            _ => return None,
        };
        let (major, minor) = (words[0].parse().ok()?, words[1].parse().ok()?);
        Some(Entry { major, minor, op: op.to_owned(), value: number(value) })
    };
    text.lines().filter_map(entry).collect()
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …`, in v1's tables.
fn io_v2(text: &str) -> Io {
    let mut io = Io::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let numbers = words.next().and_then(|device| device.split_once(':'));
        let Some((major, minor)) = numbers else { continue };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let (op, table) = match key {
                "rbytes" => ("Read", &mut io.io_service_bytes_recursive),
                "wbytes" => ("Write", &mut io.io_service_bytes_recursive),
                "rios" => ("Read", &mut io.io_serviced_recursive),
                "wios" => ("Write", &mut io.io_serviced_recursive),
                _ => continue,
            };
            table.push(Entry { major: number(major), minor: number(minor), op: op.to_owned(), value: number(value) });
        }
    }
    io
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_io_comes_in_one_shape() {
        let v1 = entries("8:0 Read 10\n8:0 Write 20\n8:0 Total 30\nTotal 30\n");
        assert_eq!(v1.len(), 3);
        let v2 = io_v2("8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n");
        assert_eq!(v2.io_service_bytes_recursive, v1[..2]);
        assert_eq!(entries("8:16 7\n")[0], Entry { major: 8, minor: 16, op: String::new(), value: 7 });
    }

    #[test]
    fn pressure_is_read_by_its_keys() {
        let text = "some avg10=1.50 avg60=0.25 avg300=0.00 total=700\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        let read = pressure(text);
        assert_eq!(read.some, Waited { avg10: 1.5, avg60: 0.25, avg300: 0.0, total: 700 });
        assert_eq!(serde_json::to_value(read).unwrap()["full"], serde_json::Value::Null);
    }

    #[test]
    fn a_list_is_spelled_out() {
        assert_eq!(list("0-2,7\n"), [0, 1, 2, 7]);
        assert_eq!(list("\n"), [0_u16; 0]);
    }
}
