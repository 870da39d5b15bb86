//! SELinux labels: of the process and its keyring, by the files of procfs; of mounts, by an option of the file system, but
//! for message queues, whose file system takes none: there the root gets an attribute.

use crate::error::{Error, Result};
use oci::runtime::Spec;
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

/// That of mounts.
pub fn of_mounts(spec: &Spec) -> Result<Option<&str>> {
    given("mountLabel", spec.linux.as_ref().and_then(|linux| linux.mount_label.as_deref()))
}

/// The option by which a mount gets it; podman asks for another one than the usual by an annotation of crun's.
pub fn option(spec: &Spec) -> &str {
    let word = spec.annotations.get("run.oci.mount_context_type").map(String::as_str);
    word.filter(|word| matches!(*word, "fscontext" | "defcontext" | "rootcontext")).unwrap_or("context")
}

/// A file system of this kind takes the option. Those of the kernel have labels of the policy.
pub fn on(kind: &str) -> bool {
    !matches!(kind, "proc" | "sysfs" | "mqueue" | "cgroup" | "cgroup2")
}
