//! bpf(2), as far as cgroup v2's device programs need it: load, attach, detach, list.
//!
//! The surprising thing is the size of the attribute block: kernels 6.17 to 7.1 write fields of BPF_PROG_QUERY back
//! without looking at the size that the caller gave, so every call passes a whole block of zeroes behind its fields.
//! Older kernels accept a longer block as long as what they do not know is zero.

use crate::call::call;
use crate::fs::shown;
use crate::{Error, Result, nr};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const PROG_LOAD: usize = 5;
const PROG_ATTACH: usize = 8;
const PROG_DETACH: usize = 9;
const PROG_GET_FD_BY_ID: usize = 13;
const PROG_QUERY: usize = 16;
const TYPE_CGROUP_DEVICE: u64 = 15;
const ATTACH_CGROUP_DEVICE: u64 = 6;
const ALLOW_MULTI: u64 = 2;
const REPLACE: u64 = 4;
/// The kernel's own limit of programs at one cgroup.
const MAX_PROGRAMS: usize = 64;
/// How often the loader may answer EAGAIN (a signal while it verifies).
const RETRIES: u32 = 5;

/// One instruction, the kernel's `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// Operation.
    pub code: u8,
    /// Destination in the low half, source in the high half (little endian's order of the bit fields).
    pub registers: u8,
    /// Jump distance, or offset in memory.
    pub offset: i16,
    /// Immediate operand.
    pub immediate: i32,
}

/// More than any kernel's `union bpf_attr`, in 64-bit words.
type Attributes = [u64; 32];

/// Two 32-bit fields that share a word; the first is the lower half on the little-endian machines that we build for.
fn pair(first: u64, second: u64) -> u64 {
    (first & 0xffff_ffff) | (second << 32)
}

fn raw(fd: BorrowedFd<'_>) -> u64 {
    fd.as_raw_fd() as u64
}

/// # Safety
/// Every address in `attributes` must be valid for what the command does with it.
unsafe fn bpf(command: usize, attributes: &mut Attributes) -> std::result::Result<usize, Errno> {
    // SAFETY: the block is ours and larger than what any kernel reads or writes; the caller vouches for the rest.
    unsafe { call(nr::bpf, [command, attributes.as_mut_ptr() as usize, size_of::<Attributes>(), 0, 0, 0]) }
}

/// Loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE. `name` has at most 15 letters, digits and underlines.
pub fn load_device_program(program: &[Insn], name: &CStr) -> Result<OwnedFd> {
    let mut log = Vec::new();
    let mut result = load(program, name, &mut log);
    if result.as_ref().is_err_and(|errno| *errno == Errno::PERM) {
        result = with_memlock(|| load(program, name, &mut []));
    }
    if result.as_ref().is_err_and(|errno| matches!(*errno, Errno::INVAL | Errno::ACCESS)) {
        // The verifier says what it dislikes when it is asked.
        log = vec![0; 4096];
        result = load(program, name, &mut log);
    }
    result.map_err(|errno| {
        let text = String::from_utf8_lossy(&log);
        let last = text.trim_end_matches(['\0', '\n']).lines().next_back().unwrap_or_default();
        Error::new("bpf", format!("BPF_PROG_LOAD, {} instructions {last}", program.len()).trim_end(), errno)
    })
}

fn load(program: &[Insn], name: &CStr, log: &mut [u8]) -> std::result::Result<OwnedFd, Errno> {
    // The program calls no helper, so any licence will do.
    let license = c"Apache-2.0";
    let mut attributes = Attributes::default();
    attributes[0] = pair(TYPE_CGROUP_DEVICE, program.len() as u64);
    attributes[1] = program.as_ptr() as u64;
    attributes[2] = license.as_ptr() as u64;
    if !log.is_empty() {
        attributes[3] = pair(1, log.len() as u64);
        attributes[4] = log.as_mut_ptr() as u64;
    }
    let mut text = [0; 16];
    for (to, from) in text.iter_mut().zip(name.to_bytes().iter().take(15)) {
        *to = *from;
    }
    let (low, high) = text.split_at(8);
    for (word, half) in attributes[6..8].iter_mut().zip([low, high]) {
        *word = half.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    for _ in 0..RETRIES {
        // SAFETY: program, licence and log live until the call returns.
        match unsafe { bpf(PROG_LOAD, &mut attributes) } {
            Err(Errno::AGAIN) => {}
            // SAFETY: the kernel just made this fd for us.
            other => return other.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) }),
        }
    }
    Err(Errno::AGAIN)
}

