//! The facts that a specification is made from: looked up once, each from the place that knows it.

use crate::config::{CapabilitySet, ContainerPath, CpuSet, IdmapRequest, Mount, Owner};
use crate::engine::Engine;
use crate::spec::user::MAX_BYTES;
use crate::spec::{Controllers, HostRlimits, Limit};
use cgroup::{Cgroup, Controller, Layout, Version};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use sys::fs::RootDir;

/// The files in the root by which names become ids. What is no regular file, or absent, is empty: the image is not to
/// be trusted with more (a FIFO, a device, a link out).
pub fn user_files(trees: &[OwnedFd]) -> (Vec<u8>, Vec<u8>) {
    (in_root(trees, "etc/passwd"), in_root(trees, "etc/group"))
}

fn in_root(trees: &[OwnedFd], path: &str) -> Vec<u8> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    for tree in trees {
        let Ok(dir) = tree.try_clone().map(RootDir::new) else { continue };
        let Ok(path) = dir.open(path, OFlags::PATH, Mode::empty()) else { continue };
        if !rustix::fs::fstat(&path).is_ok_and(|stat| is_regular(&stat)) {
            continue;
        }
        // Opened again through procfs only now that it is known to be a plain file.
        let again = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&path));
        let Ok(file) = sys::fs::open(again, flags, Mode::empty()) else { continue };
        let mut bytes = Vec::new();
        if File::from(file).take(MAX_BYTES).read_to_end(&mut bytes).is_ok() {
            return bytes;
        }
    }
    Vec::new()
}

fn is_regular(stat: &rustix::fs::Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile
}

/// What a cgroup can limit here.
pub fn controllers(layout: &Layout, cgroup: Option<&Cgroup>) -> Controllers {
    let denied =
        |controller| cgroup.is_none_or(|cgroup| cgroup.denied().iter().any(|denied| denied.controller == controller));
    let has = |controller| layout.owner(controller).is_some() && !denied(controller);
    let v1 = |controller| layout.owner(controller).is_some_and(|owner| owner.version == Version::V1);
    let memory = has(Controller::Memory);
    // The container's own directory may be still to be made.
    let file = |name: &str| {
        let owner = layout.owner(Controller::Memory);
        owner.is_some_and(|owner| std::path::Path::new(&owner.mount).join(name).exists())
    };
    let v1_memory = v1(Controller::Memory);
    Controllers {
        memory,
        swap: memory && (!v1_memory || file("memory.memsw.limit_in_bytes")),
        oom_control: memory && v1_memory,
        cpu: has(Controller::Cpu),
        cpuset: has(Controller::Cpuset),
        pids: has(Controller::Pids),
        io: has(Controller::Io),
        swappiness: memory && v1_memory,
        unified: layout.mode() == cgroup::Mode::V2,
        devices: has(Controller::Devices)
            || (layout.unified().is_some() && layout.owner(Controller::Devices).is_none()),
    }
}

/// Our own resource limits. They are set from within the container's user namespace, where nobody may raise one.
pub fn rlimits(engine: &Engine, own_user_namespace: bool) -> HostRlimits {
    use rustix::process::{Resource as Kernel, getrlimit};
    let kernel = [
        Kernel::Cpu,
        Kernel::Fsize,
        Kernel::Data,
        Kernel::Stack,
        Kernel::Core,
        Kernel::Rss,
        Kernel::Nproc,
        Kernel::Nofile,
        Kernel::Memlock,
        Kernel::As,
        Kernel::Locks,
        Kernel::Sigpending,
        Kernel::Msgqueue,
        Kernel::Nice,
        Kernel::Rtprio,
        Kernel::Rttime,
    ];
    let limit = |resource| {
        let limit = getrlimit(resource);
        Limit { soft: limit.current.unwrap_or(u64::MAX), hard: limit.maximum.unwrap_or(u64::MAX) }
    };
    let able = rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::SYS_RESOURCE));
    HostRlimits { limits: kernel.map(limit), may_raise: able && engine.caller().is_root() && !own_user_namespace }
}

/// What a container can be given.
pub fn bounding(own_user_namespace: bool) -> CapabilitySet {
    if own_user_namespace {
        return CapabilitySet::from_bits(u64::MAX);
    }
    let sets = rustix::thread::capabilities(None);
    CapabilitySet::from_bits(sets.map_or(0, |sets| sets.permitted.bits()))
}

/// A list such as `0-3,7` from a file of sysfs.
pub fn list(path: &str) -> CpuSet {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // A kernel without NUMA has no list of nodes, and one node.
    text.trim().parse().unwrap_or_else(|_| CpuSet::only(0))
}

/// The kernel knows this file system.
pub fn has_file_system(name: &str) -> bool {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known.lines().any(|line| line.split('\t').nth(1) == Some(name))
}

/// The kernel's version, major and minor.
pub fn kernel() -> (u32, u32) {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The host's own name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Whose the sources of binds are that are to belong to the container's user.
pub fn owners(mounts: &[Mount]) -> BTreeMap<ContainerPath, (u32, u32)> {
    let owner = |mount: &Mount| {
        let Mount::Bind(bind) = mount else { return None };
        // What is not there the mount itself tells.
        let is_asked = bind.owner == Owner::Idmap(IdmapRequest::Container);
        let stat = is_asked.then(|| rustix::fs::stat(&bind.source).ok())??;
        Some((bind.destination.clone(), (stat.st_uid, stat.st_gid)))
    };
    mounts.iter().filter_map(owner).collect()
}
