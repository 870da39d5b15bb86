//! The kernel's own checks of capabilities, as its tracepoint `capability:cap_capable` tells them (Linux 6.13), for root:
//! seccomp sees calls, not what becomes of them.
//!
//! The first process is followed with all that it starts, by an event that is inherited; the rest of the machine pays
//! nothing. Many checks fail every day without anything being refused: the kernel asks on each mapping of memory whether
//! somebody may have more than is there. Those it asks without wanting it logged, and by functions whose names say so;
//! so each sample brings where in the kernel it was, and the name of the system call stands there, too.

use super::symbols::Symbols;
use super::{Lack, kinds};
use crate::config::CapabilitySet;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::perf::{Event, Ring};

/// Kinds of checks that are kept: most are of those that the kernel makes by the way, in many ways.
const MOST: usize = 4096;
/// Threads whose names are known.
const MOST_NAMES: usize = 4096;
/// So far out the way into the kernel is kept.
const DEEPEST: usize = 48;
/// The number of `CAP_DAC_READ_SEARCH`.
const DAC_READ_SEARCH: u32 = 2;
/// Marks of what kind the addresses are that follow.
const CONTEXT: u64 = -4095_i64 as u64;

/// What is asked of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// Checks that failed.
    Failed,
    /// All.
    All,
}

/// A check, as often as it was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Check {
    program: String,
    capability: u32,
    granted: bool,
    chain: Vec<u64>,
}

/// The tracepoint.
#[derive(Debug)]
pub struct Tracing {
    tracepoint: u64,
    /// Where in a sample the capability and the result stand.
    fields: (usize, usize),
    filter: &'static CStr,
    rings: Vec<Ring>,
    names: BTreeMap<u32, String>,
    checks: BTreeMap<Check, u64>,
    symbols: Symbols,
    lost: u64,
}

impl Tracing {
    /// Finds the tracepoint; else why there is none.
    pub fn find(checks: Checks) -> Result<Self, String> {
        let tracefs = sys::mount::FsContext::open("tracefs").and_then(|context| context.mount(0));
        let tracefs = tracefs.map_err(|error| format!("the kernel's tracepoints cannot be reached: {error}"))?;
        let read = |name: &str| {
            let path = format!("events/capability/cap_capable/{name}");
            let file = sys::fs::open_beneath(&tracefs, path, OFlags::RDONLY, Mode::empty()).ok()?;
            read_all(&file)
        };
        let lacking = || "this kernel has no tracepoint capability:cap_capable (Linux 6.13)".to_owned();
        let (id, format) = read("id").zip(read("format")).ok_or_else(lacking)?;
        let tracepoint = id.trim().parse().map_err(|_| lacking())?;
        let fields = offset(&format, "cap").zip(offset(&format, "ret")).ok_or_else(lacking)?;
        let filter = if checks == Checks::Failed { c"ret != 0" } else { c"" };
        let (rings, names, checks, symbols) = Default::default();
        Ok(Self { tracepoint, fields, filter, rings, names, checks, symbols, lost: 0 })
    }

    /// Follows a process, which is about to run its command, and all that it starts.
    pub fn follow(&mut self, pid: i32, name: String) -> Result<(), String> {
        for processor in processors() {
            match Ring::open(self.tracepoint, pid, processor, self.filter) {
                Ok(ring) => self.rings.push(ring),
                Err(error) => return Err(format!("the kernel's checks cannot be followed: {error}")),
            }
        }
        self.names.insert(pid.unsigned_abs(), name);
        Ok(())
    }

