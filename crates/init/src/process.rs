//! The steps that make the process what it may be: ids, capabilities, filter, and at last the command.

use crate::kernel::{self, AT_FDCWD, EACCES, EINVAL, ENOENT, ENOTDIR, Failure, Outcome, S_IFDIR, fail, nr, plain};
use crate::path::Buffer;
use crate::plan::Plan;
use core::ffi::CStr;

const PR_SET_KEEPCAPS: usize = 8;
const PR_CAPBSET_DROP: usize = 24;
const PR_SET_NO_NEW_PRIVS: usize = 38;
const PR_CAP_AMBIENT: usize = 47;

fn prctl(option: usize, a: usize, b: usize) -> Outcome<usize> {
    plain(nr::prctl, [option, a, b, 0, 0, 0])
}

pub fn death_signal(signal: u64) -> Outcome {
    const PR_SET_PDEATHSIG: usize = 1;
    prctl(PR_SET_PDEATHSIG, signal as usize, 0).map(drop)
}

/// Hides this process: neither its memory nor what is below its /proc/PID is for others of its user.
pub fn hide() -> Outcome {
    const PR_SET_DUMPABLE: usize = 4;
    prctl(PR_SET_DUMPABLE, 0, 0).map(drop)
}

/// Lets the signals that ask a process to end do so: of a PID namespace's first process the kernel keeps those that have
/// no handler (pid_namespaces(7)). The exec takes the handler away.
pub fn die_of_signals() {
    extern "C" fn die(signal: i32) -> ! {
        kernel::exit(128 + signal)
    }
    const SA_RESTORER: usize = 0x0400_0000;
    let die = die as extern "C" fn(i32) -> ! as usize;
    // struct sigaction of the kernel: handler, flags, restorer, mask. The handler does not come back, so that it needs no
    // restorer, but x86-64 wants one.
    let action = [die, SA_RESTORER, die, 0];
    const HUP_INT_QUIT_TERM: [usize; 4] = [1, 2, 3, 15];
    for signal in HUP_INT_QUIT_TERM {
        // SAFETY: the kernel reads the action; the handler makes one system call and touches no memory of ours.
        let _ = unsafe { kernel::call(nr::rt_sigaction, [signal, action.as_ptr() as usize, 0, 8, 0, 0]) };
    }
}

pub fn no_new_privs() -> Outcome {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)
}

/// Drops what is not in `keep`; the kernel answers EINVAL past the last capability that it knows.
pub fn bounding(keep: u64) -> Outcome {
    for capability in 0..64 {
        if keep & (1 << capability) != 0 {
            continue;
        }
        match prctl(PR_CAPBSET_DROP, capability, 0) {
            Err(Failure { errno: EINVAL, .. }) => break,
            other => drop(other?),
        }
    }
    Ok(())
}

/// The kernel's version 3 of the capability calls: effective, permitted, inheritable, low words first.
const VERSION_3: u32 = 0x2008_0522;

fn permitted() -> Outcome<u64> {
    let header = [VERSION_3, 0];
    let mut data = [0u32; 6];
    // SAFETY: the kernel reads the header and writes two triples.
    unsafe { kernel::call(nr::capget, [header.as_ptr() as usize, data.as_mut_ptr() as usize, 0, 0, 0, 0]) }?;
    Ok(u64::from(data[1]) | u64::from(data[4]) << 32)
}

fn set(effective: u64, permitted: u64, inheritable: u64) -> Outcome {
    let header = [VERSION_3, 0];
    let low = |set: u64| set as u32;
    let high = |set: u64| (set >> 32) as u32;
    let data = [low(effective), low(permitted), low(inheritable), high(effective), high(permitted), high(inheritable)];
    // SAFETY: the kernel reads both.
    unsafe { kernel::call(nr::capset, [header.as_ptr() as usize, data.as_ptr() as usize, 0, 0, 0, 0]) }.map(drop)
}

