//! From the spec's words to the plan's steps, for everything that the process is and may do.

use crate::context::{self, Context};
use crate::error::{Error, Result};
use crate::foreground::Newlines;
use crate::hooks::{self, Identity, Point};
use crate::plan::{Plan, Slot};
use crate::subject::Subject;
use crate::{label, listener, numa, scheduler};
use init::plan::{Op, sync};
use oci::runtime::{Capabilities, NamespaceKind, PersonalityDomain, Process, Spec, User};
use seccomp::Filter;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Resource limits: name and number (getrlimit(2), asm-generic/resource.h).
const RLIMITS: [(&str, u64); 16] = [
    ("RLIMIT_CPU", 0),
    ("RLIMIT_FSIZE", 1),
    ("RLIMIT_DATA", 2),
    ("RLIMIT_STACK", 3),
    ("RLIMIT_CORE", 4),
    ("RLIMIT_RSS", 5),
    ("RLIMIT_NPROC", 6),
    ("RLIMIT_NOFILE", 7),
    ("RLIMIT_MEMLOCK", 8),
    ("RLIMIT_AS", 9),
    ("RLIMIT_LOCKS", 10),
    ("RLIMIT_SIGPENDING", 11),
    ("RLIMIT_MSGQUEUE", 12),
    ("RLIMIT_NICE", 13),
    ("RLIMIT_RTPRIO", 14),
    ("RLIMIT_RTTIME", 15),
];

/// Capabilities, by number (capabilities(7)).
pub const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Default search path of a process without `PATH` (execvp(3)).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A set of capabilities as bits. Unknown names are left out, as the specification asks (config.md, "capabilities").
pub fn capability_bits(names: &[String]) -> u64 {
    names
        .iter()
        .filter_map(|name| CAPABILITIES.iter().position(|known| known == name))
        .fold(0, |bits, position| bits | 1 << position)
}

/// How the process is held.
#[derive(Debug, Clone, Copy, Default)]
pub struct Holding {
    /// It dies when the process that made it dies.
    pub die_with_parent: bool,
    /// It is the child of our parent, who is to hold it, and not ours: we cannot wait for it.
    pub sibling: bool,
    /// The stub stays PID 1 and reaps.
    pub reaper: bool,
    /// It waits for the parent's word before the command runs.
    pub wait: bool,
    /// Fds from 3 on that it keeps.
    pub preserve_fds: u32,
    /// setgroups(2) is denied in its user namespace.
    pub no_setgroups: bool,
    /// Of its terminal.
    pub newlines: Newlines,
}

/// What is left to be said when the process's own part of a plan is written.
#[derive(Debug)]
pub struct Last<'a> {
    /// How it is held.
    pub holding: Holding,
    /// The filter, where the caller has it ready.
    pub filter: Option<&'a Filter>,
    /// Its listener is taken by who makes the process.
    pub served: bool,
    /// Where it waits for the word to run its command.
    pub gate: Option<Slot>,
}

impl Last<'_> {
    /// Adds the wait for the word to start.
    fn wait(&self, plan: &mut Plan) {
        // Whoever hears that it waits may send it signals at once.
        if self.gate.is_some() {
            plan.plain(Subject::Wait, Op::Mortal, []);
        }
        if self.holding.wait || self.gate.is_some() {
            plan.plain(Subject::Wait, Op::Sync, [sync::START]);
        }
        if let Some(gate) = self.gate {
            plan.gate(Subject::Wait, gate);
        }
    }
}

