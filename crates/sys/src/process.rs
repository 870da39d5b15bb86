//! Processes: the clone that makes a container, pidfds, signals, waiting.

use crate::call::call;
pub use crate::namespace::{self, flags_text};
use crate::{Error, Result, nr, raw};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

const CLONE_VM: u64 = 0x100;
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_PARENT: u64 = 0x8000;
const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
const CLONE_INTO_CGROUP: u64 = 1 << 33;
const SIGCHLD: u64 = 17;
const PR_SET_DUMPABLE: usize = 4;
const STACK: usize = 16 << 10;

/// Makes this process a group of its own: what a terminal sends to the group that it was in does not reach it.
pub fn leave_group() {
    // Nothing can go wrong but for the leader of a session, which has one of its own.
    let _ = rustix::process::setpgid(None, None);
}

/// What a clone's child executes, and how it is made.
#[derive(Debug)]
pub struct Stub<'a> {
    /// Namespaces to make, [`namespace`].
    pub namespaces: u64,
    /// A cgroup2 directory that the child is born in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// The executable, a sealed memfd.
    pub executable: BorrowedFd<'a>,
    /// Its `argv[0]` and `argv[1]`.
    pub arguments: [&'a CStr; 2],
    /// The fds that it gets, by their numbers; all others close.
    pub inherit: &'a [RawFd],
    /// The child waits for a byte at the second of these before it executes anything: a new user namespace needs its id
    /// maps first. The first one is the parent's end, whose copy the child closes, or a dead parent goes unnoticed.
    pub gate: Option<(BorrowedFd<'a>, BorrowedFd<'a>)>,
    /// User and group that a child with a gate becomes: root of its namespace, or where that has none, somebody whom it
    /// knows, for nobody else can make a file.
    pub ids: [u32; 2],
    /// It is our parent's child and not ours (`CLONE_PARENT`): he reaps it.
    pub sibling: bool,
}

/// A new child.
#[derive(Debug)]
pub struct Child {
    /// Its pid as we see it.
    pub pid: i32,
    /// Its pidfd.
    pub pidfd: OwnedFd,
}

/// The kernel's `struct clone_args` (Linux 5.7).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What the child reads while it shares our memory: everything that it needs, made before it is.
struct Orders {
    executable: usize,
    arguments: [CString; 2],
    inherit: Vec<RawFd>,
    /// The parent's end and the child's.
    gate: Option<(RawFd, RawFd)>,
    ids: [u32; 2],
    /// Why the child could not execute the stub; written by the child.
    errno: AtomicI32,
}

/// A child that was cloned, and the memory that it lives in until it has executed the stub.
#[derive(Debug)]
pub struct Born {
    /// The child.
    pub child: Child,
    shared: (*mut Orders, *mut [u128]),
}

impl Born {
    /// Frees what the child no longer needs, since it has executed the stub or is dead; says why it could not
    /// execute it. Not called, the memory stays: the child may still be using it.
    pub fn settle(self) -> (Child, Option<Error>) {
        let (orders, stack) = self.shared;
        // SAFETY: both were leaked in `clone_stub`, and nobody uses them any more.
        let (orders, _stack) = unsafe { (Box::from_raw(orders), Box::from_raw(stack)) };
        let errno = orders.errno.load(Ordering::Acquire);
        let failed = (errno != 0).then(|| Error::new("execveat", "the stub's memfd", Errno::from_raw_os_error(errno)));
        (self.child, failed)
    }
}

