//! What may be mounted on or below /proc: nothing that could pass for it.
//!
//! A container that shows its own files under /proc can make a runtime write labels into them (CVE-2019-16884). The
//! files that lxcfs and its kind replace are harmless, and their users are many.

use crate::error::{Error, Result};
use init::plan::target;
use oci::runtime::Mount;

/// Files below /proc that tell about the machine and nothing else.
const HARMLESS: [&str; 13] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
    "/proc/pressure",
    "/proc/partitions",
];

/// Refuses a mount that hides procfs or a part of it.
pub fn check(mount: &Mount) -> Result<()> {
    let clean = normal(&mount.destination);
    if clean != "/proc" && !clean.starts_with("/proc/") {
        return Ok(());
    }
    if clean == "/proc" && mount.kind.as_deref() == Some("proc") {
        return Ok(());
    }
    if HARMLESS.contains(&clean.as_str()) {
        return Ok(());
    }
    let source = mount.source.as_deref().unwrap_or_default();
    if clean == "/proc" && is_procfs(source) {
        return Ok(());
    }
    Err(Error::spec(format!("mount at {}: only procfs may stand at /proc", mount.destination)))
}

fn is_procfs(path: &str) -> bool {
    const PROC_SUPER_MAGIC: i64 = 0x9fa0;
    rustix::fs::statfs(path).is_ok_and(|stat| stat.f_type == PROC_SUPER_MAGIC)
}

/// How a destination may be reached: by links into procfs never, and one whose words are of procfs, and have been
/// checked, by no link at all (CVE-2023-28642).
pub fn flag(destination: &str) -> u64 {
    let clean = normal(destination);
    if clean == "/proc" || clean.starts_with("/proc/") { target::NO_LINKS } else { target::NOT_PROC }
}

/// The path without `.`, `..` and doubled slashes.
pub fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tmpfs(destination: &str) -> Mount {
        Mount { destination: destination.to_owned(), kind: Some("tmpfs".to_owned()), ..Mount::default() }
    }

    #[test]
    fn nothing_but_procfs_stands_at_proc() {
        for destination in ["/proc", "/proc/", "//proc", "/x/../proc", "/proc/self/attr", "/proc/sys"] {
            assert!(check(&tmpfs(destination)).is_err(), "{destination}");
        }
        for destination in ["/procx", "/x/proc", "/proc/cpuinfo", "/"] {
            assert!(check(&tmpfs(destination)).is_ok(), "{destination}");
        }
    }
}
