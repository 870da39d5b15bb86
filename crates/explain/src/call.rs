//! A system call as strace prints it: its arguments by name, and what they point to.

use engine::explanation::Call;
use std::fmt::Write;
use sys::capture::{ABSENT, CUT, Pointer, pointers};
use sys::flags::{CLONE, MOUNT, UMOUNT, words};
use sys::nr;

/// What an argument is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A descriptor, or the working directory.
    Fd,
    /// A text.
    Text,
    /// What was written, as far as it may be told.
    Written,
    /// Bits, by their names.
    Bits(&'static [(u64, &'static str)]),
    /// One of these.
    One(&'static [(u64, &'static str)]),
    /// Permission bits.
    Mode,
    /// A signed number; -1 where an id is to stay.
    Number,
    /// `open_how` of openat2(2).
    How,
    /// `mount_attr` of mount_setattr(2).
    Attributes,
    /// A pair of limits.
    Limits,
    /// The sets of capset(2).
    Sets,
    /// That which prctl(2) drops; else a number.
    Capability,
    /// Nothing that says anything outside of its process.
    Pointer,
}

use Kind::{Attributes, Bits, Capability, Fd, How, Limits, Mode, Number, One, Sets, Text, Written};

const AT: &[(u64, &str)] = &[
    (0x100, "AT_SYMLINK_NOFOLLOW"),
    (0x200, "AT_REMOVEDIR"),
    (0x400, "AT_SYMLINK_FOLLOW"),
    (0x1000, "AT_EMPTY_PATH"),
    (0x8000, "AT_RECURSIVE"),
    (1, "OPEN_TREE_CLONE"),
    (0x8_0000, "CLOEXEC"),
];
const ATTRIBUTES: &[(u64, &str)] = &[
    (0x01, "rdonly"),
    (0x02, "nosuid"),
    (0x04, "nodev"),
    (0x08, "noexec"),
    (0x10, "noatime"),
    (0x20, "strictatime"),
    (0x80, "nodiratime"),
    (0x20_0000, "nosymfollow"),
    (0x10_0000, "idmap"),
];
const MOVE: &[(u64, &str)] = &[(4, "MOVE_MOUNT_F_EMPTY_PATH"), (0x40, "MOVE_MOUNT_T_EMPTY_PATH")];
const FSCONFIG: &[(u64, &str)] = &[
    (0, "FSCONFIG_SET_FLAG"),
    (1, "FSCONFIG_SET_STRING"),
    (2, "FSCONFIG_SET_BINARY"),
    (3, "FSCONFIG_SET_PATH"),
    (5, "FSCONFIG_SET_FD"),
    (6, "FSCONFIG_CMD_CREATE"),
    (7, "FSCONFIG_CMD_RECONFIGURE"),
];
const RLIMIT: &[(u64, &str)] = &[
    (0, "RLIMIT_CPU"),
    (1, "RLIMIT_FSIZE"),
    (2, "RLIMIT_DATA"),
    (3, "RLIMIT_STACK"),
    (4, "RLIMIT_CORE"),
    (5, "RLIMIT_RSS"),
    (6, "RLIMIT_NPROC"),
    (7, "RLIMIT_NOFILE"),
    (8, "RLIMIT_MEMLOCK"),
    (9, "RLIMIT_AS"),
    (10, "RLIMIT_LOCKS"),
    (11, "RLIMIT_SIGPENDING"),
    (12, "RLIMIT_MSGQUEUE"),
    (13, "RLIMIT_NICE"),
    (14, "RLIMIT_RTPRIO"),
    (15, "RLIMIT_RTTIME"),
];
const PRCTL: &[(u64, &str)] = &[
    (1, "PR_SET_PDEATHSIG"),
    (4, "PR_SET_DUMPABLE"),
    (8, "PR_SET_KEEPCAPS"),
    (24, "PR_CAPBSET_DROP"),
    (28, "PR_SET_SECUREBITS"),
    (38, "PR_SET_NO_NEW_PRIVS"),
    (47, "PR_CAP_AMBIENT"),
];
/// prctl(2): PR_CAPBSET_DROP.
const CAPBSET_DROP: u64 = 24;
const SECCOMP: &[(u64, &str)] = &[(0, "SECCOMP_SET_MODE_STRICT"), (1, "SECCOMP_SET_MODE_FILTER")];
const KEYCTL: &[(u64, &str)] = &[(1, "KEYCTL_JOIN_SESSION_KEYRING"), (5, "KEYCTL_SETPERM")];
const RESOLVE: &[(u64, &str)] = &[
    (1, "RESOLVE_NO_XDEV"),
    (2, "RESOLVE_NO_MAGICLINKS"),
    (4, "RESOLVE_NO_SYMLINKS"),
    (8, "RESOLVE_BENEATH"),
    (16, "RESOLVE_IN_ROOT"),
];
const OPEN: &[(u64, &str)] = &[
    (1, "O_WRONLY"),
    (2, "O_RDWR"),
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o200_000, "O_DIRECTORY"),
    (0o400_000, "O_NOFOLLOW"),
    (0o10_000_000, "O_PATH"),
    (0o2_000_000, "O_CLOEXEC"),
];