/// Becomes the user, and keeps the capabilities that the filter still needs.
pub fn become_user(plan: &Plan<'_>, [uid, gid, groups, skip_groups, _]: [u64; 5]) -> Outcome {
    if skip_groups == 0 {
        let mut list = [0u32; 1024];
        let count = plan.length(groups);
        for (i, slot) in list.iter_mut().enumerate().take(count) {
            *slot = plan.entry(groups, i).unwrap_or(0) as u32;
        }
        if count > list.len() {
            return fail(nr::setgroups, EINVAL);
        }
        // SAFETY: the kernel reads `count` words.
        unsafe { kernel::call(nr::setgroups, [count, list.as_ptr() as usize, 0, 0, 0, 0]) }?;
    }
    let (uid, gid) = (uid as usize, gid as usize);
    prctl(PR_SET_KEEPCAPS, 1, 0)?;
    plain(nr::setresgid, [gid, gid, gid, 0, 0, 0])?;
    plain(nr::setresuid, [uid, uid, uid, 0, 0, 0])?;
    if uid != 0 {
        let all = permitted()?;
        set(all, all, 0)?;
    }
    Ok(())
}

/// The sets in force at exec. What this process does not have, it cannot give: such bits are left out.
///
/// From here on others with the same sets could look into this process, up to the exec (CVE-2016-9962): it is no longer
/// dumpable, which the exec undoes.
pub fn capabilities([effective, wanted, inheritable, ambient, _]: [u64; 5]) -> Outcome {
    hide()?;
    let wanted = wanted & permitted()?;
    set(effective & wanted, wanted, inheritable)?;
    const CLEAR_ALL: usize = 4;
    const RAISE: usize = 2;
    prctl(PR_CAP_AMBIENT, CLEAR_ALL, 0)?;
    for capability in 0..64 {
        if ambient & wanted & inheritable & (1 << capability) != 0 {
            prctl(PR_CAP_AMBIENT, RAISE, capability)?;
        }
    }
    Ok(())
}

/// Installs the filter; returns its listener, if the flags ask for one.
pub fn seccomp(program: &[u8], flags: u64) -> Outcome<usize> {
    #[repr(C)]
    struct Program {
        length: u16,
        instructions: *const u8,
    }
    let program = Program { length: (program.len() / 8) as u16, instructions: program.as_ptr() };
    const SET_MODE_FILTER: usize = 1;
    // SAFETY: the kernel reads the program, which lies in the plan.
    unsafe {
        kernel::call(nr::seccomp, [SET_MODE_FILTER, flags as usize, (&raw const program) as usize, 0, 0, 0])
    }
}

pub fn affinity(mask: &[u8]) -> Outcome {
    // SAFETY: the kernel reads the mask.
    unsafe { kernel::call(nr::sched_setaffinity, [0, mask.len(), mask.as_ptr() as usize, 0, 0, 0]) }.map(drop)
}

/// All CPUs there can ever be, of which the kernel takes those of the cgroup. Where a filter around us refuses it, the
/// affinity stays what it was.
pub fn all_cpus() {
    let all = [u64::MAX; 1024];
    // SAFETY: the kernel reads the mask.
    let _ = unsafe { kernel::call(nr::sched_setaffinity, [0, size_of_val(&all), all.as_ptr() as usize, 0, 0, 0]) };
}

pub fn scheduler(attributes: &[u8]) -> Outcome {
    // SAFETY: the kernel reads as many bytes as the first word says.
    unsafe { kernel::call(nr::sched_setattr, [0, attributes.as_ptr() as usize, 0, 0, 0, 0]) }.map(drop)
}

pub fn memory_policy(mode: u64, nodes: &[u8]) -> Outcome {
    // The kernel counts from one here (set_mempolicy(2), BUGS): the highest bit needs one more.
    let (mask, bits) = if nodes.is_empty() { (0, 0) } else { (nodes.as_ptr() as usize, 8 * nodes.len() + 1) };
    // SAFETY: the kernel reads the mask.
    unsafe { kernel::call(nr::set_mempolicy, [mode as usize, mask, bits, 0, 0, 0]) }.map(drop)
}

/// Where the command was found.
pub struct Command {
    path: Buffer,
}

