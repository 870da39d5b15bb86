//! What this machine lets us do: looked at by doing it, with what is gone when its fd is closed, or by reading what the
//! kernel tells of itself.

use cgroup::{Controller, Layout, Mode, Version};
use oci::runtime::IdMapping;
use rustix::fs::{Access, CWD};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use sys::mount::{CLONE, EMPTY_PATH, FsContext, MountAttr, NOFOLLOW, RECURSIVE, attr, mount_setattr, open_tree};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// The kernel's release.
    kernel: String,
    /// The machine's kind.
    machine: String,
    /// We are root, of the machine or of a user namespace.
    root: bool,
    mounts: Mounts,
    cgroup: Cgroup,
    namespaces: Namespaces,
    seccomp: Seccomp,
    process: Process,
    /// Security modules in force, by what they offer.
    lsm: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Mounts {
    /// fsopen(2), fsmount(2), Linux 5.2.
    new_api: bool,
    /// mount_setattr(2) on a whole tree, Linux 5.12: recursive read-only.
    recursive_attributes: bool,
    /// Whether mounts of a file system can have mapped ids; those that are mounted here, and what needs no device.
    idmapped: BTreeMap<String, bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cgroup {
    /// `v1`, `hybrid`, `v2` or `none`.
    mode: &'static str,
    /// systemd is in charge of the machine.
    systemd: bool,
    /// Who has each controller, and whether we may make a cgroup there.
    controllers: BTreeMap<&'static str, Owner>,
    /// clone3(2) into a cgroup: Linux 5.7 and a v2 hierarchy.
    clone_into: bool,
    /// `cgroup.kill`, Linux 5.14.
    kill: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    hierarchy: &'static str,
    path: String,
    writable: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Namespaces {
    /// The kinds that the kernel has.
    kinds: Vec<&'static str>,
    /// A user namespace could be made just now.
    user: bool,
}

#[derive(Debug, Serialize)]
struct Seccomp {
    /// The actions that the kernel knows, by its own names.
    actions: Vec<String>,
    /// A supervisor can be asked.
    notify: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    /// pidfd_open(2), Linux 5.3.
    pidfd: bool,
    /// `PIDFD_GET_INFO`, Linux 6.13.
    pidfd_info: bool,
}

impl Host {
    /// Looks.
    pub fn look() -> Self {
        let name = rustix::system::uname();
        Self {
            kernel: name.release().to_string_lossy().into_owned(),
            machine: name.machine().to_string_lossy().into_owned(),
            root: rustix::process::geteuid().is_root(),
            mounts: Mounts::look(),
            cgroup: Cgroup::look(),
            namespaces: Namespaces::look(),
            seccomp: Seccomp::look(),
            process: Process::look(),
            lsm: text("/sys/kernel/security/lsm")
                .split(',')
                .map(str::trim)
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A user namespace in which two ids have changed places with two others: what an idmapped mount refers to.
fn mapped() -> Option<OwnedFd> {
    let map = [IdMapping { container_id: 0, host_id: 100_000, size: 2 }];
    runtime::idmap::namespace(&map, &map).ok()
}

impl Mounts {
    fn look() -> Self {
        let tmpfs = || FsContext::open("tmpfs").and_then(|context| context.mount(0)).ok();
        let read_only = MountAttr { set: attr::RDONLY, ..MountAttr::default() };
        let recursive =
            tmpfs().is_some_and(|mount| mount_setattr(mount, "", EMPTY_PATH | RECURSIVE, &read_only).is_ok());
        Self { new_api: tmpfs().is_some(), recursive_attributes: recursive, idmapped: idmapped() }
    }
}

fn idmapped() -> BTreeMap<String, bool> {
    use std::os::fd::AsRawFd as _;
    let Some(userns) = mapped() else { return BTreeMap::new() };
    let attributes = MountAttr {
        set: attr::IDMAP,
        userns_fd: u64::try_from(userns.as_raw_fd()).unwrap_or_default(),
        ..MountAttr::default()
    };
    let takes = |mount: OwnedFd| mount_setattr(mount, "", EMPTY_PATH, &attributes).is_ok();
    let mut found = BTreeMap::new();
    for kind in ["tmpfs", "ramfs"] {
        if let Ok(mount) = FsContext::open(kind).and_then(|context| context.mount(0)) {
            found.insert(kind.to_owned(), takes(mount));
        }
    }
    let table = text("/proc/self/mountinfo");
    for line in table.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (left.split(' ').nth(4), right.split(' ').next()) else { continue };
        // A point whose name is written with escapes is passed over: others of its kind are as good.
        if found.contains_key(kind) || point.contains('\\') {
            continue;
        }
        if let Ok(mount) = open_tree(CWD, point, CLONE | NOFOLLOW) {
            found.insert(kind.to_owned(), takes(mount));
        }
    }
    found
}

impl Cgroup {
    fn look() -> Self {
        let layout = Layout::detect().unwrap_or_default();
        let mode = match layout.mode() {
            Mode::None => "none",
            Mode::V1 => "v1",
            Mode::Hybrid => "hybrid",
            Mode::V2 => "v2",
        };
        let owner = |controller: &Controller| {
            let hierarchy = layout.owner(*controller)?;
            let name = controller.name(hierarchy.version);
            let (path, version) = (hierarchy.mount.clone(), hierarchy.version);
            let writable = rustix::fs::access(path.as_str(), Access::WRITE_OK).is_ok();
            Some((name, Owner { hierarchy: if version == Version::V1 { "v1" } else { "v2" }, path, writable }))
        };
        let v2 = layout.unified();
        Self {
            mode,
            systemd: Path::new("/run/systemd/system").exists(),
            controllers: Controller::ALL.iter().filter_map(owner).collect(),
            clone_into: v2.is_some() && release() >= (5, 7),
            kill: v2.is_some() && release() >= (5, 14),
        }
    }
}

/// The kernel's release, as far as it counts.
fn release() -> (u32, u32) {
    let name = rustix::system::uname();
    let text = name.release().to_string_lossy().into_owned();
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

impl Namespaces {
    fn look() -> Self {
        let files = [
            ("cgroup", "cgroup"),
            ("ipc", "ipc"),
            ("mount", "mnt"),
            ("network", "net"),
            ("pid", "pid"),
            ("time", "time"),
            ("user", "user"),
            ("uts", "uts"),
        ];
        let has = |file: &str| Path::new("/proc/self/ns").join(file).symlink_metadata().is_ok();
        Self {
            kinds: files.iter().filter(|(_, file)| has(file)).map(|(name, _)| *name).collect(),
            user: runtime::idmap::namespace(
                &own(rustix::process::getuid().as_raw()),
                &own(rustix::process::getgid().as_raw()),
            )
            .is_ok(),
        }
    }
}

fn own(host_id: u32) -> [IdMapping; 1] {
    [IdMapping { container_id: 0, host_id, size: 1 }]
}

impl Seccomp {
    fn look() -> Self {
        let actions: Vec<String> =
            text("/proc/sys/kernel/seccomp/actions_avail").split_whitespace().map(str::to_owned).collect();
        Self { notify: actions.iter().any(|action| action == "user_notif"), actions }
    }
}

impl Process {
    fn look() -> Self {
        let own = sys::process::pidfd_open(rustix::process::getpid().as_raw_nonzero().get());
        Self { pidfd: own.is_ok(), pidfd_info: own.is_ok_and(sys::process::pidfd_has_info) }
    }
}
