//! From the spec's words to the plan's steps, for everything that the process is and may do.

use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::subject::Subject;
use init::plan::Op;
use oci::runtime::{Capabilities, IoPriorityClass, PersonalityDomain, Process, Spec};
use seccomp::Filter;
use std::borrow::Cow;

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
    /// The stub stays PID 1 and reaps.
    pub reaper: bool,
    /// It waits for the parent's word before the command runs.
    pub wait: bool,
    /// Fds from 3 on that it keeps.
    pub preserve_fds: u32,
    /// setgroups(2) is denied in its user namespace.
    pub no_setgroups: bool,
}

/// What needs the host's view or its privileges still: limits, sysctls, names. Before the pivot.
pub fn before_pivot(plan: &mut Plan, spec: &Spec, process: &Process) -> Result<()> {
    let mut seen = 0_u32;
    for (index, limit) in process.rlimits.iter().enumerate() {
        let Some((_, number)) = RLIMITS.iter().find(|(name, _)| *name == limit.kind) else {
            return Err(Error::spec(format!("rlimits: unknown type {}", limit.kind)));
        };
        if seen & 1 << number != 0 {
            return Err(Error::spec(format!("rlimits: {} stands twice", limit.kind)));
        }
        if limit.soft > limit.hard {
            return Err(Error::spec(format!("rlimits: {} is above its hard limit {}", limit.kind, limit.hard)));
        }
        seen |= 1 << number;
        plan.plain(Subject::Rlimit(index), Op::Rlimit, [*number, limit.soft, limit.hard]);
    }
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
        plan.write_proc(Subject::OomScore, "self/oom_score_adj", &score.to_string());
    }
    if let Some(io) = &process.io_priority {
        let class = match io.class {
            IoPriorityClass::RealTime => 1,
            IoPriorityClass::BestEffort => 2,
            IoPriorityClass::Idle => 3,
        };
        if io.priority > 7 {
            return Err(Error::spec(format!("ioPriority {} is not between 0 and 7", io.priority)));
        }
        plan.plain(Subject::Priority, Op::IoPriority, [class << 13 | u64::from(io.priority)]);
    }
    if process.scheduler.is_some() {
        return Err(Error::spec("process.scheduler is not supported yet"));
    }
    Ok(())
}

/// A name of sysctl(8) as a path below /proc/sys: dots and slashes change places (sysctl.d(5)).
pub fn sysctl_path(name: &str) -> Result<String> {
    let first = name.find(['.', '/']).map(|at| &name[at..=at]);
    let path = match first {
        Some("/") => name.to_owned(),
        _ => name
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect(),
    };
    if path.is_empty() || path.split('/').any(|part| part.is_empty() || part == "..") {
        return Err(Error::spec(format!("sysctl {name:?} is no name of a kernel parameter")));
    }
    Ok(format!("sys/{path}"))
}