impl Command {
    pub const fn new() -> Self {
        Self { path: Buffer::new() }
    }

    /// Looks a command up as a shell would: with a slash it is a path, else it is searched for.
    /// `over` says that it will be executed with a capability over the modes of files.
    pub fn find(&mut self, name: &CStr, search: &CStr, over: bool) -> Outcome {
        self.path.truncate(0);
        if name.to_bytes().contains(&b'/') {
            self.path.push(name.to_bytes())?;
            return executable(self.path.as_cstr(), over);
        }
        let mut failure = Failure { number: nr::execve, errno: ENOENT };
        if name.is_empty() {
            return Err(failure);
        }
        for dir in search.to_bytes().split(|byte| *byte == b':') {
            self.path.truncate(0);
            if !dir.is_empty() {
                self.path.push(dir)?;
                self.path.push(b"/")?;
            }
            self.path.push(name.to_bytes())?;
            match executable(self.path.as_cstr(), over) {
                Ok(()) => return Ok(()),
                Err(found) if found.errno == EACCES => failure = found,
                _ => {}
            }
        }
        Err(failure)
    }

    /// Executes it, with one variable more if there is one.
    pub fn execute(&self, plan: &Plan<'_>, argv: u64, envp: u64, variable: Option<&CStr>) -> Outcome {
        // SAFETY: the stub has one thread, and this is the only use of the space.
        let pointers = unsafe { &mut *(&raw mut POINTERS) };
        let (argc, envc) = (plan.length(argv), plan.length(envp));
        if argc + envc + 3 > MOST_POINTERS {
            const E2BIG: i32 = 7;
            return fail(nr::execve, E2BIG);
        }
        let pointer = |list, i| plan.entry(list, i).and_then(|text| plan.text(text)).map(|text| text.as_ptr() as usize);
        for i in 0..argc {
            pointers[i] = pointer(argv, i).ok_or(Failure { number: nr::execve, errno: EINVAL })?;
        }
        for i in 0..envc {
            pointers[argc + 1 + i] = pointer(envp, i).ok_or(Failure { number: nr::execve, errno: EINVAL })?;
        }
        pointers[argc + 1 + envc] = variable.map_or(0, |variable| variable.as_ptr() as usize);
        let (argv, envp) = (pointers.as_ptr() as usize, pointers[argc + 1..].as_ptr() as usize);
        // SAFETY: both arrays end with a zero and point into the plan.
        unsafe {
            kernel::call(nr::execve, [self.path.as_cstr().as_ptr() as usize, argv, envp, 0, 0, 0]).map(drop)
        }
    }
}

/// Most arguments and variables together; the kernel's own bound is the bytes of a quarter of the stack.
const MOST_POINTERS: usize = 1 << 16;

/// argv, 0, envp, 0. Zeroes that nobody touches cost no page.
static mut POINTERS: [usize; MOST_POINTERS] = [0; MOST_POINTERS];

/// Says why a file cannot be executed before the attempt, while there is somebody to tell.
fn executable(path: &CStr, over: bool) -> Outcome {
    const EXECUTE: usize = 1;
    // With the capabilities that there are; else with what the user may without any (access(2)).
    const EACCESS: usize = 0x200;
    let (number, flags) = if over { (nr::faccessat2, EACCESS) } else { (nr::faccessat, 0) };
    let dir = AT_FDCWD as isize as usize;
    // SAFETY: the kernel reads the path.
    match unsafe { kernel::call(number, [dir, path.as_ptr() as usize, EXECUTE, flags, 0, 0]) } {
        Err(Failure { errno: ENOTDIR, .. }) => return fail(nr::execve, ENOENT),
        Err(failure) => return fail(nr::execve, failure.errno),
        Ok(_) => {}
    }
    let fd = kernel::openat2(AT_FDCWD, path, kernel::O_PATH, 0, 0)?;
    let kind = kernel::stat(fd)?.kind();
    kernel::close(fd);
    if kind == S_IFDIR { fail(nr::execve, EACCES) } else { Ok(()) }
}