/// Clones a child that executes the stub and nothing else of ours.
///
/// The child shares our memory, so that no page table is copied, and runs on a stack of its own until it executes the
/// stub; it neither allocates nor locks. Without a gate we are suspended until then, as by vfork(2).
pub fn clone_stub(stub: &Stub<'_>) -> Result<Born> {
    let stack = Box::into_raw(vec![0_u128; STACK / 16].into_boxed_slice());
    let orders = Box::into_raw(Box::new(Orders {
        executable: stub.executable.as_raw_fd() as usize,
        arguments: stub.arguments.map(CStr::to_owned),
        inherit: stub.inherit.to_vec(),
        gate: stub.gate.map(|(ours, theirs)| (ours.as_raw_fd(), theirs.as_raw_fd())),
        ids: stub.ids,
        errno: AtomicI32::new(0),
    }));
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: stub.namespaces | CLONE_VM | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
        pidfd: &raw mut pidfd as u64,
        exit_signal: SIGCHLD,
        stack: stack.cast::<u8>() as u64,
        stack_size: STACK as u64,
        ..CloneArgs::default()
    };
    if stub.gate.is_none() {
        args.flags |= CLONE_VFORK;
    }
    if stub.sibling {
        // The signal of its end is then the one of ours; the kernel takes no other (clone(2)).
        args.flags |= CLONE_PARENT;
        args.exit_signal = 0;
    }
    if let Some(cgroup) = stub.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    let recorded = crate::call::start();
    // SAFETY: stack and orders are leaked until `settle`, and `child` never returns.
    let result = unsafe { clone3(&args, child, orders) };
    crate::call::note(
        recorded,
        nr::clone3,
        [args.flags as usize, 0, 0, 0, 0, 0],
        &crate::capture::Captured::NOTHING,
        result,
    );
    match result {
        Ok(pid) => {
            // SAFETY: the kernel just made this fd for us.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Born { child: Child { pid: pid as i32, pidfd }, shared: (orders, stack) })
        }
        Err(errno) => {
            // SAFETY: there is no child that could use them.
            drop(unsafe { (Box::from_raw(orders), Box::from_raw(stack)) });
            let detail = format!("{}, {} bytes", flags_text(stub.namespaces), size_of::<CloneArgs>());
            Err(Error::new("clone3", detail, Errno::from_raw_os_error(errno)))
        }
    }
}

/// clone3(2) whose child calls `entry(orders)` on its new stack.
///
/// # Safety
/// The stack in `args` must be free, and it and `orders` must outlive the child's use of our memory; `entry` must not
/// return.
unsafe fn clone3(
    args: &CloneArgs,
    entry: unsafe extern "C" fn(*const Orders) -> !,
    orders: *const Orders,
) -> std::result::Result<usize, i32> {
    let result: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the parent's side is an ordinary system call; the child starts on an empty, aligned stack of its own and
    // never comes back here.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") nr::clone3 as isize => result,
            in("rdi") std::ptr::from_ref(args),
            in("rsi") size_of::<CloneArgs>(),
            in("r12") orders,
            in("r13") entry,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, 0",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            in("x8") nr::clone3 as usize,
            inlateout("x0") std::ptr::from_ref(args) as isize => result,
            in("x1") size_of::<CloneArgs>(),
            in("x20") orders,
            in("x21") entry,
            lateout("x30") _,
        );
    }
    if (-4095..0).contains(&result) { Err(-result as i32) } else { Ok(result as usize) }
}

/// The child, until it executes the stub. Shares the parent's memory: no allocation, no lock, no panic.
unsafe extern "C" fn child(orders: *const Orders) -> ! {
    const SETMASK: usize = 2;
    const SIGPIPE: usize = 13;
    const SETFD: usize = 2;
    const EMPTY_PATH: usize = 0x1000;
    // SAFETY: the parent keeps the orders alive until we have executed or are dead.
    let orders = unsafe { &*orders };
    // SAFETY: each call reads or writes locals of this frame only, or the parent's orders.
    unsafe {
        if let Some((ours, gate)) = orders.gate {
            raw::syscall(nr::close, [ours as usize, 0, 0, 0, 0, 0]).ok();
            let mut byte = 0_u8;
            if raw::syscall(nr::read, [gate as usize, &raw mut byte as usize, 1, 0, 0, 0]) != Ok(1) {
                raw::syscall(nr::exit_group, [255, 0, 0, 0, 0, 0]).ok();
            }
            let [uid, gid] = orders.ids.map(|id| id as usize);
            raw::syscall(nr::setresgid, [gid, gid, gid, 0, 0, 0]).ok();
            raw::syscall(nr::setresuid, [uid, uid, uid, 0, 0, 0]).ok();
            // Exec would take the capabilities away from whoever is not root.
            keep_capabilities();
        }
        let none = 0_u64;
        raw::syscall(nr::rt_sigprocmask, [SETMASK, &raw const none as usize, 0, 8, 0, 0]).ok();
        // The standard library ignores SIGPIPE, and an ignored signal stays ignored over exec.
        let default = [0_usize; 4];
        raw::syscall(nr::rt_sigaction, [SIGPIPE, &raw const default as usize, 0, 8, 0, 0]).ok();
        for fd in &orders.inherit {
            raw::syscall(nr::fcntl, [*fd as usize, SETFD, 0, 0, 0, 0]).ok();
        }
        let argv = [orders.arguments[0].as_ptr(), orders.arguments[1].as_ptr(), std::ptr::null()];
        let envp = [std::ptr::null::<u8>()];
        let (empty, argv, envp) = (c"".as_ptr() as usize, argv.as_ptr() as usize, envp.as_ptr() as usize);
        let failed = raw::syscall(nr::execveat, [orders.executable, empty, argv, envp, EMPTY_PATH, 0]);
        orders.errno.store(failed.err().unwrap_or(0), Ordering::Release);
        loop {
            raw::syscall(nr::exit_group, [255, 0, 0, 0, 0, 0]).ok();
        }
    }
}

