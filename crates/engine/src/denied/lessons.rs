//! What a workload does, noted while it runs with a witness who is asked about every call (`coracle learn`): the calls
//! themselves, the directories that it writes to, the ports at which it can be reached.
//!
//! Directories and ports are read from the caller's memory when a call begins, so what is learnt may be too much, or be
//! something else where somebody means to deceive: a proposal, which a replay tries, and no decision.

use super::look::{Found, Proc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Seen {
    /// System calls, by name.
    pub calls: BTreeSet<String>,
    /// Architectures (`AUDIT_ARCH_…`) of which there were calls.
    pub architectures: BTreeSet<u32>,
    /// Capabilities that a check of the kernel's found there; none where its checks cannot be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<BTreeSet<String>>,
    /// Directories in which something was written.
    pub writes: BTreeSet<String>,
    /// Ports that others may speak to.
    pub ports: BTreeSet<Port>,
}

/// A port that is bound to more than loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Port {
    /// Somebody listens there.
    #[serde(rename = "tcp")]
    Tcp(u16),
    /// Somebody is bound there, and does not listen.
    #[serde(rename = "udp")]
    Udp(u16),
}

/// Directories that are kept.
const MOST_WRITES: usize = 512;
/// Sockets that are remembered until somebody listens at them.
const MOST_SOCKETS: usize = 1024;

/// Notes them.
#[derive(Debug, Default)]
pub struct Lessons {
    seen: Seen,
    /// Bound sockets, by process and number.
    bound: BTreeMap<(i32, u64), u16>,
}

/// Which arguments of a call name what it writes to.
enum Names {
    /// The path in this argument.
    Path(usize),
    /// A directory and a path below it.
    At(usize, usize),
    /// Two of them.
    Both([(usize, usize); 2]),
    /// Two paths.
    Paths([usize; 2]),
    /// What is open.
    Fd(usize),
    /// As [`Names::Path`], if the flags in the other argument ask to write.
    Open(usize, usize),
    /// As [`Names::At`], likewise.
    OpenAt(usize, usize, usize),
    /// The same by flags in memory.
    OpenHow(usize, usize, usize),
}

fn names(call: &str) -> Option<Names> {
    Some(match call {
        "open" => Names::Open(0, 1),
        "openat" => Names::OpenAt(0, 1, 2),
        "openat2" => Names::OpenHow(0, 1, 2),
        "creat" | "mkdir" | "mknod" | "unlink" | "rmdir" | "chmod" | "chown" | "lchown" | "truncate" | "utime"
        | "utimes" | "setxattr" | "lsetxattr" | "removexattr" | "lremovexattr" => Names::Path(0),
        "mkdirat" | "mknodat" | "unlinkat" | "fchmodat" | "fchmodat2" | "fchownat" | "futimesat" | "utimensat" => {
            Names::At(0, 1)
        }
        "symlink" => Names::Path(1),
        "symlinkat" => Names::At(1, 2),
        "rename" | "link" => Names::Paths([0, 1]),
        "renameat" | "renameat2" | "linkat" => Names::Both([(0, 1), (2, 3)]),
        "fchmod" | "fchown" | "ftruncate" | "fsetxattr" | "fremovexattr" => Names::Fd(0),
        _ => return None,
    })
}

/// `O_WRONLY`, `O_RDWR`, `O_CREAT` or `O_TRUNC`.
const WRITES: u64 = 0o1103;
/// `O_CREAT`.
const CREATES: u64 = 0o100;
/// `AT_FDCWD`.
const CWD: u64 = -100_i64 as u64;

impl Lessons {
    /// Notes a call that is going to be carried out.
    pub fn note(&mut self, proc: &Proc, thread: u32, (call, arch): (&str, u32), args: &[u64; 6]) {
        if !self.seen.calls.contains(call) {
            self.seen.calls.insert(call.to_owned());
        }
        self.seen.architectures.insert(arch);
        match call {
            "bind" => self.bind(proc, thread, args),
            "listen" => {
                if let Some(port) = self.bound.get(&(proc.process(thread), args[0])) {
                    self.seen.ports.insert(Port::Tcp(*port));
                }
            }
            _ => {
                for directory in written(proc, thread, call, args) {
                    if self.seen.writes.len() < MOST_WRITES {
                        self.seen.writes.insert(directory);
                    }
                }
            }
        }
    }

