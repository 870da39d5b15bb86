//! `update`: other limits for a container in use; all that are asked for, or none.

use super::{Verb, only_id, read};
use crate::container::{Container, Status};
use crate::error::{Error, Result};
use crate::global::Context;
use flag::{Flag, Help, Invalid, Order, put_word};
use oci::runtime::{BlockIo, Cpu, Memory, Pids, Resources};
use std::io::Read as _;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Debug, Default)]
struct Given {
    file: Option<String>,
    memory: Memory,
    cpu: Cpu,
    pids: Pids,
    io: BlockIo,
    l3_cache: Option<String>,
    bandwidth: Option<String>,
}

type F = Flag<Given>;
type Set = std::result::Result<(), Invalid>;

const FLAGS: [F; 19] = [
    F::takes("resources", "FILE", |g, w| put_word(&mut g.file, w), "The limits as JSON, - for standard input")
        .short('r')
        .under("Options"),
    F::takes("memory", "SIZE", |g, w| size(&mut g.memory.limit, w), "Memory; -1 for no limit").under("Options"),
    F::takes(
        "memory-reservation",
        "SIZE",
        |g, w| size(&mut g.memory.reservation, w),
        "Memory that it keeps when others want some",
    )
    .under("Options"),
    F::takes("memory-swap", "SIZE", |g, w| size(&mut g.memory.swap, w), "Memory and swap together; -1 for no limit")
        .under("Options"),
    F::takes("kernel-memory", "SIZE", |g, w| size(&mut g.memory.kernel, w), "Accepted"),
    F::takes("kernel-memory-tcp", "SIZE", |g, w| size(&mut g.memory.kernel, w), "Accepted"),
    F::takes("cpu-share", "SHARES", |g, w| number(&mut g.cpu.shares, w), "CPU time in relation to others'")
        .under("Options"),
    F::takes("cpu-quota", "MICROSECONDS", |g, w| number(&mut g.cpu.quota, w), "CPU time in a period; -1 for no limit")
        .under("Options"),
    F::takes("cpu-period", "MICROSECONDS", |g, w| number(&mut g.cpu.period, w), "The period").under("Options"),
    F::takes(
        "cpu-burst",
        "MICROSECONDS",
        |g, w| number(&mut g.cpu.burst, w),
        "CPU time that may be saved up for a later period",
    )
    .under("Options"),
    F::takes(
        "cpu-rt-runtime",
        "MICROSECONDS",
        |g, w| number(&mut g.cpu.realtime_runtime, w),
        "Real-time CPU time in a period (cgroup v1)",
    )
    .under("Options"),
    F::takes(
        "cpu-rt-period",
        "MICROSECONDS",
        |g, w| number(&mut g.cpu.realtime_period, w),
        "The period of that (cgroup v1)",
    )
    .under("Options"),
    F::takes("cpu-idle", "0|1", |g, w| number(&mut g.cpu.idle, w), "1: it runs when nobody else wants to")
        .under("Options"),
    F::takes("cpuset-cpus", "LIST", |g, w| put_word(&mut g.cpu.cpus, w), "The CPUs, such as 0-3,7").under("Options"),
    F::takes("cpuset-mems", "LIST", |g, w| put_word(&mut g.cpu.mems, w), "The memory nodes").under("Options"),
    F::takes("pids-limit", "N", |g, w| number(&mut g.pids.limit, w), "Processes and threads; -1 for no limit")
        .under("Options"),
    F::takes("blkio-weight", "WEIGHT", |g, w| number(&mut g.io.weight, w), "I/O in relation to others', 10 to 1000")
        .under("Options"),
    F::takes("l3-cache-schema", "SCHEMA", |g, w| put_word(&mut g.l3_cache, w), "Intel RDT: parts of the L3 cache")
        .under("Options"),
    F::takes("mem-bw-schema", "SCHEMA", |g, w| put_word(&mut g.bandwidth, w), "Intel RDT: memory bandwidth")
        .under("Options"),
];

