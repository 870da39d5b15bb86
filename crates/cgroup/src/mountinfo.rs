//! `/proc/self/cgroup` and `/proc/self/mountinfo`, as far as they speak of cgroups; parsing only.

use crate::{Controllers, Version};

/// A line of `/proc/self/cgroup`: one hierarchy, and where the process stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership<'a> {
    pub version: Version,
    /// v1: the controllers as the kernel lists them (`cpu,cpuacct`) or `name=…`; v2: empty.
    pub key: &'a str,
    /// The process's cgroup, seen from its cgroup namespace.
    pub own: &'a str,
}

/// Reads `/proc/self/cgroup`.
pub(crate) fn memberships(text: &str) -> impl Iterator<Item = Membership<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (id, key, own) = (fields.next()?, fields.next()?, fields.next()?);
        // A cgroup that was removed under its process keeps the mark in its name.
        let own = own.strip_suffix(" (deleted)").unwrap_or(own);
        let version = if id == "0" && key.is_empty() { Version::V2 } else { Version::V1 };
        Some(Membership { version, key, own })
    })
}

/// A mount of a cgroup file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CgroupMount {
    pub version: Version,
    /// The directory of the hierarchy that is mounted, seen from the reader's cgroup namespace.
    pub root: String,
    /// Where.
    pub point: String,
    /// Device number as statx(2) has it, to tell a mount that another one hides.
    pub device: (u32, u32),
    /// The file system's own options, which name v1's controllers.
    pub options: String,
}

impl CgroupMount {
    /// Is this the hierarchy that `/proc/self/cgroup` calls `key`?
    pub fn carries(&self, version: Version, key: &str) -> bool {
        self.version == version
            && (version == Version::V2
                || key.split(',').all(|name| self.options.split(',').any(|option| option == name)))
    }

    /// The path below [`Self::root`] of a cgroup in this hierarchy, without a leading slash, if it lies there.
    pub fn relative<'a>(&self, own: &'a str) -> Option<&'a str> {
        below(&self.root, own)
    }
}

/// `path` without `root`, component by component.
pub(crate) fn below<'a>(root: &str, path: &'a str) -> Option<&'a str> {
    // `/..` stands for a cgroup outside of the reader's cgroup namespace.
    if path.starts_with("/..") || root.starts_with("/..") {
        return None;
    }
    let rest = path.strip_prefix(root.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/'))
}

/// Reads the cgroup mounts from `/proc/self/mountinfo`, in mount order.
pub(crate) fn cgroup_mounts(text: &str) -> Vec<CgroupMount> {
    text.lines().filter_map(cgroup_mount).collect()
}

fn cgroup_mount(line: &str) -> Option<CgroupMount> {
    // 36 35 98:0 /root /point rw,noatime master:1 - type source options (proc_pid_mountinfo(5))
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut filesystem = filesystem.split(' ');
    let version = match filesystem.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let options = filesystem.nth(1)?;
    let mut mount = mount.split(' ').skip(2);
    let (major, minor) = mount.next()?.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let (root, point) = (unescape(mount.next()?), unescape(mount.next()?));
    Some(CgroupMount { version, root, point, device, options: options.to_owned() })
}

/// The kernel writes space, tab, line break and backslash as three octal digits.
fn unescape(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let Some(byte) = code.filter(u8::is_ascii) else {
            out.push('\\');
            rest = &rest[at + 1..];
            continue;
        };
        out.push(char::from(byte));
        rest = &rest[at + 4..];
    }
    out.push_str(rest);
    out
}

/// The controllers that a v1 line of `/proc/self/cgroup` names.
pub(crate) fn v1_controllers(key: &str) -> Controllers {
    Controllers::parse(key, ',', Version::V1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_membership_may_have_colons_in_its_path() {
        let lines: Vec<_> = memberships("4:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/x (deleted)\n").collect();
        assert_eq!(lines[0], Membership { version: Version::V1, key: "cpu,cpuacct", own: "/a:b" });
        assert_eq!(lines[1].key, "name=systemd");
        assert_eq!(lines[2], Membership { version: Version::V2, key: "", own: "/x" });
    }

    #[test]
    fn optional_fields_and_escapes_are_understood() {
        let line = r"32 31 0:29 /docker/a\040b /mnt/cg\134x rw,relatime shared:9 master:3 - cgroup none rw,cpuacct,cpu";
        let mount = cgroup_mount(line).unwrap();
        assert_eq!((mount.root.as_str(), mount.point.as_str()), ("/docker/a b", r"/mnt/cg\x"));
        assert_eq!(mount.device, (0, 29));
        assert!(mount.carries(Version::V1, "cpu,cpuacct"), "the order of options does not matter");
        assert!(!mount.carries(Version::V1, "cpuset") && !mount.carries(Version::V2, ""));
        assert_eq!(mount.relative("/docker/a b/c"), Some("c"));
        assert_eq!(mount.relative("/docker/a bc"), None);
    }

    #[test]
    fn other_file_systems_and_broken_lines_are_passed_over() {
        assert!(cgroup_mounts("23 1 0:20 / /proc rw - proc proc rw\nnonsense\n\n1 2 - cgroup\n").is_empty());
    }
}
