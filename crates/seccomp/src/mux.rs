//! i386's `socketcall` and `ipc`: one number for many calls, the first argument says which.
//!
//! A rule for `socket` has to hold for `socketcall(SYS_SOCKET, …)` as well, or i386 programs (glibc used nothing else
//! before 2.31) never meet it. The call's own arguments lie in memory there, out of a filter's reach. As libseccomp
//! does it, the condition on argument 0 gives way to the one that selects the call and the others stay, though they
//! look at something else then.

use oci::runtime::{Arg, Operator};

use crate::rules::{Conditions, Rules, Verdict};
use crate::syscalls::Call;

/// `SYS_…` (linux/net.h), from 1 on.
const SOCKETCALL: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// `SEMOP` and so on (linux/ipc.h).
const IPC: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// A call that stands for others.
pub(crate) struct Multiplexer {
    /// Itself.
    pub(crate) call: Call,
    /// What it stands for, and with which first argument.
    members: Vec<(Call, u64)>,
}

/// Those of i386.
pub(crate) fn i386() -> Vec<Multiplexer> {
    let multiplexer = |name, members: &mut dyn Iterator<Item = (&str, u64)>| {
        let members = members.filter_map(|(name, selector)| Some((Call::named(name)?, selector))).collect();
        Call::named(name).map(|call| Multiplexer { call, members })
    };
    let sockets = multiplexer("socketcall", &mut SOCKETCALL.into_iter().zip(1..));
    let ipc = multiplexer("ipc", &mut IPC.into_iter());
    sockets.into_iter().chain(ipc).collect()
}

impl Multiplexer {
    /// Whether the profile names it or one of its members.
    pub(crate) fn is_named(&self, rules: &Rules) -> bool {
        rules.names(self.call) || self.members.iter().any(|(call, _)| rules.names(*call))
    }

    /// What its members' rules, and its own, mean for it.
    pub(crate) fn conditional(&self, rules: &Rules) -> Vec<(Conditions, Verdict)> {
        let own = rules.conditional(self.call).iter();
        let mut conditional: Vec<_> = own.map(|rule| (rule.conditions.clone(), rule.verdict)).collect();
        for &(call, selector) in &self.members {
            let selected = Arg { index: 0, value: selector, value_two: 0, op: Operator::Equal };
            if let Some(verdict) = rules.fixed(call) {
                conditional.push((vec![selected], verdict));
            }
            for rule in rules.conditional(call) {
                let others = rule.conditions.iter().filter(|arg| arg.index != 0);
                conditional.push((std::iter::once(selected).chain(others.copied()).collect(), rule.verdict));
            }
        }
        conditional
    }
}
