//! Namespace flags of clone3(2), unshare(2) and setns(2), and their names.

#![allow(missing_docs, reason = "the kernel's names say it")]

pub const TIME: u64 = 0x80;
pub const MOUNT: u64 = 0x0002_0000;
pub const CGROUP: u64 = 0x0200_0000;
pub const UTS: u64 = 0x0400_0000;
pub const IPC: u64 = 0x0800_0000;
pub const USER: u64 = 0x1000_0000;
pub const PID: u64 = 0x2000_0000;
pub const NET: u64 = 0x4000_0000;

/// Names of namespace flags, as strace writes them.
pub fn flags_text(flags: u64) -> String {
    let names = [
        (USER, "CLONE_NEWUSER"),
        (MOUNT, "CLONE_NEWNS"),
        (PID, "CLONE_NEWPID"),
        (NET, "CLONE_NEWNET"),
        (IPC, "CLONE_NEWIPC"),
        (UTS, "CLONE_NEWUTS"),
        (CGROUP, "CLONE_NEWCGROUP"),
        (TIME, "CLONE_NEWTIME"),
    ];
    let named: Vec<_> = names.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| *name).collect();
    if named.is_empty() { "0".to_owned() } else { named.join("|") }
}
