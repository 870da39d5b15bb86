//! The kernel: its age, the calls that a start makes, what stands around this process.

use super::Finding;
use crate::gather;
use rustix::fs::{CWD, Mode, OFlags};
use std::fs::read_to_string;
use sys::Errno;
use sys::mount::{FsContext, MountAttr, mount_setattr};

pub(super) fn examine() -> Vec<Finding> {
    let mut findings = vec![version(), calls(), seccomp()];
    findings.extend(file_systems());
    findings.push(limits());
    findings.push(modules());
    findings
}

fn version() -> Finding {
    const OLDEST: (u32, u32) = (5, 10);
    let uname = rustix::system::uname();
    let seen = format!("Linux {} ({})", uname.release().to_string_lossy(), uname.machine().to_string_lossy());
    if gather::kernel() < OLDEST {
        return Finding::broken("kernel", seen, "Linux 5.10 or newer is needed, 5.11 for ordinary users: upgrade it");
    }
    Finding::ok("kernel", seen)
}

/// Calls that an old kernel, or a filter around this process, does not have: each is called so that it changes nothing.
fn calls() -> Finding {
    let nowhere = sys::fs::open("/", OFlags::PATH, Mode::empty());
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let tried = [
        ("openat2", nowhere.map(drop)),
        ("pidfd_open", sys::process::pidfd_open(own).map(drop)),
        ("fsopen", FsContext::open("tmpfs").map(drop)),
        ("mount_setattr", mount_setattr(CWD, "", 0, &MountAttr::default())),
    ];
    let missing: Vec<&str> = tried
        .iter()
        .filter(|(_, result)| result.as_ref().is_err_and(|error| error.errno == Errno::NOSYS))
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        let names: Vec<&str> = tried.iter().map(|(name, _)| *name).collect();
        return Finding::ok("system calls", format!("{} are there", names.join(", ")));
    }
    Finding::broken(
        "system calls",
        format!("{} cannot be called", missing.join(", ")),
        "Linux 5.12 or newer has them; a seccomp filter around this process may hide them: start coracle elsewhere",
    )
}

/// Filters, ours and others'.
fn seccomp() -> Finding {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim);
    match mode {
        None => Finding::broken(
            "seccomp",
            "this kernel has no system call filters",
            "use a kernel with CONFIG_SECCOMP_FILTER, or say --security-opt seccomp=unconfined each time",
        ),
        Some("2") => Finding::warning(
            "seccomp",
            "a filter is around this process, which may refuse what containers need",
            "start coracle outside of it, or allow clone3, unshare, mount and their kind in it",
        ),
        Some(_) => Finding::ok("seccomp", "filters can be had, and none is around this process"),
    }
}

fn file_systems() -> Vec<Finding> {
    let overlay = if gather::has_file_system("overlay") {
        Finding::ok("overlay", "the kernel knows it")
    } else {
        Finding::broken("overlay", "overlay is not in /proc/filesystems", "load its module: modprobe overlay")
    };
    let lacking: Vec<&str> = ["tmpfs", "proc", "sysfs", "devpts", "mqueue"]
        .into_iter()
        .filter(|name| !gather::has_file_system(name))
        .collect();
    let others = if lacking.is_empty() {
        Finding::ok("file systems", "tmpfs, proc, sysfs, devpts and mqueue are there")
    } else {
        let remedy = "use a kernel with them (CONFIG_TMPFS, CONFIG_PROC_FS, CONFIG_SYSFS, CONFIG_POSIX_MQUEUE)";
        let grade = if lacking == ["mqueue"] { Finding::warning } else { Finding::broken };
        grade("file systems", format!("{} cannot be mounted", lacking.join(", ")), remedy.to_owned())
    };
    vec![overlay, others]
}

/// Numbers of which containers use up some each.
fn limits() -> Finding {
    use rustix::process::{Resource, getrlimit};
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let number = |path: &str| read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let checks = [
        ("open files", Some(files), 1024, "ulimit -Hn 1048576"),
        ("pids", number("/proc/sys/kernel/pid_max"), 4096, "sysctl -w kernel.pid_max=4194304"),
        (
            "inotify instances",
            number("/proc/sys/fs/inotify/max_user_instances"),
            128,
            "sysctl -w fs.inotify.max_user_instances=512",
        ),
        ("keyrings", number("/proc/sys/kernel/keys/maxkeys"), 200, "sysctl -w kernel.keys.maxkeys=20000"),
    ];
    let show = |number: u64| if number == u64::MAX { "any number of".to_owned() } else { number.to_string() };
    let low = checks.iter().find_map(|(what, has, least, remedy)| {
        let has = has.filter(|has| has < least)?;
        Some(Finding::warning("limits", format!("{what}: {has}, which few containers use up"), *remedy))
    });
    low.unwrap_or_else(|| {
        let all = checks.iter().filter_map(|(what, has, ..)| has.map(|has| format!("{} {what}", show(has))));
        Finding::ok("limits", all.collect::<Vec<_>>().join(", "))
    })
}

/// Security modules.
fn modules() -> Finding {
    let lsm = read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let seen = if lsm.is_empty() { "none is told of".to_owned() } else { lsm.trim().replace(',', ", ") };
    Finding::ok("security modules", seen)
}
