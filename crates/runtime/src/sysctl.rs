//! Kernel parameters: those of the container's own namespaces, and no others.
//!
//! Most of /proc/sys is the whole machine's (`kernel.core_pattern` names a program that root runs): a container may set
//! only what a namespace of its own has for itself.

use crate::error::{Error, Result};
use crate::namespace::{self, Namespaces};
use oci::runtime::NamespaceKind;

/// Parameters of the IPC namespace (ipc_namespaces(7)).
const IPC: [&str; 8] = ["auto_msgmni", "msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni"];

/// The parameter's path in procfs, if the container may set it.
pub fn path(name: &str, namespaces: &Namespaces) -> Result<String> {
    let path = below_sys(name)?;
    if path == "kernel/hostname" {
        return Err(Error::spec("sysctl kernel.hostname: the field hostname is for it"));
    }
    let Some(kind) = owner(&path) else {
        return Err(Error::spec(format!("sysctl {name} is not of a namespace: it would change the whole machine")));
    };
    if namespaces.has(kind) {
        return Ok(format!("sys/{path}"));
    }
    let kind = namespace::name(kind);
    Err(Error::spec(format!("sysctl {name} needs a {kind} namespace: without one it would change the host")))
}

/// A name of sysctl(8) as a path below /proc/sys: dots and slashes change places, unless the first of them is a slash
/// (sysctl.d(5)).
fn below_sys(name: &str) -> Result<String> {
    let swapped = |c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let path: String = match name.find(['.', '/']) {
        Some(at) if name[at..].starts_with('/') => name.to_owned(),
        _ => name.chars().map(swapped).collect(),
    };
    if path.is_empty() || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(Error::spec(format!("sysctl {name:?} is no name of a kernel parameter")));
    }
    Ok(path)
}

/// The kind of namespace that has its own value of a parameter.
fn owner(path: &str) -> Option<NamespaceKind> {
    let (top, rest) = path.split_once('/')?;
    match top {
        "net" => Some(NamespaceKind::Network),
        "user" => Some(NamespaceKind::User),
        "fs" if rest.starts_with("mqueue/") => Some(NamespaceKind::Ipc),
        "kernel" if IPC.contains(&rest) || rest == "shm_rmid_forced" => Some(NamespaceKind::Ipc),
        "kernel" if matches!(rest, "msg_next_id" | "sem_next_id" | "shm_next_id") => Some(NamespaceKind::Ipc),
        "kernel" if rest == "domainname" => Some(NamespaceKind::Uts),
        "kernel" if rest == "ns_last_pid" => Some(NamespaceKind::Pid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_slashes_change_places() {
        for (name, path) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net/ipv4/conf/eth0.1/rp_filter", "net/ipv4/conf/eth0.1/rp_filter"),
            ("net.ipv4.conf.eth0/1.rp_filter", "net/ipv4/conf/eth0.1/rp_filter"),
        ] {
            assert_eq!(below_sys(name).as_deref().ok(), Some(path));
        }
        for name in ["", "net..x", "../../etc/passwd", "net/../../x", "net/./x"] {
            assert!(below_sys(name).is_err(), "{name}");
        }
    }

    #[test]
    fn what_belongs_to_the_machine_is_refused_whatever_the_namespaces() {
        let all = Namespaces { new: u64::MAX, ..Namespaces::default() };
        for name in
            ["kernel.core_pattern", "vm.swappiness", "fs.file-max", "kernel.shm/../core_pattern", "dev.x", "net"]
        {
            assert!(path(name, &all).is_err(), "{name}");
        }
        assert_eq!(path("kernel.sem", &all).as_deref().ok(), Some("sys/kernel/sem"));
    }

    #[test]
    fn what_belongs_to_a_namespace_needs_it() {
        let none = Namespaces::default();
        for name in ["net.ipv4.ip_forward", "kernel.sem", "fs.mqueue.msg_max", "user.max_user_namespaces"] {
            assert!(path(name, &none).is_err(), "{name}");
        }
    }
}
