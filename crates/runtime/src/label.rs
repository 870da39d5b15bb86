//! SELinux labels: of the process and its keyring, by the files of procfs; of mounts, by an option of the file system.
//! No machine that this was written on has SELinux: the files and the order are those of its documentation, untested.

use crate::error::{Error, Result};
use std::path::Path;

/// A label that is given, and can be set: SELinux is there.
pub fn given<'a>(field: &str, label: Option<&'a str>) -> Result<Option<&'a str>> {
    match label.filter(|label| !label.is_empty()) {
        Some(label) if !Path::new("/sys/fs/selinux/enforce").exists() => {
            Err(Error::spec(format!("{field} {label}: SELinux is not enabled on this machine")))
        }
        other => Ok(other),
    }
}

/// A file system of this kind takes the label as its `context`. Those of the kernel have labels of the policy.
pub fn on(kind: &str) -> bool {
    !matches!(kind, "proc" | "sysfs" | "mqueue" | "cgroup" | "cgroup2")
}
