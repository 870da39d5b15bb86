//! Host devices: looked up, and the rules by which a cgroup lets them through.

use super::Error;
use crate::config::{DeviceAccess, DeviceRequest};
use oci::runtime::{Device, DeviceRule, DeviceType};
use rustix::fs::{AtFlags, FileType, major, minor, statat};
use std::path::{Path, PathBuf};

/// A device of the host that the container gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostDevice {
    /// Absolute path on the host.
    pub host: PathBuf,
    /// Absolute path in the container.
    pub container: String,
    /// `Char` or `Block`.
    pub kind: DeviceType,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// What the cgroup lets through.
    pub access: DeviceAccess,
    /// By `--device`; else by `--privileged`.
    pub asked: bool,
}

impl HostDevice {
    /// The node to make.
    pub(super) fn node(&self) -> Device {
        Device {
            kind: self.kind,
            path: self.container.clone(),
            major: self.major.into(),
            minor: self.minor.into(),
            file_mode: Some(self.mode),
            uid: Some(self.uid),
            gid: Some(self.gid),
        }
    }

    /// The rule that lets it through.
    pub(super) fn rule(&self) -> DeviceRule {
        rule(true, Some(self.kind), Some(self.major.into()), Some(self.minor.into()), &self.access.to_string())
    }
}

/// Looks up what `--device` asked for; a directory stands for all devices below it.
pub fn devices(requests: &[DeviceRequest]) -> Result<Vec<HostDevice>, Error> {
    let mut found = Vec::new();
    for request in requests {
        let stat = statat(rustix::fs::CWD, &request.host, AtFlags::empty())
            .map_err(|errno| Error::Device { path: request.host.clone(), source: errno.into() })?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let before = found.len();
            below(&request.host, request.container.as_str(), request.access, true, &mut found)
                .map_err(|source| Error::Device { path: request.host.clone(), source })?;
            if found.len() == before {
                return Err(Error::NoDevice { path: request.host.clone(), why: "a directory without devices" });
            }
            continue;
        }
        match device(&stat, &request.host, request.container.as_str(), request.access, true) {
            Some(device) => found.push(device),
            None => return Err(Error::NoDevice { path: request.host.clone(), why: "not a device" }),
        }
    }
    Ok(found)
}

/// All devices of the host, for a privileged container, but those that every container has for itself. In a user
/// namespace (`bound`) the host's virtual consoles stay out as well: bound, they would be the host's own.
pub fn all_devices(bound: bool) -> Result<Vec<HostDevice>, Error> {
    let mut found = Vec::new();
    let top = Path::new("/dev");
    below(top, "/dev", DeviceAccess::ALL, false, &mut found)
        .map_err(|source| Error::Device { path: top.to_owned(), source })?;
    found.retain(|device| !(is_default(&device.container) || (bound && is_virtual_console(&device.container))));
    Ok(found)
}

/// What the specification gives to every container (config-linux.md, "Default Devices").
fn is_default(path: &str) -> bool {
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx"].contains(&path)
}

fn is_virtual_console(path: &str) -> bool {
    path.strip_prefix("/dev/tty").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Adds the devices below `host`, at the same places below `container`; links are not followed.
fn below(
    host: &Path,
    container: &str,
    access: DeviceAccess,
    asked: bool,
    found: &mut Vec<HostDevice>,
) -> std::io::Result<()> {
    /// Made anew in each container.
    const OWN: [&str; 5] = ["pts", "shm", "fd", "mqueue", "console"];
    let mut entries: Vec<_> = std::fs::read_dir(host)?.collect::<std::io::Result<_>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| asked || !OWN.contains(name)) else { continue };
        let (path, inside) = (entry.path(), format!("{container}/{name}"));
        // A device can be unplugged between the two calls.
        let Ok(stat) = statat(rustix::fs::CWD, &path, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            match below(&path, &inside, access, asked, found) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
                result => result?,
            }
        } else {
            found.extend(device(&stat, &path, &inside, access, asked));
        }
    }
    Ok(())
}

fn device(
    stat: &rustix::fs::Stat,
    host: &Path,
    container: &str,
    access: DeviceAccess,
    asked: bool,
) -> Option<HostDevice> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => DeviceType::Char,
        FileType::BlockDevice => DeviceType::Block,
        _ => return None,
    };
    Some(HostDevice {
        host: host.to_owned(),
        container: container.to_owned(),
        kind,
        major: major(stat.st_rdev),
        minor: minor(stat.st_rdev),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        access,
        asked,
    })
}

/// One rule.
pub(super) fn rule(
    allow: bool,
    kind: Option<DeviceType>,
    major: Option<i64>,
    minor: Option<i64>,
    access: &str,
) -> DeviceRule {
    DeviceRule { allow, kind, major, minor, access: Some(access.to_owned()) }
}

/// What every container may use (`Documentation/admin-guide/devices.txt`), as docker and podman have it: making any
/// node, which gives no access; the memory devices, terminals, and nothing else.
pub(super) fn default_rules() -> Vec<DeviceRule> {
    let char = |major, minor| rule(true, Some(DeviceType::Char), Some(major), minor, "rwm");
    vec![
        rule(false, None, None, None, "rwm"),
        rule(true, Some(DeviceType::Char), None, None, "m"),
        rule(true, Some(DeviceType::Block), None, None, "m"),
        char(1, Some(3)), // null
        char(1, Some(5)), // zero
        char(1, Some(7)), // full
        char(1, Some(8)), // random
        char(1, Some(9)), // urandom
        char(5, Some(0)), // tty
        char(5, Some(1)), // console
        char(5, Some(2)), // ptmx
        char(136, None),  // pts/*
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags;

    fn ask(text: &str) -> Result<Vec<HostDevice>, Error> {
        devices(&[flags::device(text, Path::new("/")).unwrap()])
    }

    #[test]
    fn a_device_is_found_with_its_numbers() {
        let found = ask("/dev/null:/dev/nothing:r").unwrap();
        let [null] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((null.kind, null.major, null.minor), (DeviceType::Char, 1, 3));
        assert_eq!((null.container.as_str(), null.access.to_string().as_str()), ("/dev/nothing", "r"));
    }

    #[test]
    fn what_is_no_device_is_refused() {
        assert!(matches!(ask("/dev/none-such"), Err(Error::Device { .. })));
        assert!(matches!(ask("/etc/passwd"), Err(Error::NoDevice { .. })));
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(ask(empty.path().to_str().unwrap()), Err(Error::NoDevice { .. })));
    }

    #[test]
    fn a_directory_stands_for_the_devices_below_it() {
        let found = ask("/dev:/devices").unwrap();
        assert!(
            found.iter().any(|device| device.container == "/devices/null" && device.host == Path::new("/dev/null"))
        );
    }

    #[test]
    fn all_devices_are_those_that_a_container_lacks() {
        let found = all_devices(false).unwrap();
        let has = |path: &str| found.iter().any(|device| device.container == path);
        for own in ["/dev/null", "/dev/tty", "/dev/ptmx", "/dev/console"] {
            assert!(!has(own), "{own}");
        }
        assert!(!found.iter().any(|device| device.container.starts_with("/dev/pts/")));
        assert_eq!(has("/dev/kmsg"), Path::new("/dev/kmsg").exists());
    }

    #[test]
    fn virtual_consoles_are_told_apart_from_other_devices() {
        for (path, console) in [("/dev/tty", false), ("/dev/tty12", true), ("/dev/ttyS0", false)] {
            assert_eq!(is_virtual_console(path), console, "{path}");
        }
    }
}
