//! `--device`.

use super::{Invalid, absolute, container_path};
use crate::config::{DeviceAccess, DeviceRequest};
use std::path::Path;
use std::str::FromStr;

/// `HOST[:CONTAINER][:rwm]`, against `cwd`; the second part is a path when it begins with `/`.
pub fn device(text: &str, cwd: &Path) -> Result<DeviceRequest, Invalid> {
    let form = "write HOST[:CONTAINER][:rwm], such as /dev/fuse or /dev/sdb:/dev/disk:r";
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, access) = match parts.as_slice() {
        [host] => (*host, *host, None),
        [host, container] if container.starts_with('/') => (*host, *container, None),
        [host, access] => (*host, *host, Some(*access)),
        [host, container, access] => (*host, *container, Some(*access)),
        _ => return Err(Invalid::new(text, "not a device").hint(form)),
    };
    if host.contains('=') && !host.starts_with('/') {
        return Err(Invalid::new(text, "devices by CDI name are not there yet").hint(form));
    }
    if host.is_empty() || host.contains('\0') {
        return Err(Invalid::new(text, "not a device").hint(form));
    }
    let host = absolute(host, cwd);
    let container =
        if container.starts_with('/') { container_path(container) } else { container_path(&host.to_string_lossy()) }?;
    let access = access.map_or(Ok(DeviceAccess::ALL), str::parse)?;
    Ok(DeviceRequest { host, container, access })
}

/// Some of `rwm`, each once.
impl FromStr for DeviceAccess {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new(text, "not a device's permissions").hint("give some of r, w and m, such as rw");
        let mut access = Self { read: false, write: false, mknod: false };
        for letter in text.chars() {
            let set = match letter {
                'r' => &mut access.read,
                'w' => &mut access.write,
                'm' => &mut access.mknod,
                _ => return Err(invalid()),
            };
            if std::mem::replace(set, true) {
                return Err(invalid());
            }
        }
        if text.is_empty() { Err(invalid()) } else { Ok(access) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read() {
        for (text, expected) in [
            ("/dev/fuse", Some("/dev/fuse /dev/fuse rwm")),
            ("/dev/a:/dev/b", Some("/dev/a /dev/b rwm")),
            ("/dev/a:r", Some("/dev/a /dev/a r")),
            ("/dev/a:/dev/b:rw", Some("/dev/a /dev/b rw")),
            ("./a", Some("/w/a /w/a rwm")),
            ("/dev/a:mr", Some("/dev/a /dev/a rm")),
            ("/dev/a:rr", None),
            ("/dev/a:x", None),
            ("/dev/a:", None),
            ("/dev/a:/dev/b:", None),
            ("/dev/a:/dev/b:r:w", None),
            (":/dev/b", None),
            ("", None),
            ("vendor.com/gpu=0", None),
        ] {
            let read = device(text, Path::new("/w")).ok();
            let told = read.map(|device| format!("{} {} {}", device.host.display(), device.container, device.access));
            assert_eq!(told.as_deref(), expected, "{text}");
        }
    }
}