    /// What becomes readable when there is much to read.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.rings.iter().map(AsFd::as_fd)
    }

    /// Takes in what there is.
    pub fn read(&mut self) {
        let Self { rings, names, checks, lost, fields, .. } = self;
        let mut events = Vec::new();
        for ring in rings {
            ring.read(|time, event| events.push((time, event)));
        }
        events.sort_by_key(|(time, _)| *time);
        for (_, event) in events {
            match event {
                Event::Named { tid, name, .. } => {
                    if names.len() < MOST_NAMES || names.contains_key(&tid) {
                        names.insert(tid, String::from_utf8_lossy(&name).into_owned());
                    }
                }
                Event::Born { tid, maker, .. } => {
                    if let Some(name) = names.get(&maker).cloned().filter(|_| names.len() < MOST_NAMES) {
                        names.insert(tid, name);
                    }
                }
                Event::Lost(count) => *lost += count,
                Event::Sample { tid, chain, fields: sample, .. } => {
                    let number = |at: usize| {
                        sample.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes)
                    };
                    let check = Check {
                        program: names.get(&tid).cloned().unwrap_or_else(|| "?".to_owned()),
                        capability: number(fields.0),
                        granted: number(fields.1) == 0,
                        chain: chain.into_iter().filter(|address| *address < CONTEXT).take(DEEPEST).collect(),
                    };
                    let full = checks.len() >= MOST;
                    match checks.get_mut(&check) {
                        Some(count) => *count += 1,
                        None if full => *lost += 1,
                        None => drop(checks.insert(check, 1)),
                    }
                }
            }
        }
    }

    /// The capabilities that were missing, and how many checks were not seen.
    pub fn lacking(&mut self, own: &str) -> (Vec<Lack>, u64) {
        let mut lacks = Vec::new();
        for (check, count) in self.settled(own).into_iter().filter(|(check, _)| !check.granted) {
            kinds::add_lack(&mut lacks, self.lack(&check, count));
        }
        (lacks, self.lost)
    }

    /// The capabilities that were used, by their bits.
    pub fn used(&mut self, own: &str) -> CapabilitySet {
        let granted = self.settled(own).into_iter().filter(|(check, _)| check.granted);
        CapabilitySet::from_bits(granted.fold(0, |bits, (check, _)| bits | 1 << check.capability.min(63)))
    }

    /// Checks that meant something. `own` is what a process is called before it runs its command.
    fn settled(&mut self, own: &str) -> Vec<(Check, u64)> {
        self.read();
        self.symbols.learn(self.checks.keys().flat_map(|check| check.chain.iter().copied()));
        let meant = |check: &&Check| {
            let asked_quietly = check.chain.iter().any(|address| is_quiet(self.symbols.name(*address)));
            // Who may not read a file as who may read all is asked next whether he may do all.
            let passing = check.capability == DAC_READ_SEARCH
                && check.chain.iter().any(|address| self.symbols.name(*address).contains("_permission"));
            let names = check.chain.iter().map(|address| self.symbols.name(*address));
            check.program != own && !asked_quietly && (check.granted || !passing) && !is_the_overlays(names)
        };
        let checks = self.checks.iter().filter(|(check, _)| meant(check));
        checks.map(|(check, count)| (check.clone(), *count)).collect()
    }

    fn lack(&self, check: &Check, count: u64) -> Lack {
        const WAYS: [&str; 5] = ["__x64_sys_", "__ia32_sys_", "__arm64_sys_", "__do_sys_", "__se_sys_"];
        let names = check.chain.iter().map(|address| self.symbols.name(*address));
        let mut calls = names.filter_map(|name| WAYS.iter().find_map(|way| name.strip_prefix(way)));
        let named = |number: u32| runtime::CAPABILITIES.get(number as usize).map(|name| (*name).to_owned());
        Lack {
            capability: named(check.capability).unwrap_or_else(|| format!("capability {}", check.capability)),
            program: check.program.clone(),
            call: calls
                .next()
                .map(|name| name.strip_prefix("new").filter(|n| n.ends_with("stat")).unwrap_or(name).to_owned()),
            count,
        }
    }
}

/// A function by which the kernel asks without wanting a refusal to be logged, for nothing is refused by it.
fn is_quiet(name: &str) -> bool {
    name.contains("noaudit") || name.contains("vm_enough_memory")
}

/// An overlay asks the file systems below it in the name of who has mounted it: what is found there says nothing of who
/// asks the overlay. Such a check has a step of its own between it and the overlay.
fn is_the_overlays<'a>(mut innermost_first: impl Iterator<Item = &'a str>) -> bool {
    const STEPS: [&str; 5] = ["vfs_", "notify_change", "inode_permission", "may_", "lookup_"];
    let mut steps = false;
    innermost_first.any(|name| {
        steps |= STEPS.iter().any(|step| name.starts_with(step));
        name.starts_with("ovl_") && steps
    })
}

/// Where a field stands, from the format of a tracepoint.
fn offset(format: &str, field: &str) -> Option<usize> {
    let line =
        format.lines().find(|line| line.split(';').next().is_some_and(|name| name.ends_with(&format!(" {field}"))))?;
    let (_, rest) = line.split_once("offset:")?;
    rest.split(';').next()?.parse().ok()
}

/// The processors that are on.
fn processors() -> Vec<u32> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.trim().parse::<u32>().ok()?..=last.trim().parse().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

fn read_all(file: &OwnedFd) -> Option<String> {
    let mut text = vec![0; 4096];
    let length = rustix::io::read(file, &mut text).ok()?;
    String::from_utf8(text.get(..length)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_overlay_asks_for_itself_is_told_from_what_is_asked_of_it() {
        let of = |chain: &str| is_the_overlays(chain.split(' '));
        assert!(of(
            "cap_capable capable xattr_permission vfs_getxattr ovl_check_metacopy_xattr ovl_lookup path_openat"
        ));
        assert!(of("cap_capable generic_permission inode_permission ovl_permission inode_permission link_path_walk"));
        assert!(!of("cap_capable generic_permission ovl_permission inode_permission link_path_walk"));
        assert!(!of("cap_capable setattr_prepare ovl_setattr notify_change chown_common"));
    }

    #[test]
    fn a_field_stands_where_the_format_says() {
        let format = "name: cap_capable\nID: 2073\nformat:\n\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
                      \tfield:int cap;\toffset:32;\tsize:4;\tsigned:1;\n\tfield:int ret;\toffset:36;\tsize:4;\tsigned:1;\n";
        assert_eq!(offset(format, "cap"), Some(32));
        assert_eq!(offset(format, "ret"), Some(36));
        assert_eq!(offset(format, "opts"), None);
    }
}
