//! `coracle update`: other limits, another policy, other checks for containers that are there.

use super::output::print;
use super::run::flags::FLAGS;
use super::run::given::Given;
use super::{Context, Failure, Verb};
use crate::cli::openness;
use crate::cli::output::help;
use engine::Update;
use engine::config::{BlockIo, CpuTime, DeviceLimit, LimitsConfig};
use engine::flags;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["update OPTIONS CONTAINER..."],
    about: "Change the limits, the restart policy, the health checks or the published ports of containers",
    more: &[
        "Limits of a container that runs change at once, and all stay when it is started again. What is not named stays as it is. A policy counts from the next end on, and what is checked from the next check on; who was not checked at all is so from the next start on.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "update",
    aliases: &["container update"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, &table(), width),
};

/// Those of `run` that can be changed.
const CHANGEABLE: &[&str] = &[
    "memory",
    "memory-swap",
    "memory-reservation",
    "cpus",
    "cpu-shares",
    "cpu-period",
    "cpu-quota",
    "cpuset-cpus",
    "cpuset-mems",
    "pids-limit",
    "memory-swappiness",
    "blkio-weight",
    "blkio-weight-device",
    "device-read-bps",
    "device-write-bps",
    "device-read-iops",
    "device-write-iops",
    "restart",
    "health-cmd",
    "health-interval",
    "health-timeout",
    "health-retries",
    "health-start-period",
    "health-start-interval",
    "health-on-failure",
    "no-healthcheck",
];

fn table() -> Vec<Flag<Given>> {
    let chosen = FLAGS.iter().filter(|flag| CHANGEABLE.contains(&flag.long));
    let chosen = chosen.map(|flag| Flag { heading: Some("Options"), ..*flag });
    let ports = [
        Flag::<Given>::takes(
            "publish-add",
            "[[IP:]PORT:]PORT[/PROTOCOL]",
            |given, word| flags::publish(word).map(|ports| given.publish.extend(ports)),
            "Publish one more port, at once",
        ),
        Flag::<Given>::takes(
            "publish-rm",
            "PORT[/PROTOCOL]",
            |given, word| flags::expose(word).map(|ports| given.expose.extend(ports)),
            "Publish this port of the container no more",
        ),
    ];
    chosen.chain(ports.map(|flag| flag.under("Options"))).collect()
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(&table(), words, Order::Anywhere, &mut given)?;
    super::some_words(&names, "a container")?;
    let limited = limited(&given);
    let ports = !given.publish.is_empty() || !given.expose.is_empty();
    if !limited && !ports && given.restart.is_none() && given.health == engine::config::Health::default() {
        return Err(Failure::words("nothing to change was given", "--help lists what can be changed"));
    }
    let engine = context.engine()?;
    super::each(&names, VERB.name, |name| {
        let limits =
            if limited { Some(limits(&given, &engine.container(name)?.container.config.config.limits)?) } else { None };
        let (publish, withdraw) = (given.publish.clone(), given.expose.clone());
        let health = given.health.clone();
        openness::tell(&publish, false);
        engine.update(name, &Update { limits, restart: given.restart, health, publish, withdraw })?;
        print(&format!("{name}\n"))
    })
}

fn limited(given: &Given) -> bool {
    let sizes = [given.memory.is_some(), given.memory_swap.is_some(), given.memory_reservation.is_some()];
    let times =
        [given.cpus.is_some(), given.cpu_shares.is_some(), given.cpu_period.is_some(), given.cpu_quota.is_some()];
    let sets = [given.cpuset_cpus.is_some(), given.cpuset_mems.is_some(), given.pids_limit.is_some()];
    let devices = [given.swappiness.is_some(), !given.block_io.is_open()];
    sizes.into_iter().chain(times).chain(sets).chain(devices).any(|given| given)
}

/// A list that was given takes the place of the old one.
fn block_io(given: &BlockIo, old: &BlockIo) -> BlockIo {
    let list = |given: &Vec<DeviceLimit>, old: &Vec<DeviceLimit>| if given.is_empty() { old } else { given }.clone();
    BlockIo {
        weight: given.weight.or(old.weight),
        weights: list(&given.weights, &old.weights),
        read_bytes: list(&given.read_bytes, &old.read_bytes),
        write_bytes: list(&given.write_bytes, &old.write_bytes),
        read_operations: list(&given.read_operations, &old.read_operations),
        write_operations: list(&given.write_operations, &old.write_operations),
    }
}

/// The old ones with those that were given; 0 means not given, as docker has it.
fn limits(given: &Given, old: &LimitsConfig) -> Result<LimitsConfig, Failure> {
    let of = |flag: &'static str| move |invalid| Failure::value(flag, &invalid);
    let period = given.cpu_period.filter(|period| *period != 0);
    let quota = given.cpu_quota.filter(|quota| *quota != 0);
    let cpu_time = match (flags::cpu_time(given.cpus, period, quota).map_err(of("--cpus"))?, old.cpu_time) {
        (CpuTime::Open, old) => old,
        (CpuTime::Quota { period, quota }, CpuTime::Quota { period: old_period, quota: old_quota }) => {
            CpuTime::Quota { period: period.or(old_period), quota: quota.or(old_quota) }
        }
        (new, _) => new,
    };
    let mut limits = LimitsConfig {
        cpu_time,
        cpu_shares: given.cpu_shares.filter(|shares| *shares != 0).or(old.cpu_shares),
        cpuset_cpus: given.cpuset_cpus.clone().or_else(|| old.cpuset_cpus.clone()),
        cpuset_mems: given.cpuset_mems.clone().or_else(|| old.cpuset_mems.clone()),
        pids: given.pids_limit.or(old.pids),
        swappiness: given.swappiness.or(old.swappiness),
        block_io: block_io(&given.block_io, &old.block_io),
        ..old.clone()
    };
    let size = |new: Option<engine::config::Bytes>, old| new.filter(|size| size.get() != 0).or(old);
    let memory = size(given.memory, old.memory);
    let reservation = size(given.memory_reservation, old.memory_reservation);
    flags::memory(memory, given.memory_swap.or(old.memory_swap), reservation, &mut limits).map_err(of("--memory"))?;
    Ok(limits)
}