    /// All that was seen.
    pub fn seen(&self) -> Seen {
        let mut seen = self.seen.clone();
        let tcp: BTreeSet<u16> =
            seen.ports.iter().filter_map(|port| if let Port::Tcp(port) = port { Some(*port) } else { None }).collect();
        seen.ports.extend(self.bound.values().filter(|port| !tcp.contains(port)).map(|port| Port::Udp(*port)));
        seen
    }

    /// A socket's address: `sockaddr_in`, `sockaddr_in6` or `sockaddr_un`.
    fn bind(&mut self, proc: &Proc, thread: u32, args: &[u64; 6]) {
        let Some(address) = proc.memory(thread, args[1], (args[2] as usize).min(128)) else { return };
        let byte = |at: usize| address.get(at).copied().unwrap_or(0);
        let port = u16::from_be_bytes([byte(2), byte(3)]);
        let loopback6 = address.get(8..24).is_some_and(|bytes| bytes == std::net::Ipv6Addr::LOCALHOST.octets());
        match u16::from_ne_bytes([byte(0), byte(1)]) {
            2 if byte(4) != 127 && port > 0 => self.remember(proc.process(thread), args[0], port),
            10 if !loopback6 && port > 0 => self.remember(proc.process(thread), args[0], port),
            1 if byte(2) != 0 => {
                let path = address.get(2..).unwrap_or_default();
                let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
                self.seen.writes.extend(proc.directory(thread, CWD, &String::from_utf8_lossy(path), Found::Any));
            }
            _ => {}
        }
    }

    fn remember(&mut self, process: i32, socket: u64, port: u16) {
        if self.bound.len() < MOST_SOCKETS {
            self.bound.insert((process, socket), port);
        }
    }
}

/// The directories that a call writes to.
fn written(proc: &Proc, thread: u32, call: &str, args: &[u64; 6]) -> Vec<String> {
    let Some(names) = names(call) else { return Vec::new() };
    let argument = |at: usize| args.get(at).copied().unwrap_or(0);
    // What fails anyhow writes nothing.
    let found = match call {
        "mkdir" | "mkdirat" | "mknod" | "mknodat" | "symlink" | "symlinkat" => Found::Nothing,
        "open" if argument(1) & CREATES == 0 => Found::Something,
        "openat" if argument(2) & CREATES == 0 => Found::Something,
        "open" | "openat" | "openat2" | "creat" | "link" | "linkat" | "rename" | "renameat" | "renameat2" => Found::Any,
        _ => Found::Something,
    };
    let at = |(directory, path): (u64, usize)| {
        // Without a path it is the directory itself.
        let text = if argument(path) == 0 { Some(String::new()) } else { proc.path(thread, argument(path)) };
        proc.directory(thread, directory, &text?, found)
    };
    let one = |found: Option<String>| found.into_iter().collect();
    match names {
        Names::Path(path) => one(at((CWD, path))),
        Names::At(directory, path) => one(at((argument(directory), path))),
        Names::Both(two) => two.into_iter().filter_map(|(directory, path)| at((argument(directory), path))).collect(),
        Names::Paths(two) => two.into_iter().filter_map(|path| at((CWD, path))).collect(),
        Names::Fd(fd) => one(proc.directory(thread, argument(fd), "", found)),
        Names::Open(path, flags) if argument(flags) & WRITES != 0 => one(at((CWD, path))),
        Names::OpenAt(directory, path, flags) if argument(flags) & WRITES != 0 => one(at((argument(directory), path))),
        Names::OpenHow(directory, path, how) => {
            let flags = proc.memory(thread, argument(how), 8).and_then(|bytes| bytes.try_into().ok());
            let writes = flags.is_some_and(|flags| u64::from_ne_bytes(flags) & WRITES != 0);
            if writes { one(at((argument(directory), path))) } else { Vec::new() }
        }
        Names::Open(..) | Names::OpenAt(..) => Vec::new(),
    }
}