/// Puts all capabilities of the new user namespace into the ambient set, which outlives the stub's exec for an id
/// that is not root (a mapping without root).
unsafe fn keep_capabilities() {
    const VERSION_3: u32 = 0x2008_0522;
    const PR_CAP_AMBIENT: usize = 47;
    const RAISE: usize = 2;
    let header = [VERSION_3, 0];
    let mut data = [0_u32; 6];
    // SAFETY: the kernel reads and writes these locals only.
    unsafe {
        let (header, data_at) = (header.as_ptr() as usize, data.as_mut_ptr() as usize);
        raw::syscall(nr::capget, [header, data_at, 0, 0, 0, 0]).ok();
        data = [data[1], data[1], data[1], data[4], data[4], data[4]];
        raw::syscall(nr::capset, [header, data.as_ptr() as usize, 0, 0, 0, 0]).ok();
        for capability in 0..64 {
            if raw::syscall(nr::prctl, [PR_CAP_AMBIENT, RAISE, capability, 0, 0, 0]).is_err() {
                break;
            }
        }
    }
}

/// Gives up all capabilities of this process, which has one thread.
pub fn drop_capabilities() -> Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let (header, none) = ([VERSION_3, 0], [0_u32; 6]);
    // SAFETY: the kernel reads these locals only.
    unsafe { call(nr::capset, [header.as_ptr() as usize, none.as_ptr() as usize, 0, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("capset", "none", errno))
}

/// pidfd_open(2).
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: no pointers; a result is a new fd.
    unsafe { call(nr::pidfd_open, [pid as usize, 0, 0, 0, 0, 0]).map(|fd| OwnedFd::from_raw_fd(fd as i32)) }
        .map_err(|errno| Error::new("pidfd_open", pid.to_string(), errno))
}

/// Whether pidfds have inodes of their own, which tell their processes from all others of this boot (pidfs, Linux 6.9).
pub fn has_own_inode(pidfd: impl AsFd) -> bool {
    const PIDFS: u64 = 0x5049_4446;
    rustix::fs::fstatfs(pidfd).is_ok_and(|stat| stat.f_type as u64 == PIDFS)
}

/// Whether a process lives whose pidfd has this inode, see [`has_own_inode`].
pub fn lives(pid: i32, inode: u64) -> bool {
    let Ok(pidfd) = pidfd_open(pid) else { return false };
    rustix::fs::fstat(&pidfd).is_ok_and(|stat| stat.st_ino == inode)
        && !wait_readable(&pidfd, std::time::Duration::ZERO)
}

