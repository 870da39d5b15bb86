//! The processes of a container, as the machine's procfs tells of them. Nothing of the container is executed for it, nor
//! anything in it (CVE-2022-1227): what its processes say of themselves is text, and may be anything.

use crate::config::CapabilitySet;
use crate::engine::Engine;
use crate::error::Result;
use crate::exec::Running;
use crate::gather;
use crate::spec::user;
use std::collections::BTreeMap;
use std::fs;

/// Clock ticks a second in procfs, on every machine that Linux runs on.
const TICKS: u64 = 100;

/// A process.
#[derive(Debug, Clone, Default)]
pub struct ProcessInfo {
    /// Its pid, its parent's and its group's, as the machine has them.
    pub host: [i32; 3],
    /// The same in the container; 0 where that does not see it.
    pub inside: [i32; 3],
    /// Its user and group, as the machine has them.
    pub host_ids: [u32; 2],
    /// The same in the container.
    pub ids: [u32; 2],
    /// Its supplementary groups, in the container.
    pub groups: Vec<u32>,
    /// One letter.
    pub state: char,
    /// Its nice value.
    pub nice: i32,
    /// Its terminal, if it has one.
    pub tty: Option<String>,
    /// Seconds since 1970 when it began.
    pub began: u64,
    /// Seconds that it has lived.
    pub lived: u64,
    /// Hundredths of seconds of processor time that it has used.
    pub used: u64,
    /// Virtual memory, in bytes.
    pub virtual_size: u64,
    /// Memory that is there, in bytes.
    pub resident: u64,
    /// Its name.
    pub name: String,
    /// Its command with all words; of one without, its name in brackets.
    pub command: String,
    /// Inheritable, permitted, effective, bounding, ambient.
    pub capabilities: [CapabilitySet; 5],
    /// 0 without a filter, 1 strict, 2 with one.
    pub seccomp: u8,
    /// What a security module calls it.
    pub label: String,
}

/// The processes of a container, and the names of users and groups.
#[derive(Debug, Default)]
pub struct Processes {
    /// They, by pid.
    pub list: Vec<ProcessInfo>,
    /// Users and groups of the container.
    pub names: [BTreeMap<u32, String>; 2],
    /// Users and groups of the machine.
    pub host_names: [BTreeMap<u32, String>; 2],
    /// Bytes of memory that the machine has.
    pub memory: u64,
}

impl Engine {
    /// The processes of a container that runs.
    pub fn processes(&self, text: &str) -> Result<Processes> {
        let running = self.find_running(text)?;
        let pids = pids(&running)?;
        let init = running.handle.pid;
        let maps = ["uid_map", "gid_map"]
            .map(|file| map_of(&fs::read_to_string(format!("/proc/{init}/{file}")).unwrap_or_default()));
        let boot = boot();
        let mut list: Vec<_> = pids.into_iter().filter_map(|pid| look(pid, &maps, boot)).collect();
        list.sort_by_key(|process| process.host[0]);
        // Parents and groups have numbers inside where they are themselves there.
        let inside: BTreeMap<i32, i32> = list.iter().map(|process| (process.host[0], process.inside[0])).collect();
        for process in &mut list {
            process.inside[1] = inside.get(&process.host[1]).copied().unwrap_or(0);
            process.inside[2] = inside.get(&process.host[2]).copied().unwrap_or(process.inside[2]);
        }
        let (passwd, group) = running.root().map(|root| gather::user_files(&[root])).unwrap_or_default();
        let names = [user::names(&passwd), user::names(&group)];
        let host = |file| user::names(&fs::read(file).unwrap_or_default());
        let host_names = [host("/etc/passwd"), host("/etc/group")];
        Ok(Processes { list, names, host_names, memory: memory() })
    }
}

/// Those in its cgroup; where it has none, those in its PID namespace.
pub(crate) fn pids(running: &Running) -> Result<Vec<i32>> {
    let listed = running.handle.cgroup.procs()?;
    if !listed.is_empty() {
        return Ok(listed.into_iter().filter_map(|pid| pid.try_into().ok()).collect());
    }
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let theirs = namespace(running.handle.pid);
    if theirs.is_none() || theirs == fs::read_link("/proc/self/ns/pid").ok() {
        return Ok(vec![running.handle.pid]);
    }
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(all.filter(|pid| namespace(*pid) == theirs).collect())
}