/// What the arguments of a call are; of one that is not known, nothing.
#[allow(clippy::match_same_arms, reason = "a table, in the order of the manual's sections")]
fn kinds(number: u32) -> &'static [Kind] {
    match number {
        nr::openat2 => &[Fd, Text, How],
        nr::openat => &[Fd, Text, Bits(OPEN), Mode],
        nr::mkdirat | nr::fchmodat => &[Fd, Text, Mode],
        nr::mknodat => &[Fd, Text, Mode, Number],
        nr::fchownat => &[Fd, Text, Number, Number, Bits(AT)],
        nr::unlinkat => &[Fd, Text, Bits(AT)],
        nr::faccessat => &[Fd, Text, Number],
        nr::newfstatat | nr::readlinkat | nr::faccessat2 | nr::statx | nr::utimensat | nr::execveat => &[Fd, Text],
        nr::linkat => &[Fd, Text, Fd, Text, Bits(AT)],
        nr::renameat2 => &[Fd, Text, Fd, Text, Number],
        nr::symlinkat => &[Text, Fd, Text],
        nr::open_tree => &[Fd, Text, Bits(AT)],
        nr::move_mount => &[Fd, Text, Fd, Text, Bits(MOVE)],
        nr::mount_setattr => &[Fd, Text, Bits(AT), Attributes],
        nr::mount => &[Text, Text, Text, Bits(MOUNT)],
        nr::umount2 => &[Text, Bits(UMOUNT)],
        nr::pivot_root => &[Text, Text],
        nr::fsopen => &[Text, Number],
        nr::fsconfig => &[Fd, One(FSCONFIG), Text, Text, Fd],
        nr::fsmount => &[Fd, Number, Bits(ATTRIBUTES)],
        nr::execve | nr::chdir | nr::memfd_create => &[Text],
        nr::write => &[Fd, Written, Number],
        nr::sethostname | nr::setdomainname => &[Written, Number],
        nr::unshare => &[Bits(CLONE)],
        nr::clone3 => &[Bits(CLONE)],
        nr::setns => &[Fd, Bits(CLONE)],
        nr::setresuid | nr::setresgid => &[Number, Number, Number],
        nr::capset => &[Kind::Pointer, Sets],
        nr::prctl => &[One(PRCTL), Capability, Number],
        nr::seccomp => &[One(SECCOMP), Number],
        nr::prlimit64 => &[Number, One(RLIMIT), Limits],
        nr::keyctl => &[One(KEYCTL), Text],
        nr::umask => &[Mode],
        nr::fchmod => &[Fd, Mode],
        nr::fchown => &[Fd, Number, Number],
        nr::fsetxattr => &[Fd, Text],
        nr::setxattr | nr::lsetxattr => &[Text, Text],
        nr::close_range => &[Number, Number, Number],
        nr::dup3 => &[Fd, Fd],
        nr::setgroups => &[Number],
        nr::read
        | nr::close
        | nr::fchdir
        | nr::fstatfs
        | nr::getdents64
        | nr::ioctl
        | nr::fcntl
        | nr::ftruncate
        | nr::sendto
        | nr::sendmsg
        | nr::recvmsg
        | nr::recvfrom
        | nr::setsockopt
        | nr::pidfd_send_signal
        | nr::lseek => &[Fd],
        nr::pidfd_open | nr::kill | nr::personality => &[Number],
        _ => &[],
    }
}

/// `name(argument, …)`, without its result. Longer texts are cut.
pub fn call(call: &Call) -> String {
    let mut text = format!("{}(", call.name());
    let mut taken = Taken { rest: &call.captured };
    let followed = pointers(call.number);
    for (index, kind) in kinds(call.number).iter().enumerate() {
        let is_there = followed.iter().any(|pointer| {
            let (Pointer::Text(argument) | Pointer::Bytes(argument, _) | Pointer::Counted(argument, _)) = *pointer;
            argument == index
        });
        let captured = if is_there { taken.next() } else { None };
        if index > 0 {
            text.push_str(", ");
        }
        if matches!(kind, Written) && captured.is_none_or(|(bytes, _)| bytes.is_empty()) {
            // What is written may be a secret, and is not taken then.
            text.push('…');
        } else {
            let drops = (call.number, call.args[0]) == (nr::prctl, CAPBSET_DROP);
            let kind = if matches!(kind, Capability) && !drops { Number } else { *kind };
            put(&mut text, kind, call.args[index], captured);
        }
    }
    text.push(')');
    text
}

/// What was captured of a pointer: the bytes, and that there were more.
type Captured<'a> = Option<(&'a [u8], bool)>;

/// What is left of what was captured.
struct Taken<'a> {
    rest: &'a [u8],
}