/// What the process becomes, after the pivot, up to its exec.
pub fn after_pivot(
    plan: &mut Plan,
    spec: &Spec,
    process: &Process,
    holding: Holding,
    filter: Option<&Filter>,
) -> Result<()> {
    if process.args.is_empty() {
        return Err(Error::spec("process.args is empty"));
    }
    if !process.cwd.starts_with('/') {
        return Err(Error::spec(format!("process.cwd {:?} is not absolute", process.cwd)));
    }
    let linux = spec.linux.as_ref();
    if let Some(personality) = linux.and_then(|linux| linux.personality.as_ref()) {
        let persona = match personality.domain {
            PersonalityDomain::Linux => 0,
            PersonalityDomain::Linux32 => 8,
        };
        plan.plain(Subject::Personality, Op::Personality, [persona]);
    }
    labels(plan, process)?;
    let caps = process.capabilities.clone().unwrap_or_default();
    plan.plain(Subject::Fds, Op::Close, [u64::from(3 + holding.preserve_fds)]);
    plan.plain(Subject::Bounding, Op::Bounding, [capability_bits(&caps.bounding)]);
    let groups = (!holding.no_setgroups).then_some(process.user.additional_gids.as_slice());
    plan.user(Subject::User, process.user.uid, process.user.gid, groups);
    // As the user, and after the last fd is closed: what he may not enter, he shall not start in (CVE-2024-21626).
    plan.text(Subject::Cwd, Op::Cwd, &process.cwd);
    plan.plain(Subject::Umask, Op::Umask, [u64::from(process.user.umask.unwrap_or(0o022))]);
    if holding.die_with_parent {
        const SIGKILL: u64 = 9;
        plan.plain(Subject::DeathSignal, Op::DeathSignal, [SIGKILL]);
    }
    let path = process.env.iter().rev().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    plan.find(&process.args, path);
    if holding.wait {
        plan.plain(Subject::Wait, Op::Sync, [0]);
    }
    if process.no_new_privileges {
        plan.plain(Subject::NoNewPrivs, Op::NoNewPrivs, []);
    }
    let filter = match (filter, linux.and_then(|linux| linux.seccomp.as_ref())) {
        (Some(filter), _) => Some(Cow::Borrowed(filter)),
        (None, Some(profile)) => Some(Cow::Owned(seccomp::compile(profile)?)),
        (None, None) => None,
    };
    if let Some(filter) = filter {
        if filter.has_listener() {
            return Err(Error::spec(
                "seccomp: SCMP_ACT_NOTIFY needs a listener, which this runtime does not serve yet",
            ));
        }
        plan.seccomp(Subject::Seccomp, filter.as_bytes(), filter.flags().bits(), filter.has_listener());
    }
    plan.plain(Subject::Capabilities, Op::Capabilities, capability_sets(&caps));
    if holding.reaper {
        plan.plain(Subject::Reaper, Op::Reap, []);
    }
    plan.exec(&process.args, &process.env);
    Ok(())
}

/// Effective, permitted, inheritable, ambient.
fn capability_sets(caps: &Capabilities) -> [u64; 4] {
    [&caps.effective, &caps.permitted, &caps.inheritable, &caps.ambient].map(|names| capability_bits(names))
}

/// Security labels, applied at exec, through the host's procfs.
fn labels(plan: &mut Plan, process: &Process) -> Result<()> {
    if let Some(profile) = process.apparmor_profile.as_deref().filter(|profile| !profile.is_empty()) {
        if !std::path::Path::new("/sys/kernel/security/apparmor").exists() {
            return Err(Error::spec(format!("apparmorProfile {profile}: AppArmor is not enabled on this machine")));
        }
        plan.write_proc(Subject::Label, "self/attr/apparmor/exec", &format!("exec {profile}"));
    }
    if let Some(label) = process.selinux_label.as_deref().filter(|label| !label.is_empty()) {
        if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
            return Err(Error::spec(format!("selinuxLabel {label}: SELinux is not enabled on this machine")));
        }
        plan.write_proc(Subject::Label, "self/attr/exec", label);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_bits_by_their_number_and_unknown_ones_none() {
        let names = ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_NO_SUCH", "CAP_CHECKPOINT_RESTORE"].map(str::to_owned);
        assert_eq!(capability_bits(&names), 1 | 1 << 21 | 1 << 40);
    }

    #[test]
    fn dots_and_slashes_of_a_sysctl_change_places() {
        assert_eq!(sysctl_path("net.ipv4.ip_forward").as_deref().ok(), Some("sys/net/ipv4/ip_forward"));
        assert_eq!(
            sysctl_path("net/ipv4/conf/eth0.1/rp_filter").as_deref().ok(),
            Some("sys/net/ipv4/conf/eth0.1/rp_filter")
        );
        assert_eq!(
            sysctl_path("net.ipv4.conf.eth0/1.rp_filter").as_deref().ok(),
            Some("sys/net/ipv4/conf/eth0.1/rp_filter")
        );
        for name in ["", "net..x", "../../etc/passwd", "net/../../x"] {
            assert!(sysctl_path(name).is_err(), "{name}");
        }
    }
}