pub const VERB: Verb = Verb {
    name: "update",
    help: Help {
        usage: &["update [OPTIONS] ID"],
        about: "Change a container's limits",
        more: &[
            "Limits that are not named stay as they are. If one of them cannot be set, none is.",
            "The JSON is the specification's linux.resources; the other options are ignored then. Rules for devices in it \
             stand behind those that are in force, and the last that speaks of a device decides.",
        ],
    },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

fn number<T: FromStr>(slot: &mut Option<T>, word: &str) -> Set {
    // An empty word is what scripts pass for "not given".
    if !word.is_empty() {
        *slot = Some(word.parse().map_err(|_| Invalid::new(word, "not a number that fits"))?);
    }
    Ok(())
}

fn size(slot: &mut Option<i64>, word: &str) -> Set {
    match word {
        "" => {}
        "-1" => *slot = Some(-1),
        _ => *slot = Some(bytes(word).ok_or_else(|| Invalid::new(word, "not a size").hint("give 512m or 2G, say"))?),
    }
    Ok(())
}

/// A number of bytes by Docker's rules: a decimal fraction, and a unit of 1024 that may be followed by `b` or `ib`.
fn bytes(word: &str) -> Option<i64> {
    let end = word.rfind(|c: char| c.is_ascii_digit() || c == '.')? + 1;
    let (number, unit) = word.split_at(end);
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = number.parse().ok().filter(|_| plain)?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let (unit, rest) = unit.split_at(usize::from(!unit.is_empty() && unit.is_char_boundary(1)));
    let power = match unit {
        "" | "b" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let bytes = number * 1024_f64.powi(power);
    let known = rest.is_empty() || power > 0 && matches!(rest, "b" | "ib");
    // What does not fit into the kernel's number is no limit that anybody meant.
    (known && bytes < 2_f64.powi(63)).then_some(bytes as i64)
}

impl Given {
    fn resources(&self) -> Result<Resources> {
        let Some(file) = self.file.as_deref().filter(|file| !file.is_empty()) else {
            return Ok(Resources {
                memory: Some(self.memory.clone()),
                cpu: Some(self.cpu.clone()),
                pids: Some(self.pids),
                block_io: Some(self.io.clone()),
                ..Resources::default()
            });
        };
        let mut bytes = Vec::new();
        let read = match file {
            "-" => std::io::stdin().read_to_end(&mut bytes),
            _ => std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes)),
        };
        let name = if file == "-" { "standard input" } else { file };
        read.map_err(|source| Error::file(name, source))?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Parse { path: name.into(), source })
    }

    /// Intel RDT can only be changed where the container has a class of its own.
    fn check_rdt(&self, groups: &[PathBuf]) -> Result<()> {
        let schemata = std::fs::read_to_string("/sys/fs/resctrl/schemata").unwrap_or_default();
        let has = |kind: &str| schemata.lines().any(|line| line.trim_start().starts_with(kind));
        let text = match (self.l3_cache.is_some(), self.bandwidth.is_some()) {
            (true, _) if !has("L3") => "Intel RDT/CAT: l3 cache schema is not enabled",
            (_, true) if !has("MB") => "Intel RDT/MBA: memory bandwidth schema is not enabled",
            (false, false) => return Ok(()),
            _ if !groups.is_empty() => return Ok(()),
            _ => "updating a non-existent Intel RDT configuration is not supported",
        };
        Err(Error::State(text.to_owned()))
    }
}

fn run(words: &[String], context: &Context) -> Result<u8> {
    let (given, others) = read(&FLAGS, words, Order::Anywhere)?;
    let mut container = Container::lock(context, only_id(&others)?)?;
    let mut resources = given.resources()?;
    given.check_rdt(&container.record.corun.rdt)?;
    if container.status() == Status::Stopped {
        return Err(Error::NotRunning);
    }
    let ruled = container.record.device_rules();
    let added = std::mem::take(&mut resources.devices);
    if !added.is_empty() {
        resources.devices = [&ruled[..], &added].concat();
    }
    container.cgroup.change(&resources, &ruled)?;
    runtime::rdt::update(&container.record.corun.rdt, given.l3_cache.as_deref(), given.bandwidth.as_deref())?;
    if !added.is_empty() {
        container.record.corun.devices_added.extend(added);
        container.record.write(&container.dir)?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        // The examples of go-units' own tests.
        for (word, size) in [
            ("32", 32),
            ("32b", 32),
            ("32B", 32),
            ("32k", 32 << 10),
            ("32K", 32 << 10),
            ("32kb", 32 << 10),
            ("32Kb", 32 << 10),
            ("32Kib", 32 << 10),
            ("32KIB", 32 << 10),
            ("32Mb", 32 << 20),
            ("32Gb", 32 << 30),
            ("32Tb", 32 << 40),
            ("32Pb", 32 << 50),
            ("32.5kB", 32 * 1024 + 512),
            ("32.5 kB", 32 * 1024 + 512),
            ("0.5k", 512),
            ("0", 0),
        ] {
            assert_eq!(bytes(word), Some(size), "{word}");
        }
        for word in ["", "hello", "-32", " 32 ", "32m b", "32bm", "32bb", "32kibb", "32mbm", "1e3", "10000P", ".", "é"]
        {
            assert_eq!(bytes(word), None, "{word}");
        }
    }
}
