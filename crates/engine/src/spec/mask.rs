//! Paths of the kernel that a container must not read, or not write.

use super::origin::Origins;
use super::{Facts, Origin};
use crate::config::{Privileges, PrivilegesConfig};

/// podman's list of what is hidden: the kernel's memory, keys and timers, firmware, and what tells of neighbours
/// (power, CVE-2020-8694; interrupts, and heat below).
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
    "/proc/interrupts",
];

/// podman's list of what can be read only.
const READ_ONLY: [&str; 6] = ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The masked and the read-only paths.
pub(super) fn compose(
    privileges: &PrivilegesConfig,
    facts: &Facts,
    origins: &mut Origins,
) -> (Vec<String>, Vec<String>) {
    let paths = &privileges.paths;
    let open = privileges.level == Privileges::Privileged || paths.unmask_all;
    let kept = |path: &&str| !open && !paths.unmask.iter().any(|pattern| matches(pattern, path));
    let mut masked: Vec<String> = MASKED.into_iter().filter(kept).map(str::to_owned).collect();
    masked.extend(facts.thermal_throttle.iter().map(String::as_str).filter(kept).map(str::to_owned));
    let read_only = READ_ONLY.into_iter().filter(kept).map(str::to_owned).collect();
    let origin = match (privileges.level, paths.unmask_all || !paths.unmask.is_empty()) {
        (Privileges::Privileged, _) => Origin::Flag("--privileged"),
        (_, true) => Origin::Flag("--security-opt"),
        (_, false) => Origin::Default,
    };
    origins.note("linux.maskedPaths", origin);
    origins.note("linux.readonlyPaths", origin);
    for path in &paths.mask {
        let path = path.to_string_lossy().into_owned();
        origins.note(format!("linux.maskedPaths[{path}]"), Origin::Flag("--security-opt"));
        masked.push(path);
    }
    (masked, read_only)
}

/// Whether `path` fits `pattern`, in which `*` stands for anything but `/` and `?` for one character but `/`.
fn matches(pattern: &str, path: &str) -> bool {
    let trimmed = if pattern.len() > 1 { pattern.trim_end_matches('/') } else { pattern };
    fits(trimmed.as_bytes(), path.as_bytes())
}

/// Backtracks to the last `*` only, so that no pattern takes more than quadratic time.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < path.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(byte) if *byte == path[t] || (*byte == b'?' && path[t] != b'/') => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((after, at)) if path[at] != b'/' => {
                    (p, t) = (after, at + 1);
                    star = Some((after, at + 1));
                }
                _ => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The directories `/sys/devices/system/cpu/cpuN/thermal_throttle` of this machine, which most virtual machines lack:
/// then a single look is all that it costs.
pub fn thermal_throttle(cpus: &crate::config::CpuSet) -> Vec<String> {
    let path = |cpu: u32| format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle");
    let exists = |path: &str| rustix::fs::access(path, rustix::fs::Access::EXISTS).is_ok();
    if !cpus.iter().next().is_some_and(|first| exists(&path(first))) {
        return Vec::new();
    }
    cpus.iter().map(path).filter(|path| exists(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stay_within_a_component() {
        for (pattern, path, expected) in [
            ("/proc/*", "/proc/kcore", true),
            ("/proc/*", "/proc/bus/x", false),
            ("/proc/kcore", "/proc/kcore", true),
            ("/proc/kcore/", "/proc/kcore", true),
            ("/proc/kc?re", "/proc/kcore", true),
            ("/proc?kcore", "/proc/kcore", false),
            ("/*/*", "/proc/kcore", true),
            ("/sys/*/firm*", "/sys/firmware", false),
            ("*core", "/proc/kcore", false),
            ("/proc/*c*r*", "/proc/kcore", true),
            ("/proc", "/proc/kcore", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends_soon() {
        let path = format!("/{}", "a".repeat(4000));
        assert!(!matches(&format!("/{}b", "*a".repeat(100)), &path));
    }
}
