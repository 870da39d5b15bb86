//! /dev: the nodes and links that every container has (config-linux.md, "Default Devices"), and those of the spec.
//!
//! With privileges the whole directory is made once, detached, by the parent: nodes in it work also in a user
//! namespace, where mknod(2) is refused, since the file system belongs to the host's. Without them each node is a
//! bind mount of the host's.

use crate::error::{Error, Result, What};
use oci::runtime::{Device, DeviceType, Process};
use rustix::fs::{FileType, Gid, Mode, Uid};
use std::os::fd::OwnedFd;
use sys::fs::{fchmodat, fchownat, mknodat, symlinkat};

/// A node of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Type and permission bits.
    pub mode: u32,
    /// Device number.
    pub device: u64,
    /// Owner on the host.
    pub uid: u32,
    /// Group on the host.
    pub gid: u32,
}

/// Names and numbers of the default devices; all `0666`, root's.
const DEFAULT: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Links in /dev.
const LINKS: [(&str, &str); 5] = [
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// The kernel's memory as a file; every runtime links it, and the profile masks it.
const CORE: (&str, &str) = ("core", "/proc/kcore");

/// How the container's ids look from outside: what an owner in a node has to be.
pub trait Owners {
    /// The host's uid of a container's uid.
    fn uid(&self, uid: u32) -> u32;
    /// The host's gid of a container's gid.
    fn gid(&self, gid: u32) -> u32;
}

/// All nodes that the container has: the default ones, then the spec's, which may replace them. Paths are absolute.
pub fn nodes(devices: &[Device], owners: &impl Owners) -> Result<Vec<(String, Node)>> {
    let mut nodes: Vec<(String, Node)> = DEFAULT
        .iter()
        .map(|(name, major, minor)| {
            let device = rustix::fs::makedev(*major, *minor);
            let mode = FileType::CharacterDevice.as_raw_mode() | 0o666;
            (format!("/dev/{name}"), Node { mode, device, uid: owners.uid(0), gid: owners.gid(0) })
        })
        .collect();
    for device in devices {
        let kind = match device.kind {
            DeviceType::Char => FileType::CharacterDevice,
            DeviceType::Block => FileType::BlockDevice,
            DeviceType::Fifo => FileType::Fifo,
            DeviceType::All => return Err(Error::spec(format!("device {}: type a is for rules only", device.path))),
        };
        if !device.path.starts_with('/') {
            return Err(Error::spec(format!("device path {} is not absolute", device.path)));
        }
        if device.uid == Some(u32::MAX) || device.gid == Some(u32::MAX) {
            return Err(Error::spec(format!("device {}: {} is no id", device.path, u32::MAX)));
        }
        let number = |n: i64| u32::try_from(n).map_err(|_| Error::spec(format!("device {}: number {n}", device.path)));
        let node = Node {
            mode: kind.as_raw_mode() | device.file_mode.unwrap_or(0o666) & 0o7777,
            device: if kind == FileType::Fifo {
                0
            } else {
                rustix::fs::makedev(number(device.major)?, number(device.minor)?)
            },
            uid: owners.uid(device.uid.unwrap_or(0)),
            gid: owners.gid(device.gid.unwrap_or(0)),
        };
        nodes.retain(|(path, _)| *path != device.path);
        nodes.push((device.path.clone(), node));
    }
    Ok(nodes)
}

/// The links of /dev: path and target.
pub fn links() -> impl Iterator<Item = (&'static str, &'static str)> {
    LINKS.into_iter().chain([CORE])
}

/// Fills a detached /dev. Nodes outside /dev, and all of them where we may make none, are left to the caller, who
/// gets them back.
pub fn populate(
    dev: &OwnedFd,
    nodes: &[(String, Node)],
    directories: &[&str],
    makes_nodes: bool,
    process: Option<&Process>,
) -> Result<Vec<(String, Node)>> {
    const WHAT: &str = "make /dev";
    let mut rest = Vec::new();
    for entry @ (path, node) in nodes {
        let Some(name) = path.strip_prefix("/dev/").filter(|name| !name.split('/').any(|part| part == "..")) else {
            rest.push(entry.clone());
            continue;
        };
        if links().any(|(link, _)| link == name) {
            // Engines list /dev/ptmx among the devices of a privileged container; its own is the one of its devpts.
            continue;
        }
        if !makes_nodes {
            rest.push(entry.clone());
            continue;
        }
        let mut made = 0;
        while let Some(slash) = name[made..].find('/') {
            made += slash;
            sys::fs::ensure_dir(dev, &name[..made], Mode::from_raw_mode(0o755)).what(WHAT)?;
            made += 1;
        }
        let mode = Mode::from_raw_mode(node.mode & 0o7777);
        mknodat(dev, name, FileType::from_raw_mode(node.mode), mode, node.device).what(WHAT)?;
        if node.mode & 0o7000 != 0 {
            fchmodat(dev, name, mode).what(WHAT)?;
        }
        own(dev, name, node.uid, node.gid)?;
    }
    let root = nodes.first().map_or((0, 0), |(_, node)| (node.uid, node.gid));
    for (name, to) in links() {
        symlinkat(to, dev, name).what(WHAT)?;
        own(dev, name, root.0, root.1)?;
    }
    for name in directories {
        sys::fs::ensure_dir(dev, *name, Mode::from_raw_mode(0o755)).what(WHAT)?;
        own(dev, name, root.0, root.1)?;
    }
    let console = |(path, _): &(String, Node)| makes_nodes && path == "/dev/console";
    if process.is_some_and(|process| process.terminal) && !nodes.iter().any(console) {
        mknodat(dev, "console", FileType::RegularFile, Mode::from_raw_mode(0o620), 0).what(WHAT)?;
    }
    own(dev, ".", root.0, root.1)?;
    Ok(rest)
}

fn own(dev: &OwnedFd, name: &str, uid: u32, gid: u32) -> Result<()> {
    if uid == 0 && gid == 0 {
        return Ok(());
    }
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    fchownat(dev, name, uid, gid, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).what("make /dev")
}
