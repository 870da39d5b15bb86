//! The processes of a container with both their numbers and both their users.

use super::Living;
use super::ids::Subordinate;
use super::layers::Layers;
use super::proc_dir::{ProcDir, line};
use crate::error::Result;
use crate::processes::{IdMap, inside, map_of, pids};
use crate::spec::user;
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// So many are looked at; of the others it is told how many they are.
const MOST: usize = 256;

/// So much of a command is read.
const LONGEST: usize = 512;

/// Words are read from a process's memory, whose map somebody in it may keep locked while he waits for what never comes
/// (a page of a FUSE file system that nobody serves): then its name has to do.
const PATIENCE: Duration = Duration::from_millis(250);

/// A process.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessSide {
    /// Its pid in the container; `None` where that does not see it.
    pub inside: Option<i32>,
    /// Its pid on this machine.
    pub outside: i32,
    /// Its user in the container.
    pub user: u32,
    /// What the container calls him.
    pub user_name: Option<String>,
    /// Who that is on this machine.
    pub owner: u32,
    /// What this machine calls him.
    pub owner_name: Option<String>,
    /// Of whom he is a subordinate id, if of anybody.
    pub subordinate_of: Option<String>,
    /// One letter, as ps(1) has it.
    pub state: char,
    /// Bytes of memory that are there.
    pub resident: u64,
    /// Its command; its name in brackets where it does not say.
    pub command: String,
}

/// The processes.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessSides {
    /// They, in the order in which they came.
    pub list: Vec<ProcessSide>,
    /// How many more there are.
    pub more: usize,
}

pub(super) fn look(living: &Living) -> Result<ProcessSides> {
    let mut pids = pids(&living.running)?;
    // In the order in which they came: a number below that of the first was given after all numbers were used up once.
    let first = living.running.handle.pid;
    pids.sort_unstable_by_key(|pid| (*pid < first, *pid));
    let more = pids.len().saturating_sub(MOST);
    pids.truncate(MOST);
    let maps = ["uid_map", "gid_map"].map(|file| map_of(&living.process.text(file).unwrap_or_default()));
    // A process deeper down has more numbers; the container's is that of the depth of its first.
    let depth = living.process.text("status").map_or(0, |status| line(&status, "NSpid").split_whitespace().count());
    let mut commands = commands(&pids);
    let owners = user::names(&std::fs::read("/etc/passwd").unwrap_or_default());
    let subordinate = Subordinate::of_users();
    let one = |pid: i32| {
        let mut process = of(&ProcDir::open(pid)?, pid, &maps, depth)?;
        process.owner_name = owners.get(&process.owner).cloned();
        process.subordinate_of = subordinate.name(process.owner, 1);
        if let Some(command) = commands.remove(&pid).filter(|command| !command.is_empty()) {
            process.command = command;
        }
        Some(process)
    };
    Ok(ProcessSides { list: pids.into_iter().filter_map(one).collect(), more })
}

fn of(dir: &ProcDir, pid: i32, maps: &[IdMap; 2], depth: usize) -> Option<ProcessSide> {
    let status = dir.text("status")?;
    // Real, effective, saved, of the file system: the second one counts.
    let owner = line(&status, "Uid").split_whitespace().nth(1)?.parse().ok()?;
    let resident = line(&status, "VmRSS").split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    let inner = line(&status, "NSpid").split_whitespace().nth(depth.checked_sub(1)?).and_then(|n| n.parse().ok());
    Some(ProcessSide {
        inside: inner,
        outside: pid,
        user: inside(owner, &maps[0]),
        owner,
        state: line(&status, "State").chars().next().unwrap_or('?'),
        resident: resident * 1024,
        command: format!("[{}]", line(&status, "Name")),
        ..ProcessSide::default()
    })
}

/// The words of processes, read by a child, which is ended when it takes too long.
fn commands(pids: &[i32]) -> BTreeMap<i32, String> {
    let mut commands = BTreeMap::new();
    let read = |socket: OwnedFd| {
        for pid in pids {
            let mut bytes = ProcDir::open(*pid).and_then(|dir| dir.bytes("cmdline")).unwrap_or_default();
            bytes.truncate(LONGEST);
            if sys::socket::send(&socket, &[&pid.to_ne_bytes()[..], &bytes].concat()).is_err() {
                break;
            }
        }
        0
    };
    let Ok((socket, child)) = sys::process::fork_connected(read) else { return commands };
    let until = Instant::now() + PATIENCE;
    while commands.len() < pids.len()
        && sys::process::wait_readable(&socket, until.saturating_duration_since(Instant::now()))
    {
        let Ok(Some((bytes, _))) = sys::socket::receive_any(&socket) else { break };
        let Some((pid, words)) = bytes.split_first_chunk() else { break };
        let words: Vec<_> = words.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        commands.insert(i32::from_ne_bytes(*pid), words.join(" ").trim_end().to_owned());
    }
    let _ = sys::process::pidfd_send_signal(&child.pidfd, 9);
    let _ = sys::process::wait(&child.pidfd);
    commands
}

/// What the container's own files call its users.
pub(super) fn give_names(processes: &mut ProcessSides, layers: &Layers) {
    if processes.list.is_empty() {
        return;
    }
    let names = user::names(&layers.read("etc/passwd").unwrap_or_default());
    for process in &mut processes.list {
        process.user_name = names.get(&process.user).cloned();
    }
}
