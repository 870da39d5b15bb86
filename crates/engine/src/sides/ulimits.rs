//! Resource limits of the first process, getrlimit(2).

use super::proc_dir::line;
use super::{Living, Origins};
use crate::config::{ContainerConfig, Resource};
use oci::runtime::{Rlimit, Spec};
use serde::Serialize;

/// A resource limit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UlimitSide {
    /// As `--ulimit` names it.
    pub name: String,
    /// What was asked for: the value in force, and the ceiling. `None` is no limit.
    pub asked: Option<[Option<u64>; 2]>,
    /// What holds for its first process.
    pub effective: Option<[Option<u64>; 2]>,
    /// What that process uses of it, where one can tell.
    pub used: Option<u64>,
    /// Who asked for it.
    pub by: Option<String>,
}

/// Names in `/proc/PID/limits`.
const LINES: [(Resource, &str); 16] = [
    (Resource::Cpu, "Max cpu time"),
    (Resource::Fsize, "Max file size"),
    (Resource::Data, "Max data size"),
    (Resource::Stack, "Max stack size"),
    (Resource::Core, "Max core file size"),
    (Resource::Rss, "Max resident set"),
    (Resource::Nproc, "Max processes"),
    (Resource::Nofile, "Max open files"),
    (Resource::Memlock, "Max locked memory"),
    (Resource::As, "Max address space"),
    (Resource::Locks, "Max file locks"),
    (Resource::Sigpending, "Max pending signals"),
    (Resource::Msgqueue, "Max msgqueue size"),
    (Resource::Nice, "Max nice priority"),
    (Resource::Rtprio, "Max realtime priority"),
    (Resource::Rttime, "Max realtime timeout"),
];

pub(super) fn look(living: &Living) -> Vec<UlimitSide> {
    let text = living.process.text("limits").unwrap_or_default();
    let status = living.process.text("status").unwrap_or_default();
    let kilobytes = |name| line(&status, name).split(' ').next().and_then(|n| n.parse::<u64>().ok()).map(|n| n * 1024);
    let asked = living.spec.process.as_ref().map(|process| process.rlimits.as_slice()).unwrap_or_default();
    let one = |(resource, name): (Resource, &str)| {
        let mut words = text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace();
        let effective = [number(words.next()?)?, number(words.next()?)?];
        let asked = asked.iter().find(|limit| limit.kind == resource.rlimit());
        Some(UlimitSide {
            name: resource.name(),
            by: asked.and_then(|_| living.origins.of(&format!("process.rlimits[{}]", resource.rlimit()))),
            asked: asked.map(|limit| [finite(limit.soft), finite(limit.hard)]),
            effective: Some(effective),
            used: match resource {
                Resource::Nofile => living.process.open_files(),
                Resource::As => kilobytes("VmSize"),
                Resource::Data => kilobytes("VmData"),
                Resource::Stack => kilobytes("VmStk"),
                Resource::Memlock => kilobytes("VmLck"),
                Resource::Rss => kilobytes("VmRSS"),
                // Of all processes of the user, wherever they run.
                Resource::Sigpending => line(&status, "SigQ").split('/').next().and_then(|n| n.parse().ok()),
                _ => None,
            },
        })
    };
    LINES.into_iter().filter_map(one).collect()
}

#[allow(clippy::option_option, reason = "no number, and no limit")]
fn number(word: &str) -> Option<Option<u64>> {
    if word == "unlimited" { Some(None) } else { word.parse().ok().map(Some) }
}

/// What was composed for the last start of one that does not run.
pub(super) fn composed(spec: &Spec, origins: &Origins) -> Vec<UlimitSide> {
    let limits = spec.process.as_ref().map(|process| process.rlimits.as_slice()).unwrap_or_default();
    let one = |limit: &Rlimit| UlimitSide {
        name: Resource::by_name(&limit.kind).map_or_else(|| limit.kind.clone(), Resource::name),
        asked: Some([finite(limit.soft), finite(limit.hard)]),
        effective: None,
        used: None,
        by: origins.of(&format!("process.rlimits[{}]", limit.kind)),
    };
    limits.iter().map(one).collect()
}

fn finite(limit: u64) -> Option<u64> {
    (limit != u64::MAX).then_some(limit)
}

/// What was asked for one that was never started.
pub(super) fn asked(config: &ContainerConfig) -> Vec<UlimitSide> {
    let asked = config.process.ulimits.iter().map(|ulimit| UlimitSide {
        name: ulimit.resource.name(),
        asked: Some([ulimit.soft, ulimit.hard]),
        effective: None,
        used: None,
        by: Some("--ulimit".to_owned()),
    });
    asked.collect()
}