impl<'a> Taken<'a> {
    fn next(&mut self) -> Captured<'a> {
        let (&length, rest) = self.rest.split_first()?;
        self.rest = rest;
        if length == ABSENT {
            return None;
        }
        let (bytes, rest) = rest.split_at(rest.len().min((length & !CUT).into()));
        self.rest = rest;
        Some((bytes, length & CUT != 0))
    }
}

fn put(text: &mut String, kind: Kind, value: u64, captured: Captured<'_>) {
    let signed = value as u32 as i32;
    _ = match kind {
        Fd if signed == -100 => write!(text, "AT_FDCWD"),
        Fd | Number => write!(text, "{signed}"),
        Text | Written => return quoted(text, captured),
        Bits(names) => return text.push_str(&words(names, value)),
        One(names) => match names.iter().find(|(known, _)| *known == value) {
            Some((_, name)) => write!(text, "{name}"),
            None => write!(text, "{value}"),
        },
        Capability => match runtime::CAPABILITIES.get(value as usize) {
            Some(name) => write!(text, "{name}"),
            None => write!(text, "{value}"),
        },
        Mode => write!(text, "{:#o}", value & 0o177_777),
        Kind::Pointer => write!(text, "…"),
        How => {
            text.push('{');
            text.push_str(&words(OPEN, word(captured, 0)));
            if word(captured, 1) != 0 {
                _ = write!(text, ", {:#o}", word(captured, 1));
            }
            if word(captured, 2) != 0 {
                text.push_str(", ");
                text.push_str(&words(RESOLVE, word(captured, 2)));
            }
            text.push('}');
            return;
        }
        Attributes => {
            text.push('{');
            let mut separator = "";
            for (name, at) in [("set", 0), ("clear", 1)] {
                if word(captured, at) != 0 {
                    _ = write!(text, "{separator}{name}: ");
                    text.push_str(&words(ATTRIBUTES, word(captured, at)));
                    separator = ", ";
                }
            }
            if word(captured, 2) != 0 {
                text.push_str(separator);
                text.push_str(&words(MOUNT, word(captured, 2)));
            }
            text.push('}');
            return;
        }
        Limits => write!(text, "{{{}, {}}}", limit(word(captured, 0)), limit(word(captured, 1))),
        Sets => {
            let half = |at: usize| (word(captured, at / 8) >> (at % 8 * 8)) & 0xffff_ffff;
            let set = |at: usize| half(at) | half(at + 12) << 32;
            write!(text, "{{effective: {:#x}, permitted: {:#x}, inheritable: {:#x}}}", set(0), set(4), set(8))
        }
    };
}

fn limit(value: u64) -> String {
    if value == u64::MAX { "RLIM64_INFINITY".to_owned() } else { value.to_string() }
}

/// A word of what was captured; zero where nothing was.
fn word(captured: Captured<'_>, index: usize) -> u64 {
    let mut word = [0; 8];
    let from = captured.and_then(|(bytes, _)| bytes.get(index * 8..)).unwrap_or_default();
    for (to, from) in word.iter_mut().zip(from) {
        *to = *from;
    }
    u64::from_ne_bytes(word)
}

fn quoted(text: &mut String, captured: Captured<'_>) {
    match captured {
        None => text.push_str("NULL"),
        Some((bytes, cut)) => {
            let end = if cut { "…" } else { "" };
            _ = write!(text, "\"{}\"{end}", bytes.escape_ascii());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call whose pointers are as if it had been made.
    fn made(number: u32, args: [u64; 6], captured: &[u8]) -> String {
        call(&Call { number, args, captured: captured.to_vec(), result: 0, start: 0, duration: 0 })
    }

    #[test]
    fn a_call_reads_as_strace_prints_it() {
        let path = made(nr::mkdirat, [(-100_i64) as u64, 1, 0o755, 0, 0, 0], b"\x04/dev");
        assert_eq!(path, "mkdirat(AT_FDCWD, \"/dev\", 0o755)");
        let null = made(nr::fsconfig, [7, 6, 0, 0, 0, 0], &[ABSENT, ABSENT]);
        assert_eq!(null, "fsconfig(7, FSCONFIG_CMD_CREATE, NULL, NULL, 0)");
        let cut = made(nr::sethostname, [1, 3, 0, 0, 0, 0], b"\x83box");
        assert_eq!(cut, "sethostname(\"box\"…, 3)");
        let mut attributes = vec![0, 32, 1];
        attributes.resize(2 + 32, 0);
        let attributes = made(nr::mount_setattr, [4, 1, 0x9000, 1, 32, 0], &attributes);
        assert_eq!(attributes, "mount_setattr(4, \"\", AT_EMPTY_PATH|AT_RECURSIVE, {set: rdonly})");
        assert_eq!(made(nr::unshare, [0x4000_0000, 0, 0, 0, 0, 0], &[]), "unshare(CLONE_NEWNET)");
    }
}
