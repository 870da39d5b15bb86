//! How the arguments of a call read: numbers by their names, and what pointers lead to.
//!
//! Only calls that profiles usually refuse stand here; of others the first three numbers are told. A flag's bits and an
//! operation's number are the kernel's copy; a text is read from the caller's memory and marked.

use super::Argument;
use sys::flags::{CLONE, MOUNT, UMOUNT, words};

/// What a call takes: `name:kind` each. Kinds: `s` text, `p` pointer (not told), `d` signed, `x` hexadecimal, else a table.
const CALLS: &[(&str, &str)] = &[
    ("acct", "filename:s"),
    ("add_key", "type:s description:s payload:p plen:d keyring:d"),
    ("bpf", "cmd:bpf attr:p size:d"),
    ("chroot", "path:s"),
    ("clock_adjtime", "clockid:d tx:p"),
    ("clock_settime", "clockid:d tp:p"),
    ("clone", "flags:clone"),
    ("clone3", "args:p size:d"),
    ("delete_module", "name:s flags:x"),
    ("fanotify_init", "flags:x event_f_flags:x"),
    ("finit_module", "fd:d params:s flags:x"),
    ("fsconfig", "fd:d cmd:d key:s value:p aux:d"),
    ("fsmount", "fsfd:d flags:x attr_flags:x"),
    ("fsopen", "fsname:s flags:x"),
    ("fspick", "dirfd:d path:s flags:x"),
    ("init_module", "image:p len:d params:s"),
    ("io_uring_enter", "fd:d to_submit:d min_complete:d flags:x"),
    ("io_uring_register", "fd:d opcode:d"),
    ("io_uring_setup", "entries:d params:p"),
    ("ioperm", "from:x num:d turn_on:d"),
    ("iopl", "level:d"),
    ("kcmp", "pid1:d pid2:d type:d"),
    ("kexec_file_load", "kernel_fd:d initrd_fd:d"),
    ("kexec_load", "entry:x nr_segments:d segments:p flags:x"),
    ("keyctl", "operation:keyctl"),
    ("mbind", "addr:x len:d mode:d"),
    ("migrate_pages", "pid:d"),
    ("mount", "source:s target:s filesystemtype:s mountflags:mount"),
    ("mount_setattr", "dirfd:d path:s flags:x"),
    ("move_mount", "from_dirfd:d from_path:s to_dirfd:d to_path:s flags:x"),
    ("move_pages", "pid:d count:d"),
    ("open_by_handle_at", "mount_fd:d handle:p flags:x"),
    ("open_tree", "dirfd:d path:s flags:x"),
    ("perf_event_open", "attr:p pid:d cpu:d group_fd:d flags:x"),
    ("personality", "persona:x"),
    ("pidfd_getfd", "pidfd:d targetfd:d flags:x"),
    ("pivot_root", "new_root:s put_old:s"),
    ("process_vm_readv", "pid:d"),
    ("process_vm_writev", "pid:d"),
    ("ptrace", "op:ptrace pid:d"),
    ("quotactl", "op:x special:s id:d"),
    ("reboot", "magic:x magic2:x op:x"),
    ("request_key", "type:s description:s"),
    ("set_mempolicy", "mode:d"),
    ("setdomainname", "name:s len:d"),
    ("sethostname", "name:s len:d"),
    ("setns", "fd:d nstype:clone"),
    ("settimeofday", "tv:p tz:p"),
    ("socket", "domain:family type:socket protocol:d"),
    ("swapoff", "path:s"),
    ("swapon", "path:s swapflags:x"),
    ("syslog", "type:d bufp:p len:d"),
    ("umount", "target:s"),
    ("umount2", "target:s flags:umount"),
    ("unshare", "flags:clone"),
    ("userfaultfd", "flags:x"),
    ("vhangup", ""),
];

/// Numbers and their names.
type Numbers = &'static [(u64, &'static str)];

const KEYCTL: &[&str] = &[
    "KEYCTL_GET_KEYRING_ID",
    "KEYCTL_JOIN_SESSION_KEYRING",
    "KEYCTL_UPDATE",
    "KEYCTL_REVOKE",
    "KEYCTL_CHOWN",
    "KEYCTL_SETPERM",
    "KEYCTL_DESCRIBE",
    "KEYCTL_CLEAR",
    "KEYCTL_LINK",
    "KEYCTL_UNLINK",
    "KEYCTL_SEARCH",
    "KEYCTL_READ",
    "KEYCTL_INSTANTIATE",
    "KEYCTL_NEGATE",
    "KEYCTL_SET_REQKEY_KEYRING",
    "KEYCTL_SET_TIMEOUT",
    "KEYCTL_ASSUME_AUTHORITY",
    "KEYCTL_GET_SECURITY",
    "KEYCTL_SESSION_TO_PARENT",
    "KEYCTL_REJECT",
    "KEYCTL_INSTANTIATE_IOV",
    "KEYCTL_INVALIDATE",
    "KEYCTL_GET_PERSISTENT",
];

const BPF: &[&str] = &[
    "BPF_MAP_CREATE",
    "BPF_MAP_LOOKUP_ELEM",
    "BPF_MAP_UPDATE_ELEM",
    "BPF_MAP_DELETE_ELEM",
    "BPF_MAP_GET_NEXT_KEY",
    "BPF_PROG_LOAD",
    "BPF_OBJ_PIN",
    "BPF_OBJ_GET",
    "BPF_PROG_ATTACH",
    "BPF_PROG_DETACH",
    "BPF_PROG_TEST_RUN",
    "BPF_PROG_GET_NEXT_ID",
    "BPF_MAP_GET_NEXT_ID",
    "BPF_PROG_GET_FD_BY_ID",
    "BPF_MAP_GET_FD_BY_ID",
    "BPF_OBJ_GET_INFO_BY_FD",
    "BPF_PROG_QUERY",
    "BPF_RAW_TRACEPOINT_OPEN",
    "BPF_BTF_LOAD",
];

