//! From what a run was seen to do to the least that it needs.
//!
//! The profile is the one that the container had, with the calls that were seen and no other: what it refuses by arguments
//! it goes on refusing, so that no learnt profile allows what the one before did not.

use crate::config::PrivilegesConfig;
use crate::denied::{Port, Report, Seen, pointless};
use crate::spec::Composed;
use cgroup::{Cgroup, Controller};
use oci::runtime::{Action, Seccomp, SyscallRule};
use std::collections::BTreeSet;
use std::path::Path;

/// What was learnt of one run.
#[derive(Debug)]
pub struct Learnt {
    /// The profile.
    pub profile: Seccomp,
    /// Capabilities; none where the kernel's checks could not be seen.
    pub capabilities: Option<BTreeSet<String>>,
    /// Directories that it must be able to write to, none below another.
    pub writes: Vec<String>,
    /// Ports at which it can be reached.
    pub ports: BTreeSet<Port>,
    /// The most bytes of memory that it used, if they were counted.
    pub memory: Option<u64>,
    /// The most tasks that it had at once.
    pub pids: Option<u64>,
    /// Checks of capabilities that were not seen.
    pub lost: u64,
    /// Why the kernel's checks were not seen.
    pub untraced: Option<String>,
}

/// What a container's start needs of calls under its filter: by our own stub, by crun, and by runc, whose last step is a
/// program in Go with threads, timers and signals of its own.
const START: &str = "brk capget capset chdir clone close close_range dup3 epoll_create1 epoll_ctl epoll_pwait eventfd2 execve exit \
    exit_group faccessat faccessat2 fchdir fchown fcntl fstat fstatfs futex getcwd getdents64 getgid getpid getppid getrandom \
    gettid getuid kill lseek madvise mmap mprotect munmap nanosleep newfstatat openat pipe2 prctl read readlinkat recvfrom \
    recvmsg rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield sendmsg sendto setgid setgroups setresgid \
    setresuid setuid sigaltstack statx tgkill umask unlinkat wait4 waitid write";

impl Learnt {
    /// From what was seen of a composed container, and the cgroup that it still has.
    pub(crate) fn of(
        report: Report,
        composed: &Composed,
        privileges: &PrivilegesConfig,
        cgroup: Option<&Cgroup>,
    ) -> Self {
        let seen = report.seen.unwrap_or_default();
        let memory = cgroup.and_then(|cgroup| cgroup.stats().ok()?.memory?.peak);
        let pids = cgroup.and_then(|cgroup| cgroup.text(Controller::Pids, "pids.peak").ok()??.trim().parse().ok());
        Self {
            profile: profile(composed, pointless(privileges).is_some(), &seen),
            writes: writes(&seen, composed),
            capabilities: seen.capabilities,
            ports: seen.ports,
            memory,
            pids,
            lost: report.lost,
            untraced: report.untraced,
        }
    }
}

/// The container's profile, with no other calls than those that were seen and those of its start.
fn profile(composed: &Composed, unfiltered: bool, seen: &Seen) -> Seccomp {
    let held = composed.spec.process.as_ref().and_then(|process| process.capabilities.as_ref());
    let held = held.map(|sets| sets.bounding.clone()).unwrap_or_default();
    let default = || seccomp::default_profile(&held);
    let filtered = composed.spec.linux.as_ref().and_then(|linux| linux.seccomp.clone());
    let base = filtered.unwrap_or_else(default);
    let needed: BTreeSet<&str> = seen.calls.iter().map(String::as_str).chain(START.split_whitespace()).collect();
    let allow = |names: Vec<String>| SyscallRule { names, action: Action::Allow, errno_ret: None, args: Vec::new() };
    let mut syscalls = Vec::new();
    let open = matches!(base.default_action, Action::Allow | Action::Log);
    for rule in &base.syscalls {
        let mut rule = rule.clone();
        if rule.action == Action::Allow {
            rule.names.retain(|name| needed.contains(name.as_str()));
        }
        if !rule.names.is_empty() {
            syscalls.push(rule);
        }
    }
    if open || unfiltered {
        let ruled = |name: &&&str| !syscalls.iter().any(|rule| rule.names.iter().any(|known| known == **name));
        let rest = needed.iter().filter(ruled).map(|name| (*name).to_owned()).collect();
        syscalls.push(allow(rest));
    }
    let native = seccomp::Machine::NATIVE.abi();
    let used = |abi: seccomp::Abi| abi == native || abi.audit_arch() != native.audit_arch();
    let architectures = base.architectures.iter().copied().filter(|arch| {
        seccomp::Abi::of(*arch).is_some_and(|abi| used(abi) && seen.architectures.contains(&abi.audit_arch()))
    });
    Seccomp {
        default_action: Action::Errno,
        default_errno_ret: Some(1),
        architectures: architectures.collect(),
        flags: None,
        listener_path: None,
        listener_metadata: None,
        syscalls,
    }
}

/// The directories that were written to and that nothing has made writable yet, without those below another.
fn writes(seen: &Seen, composed: &Composed) -> Vec<String> {
    let own = ["/proc", "/sys", "/dev"].map(str::to_owned);
    let mounted = composed.spec.mounts.iter().filter(|mount| !mount.options.iter().any(|option| option == "ro"));
    // Files of ours, such as /etc/hosts, are no directories; what lies beside them is not.
    let mounted: Vec<String> = mounted.map(|mount| mount.destination.clone()).chain(own).collect();
    let below = |path: &str, top: &str| path == top || Path::new(path).starts_with(top);
    let wanted: Vec<&String> = seen.writes.iter().filter(|path| !mounted.iter().any(|top| below(path, top))).collect();
    let topmost = |path: &&&String| !wanted.iter().any(|other| other != *path && below(path, other));
    wanted.iter().filter(topmost).map(|path| (*path).clone()).collect()
}
