//! Who makes a call: what the machine's procfs tells of a thread that waits for its answer.
//!
//! Its pid may belong to somebody else as soon as it waits no more. So whoever reads here asks afterwards whether the call
//! still waits, and forgets what he read if it does not.

use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What has to be at a path, or nothing is written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Whatever is.
    Any,
    /// Something.
    Something,
    /// Nothing.
    Nothing,
}

/// The machine's procfs.
#[derive(Debug)]
pub struct Proc(OwnedFd);

/// A text that is read from a caller's memory is told up to here.
const LONGEST: usize = 120;

/// A program, and which of its processes it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// As it calls itself.
    pub program: String,
    /// Its file, in the container.
    pub executable: Option<String>,
    /// Its process, as the container has it.
    pub pid: i32,
    /// The same as the machine has it.
    pub host_pid: i32,
}

impl Proc {
    /// Opens it.
    pub fn open() -> sys::Result<Self> {
        sys::fs::open("/proc", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).map(Self)
    }

    /// What a thread's program calls itself.
    pub fn name(&self, thread: u32) -> String {
        let name = self.read(thread, "comm", 64).unwrap_or_default();
        String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned()
    }

    /// All that is told of it.
    pub fn caller(&self, thread: u32) -> Caller {
        let status = self.read(thread, "status", 4096).unwrap_or_default();
        let status = String::from_utf8_lossy(&status);
        let last = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().next_back()?.parse().ok()
        };
        let link = rustix::fs::readlinkat(&self.0, format!("{thread}/exe"), Vec::new()).ok();
        Caller {
            program: self.name(thread),
            executable: link.map(|link| cut(link.as_bytes())),
            pid: last("NStgid:").unwrap_or(0),
            host_pid: last("Tgid:").unwrap_or(thread as i32),
        }
    }

    /// The process that a thread belongs to.
    pub fn process(&self, thread: u32) -> i32 {
        self.caller(thread).host_pid
    }

    /// A path at an address of its memory.
    pub fn path(&self, thread: u32, address: u64) -> Option<String> {
        const PATH_MAX: usize = 4096;
        let bytes = self.memory(thread, address, PATH_MAX)?;
        let path = bytes.split(|byte| *byte == 0).next()?;
        String::from_utf8(path.to_vec()).ok()
    }

    /// The directory in which a path of its leads to something, without links: what is written to when that is made, changed
    /// or removed. An empty path is what is open.
    pub fn directory(&self, thread: u32, open: u64, path: &str, found: Found) -> Option<String> {
        const CWD: i32 = -100;
        let path = if path.starts_with('/') {
            PathBuf::from(path)
        } else {
            let link =
                if open as i32 == CWD { format!("{thread}/cwd") } else { format!("{thread}/fd/{}", open as i32) };
            let link = rustix::fs::readlinkat(&self.0, link, Vec::new()).ok()?;
            let base = PathBuf::from(String::from_utf8(link.into_bytes()).ok()?);
            if path.is_empty() { base } else { base.join(path) }
        };
        if !path.is_absolute() {
            // A pipe, a socket.
            return None;
        }
        let root =
            sys::fs::open(format!("/proc/{thread}/root"), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).ok()?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let look =
            |path: &Path, flags| sys::fs::openat2(&root, path, OFlags::PATH | flags, Mode::empty(), resolve).ok();
        let is_there = look(&path, OFlags::NOFOLLOW).is_some();
        if (found == Found::Something && !is_there) || (found == Found::Nothing && is_there) {
            return None;
        }
        let opened = look(path.parent()?, OFlags::DIRECTORY)?;
        let link = rustix::fs::readlinkat(&self.0, format!("self/fd/{}", opened.as_raw_fd()), Vec::new()).ok()?;
        String::from_utf8(link.into_bytes()).ok()
    }

    /// A text at an address of its memory.
    pub fn text(&self, thread: u32, address: u64) -> Option<String> {
        let bytes = self.memory(thread, address, LONGEST + 1)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        Some(cut(bytes.get(..end)?))
    }

    /// Bytes of its memory, as far as they can be read.
    pub fn memory(&self, thread: u32, address: u64, length: usize) -> Option<Vec<u8>> {
        let memory = self.file(thread, "mem")?;
        let mut bytes = vec![0; length];
        let read = rustix::io::pread(&memory, &mut bytes, address).ok()?;
        bytes.truncate(read);
        Some(bytes)
    }

    fn read(&self, thread: u32, file: &str, length: usize) -> Option<Vec<u8>> {
        let file = self.file(thread, file)?;
        let mut bytes = vec![0; length];
        let read = rustix::io::read(&file, &mut bytes).ok()?;
        bytes.truncate(read);
        Some(bytes)
    }

    fn file(&self, thread: u32, file: &str) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
        sys::fs::open_beneath(&self.0, format!("{thread}/{file}"), flags, Mode::empty()).ok()
    }
}

impl AsFd for Proc {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn cut(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}