/// Runs `f` without a limit on locked memory: before Linux 5.11 programs count against it, root's too. The limit is put
/// back, since a container would inherit it.
fn with_memlock<T>(f: impl FnOnce() -> std::result::Result<T, Errno>) -> std::result::Result<T, Errno> {
    const RLIMIT_MEMLOCK: usize = 8;
    let unlimited = [u64::MAX; 2];
    let mut before = [0_u64; 2];
    let new = unlimited.as_ptr() as usize;
    let old = before.as_mut_ptr() as usize;
    // SAFETY: the kernel reads the new limits and writes the old ones, both of this frame.
    if unsafe { call(nr::prlimit64, [0, RLIMIT_MEMLOCK, new, old, 0, 0]) }.is_err() {
        return Err(Errno::PERM);
    }
    let result = f();
    // SAFETY: the kernel only reads the limits. Lowering a limit needs no permission.
    let _ = unsafe { call(nr::prlimit64, [0, RLIMIT_MEMLOCK, before.as_ptr() as usize, 0, 0, 0]) };
    result
}

/// Attaches a program to a cgroup2 directory beside those that are there, or in the place of one of them.
pub fn attach_device_program(cgroup: impl AsFd, program: impl AsFd, replaced: Option<BorrowedFd<'_>>) -> Result<()> {
    let (cgroup, program) = (cgroup.as_fd(), program.as_fd());
    let mut attributes = Attributes::default();
    attributes[0] = pair(raw(cgroup), raw(program));
    attributes[1] = pair(ATTACH_CGROUP_DEVICE, ALLOW_MULTI | if replaced.is_some() { REPLACE } else { 0 });
    attributes[2] = replaced.map_or(0, raw);
    // SAFETY: the command reads numbers only.
    unsafe { bpf(PROG_ATTACH, &mut attributes) }
        .map(drop)
        .map_err(|errno| Error::new("bpf", format!("BPF_PROG_ATTACH, {}", shown(cgroup)), errno))
}

/// Detaches a program from a cgroup2 directory.
pub fn detach_device_program(cgroup: impl AsFd, program: impl AsFd) -> Result<()> {
    let (cgroup, program) = (cgroup.as_fd(), program.as_fd());
    let mut attributes = Attributes::default();
    attributes[0] = pair(raw(cgroup), raw(program));
    attributes[1] = ATTACH_CGROUP_DEVICE;
    // SAFETY: the command reads numbers only.
    unsafe { bpf(PROG_DETACH, &mut attributes) }
        .map(drop)
        .map_err(|errno| Error::new("bpf", format!("BPF_PROG_DETACH, {}", shown(cgroup)), errno))
}

/// Opens the device programs that are attached to a cgroup2 directory itself, not to those above it.
pub fn device_programs(cgroup: impl AsFd) -> Result<Vec<OwnedFd>> {
    let cgroup = cgroup.as_fd();
    let mut ids = [0_u32; MAX_PROGRAMS];
    let mut attributes = Attributes::default();
    attributes[0] = pair(raw(cgroup), ATTACH_CGROUP_DEVICE);
    attributes[2] = ids.as_mut_ptr() as u64;
    attributes[3] = pair(MAX_PROGRAMS as u64, 0);
    // SAFETY: the kernel writes at most as many ids as the array has.
    unsafe { bpf(PROG_QUERY, &mut attributes) }
        .map_err(|errno| Error::new("bpf", format!("BPF_PROG_QUERY, {}", shown(cgroup)), errno))?;
    let count = (attributes[3] as u32 as usize).min(MAX_PROGRAMS);
    let mut programs = Vec::with_capacity(count);
    for id in &ids[..count] {
        let mut attributes = Attributes::default();
        attributes[0] = u64::from(*id);
        // SAFETY: the command reads numbers only; a result is a new fd.
        match unsafe { bpf(PROG_GET_FD_BY_ID, &mut attributes).map(|fd| OwnedFd::from_raw_fd(fd as i32)) } {
            Ok(fd) => programs.push(fd),
            // Detached and freed since the query.
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(Error::new("bpf", format!("BPF_PROG_GET_FD_BY_ID, {id}"), errno)),
        }
    }
    Ok(programs)
}
