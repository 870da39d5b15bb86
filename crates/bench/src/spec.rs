//! The specifications under test, as `config.json`. The floor has the same ones as calls (`floor/spec.rs`); a test holds
//! that what is made is the same.

use crate::capabilities;
use serde_json::{Value, json};
use std::path::Path;

/// A specification under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spec {
    /// Six namespaces, eight mounts with the root, a cgroup without limits; no capability, no filter.
    Empty,
    /// What `podman run` gives a container that asks for nothing: its mounts, masked and read-only paths, capabilities,
    /// filter, limits, as its `config.json` has them where cgroups are namespaced.
    Podman,
}

/// Files and directories that the second one binds.
pub const FILES: [&str; 4] = ["hosts", "hostname", "containerenv", "shm"];

/// Old enough for old runtimes: nothing newer is asked for.
const VERSION: &str = "1.0.2";

const HOSTNAME: &str = "9b2e63f5a4d1";

impl Spec {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Empty, Self::Podman];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Podman => "podman",
        }
    }

    /// The specification for a container with this root file system and cgroup. `files` is where [`FILES`] are.
    pub fn config(self, root: &Path, files: &Path, cgroup: &str) -> Value {
        match self {
            Self::Empty => empty(root, cgroup),
            Self::Podman => podman(root, files, cgroup),
        }
    }
}

fn mount(kind: &str, at: &str, options: &str) -> Value {
    json!({ "destination": at, "type": kind, "source": kind, "options": options.split(',').collect::<Vec<_>>() })
}

fn bind(from: &Path, at: &str, options: &str) -> Value {
    json!({ "destination": at, "type": "bind", "source": from, "options": options.split(',').collect::<Vec<_>>() })
}

fn namespaces() -> Value {
    let kinds = ["mount", "pid", "uts", "ipc", "network", "cgroup"];
    kinds.iter().map(|kind| json!({ "type": kind })).collect()
}

const DEVPTS: &str = "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5";
const ALL: &str = "nosuid,noexec,nodev";

fn empty(root: &Path, cgroup: &str) -> Value {
    json!({
        "ociVersion": VERSION,
        "process": {
            "user": { "uid": 0, "gid": 0 }, "cwd": "/", "args": ["/bin/true"], "env": ["PATH=/bin"],
        },
        "root": { "path": root },
        "mounts": [
            mount("proc", "/proc", ALL),
            mount("tmpfs", "/dev", "nosuid,strictatime,mode=755,size=65536k"),
            mount("devpts", "/dev/pts", DEVPTS),
            mount("tmpfs", "/dev/shm", "nosuid,noexec,nodev,mode=1777,size=65536k"),
            mount("mqueue", "/dev/mqueue", ALL),
            mount("sysfs", "/sys", "nosuid,noexec,nodev,ro"),
            mount("tmpfs", "/run", "nosuid,nodev,mode=755"),
        ],
        "linux": { "namespaces": namespaces(), "cgroupsPath": cgroup },
    })
}

fn podman(root: &Path, files: &Path, cgroup: &str) -> Value {
    let held = capabilities::NAMES;
    // The list that every runtime appends is written out, so that all write the same one.
    let mut devices = vec![json!({ "allow": false, "access": "rwm" })];
    devices.extend(cgroup::default_rules().iter().map(|rule| json!(rule)));
    json!({
        "ociVersion": VERSION,
        "process": {
            "user": { "uid": 0, "gid": 0, "umask": 0o022 },
            "cwd": "/",
            "args": ["/bin/true"],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=xterm",
                format!("HOSTNAME={HOSTNAME}"),
            ],
            "capabilities": { "bounding": held, "effective": held, "permitted": held },
            "rlimits": [
                { "type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024 },
                { "type": "RLIMIT_NPROC", "soft": 1024, "hard": 1024 },
            ],
        },
        "root": { "path": root },
        "hostname": HOSTNAME,
        "mounts": [
            mount("proc", "/proc", ALL),
            mount("tmpfs", "/dev", "nosuid,noexec,strictatime,mode=755,size=65536k"),
            mount("sysfs", "/sys", "nosuid,noexec,nodev,ro"),
            mount("devpts", "/dev/pts", DEVPTS),
            mount("mqueue", "/dev/mqueue", ALL),
            bind(&files.join("hosts"), "/etc/hosts", "bind,rprivate"),
            bind(&files.join("shm"), "/dev/shm", "bind,rprivate,nosuid,noexec,nodev"),
            bind(&files.join("containerenv"), "/run/.containerenv", "bind,rprivate"),
            bind(&files.join("hostname"), "/etc/hostname", "bind,rprivate"),
            mount("cgroup", "/sys/fs/cgroup", "rprivate,nosuid,noexec,nodev,relatime,ro"),
        ],
        "linux": {
            "namespaces": namespaces(),
            "cgroupsPath": cgroup,
            "sysctl": { "net.ipv4.ping_group_range": "0 0" },
            "resources": { "devices": devices, "pids": { "limit": PIDS } },
            "seccomp": seccomp::default_profile(&held),
            "maskedPaths": [
                "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/fs/selinux",
                "/sys/dev/block",
            ],
            "readonlyPaths": [
                "/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
            ],
        },
    })
}

/// Podman's default limit of tasks.
pub(crate) const PIDS: i64 = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_specifications_that_our_parser_takes_whole() {
        for spec in Spec::ALL {
            let json = spec.config(Path::new("/r"), Path::new("/f"), "/c");
            let parsed: oci::runtime::Spec = serde_json::from_value(json).unwrap();
            assert_eq!(parsed.linux.unwrap().namespaces.len(), 6, "{}", spec.name());
        }
    }

    #[test]
    fn the_capabilities_are_podmans_eleven() {
        // As podman prints them for `CapBnd`.
        assert_eq!(format!("{:016x}", capabilities::BITS), "00000000800405fb");
        assert_eq!(capabilities::BITS.count_ones() as usize, capabilities::NAMES.len());
    }
}
