//! Limits of a container's cgroup: what was asked, which file says what the kernel keeps to, whether a cgroup above is
//! tighter, and what is used.

use super::Engine;
use super::amount::{Amount, Tighter, Unit};
use crate::config::ContainerConfig;
use crate::exec::Running;
use crate::spec::{self, Controllers, Origin, SpecPath, There};
use crate::{gather, update};
use cgroup::{Cgroup, Controller, Layout, Stats, Version};
use oci::runtime::Resources;
use serde::Serialize;

/// A limit.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// Of what.
    pub name: String,
    /// In which unit its numbers are.
    pub unit: Unit,
    /// What was asked for, if anything was.
    pub asked: Option<Amount>,
    /// What the container's own cgroup says.
    pub effective: Option<Amount>,
    /// In which of its files.
    pub file: String,
    /// A cgroup above that allows less.
    pub tighter: Option<Tighter>,
    /// What is used now; of processor time and of blocks, since it began.
    pub used: Option<u64>,
    /// The most that was ever used, where the kernel counts it.
    pub peak: Option<u64>,
    /// Who asked for it.
    pub by: Option<String>,
    /// What came of it: how often the kernel had to keep to it.
    pub events: Vec<(String, u64)>,
}

/// What was asked for, with who did.
struct Asked {
    resources: Resources,
    origins: Vec<(SpecPath, Origin)>,
}

impl Asked {
    fn of(config: &ContainerConfig, there: &There<'_>) -> Self {
        let (resources, origins) = spec::limits_and_origins(&config.limits, there).unwrap_or_default();
        Self { resources, origins }
    }

    fn by(&self, field: &str) -> Option<String> {
        let path = format!("linux.resources.{field}");
        let found = self.origins.iter().find(|(known, _)| known.as_str() == path);
        found.map(|(_, origin)| origin.to_string())
    }
}

pub(super) fn look(engine: &Engine, running: &Running) -> Vec<Limit> {
    let cgroup = &running.handle.cgroup;
    if cgroup.is_empty() {
        return Vec::new();
    }
    let controllers = Layout::detect().map(|layout| update::had(cgroup, gather::controllers(&layout, Some(cgroup))));
    let asked = asked_where(engine, &running.record.config.config, controllers.unwrap_or(EVERYTHING));
    let stats = cgroup.stats().unwrap_or_default();
    let mut limits = rows(&asked);
    limits.retain_mut(|limit| find(cgroup, limit, &stats));
    limits
}

/// What was asked for one that does not run, wherever it may run next.
pub(super) fn asked(engine: &Engine, config: &ContainerConfig) -> Vec<Limit> {
    let mut limits = rows(&asked_where(engine, config, EVERYTHING));
    limits.retain(|limit| limit.asked.is_some());
    limits
}

const EVERYTHING: Controllers = Controllers {
    memory: true,
    swap: true,
    oom_control: true,
    cpu: true,
    cpuset: true,
    pids: true,
    io: true,
    swappiness: true,
    unified: true,
    devices: true,
};

fn asked_where(engine: &Engine, config: &ContainerConfig, controllers: Controllers) -> Asked {
    let (cpus, mems) =
        (gather::list("/sys/devices/system/cpu/online"), gather::list("/sys/devices/system/node/online"));
    Asked::of(config, &There { controllers, cpus: &cpus, mems: &mems, rootless: !engine.caller().is_root() })
}