/// One process, if it is there still.
fn look(pid: i32, maps: &[IdMap; 2], (boot, up): (u64, u64)) -> Option<ProcessInfo> {
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).ok();
    let text = |file: &str| read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let stat = text("stat")?;
    // The name may hold anything, so what is behind it is counted from its closing bracket.
    let (front, back) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = back.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field).and_then(|field| field.parse::<i64>().ok()).unwrap_or(0);
    let name = front.split_once('(').map_or("", |(_, name)| name).to_owned();
    let command = read("cmdline").unwrap_or_default();
    let words: Vec<_> = command.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let command = words.join(" ").trim_end().to_owned();
    let status = text("status")?;
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or("");
    let last = |name: &str| line(name).split_ascii_whitespace().next_back().and_then(|n| n.parse().ok()).unwrap_or(0);
    // Real, effective, saved, of the file system: the second one counts.
    let second = |name: &str| line(name).split_ascii_whitespace().nth(1).and_then(|id| id.parse().ok()).unwrap_or(0);
    let set = |name: &str| CapabilitySet::from_bits(u64::from_str_radix(line(name).trim(), 16).unwrap_or(0));
    let host_ids = [second("Uid"), second("Gid")];
    let [uids, gids] = maps;
    let groups = line("Groups").split_ascii_whitespace().filter_map(|id| id.parse().ok());
    let began = number(19).unsigned_abs() / TICKS;
    Some(ProcessInfo {
        host: [pid, number(1) as i32, number(2) as i32],
        inside: [last("NSpid"), 0, last("NSpgid")],
        host_ids,
        ids: [inside(host_ids[0], uids), inside(host_ids[1], gids)],
        groups: groups.map(|gid| inside(gid, gids)).collect(),
        state: fields.first().and_then(|state| state.chars().next()).unwrap_or('?'),
        nice: number(16) as i32,
        tty: tty(number(4)),
        began: boot + began,
        lived: up.saturating_sub(began),
        used: (number(11) + number(12)).unsigned_abs(),
        virtual_size: number(20).unsigned_abs(),
        resident: line("VmRSS").trim().split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024,
        command: if command.is_empty() { format!("[{name}]") } else { command },
        name,
        capabilities: ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(set),
        seccomp: last("Seccomp") as u8,
        label: text("attr/current").unwrap_or_default().trim_end_matches(['\0', '\n']).to_owned(),
    })
}

/// The name of a terminal by its device number: those that containers have, and the consoles.
fn tty(device: i64) -> Option<String> {
    let device = device as u32;
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    match major {
        0 => None,
        136..=143 => Some(format!("pts/{}", minor + (major - 136) * 256)),
        4 if minor < 64 => Some(format!("tty{minor}")),
        _ => Some(format!("{major}:{minor}")),
    }
}

/// Ranges of a map: the first id inside, the first outside, how many.
pub(crate) type IdMap = Vec<[u32; 3]>;

/// Reads a `uid_map` or `gid_map`.
pub(crate) fn map_of(text: &str) -> IdMap {
    let line = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(|number| number.parse::<u32>().ok());
        Some([numbers.next()??, numbers.next()??, numbers.next()??])
    };
    text.lines().filter_map(line).collect()
}

/// The container's id of one of the machine's.
pub(crate) fn inside(id: u32, map: &[[u32; 3]]) -> u32 {
    let range = map.iter().find(|[_, first, count]| id >= *first && id - first < *count);
    range.map_or(id, |[inside, first, _]| inside + (id - first))
}

/// Seconds since 1970 when the machine began, and how many it has been up.
fn boot() -> (u64, u64) {
    let up = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let up = up.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    (crate::record::now().saturating_sub(up), up)
}

/// Bytes of memory that the machine has.
pub(crate) fn memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    total.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