/// The number of a resource limit.
pub fn rlimit(name: &str) -> Option<u64> {
    RLIMITS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// Refuses what is no variable: programs disagree about what it means.
pub fn check_environment(variables: &[String]) -> Result<()> {
    match variables.iter().find(|variable| variable.split_once('=').is_none_or(|(name, _)| name.is_empty())) {
        Some(variable) => Err(Error::spec(format!("environment: {variable:?} is not NAME=VALUE"))),
        None => Ok(()),
    }
}

/// Refuses to preserve what the caller does not have open: the numbers would name what we open ourselves.
pub fn check_preserved(count: u32) -> Result<()> {
    match (3_i64..3 + i64::from(count)).find(|number| !i32::try_from(*number).is_ok_and(sys::process::inherited)) {
        Some(number) => Err(Error::spec(format!("file descriptor {number}, which is to be preserved, is not open"))),
        None => Ok(()),
    }
}

/// What needs the host's view or its privileges still: names, scores. Before the pivot.
pub fn before_pivot(plan: &mut Plan, spec: &Spec, process: &Process, context: &Context<'_>) -> Result<()> {
    if let Some(hostname) = &spec.hostname {
        plan.text(Subject::Hostname, Op::Hostname, hostname);
    }
    if let Some(domainname) = &spec.domainname {
        plan.text(Subject::Domainname, Op::Domainname, domainname);
    }
    if let Some(score) = process.oom_score_adj {
        if !(-1000..=1000).contains(&score) {
            return Err(Error::spec(format!("oomScoreAdj {score} is not between -1000 and 1000")));
        }
        // Who has entered a user namespace has written it before: as root of that he may not.
        let joined = context.namespaces.has(NamespaceKind::User) && !context.namespaces.is_new(NamespaceKind::User);
        if !joined {
            plan.oom_score(score);
        }
    }
    Ok(())
}

/// Makes a missing working directory, as root of the container: the user, who changes to it, may not be able to.
pub fn working_directory(plan: &mut Plan, process: &Process) {
    if !process.cwd.trim_matches('/').is_empty() {
        plan.directory_perhaps(Subject::Cwd, &process.cwd);
    }
}

/// Resource limits, when all is open that needs to be: they may leave room for nothing.
fn rlimits(plan: &mut Plan, process: &Process) -> Result<()> {
    let mut seen = 0_u32;
    for (index, limit) in process.rlimits.iter().enumerate() {
        let Some(number) = rlimit(&limit.kind) else {
            return Err(Error::spec(format!("rlimits: unknown type {}", limit.kind)));
        };
        if seen & 1 << number != 0 {
            return Err(Error::spec(format!("rlimits: {} stands twice", limit.kind)));
        }
        if limit.soft > limit.hard {
            return Err(Error::spec(format!("rlimits: {} is above its hard limit {}", limit.kind, limit.hard)));
        }
        seen |= 1 << number;
        plan.plain(Subject::Rlimit(index), Op::Rlimit, [number, limit.soft, limit.hard]);
    }
    Ok(())
}

/// What the process becomes, after the pivot, up to its exec.
pub fn after_pivot(plan: &mut Plan, container: Identity<'_>, process: &Process, last: &Last<'_>) -> Result<()> {
    let holding = last.holding;
    if process.args.is_empty() {
        return Err(Error::spec("process.args is empty"));
    }
    if !process.cwd.starts_with('/') {
        return Err(Error::spec(format!("process.cwd {:?} is not absolute", process.cwd)));
    }
    let User { uid, gid, additional_gids, .. } = &process.user;
    if [uid, gid].into_iter().chain(additional_gids).any(|id| *id == u32::MAX) {
        // setresuid(2) takes it for "leave it as it is", which is root.
        return Err(Error::spec(format!("process.user: {} is no id", u32::MAX)));
    }
    check_environment(&process.env)?;
    let linux = container.spec.linux.as_ref();
    if let Some(personality) = linux.and_then(|linux| linux.personality.as_ref()) {
        let persona = match personality.domain {
            PersonalityDomain::Linux => 0,
            PersonalityDomain::Linux32 => 8,
        };
        plan.plain(Subject::Personality, Op::Personality, [persona]);
    }
    if let Some(scheduler) = &process.scheduler {
        scheduler::schedule(plan, scheduler)?;
    }
    if let Some(io) = process.io_priority {
        scheduler::prioritise(plan, io)?;
    }
    if let Some(policy) = linux.and_then(|linux| linux.memory_policy.as_ref()) {
        numa::memory_policy(plan, policy)?;
    }
    labels(plan, process)?;
    if environment(process).1 {
        plan.plain(Subject::Home, Op::Home, [u64::from(process.user.uid)]);
    }
    let caps = process.capabilities.clone().unwrap_or_default();
    plan.close(Subject::Fds, 3 + holding.preserve_fds, last.gate);
    plan.plain(Subject::Bounding, Op::Bounding, [capability_bits(&caps.bounding)]);
    let groups = (!holding.no_setgroups).then_some(process.user.additional_gids.as_slice());
    plan.user(Subject::User, process.user.uid, process.user.gid, groups);
    // After the last fd is closed (CVE-2024-21626), and as the user, whom an NFS server may let in where it keeps root
    // out; with root's capabilities still, which let him into what is closed to him, as runc does.
    plan.text(Subject::Cwd, Op::Cwd, &process.cwd);
    plan.plain(Subject::Umask, Op::Umask, [u64::from(process.user.umask.unwrap_or(0o022))]);
    if holding.die_with_parent {
        const SIGKILL: u64 = 9;
        plan.plain(Subject::DeathSignal, Op::DeathSignal, [SIGKILL]);
    }
    let path = process.env.iter().rev().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    plan.find(&process.args, path, capability_bits(&caps.effective) & DAC_OVERRIDE != 0);
    let filter = match (last.filter, linux.and_then(|linux| linux.seccomp.as_ref())) {
        (Some(filter), _) => Some(Cow::Borrowed(filter)),
        (None, Some(profile)) => Some(Cow::Owned(seccomp::compile(profile)?)),
        (None, None) => None,
    };
    // Whoever serves a listener gets it before the start: that he is not there is an error of the creation.
    let listens = filter.as_ref().is_some_and(|filter| filter.has_listener());
    if listens && !last.served {
        listener::check(linux.and_then(|linux| linux.seccomp.as_ref()))?;
    }
    if !listens {
        last.wait(plan);
    }
    if process.no_new_privileges {
        plan.plain(Subject::NoNewPrivs, Op::NoNewPrivs, []);
    }
    rlimits(plan, process)?;
    let sets = capability_sets(&caps);
    // With no_new_privs no capability is needed for it: the later, the less of what we do must pass it (seccomp(2)).
    if process.no_new_privileges {
        plan.plain(Subject::Capabilities, Op::Capabilities, sets);
    }
    if let Some(filter) = filter {
        plan.seccomp(Subject::Seccomp, filter.as_bytes(), filter.flags().bits(), listens);
    }
    if !process.no_new_privileges {
        plan.plain(Subject::Capabilities, Op::Capabilities, sets);
    }
    if listens {
        last.wait(plan);
    }
    // Under all that holds for the process: a hook in the container is part of it.
    hooks::plan(plan, Point::StartContainer, container)?;
    if holding.reaper {
        plan.plain(Subject::Reaper, Op::Reap, []);
    }
    plan.exec(&process.args, &environment(process).0);
    Ok(())
}

/// The variables, of each the last, and whether `HOME` is missing: an empty one counts as none.
pub fn environment(process: &Process) -> (Vec<String>, bool) {
    let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let mut known = BTreeSet::new();
    let mut env: Vec<String> =
        process.env.iter().rev().filter(|variable| known.insert(name(variable))).cloned().collect();
    env.reverse();
    env.retain(|variable| variable != "HOME=");
    let homeless = !env.iter().any(|variable| variable.starts_with("HOME="));
    (env, homeless)
}

/// The bit of `CAP_DAC_OVERRIDE`.
const DAC_OVERRIDE: u64 = 1 << 1;

/// Effective, permitted, inheritable, ambient.
fn capability_sets(caps: &Capabilities) -> [u64; 4] {
    [&caps.effective, &caps.permitted, &caps.inheritable, &caps.ambient].map(|names| capability_bits(names))
}

/// What the process is labelled with at its next exec.
const EXEC: &str = "self/attr/exec";

/// Security labels, applied at exec, through the host's procfs.
fn labels(plan: &mut Plan, process: &Process) -> Result<()> {
    if let Some(profile) = process.apparmor_profile.as_deref().filter(|profile| !profile.is_empty()) {
        if !std::path::Path::new("/sys/kernel/security/apparmor").exists() {
            return Err(Error::spec(format!("apparmorProfile {profile}: AppArmor is not enabled on this machine")));
        }
        // Before Linux 5.8 the files are those of the one security module that there can be.
        let own = "self/attr/apparmor/exec";
        let there = rustix::fs::statat(context::open_proc()?, own, rustix::fs::AtFlags::empty()).is_ok();
        plan.attribute(if there { own } else { EXEC }, &format!("exec {profile}"));
    }
    if let Some(label) = label::given("selinuxLabel", process.selinux_label.as_deref())? {
        plan.attribute(EXEC, label);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_variable_the_last_counts_and_an_empty_home_is_none() {
        let env = |env: &[&str]| {
            environment(&Process { env: env.iter().map(|v| (*v).to_owned()).collect(), ..Process::default() })
        };
        assert_eq!(env(&["A=1", "B=2", "HOME=/x", "A=3"]), (vec!["B=2".into(), "HOME=/x".into(), "A=3".into()], false));
        assert_eq!(env(&["HOME=/x", "HOME="]), (vec![], true));
        assert_eq!(env(&[]), (vec![], true));
    }

    #[test]
    fn capabilities_are_bits_by_their_number_and_unknown_ones_none() {
        let names = ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_NO_SUCH", "CAP_CHECKPOINT_RESTORE"].map(str::to_owned);
        assert_eq!(capability_bits(&names), 1 | 1 << 21 | 1 << 40);
    }
}