/// All that is told of; what nobody has asked for and the kernel does not limit by itself, only when it was.
fn rows(asked: &Asked) -> Vec<Limit> {
    let Resources { memory, cpu, pids, block_io, unified, .. } = &asked.resources;
    let (memory, cpu) = (memory.clone().unwrap_or_default(), cpu.clone().unwrap_or_default());
    let row = |name: &str, unit, amount: Option<Amount>, field: &str| Limit {
        name: name.to_owned(),
        unit,
        by: amount.as_ref().and_then(|_| asked.by(field)),
        asked: amount,
        ..Limit::default()
    };
    let swap = memory.swap.map(|both| if both < 0 { -1 } else { both - memory.limit.unwrap_or(0) });
    let period = cpu.period.unwrap_or(100_000).max(1);
    let quota = cpu
        .quota
        .map(|quota| u64::try_from(quota).map_or_else(|_| Amount::open(), |q| Amount::Number(q * 1000 / period)));
    let mut rows = vec![
        row("memory", Unit::Bytes, memory.limit.map(Amount::of), "memory.limit"),
        row("swap", Unit::Bytes, swap.map(Amount::of), "memory.swap"),
        row("reservation", Unit::Bytes, memory.reservation.map(Amount::of), "memory.reservation"),
        row("swappiness", Unit::Count, memory.swappiness.map(Amount::Number), "memory.swappiness"),
        row("cpu", Unit::MilliCpus, quota, "cpu.quota"),
        row("cpu shares", Unit::Count, cpu.shares.map(Amount::Number), "cpu.shares"),
        row("cpus", Unit::Count, cpu.cpus.map(Amount::Text), "cpu.cpus"),
        row("memory nodes", Unit::Count, cpu.mems.map(Amount::Text), "cpu.mems"),
        row("tasks", Unit::Count, pids.and_then(|pids| pids.limit).map(Amount::of), "pids.limit"),
        row("blocks read", Unit::Bytes, None, ""),
        row("blocks written", Unit::Bytes, None, ""),
    ];
    if let Some(io) = block_io {
        let weight = io.weight.map(|weight| Amount::Number(weight.into()));
        rows.extend(weight.map(|weight| row("block weight", Unit::Count, Some(weight), "blockIO")));
        for (word, devices, unit) in [
            ("read_bps", &io.throttle_read_bps_device, Unit::Bytes),
            ("write_bps", &io.throttle_write_bps_device, Unit::Bytes),
            ("read_iops", &io.throttle_read_iops_device, Unit::Count),
            ("write_iops", &io.throttle_write_iops_device, Unit::Count),
        ] {
            let limit = |device: &oci::runtime::ThrottleDevice| {
                let name = format!("{word} {}:{}", device.major, device.minor);
                row(&name, unit, Some(Amount::Number(device.rate)), "blockIO")
            };
            rows.extend(devices.iter().map(limit));
        }
    }
    for (file, text) in unified {
        let amount = Some(Amount::Text(text.clone()));
        rows.push(Limit { file: file.clone(), ..row(file, Unit::Count, amount, &format!("unified[{file}]")) });
    }
    rows
}

/// Where the files of a limit are, in v1 and in v2; the first that is there counts.
fn files(name: &str) -> Option<(Controller, &'static [&'static str], &'static [&'static str])> {
    Some(match name {
        "memory" => (Controller::Memory, &["memory.limit_in_bytes"], &["memory.max"]),
        "swap" => (Controller::Memory, &["memory.memsw.limit_in_bytes"], &["memory.swap.max"]),
        "reservation" => (Controller::Memory, &["memory.soft_limit_in_bytes"], &["memory.low"]),
        "swappiness" => (Controller::Memory, &["memory.swappiness"], &[]),
        "cpu" => (Controller::Cpu, &["cpu.cfs_quota_us"], &["cpu.max"]),
        "cpu shares" => (Controller::Cpu, &["cpu.shares"], &["cpu.weight"]),
        "cpus" => (Controller::Cpuset, &["cpuset.effective_cpus", "cpuset.cpus"], &["cpuset.cpus.effective"]),
        "memory nodes" => (Controller::Cpuset, &["cpuset.effective_mems", "cpuset.mems"], &["cpuset.mems.effective"]),
        "tasks" => (Controller::Pids, &["pids.max"], &["pids.max"]),
        "block weight" => (Controller::Io, &["blkio.bfq.weight", "blkio.weight"], &["io.bfq.weight", "io.weight"]),
        _ => return None,
    })
}

/// Finds what holds of a limit and what is used; `false` where there is nothing to tell.
fn find(cgroup: &Cgroup, limit: &mut Limit, stats: &Stats) -> bool {
    let name = limit.name.clone();
    match name.as_str() {
        "blocks read" => limit.used = stats.io.iter().map(|io| io.read_bytes).reduce(|a, b| a + b),
        "blocks written" => limit.used = stats.io.iter().map(|io| io.write_bytes).reduce(|a, b| a + b),
        _ => {}
    }
    if let Some((controller, v1, v2)) = files(&name) {
        let is_v2 = cgroup.version_of(controller) == Some(Version::V2);
        let there = (if is_v2 { v2 } else { v1 }).iter().find_map(|file| {
            let text = cgroup.text(controller, file).ok().flatten()?;
            Some((*file, amount(cgroup, &name, &text)))
        });
        let Some((file, effective)) = there.filter(|_| cgroup.version_of(controller).is_some()) else {
            return limit.asked.is_some();
        };
        file.clone_into(&mut limit.file);
        if matches!(name.as_str(), "memory" | "tasks") || (is_v2 && matches!(name.as_str(), "swap" | "cpu")) {
            limit.tighter = tightest(cgroup, controller, file, &effective);
        }
        limit.effective = Some(effective);
    } else if let Some((word, device)) = name.split_once(' ').filter(|(word, _)| word.ends_with("ps")) {
        (limit.file, limit.effective) = rate(cgroup, word, device);
    } else if !limit.file.is_empty() {
        let controller = limit.file.split('.').next().and_then(|name| Controller::from_name(name, Version::V2));
        let text = controller.and_then(|controller| cgroup.text(controller, &limit.file).ok().flatten());
        limit.effective = text.map(|text| Amount::Text(text.trim().replace('\n', "; ")));
    }
    used(limit, &name, stats, cgroup);
    let is_told = matches!(name.as_str(), "memory" | "cpu" | "tasks" | "cpus");
    is_told || limit.asked.is_some() || limit.used.is_some_and(|used| used > 0)
}

