//! `--sysctl`: only kernel parameters that belong to a namespace; any other would change the machine.

use super::Invalid;

/// The namespace that a kernel parameter belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespaced {
    /// `net.…`.
    Network,
    /// `fs.mqueue.…`, `kernel.msg…`, `kernel.sem`, `kernel.shm…`.
    Ipc,
}

impl Namespaced {
    /// The namespace of `name`, a dotted name; `None` for one that is the whole machine's, or unknown.
    pub fn of(name: &str) -> Option<Self> {
        const IPC: [&str; 8] = [
            "kernel.msgmax",
            "kernel.msgmnb",
            "kernel.msgmni",
            "kernel.sem",
            "kernel.shmall",
            "kernel.shmmax",
            "kernel.shmmni",
            "kernel.shm_rmid_forced",
        ];
        if name.strip_prefix("net.").is_some_and(|rest| !rest.is_empty()) {
            Some(Self::Network)
        } else if IPC.contains(&name) || name.strip_prefix("fs.mqueue.").is_some_and(|rest| !rest.is_empty()) {
            Some(Self::Ipc)
        } else {
            None
        }
    }
}

/// `NAME=VALUE`; the name with dots, or with slashes as sysctl(8) also takes it.
pub fn sysctl(text: &str) -> Result<(String, String), Invalid> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(Invalid::new(text, "no value").hint("write NAME=VALUE"));
    };
    if name.trim() != name || value.trim() != value {
        return Err(Invalid::new(text, "blanks around name or value"));
    }
    // sysctl(8): whichever of `/` and `.` comes first separates; the other then stands for itself in a name such as
    // that of an interface, net/ipv4/conf/eth0.1/….
    let dotted = match name.find(['.', '/']) {
        Some(at) if name[at..].starts_with('/') => name
            .chars()
            .map(|c| {
                if c == '/' {
                    '.'
                } else if c == '.' {
                    '/'
                } else {
                    c
                }
            })
            .collect(),
        _ => name.to_owned(),
    };
    if dotted.split(['.', '/']).any(str::is_empty) || value.contains('\0') || dotted.contains('\0') {
        return Err(Invalid::new(text, "not a kernel parameter"));
    }
    if Namespaced::of(&dotted).is_none() {
        return Err(Invalid::new(name, "not a parameter of a namespace; it would change the whole machine")
            .hint("net.*, fs.mqueue.*, kernel.msg*, kernel.sem and kernel.shm* can be set"));
    }
    Ok((dotted, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parameters_of_a_namespace_are_taken() {
        for (text, expected) in [
            ("net.ipv4.ip_forward=1", Some(("net.ipv4.ip_forward", "1"))),
            ("net/ipv4/conf/eth0.1/rp_filter=0", Some(("net.ipv4.conf.eth0/1.rp_filter", "0"))),
            ("kernel.sem=250 32000 32 128", Some(("kernel.sem", "250 32000 32 128"))),
            ("fs.mqueue.msg_max=10", Some(("fs.mqueue.msg_max", "10"))),
            ("kernel.hostname=x", None),
            ("kernel.core_pattern=|/x", None),
            ("vm.swappiness=1", None),
            ("net.=1", None),
            ("net=1", None),
            ("net..x=1", None),
            ("net.../../kernel.x=1", None),
            ("net.ipv4.ip_forward", None),
            ("net.ipv4.ip_forward =1", None),
            ("=1", None),
            ("", None),
        ] {
            let read = sysctl(text).ok();
            let read = read.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
            assert_eq!(read, expected, "{text}");
        }
    }
}