/// pidfd_send_signal(2).
pub fn pidfd_send_signal(pidfd: impl AsFd, signal: i32) -> Result<()> {
    let fd = pidfd.as_fd().as_raw_fd() as usize;
    // SAFETY: no pointers.
    unsafe { call(nr::pidfd_send_signal, [fd, signal as usize, 0, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("pidfd_send_signal", format!("signal {signal}"), errno))
}

/// pidfd_getfd(2): our own fd for what a process has under this number.
pub fn pidfd_getfd(pidfd: impl AsFd, number: u32) -> Result<OwnedFd> {
    let fd = pidfd.as_fd().as_raw_fd() as usize;
    // SAFETY: no pointers; a result is a new fd.
    unsafe { call(nr::pidfd_getfd, [fd, number as usize, 0, 0, 0, 0]).map(|fd| OwnedFd::from_raw_fd(fd as i32)) }
        .map_err(|errno| Error::new("pidfd_getfd", format!("fd {number}"), errno))
}

/// kill(2) of one process.
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { call(nr::kill, [pid as usize, signal as usize, 0, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("kill", format!("{pid}, signal {signal}"), errno))
}

/// setns(2).
pub fn setns(fd: impl AsFd, kind: u64) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { call(nr::setns, [fd.as_fd().as_raw_fd() as usize, kind as usize, 0, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("setns", flags_text(kind), errno))
}

/// unshare(2).
pub fn unshare(flags: u64) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { call(nr::unshare, [flags as usize, 0, 0, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("unshare", flags_text(flags), errno))
}

/// prctl(2) with numbers only.
pub fn prctl(option: usize, a: usize, b: usize) -> Result<usize> {
    // SAFETY: no pointers by contract of the options that callers use.
    unsafe { call(nr::prctl, [option, a, b, 0, 0, 0]) }
        .map_err(|errno| Error::new("prctl", format!("{option}, {a}, {b}"), errno))
}

/// Forks; `child` runs in the copy and its value is the copy's exit code. For work in other namespaces, in a process
/// with one thread.
pub fn fork(child: impl FnOnce() -> i32) -> Result<Child> {
    debug_assert!(single_threaded(), "a fork needs a process with one thread");
    let mut pidfd: RawFd = -1;
    let args =
        CloneArgs { flags: CLONE_PIDFD, pidfd: &raw mut pidfd as u64, exit_signal: SIGCHLD, ..CloneArgs::default() };
    let pointer = &raw const args as usize;
    // SAFETY: without CLONE_VM this is a plain fork: the child has its own copy of this frame.
    let pid = unsafe { call(nr::clone3, [pointer, size_of::<CloneArgs>(), 0, 0, 0, 0]) }
        .map_err(|errno| Error::new("clone3", "0", errno))?;
    if pid == 0 {
        let code = child();
        loop {
            // SAFETY: ends the copy, without running what the original registered for its exit.
            unsafe { raw::syscall(nr::exit_group, [code as usize, 0, 0, 0, 0, 0]).ok() };
        }
    }
    // SAFETY: the kernel just made this fd for us.
    Ok(Child { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// The same with a socket between both, which ends for either with the last of the other's: neither has a copy of the
/// other's end.
pub fn fork_connected(child: impl FnOnce(OwnedFd) -> i32) -> Result<(OwnedFd, Child)> {
    let (ours, theirs) = crate::socket::pair()?;
    let mut ours = Some(ours);
    let forked = fork(|| {
        drop(ours.take());
        child(theirs)
    })?;
    ours.map(|ours| (ours, forked)).ok_or_else(|| Error::new("clone3", "0", Errno::CHILD))
}

/// This process has one thread.
pub fn single_threaded() -> bool {
    rustix::fs::stat("/proc/self/task").map_or(true, |stat| stat.st_nlink == 3)
}

/// Kind of the namespace behind an fd, a flag of [`namespace`] (ioctl_ns(2), `NS_GET_NSTYPE`).
pub fn namespace_type(fd: impl AsFd) -> Result<u64> {
    const NS_GET_NSTYPE: usize = 0xb703;
    let fd = fd.as_fd();
    // SAFETY: the request takes no argument.
    unsafe { raw::syscall(nr::ioctl, [fd.as_raw_fd() as usize, NS_GET_NSTYPE, 0, 0, 0, 0]) }
        .map(|kind| kind as u64)
        .map_err(|errno| {
            Error::new("ioctl", format!("{}, NS_GET_NSTYPE", crate::fs::shown(fd)), Errno::from_raw_os_error(errno))
        })
}

/// Does the kernel tell of a process by its pidfd (`PIDFD_GET_INFO`, Linux 6.13)?
pub fn pidfd_has_info(pidfd: impl AsFd) -> bool {
    const PIDFD_GET_INFO: usize = 0xc040_ff0b;
    let mut info = [0_u64; 8];
    let request = [pidfd.as_fd().as_raw_fd() as usize, PIDFD_GET_INFO, info.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: the request's number says 64 bytes, which is what the kernel writes at most.
    unsafe { raw::syscall(nr::ioctl, request) }.is_ok()
}

/// How a process ended that somebody else has reaped, by a pidfd that was opened before (`PIDFD_INFO_EXIT`, Linux 6.15);
/// `None` where the kernel does not tell, or it has not ended. Waits up to ten seconds for whoever reaps it.
pub fn pidfd_exit(pidfd: impl AsFd) -> Option<Exit> {
    const PIDFD_GET_INFO: usize = 0xc040_ff0b;
    const EXIT: u64 = 1 << 3;
    // Between the reaping and the word of it there is a moment in which the kernel knows no such process.
    let mut gone = 0;
    for _ in 0..2000 {
        // struct pidfd_info: mask, cgroup, eleven ids, the status as wait(2) has it.
        let mut info = [0_u64; 8];
        info[0] = EXIT;
        let request = [pidfd.as_fd().as_raw_fd() as usize, PIDFD_GET_INFO, info.as_mut_ptr() as usize, 0, 0, 0];
        // SAFETY: the request's number says 64 bytes, which is what the kernel writes at most.
        match unsafe { raw::syscall(nr::ioctl, request) } {
            Ok(_) if info[0] & EXIT != 0 => {
                let status = (info[7] >> 32) as i32;
                return Some(match status & 0x7f {
                    0 => Exit::Code((status >> 8) as u8),
                    signal => Exit::Signal(signal),
                });
            }
            Ok(_) => {}
            Err(errno) if errno == Errno::SRCH.raw_os_error() && gone < 20 => gone += 1,
            Err(_) => return None,
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    None
}

/// umask(2); the old mask.
pub fn umask(mask: u32) -> u32 {
    // SAFETY: no pointers, and the call cannot fail.
    unsafe { call(nr::umask, [mask as usize, 0, 0, 0, 0, 0]) }.unwrap_or(0o022) as u32
}

/// sched_setaffinity(2) of this thread; bits, lowest first. What no CPU has is left out by the kernel.
pub fn sched_setaffinity(words: &[u64]) -> Result<()> {
    // SAFETY: the kernel reads the words.
    unsafe { call(nr::sched_setaffinity, [0, size_of_val(words), words.as_ptr() as usize, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("sched_setaffinity", format!("{} words", words.len()), errno))
}

/// sched_getaffinity(2) of this thread, as [`sched_setaffinity`] takes it.
pub fn sched_getaffinity() -> Result<Vec<u64>> {
    // Room for 64 Ki CPUs: the kernel refuses less than it has, whatever is online.
    let mut words = vec![0_u64; 1024];
    // SAFETY: the kernel writes at most the words' size.
    let written = unsafe {
        call(nr::sched_getaffinity, [0, size_of_val(words.as_slice()), words.as_mut_ptr() as usize, 0, 0, 0])
    }
    .map_err(|errno| Error::new("sched_getaffinity", "this thread", errno))?;
    words.truncate(written.div_ceil(8));
    Ok(words)
}

/// A soft and a hard limit of a resource, RLIM_INFINITY as the largest number.
pub type Limit = (u64, u64);

/// prlimit64(2) of this process: sets a limit if one is given; the one before.
pub fn prlimit(resource: u64, limit: Option<Limit>) -> Result<Limit> {
    let new = limit.map(|(soft, hard)| [soft, hard]);
    let mut old = [0_u64; 2];
    let new_at = new.as_ref().map_or(0, |pair| pair.as_ptr() as usize);
    // SAFETY: the kernel reads and writes one pair each, both alive here.
    unsafe { call(nr::prlimit64, [0, resource as usize, new_at, old.as_mut_ptr() as usize, 0, 0]) }
        .map_err(|errno| Error::new("prlimit64", format!("{resource}, {limit:?}"), errno))?;
    Ok((old[0], old[1]))
}

/// The number of a descriptor that was open when this program began and that a child would get, if it is one. What
/// we open ourselves closes at exec, and so is never taken for one of the caller's.
pub fn inherited(number: i32) -> bool {
    const GETFD: usize = 1;
    // SAFETY: no pointers; a number that is no fd is EBADF.
    let flags = unsafe { raw::syscall(nr::fcntl, [number as usize, GETFD, 0, 0, 0, 0]) };
    flags == Ok(0)
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It left with this code.
    Code(u8),
    /// A signal killed it.
    Signal(i32),
}

impl Exit {
    /// As a shell tells it: the code, or 128 and the signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128_u8.wrapping_add(signal as u8),
        }
    }
}

/// Waits for a child of ours to end, and reaps it (waitid(2)).
pub fn wait(pidfd: impl AsFd) -> Result<Exit> {
    wait_with(pidfd, rustix::process::WaitIdOptions::EXITED)
        .and_then(|exit| exit.ok_or_else(|| Error::new("waitid", "P_PIDFD", Errno::CHILD)))
}

/// Reaps a child of ours if it has ended.
pub fn try_wait(pidfd: impl AsFd) -> Result<Option<Exit>> {
    use rustix::process::WaitIdOptions;
    wait_with(pidfd, WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
}

fn wait_with(pidfd: impl AsFd, options: rustix::process::WaitIdOptions) -> Result<Option<Exit>> {
    use rustix::process::{WaitId, waitid};
    let status = loop {
        match waitid(WaitId::PidFd(pidfd.as_fd()), options) {
            Err(Errno::INTR) => {}
            other => break other.map_err(|errno| Error::new("waitid", "P_PIDFD", errno))?,
        }
    };
    Ok(status.map(|status| match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code as u8),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Code(255),
    }))
}

/// The user namespace that a namespace belongs to (ioctl_ns(2), `NS_GET_USERNS`).
pub fn namespace_owner(fd: impl AsFd) -> Result<OwnedFd> {
    const NS_GET_USERNS: usize = 0xb701;
    // SAFETY: the request takes no argument; a result is a new fd.
    unsafe {
        call(nr::ioctl, [fd.as_fd().as_raw_fd() as usize, NS_GET_USERNS, 0, 0, 0, 0])
            .map(|fd| OwnedFd::from_raw_fd(fd as i32))
    }
    .map_err(|errno| Error::new("ioctl", "NS_GET_USERNS", errno))
}

/// The user namespace in which this one was made (ioctl_ns(2), `NS_GET_PARENT`).
pub fn namespace_parent(userns: impl AsFd) -> Result<OwnedFd> {
    const NS_GET_PARENT: usize = 0xb702;
    // SAFETY: the request takes no argument; a result is a new fd.
    unsafe {
        call(nr::ioctl, [userns.as_fd().as_raw_fd() as usize, NS_GET_PARENT, 0, 0, 0, 0])
            .map(|fd| OwnedFd::from_raw_fd(fd as i32))
    }
    .map_err(|errno| Error::new("ioctl", "NS_GET_PARENT", errno))
}

/// Becomes root of the user namespace that this process, which has one thread, has just entered. It stays readable
/// below /proc for its own user: a change of ids would hide it (PR_SET_DUMPABLE(2const)).
pub fn become_root() -> Result<()> {
    for number in [nr::setresgid, nr::setresuid] {
        // SAFETY: no pointers.
        unsafe { call(number, [0; 6]) }
            .map_err(|errno| Error::new(nr::name(number).unwrap_or_default(), "0, 0, 0", errno))?;
    }
    prctl(PR_SET_DUMPABLE, 1, 0).map(drop)
}

/// Waits until an fd is readable (a pidfd: until its process has ended), or the time is over.
pub fn wait_readable(fd: impl AsFd, limit: std::time::Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    let limit = rustix::time::Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
    matches!(poll(&mut fds, Some(&limit)), Ok(1..))
}