const PTRACE: Numbers = &[
    (0, "PTRACE_TRACEME"),
    (1, "PTRACE_PEEKTEXT"),
    (2, "PTRACE_PEEKDATA"),
    (3, "PTRACE_PEEKUSER"),
    (4, "PTRACE_POKETEXT"),
    (5, "PTRACE_POKEDATA"),
    (7, "PTRACE_CONT"),
    (16, "PTRACE_ATTACH"),
    (17, "PTRACE_DETACH"),
    (24, "PTRACE_SYSCALL"),
    (0x4206, "PTRACE_SEIZE"),
];

const FAMILY: Numbers = &[
    (1, "AF_UNIX"),
    (2, "AF_INET"),
    (10, "AF_INET6"),
    (16, "AF_NETLINK"),
    (17, "AF_PACKET"),
    (29, "AF_CAN"),
    (31, "AF_BLUETOOTH"),
    (38, "AF_ALG"),
    (39, "AF_NFC"),
    (40, "AF_VSOCK"),
    (44, "AF_XDP"),
];

const SOCKET: Numbers =
    &[(1, "SOCK_STREAM"), (2, "SOCK_DGRAM"), (3, "SOCK_RAW"), (4, "SOCK_RDM"), (5, "SOCK_SEQPACKET")];

/// The arguments of a call that are what it is about, by which one kind is told from another: operations and flags.
pub fn kind(call: Option<&str>, args: &[u64; 6]) -> String {
    let words = shape(call).unwrap_or_default().split(' ').zip(args);
    let named = words.filter_map(|(word, value)| Some((word.split_once(':')?.1, *value)));
    let named = named.filter(|(kind, _)| !matches!(*kind, "s" | "p" | "d" | "x"));
    named.map(|(kind, value)| in_words(kind, value)).collect::<Vec<_>>().join(" ")
}

/// The arguments of a call; `read` reads a text at an address of the caller's.
pub fn arguments(call: Option<&str>, args: &[u64; 6], read: impl Fn(u64) -> Option<String>) -> Vec<Argument> {
    let Some(shape) = shape(call) else {
        let plain = |(index, value): (usize, &u64)| Argument {
            name: format!("arg{index}"),
            value: format!("{value:#x}"),
            unreliable: false,
        };
        return args.iter().enumerate().take(3).map(plain).collect();
    };
    let words = shape.split(' ').zip(args).filter_map(|(word, value)| Some((word.split_once(':')?, *value)));
    let argument = |((name, kind), value): ((&str, &str), u64)| {
        let (value, unreliable) = match kind {
            "p" => return None,
            "s" if value == 0 => ("NULL".to_owned(), false),
            "s" => match read(value) {
                Some(text) => (text, true),
                None => (format!("{value:#x}"), false),
            },
            kind => (in_words(kind, value), false),
        };
        Some(Argument { name: name.to_owned(), value, unreliable })
    };
    words.filter_map(argument).collect()
}

fn shape(call: Option<&str>) -> Option<&'static str> {
    let call = call?;
    CALLS.binary_search_by_key(&call, |(name, _)| name).ok().and_then(|at| CALLS.get(at)).map(|(_, shape)| *shape)
}

fn in_words(kind: &str, value: u64) -> String {
    // The kernel takes an int from the lower half.
    let low = value & 0xffff_ffff;
    match kind {
        "d" => (value as i32).to_string(),
        "mount" => words(MOUNT, low),
        "umount" => words(UMOUNT, low),
        "clone" => words(CLONE, low),
        "keyctl" => KEYCTL.get(low as usize).map_or_else(|| low.to_string(), |name| (*name).to_owned()),
        "bpf" => BPF.get(low as usize).map_or_else(|| low.to_string(), |name| (*name).to_owned()),
        "ptrace" => one(PTRACE, low),
        "family" => one(FAMILY, low),
        // Its flags stand above.
        "socket" => one(SOCKET, low & 0xf),
        _ => format!("{value:#x}"),
    }
}

fn one(names: Numbers, value: u64) -> String {
    names.iter().find(|(number, _)| *number == value).map_or_else(|| value.to_string(), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(CALLS.is_sorted_by_key(|(name, _)| name));
    }

    #[test]
    fn flags_have_their_names_and_texts_are_marked() {
        let args = [1, 2, 0, 0x1000 | 0x4000 | 1 << 30, 0, 0];
        let read = arguments(Some("mount"), &args, |address| (address == 1).then(|| "/dev/sda".to_owned()));
        let words: Vec<_> = read.iter().map(|a| (a.name.as_str(), a.value.as_str(), a.unreliable)).collect();
        let flags = "MS_BIND|MS_REC|0x40000000";
        let expected = [
            ("source", "/dev/sda", true),
            ("target", "0x2", false),
            ("filesystemtype", "NULL", false),
            ("mountflags", flags, false),
        ];
        assert_eq!(words, expected);
        assert_eq!(kind(Some("mount"), &args), flags);
        assert_eq!(kind(Some("keyctl"), &[1; 6]), "KEYCTL_JOIN_SESSION_KEYRING");
        assert_eq!(kind(Some("setns"), &[3, 0, 0, 0, 0, 0]), "0");
        assert_eq!(kind(None, &args), "");
    }
}