fn amount(cgroup: &Cgroup, name: &str, text: &str) -> Amount {
    match name {
        "cpu" => {
            let mut words = text.split_whitespace();
            let quota = words.next().map_or_else(Amount::open, Amount::read);
            let period = words
                .next()
                .map(str::to_owned)
                .or_else(|| cgroup.text(Controller::Cpu, "cpu.cfs_period_us").ok().flatten());
            let period = period.and_then(|period| period.trim().parse::<u64>().ok()).unwrap_or(100_000).max(1);
            match quota {
                Amount::Number(quota) => Amount::Number(quota * 1000 / period),
                open @ Amount::Text(_) => open,
            }
        }
        // v1 counts memory and swap together.
        "swap" => match (Amount::read(text), cgroup.text(Controller::Memory, "memory.limit_in_bytes")) {
            (Amount::Number(both), Ok(Some(memory))) => match Amount::read(&memory) {
                Amount::Number(memory) => Amount::Number(both.saturating_sub(memory)),
                open @ Amount::Text(_) => open,
            },
            (swap, _) => swap,
        },
        // `default 100`.
        "block weight" => Amount::read(text.split_whitespace().next_back().unwrap_or(text)),
        "cpus" | "memory nodes" => Amount::Text(text.trim().to_owned()),
        _ => Amount::read(text),
    }
}

/// The tightest of the cgroups above, where it is tighter than the own one.
fn tightest(cgroup: &Cgroup, controller: Controller, file: &str, own: &Amount) -> Option<Tighter> {
    let mut tightest: Option<Tighter> = None;
    for (path, text) in cgroup.texts_above(controller, file) {
        let amount = if file == "cpu.max" { amount(cgroup, "cpu", &text) } else { Amount::read(&text) };
        if amount.is_below(tightest.as_ref().map_or(own, |tighter| &tighter.amount)) {
            tightest = Some(Tighter { cgroup: path, amount });
        }
    }
    tightest
}

/// The rate of a device that is in force: the file, and what it says.
fn rate(cgroup: &Cgroup, word: &str, device: &str) -> (String, Option<Amount>) {
    if cgroup.version_of(Controller::Io) == Some(Version::V2) {
        // `8:0 rbps=1048576 wbps=max riops=max wiops=max`.
        let key = word.replace("read_", "r").replace("write_", "w");
        let text = cgroup.text(Controller::Io, "io.max").ok().flatten().unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(device)?.strip_prefix(' ')).unwrap_or_default();
        let value = line.split(' ').find_map(|field| field.strip_prefix(&key)?.strip_prefix('='));
        return ("io.max".to_owned(), value.map(Amount::read));
    }
    let file = format!("blkio.throttle.{word}_device");
    let text = cgroup.text(Controller::Io, &file).ok().flatten().unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(device)?.strip_prefix(' ')).map(Amount::read);
    (file, value)
}

fn used(limit: &mut Limit, name: &str, stats: &Stats, cgroup: &Cgroup) {
    let mut event = |word: &str, count: Option<u64>| {
        limit.events.extend(count.filter(|count| *count > 0).map(|count| (word.to_owned(), count)));
    };
    match name {
        "memory" => {
            let Some(memory) = &stats.memory else { return };
            event("times at the limit", memory.limit_hits);
            event("killed for want of memory", memory.oom_kills);
            (limit.used, limit.peak) = (Some(memory.usage), memory.peak);
        }
        "swap" => limit.used = stats.memory.as_ref().and_then(|memory| memory.swap_usage),
        "cpu" => {
            let Some(cpu) = &stats.cpu else { return };
            event("periods without a rest of its quota", cpu.throttled_periods);
            limit.used = cpu.usage;
        }
        "tasks" => {
            limit.used = stats.pids.as_ref().map(|pids| pids.current);
            let peak = cgroup.text(Controller::Pids, "pids.peak").ok().flatten();
            limit.peak = peak.and_then(|text| text.trim().parse().ok());
            let events = cgroup.text(Controller::Pids, "pids.events").ok().flatten().unwrap_or_default();
            let refused = events.lines().find_map(|line| line.strip_prefix("max ")?.trim().parse().ok());
            event("forks refused", refused);
        }
        _ => {}
    }
}
