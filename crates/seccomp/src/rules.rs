//! A profile, checked and sorted by call: what is known of it before any ABI comes in.

use oci::runtime::{Action, Arg, Operator, Seccomp, SyscallRule};

use crate::error::Error;
use crate::syscalls::{self, Call};

/// Greatest error number that the kernel passes on (`MAX_ERRNO`).
const MAX_ERRNO: u32 = 4095;

/// `SECCOMP_RET_ERRNO`; the error number stands in the lower half.
const ERRNO: u32 = 0x0005_0000;

/// EPERM, the specification's default for `errnoRet`.
const EPERM: u32 = 1;

/// What a filter returns (`SECCOMP_RET_…`, linux/seccomp.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict(pub(crate) u32);

impl Verdict {
    /// What libseccomp, and so runc and crun, do with a call of an architecture that the profile does not list.
    pub(crate) const KILL_THREAD: Self = Self(0);
    /// "There is no such call": ENOSYS, which is 38 on the machines that we know.
    pub(crate) const NO_SUCH_CALL: Self = Self(ERRNO | 0x26);

    fn of(action: Action, errno: Option<u32>, place: &dyn Fn() -> String) -> Result<Self, Error> {
        let (plain, word) = match action {
            Action::KillProcess => (0x8000_0000, "SCMP_ACT_KILL_PROCESS"),
            Action::KillThread => (0, "SCMP_ACT_KILL_THREAD"),
            Action::Trap => (0x0003_0000, "SCMP_ACT_TRAP"),
            Action::Notify => (0x7fc0_0000, "SCMP_ACT_NOTIFY"),
            Action::Log => (0x7ffc_0000, "SCMP_ACT_LOG"),
            Action::Allow => (0x7fff_0000, "SCMP_ACT_ALLOW"),
            Action::Errno => match errno.unwrap_or(EPERM) {
                value @ 0..=MAX_ERRNO => return Ok(Self(ERRNO | value)),
                value => return Err(Error::ErrnoRange { place: place(), value }),
            },
            Action::Trace => match errno.unwrap_or(EPERM) {
                value @ 0..=0xffff => return Ok(Self(0x7ff0_0000 | value)),
                value => return Err(Error::TraceRange { place: place(), value }),
            },
        };
        match errno {
            None => Ok(Self(plain)),
            Some(_) => Err(Error::ErrnoNotTaken { place: place(), action: word }),
        }
    }
}

/// Conditions on arguments that must all hold; by index, at most one each.
pub(crate) type Conditions = Vec<Arg>;

/// A rule that looks at arguments.
#[derive(Debug, Clone)]
pub(crate) struct Conditional {
    pub(crate) call: Call,
    pub(crate) verdict: Verdict,
    pub(crate) conditions: Conditions,
}

/// A profile by call.
#[derive(Debug)]
pub(crate) struct Rules {
    /// For what no rule names.
    pub(crate) default: Verdict,
    /// Whether calls newer than the profile's newest get ENOSYS instead of the default.
    pub(crate) newer_are_unknown: bool,
    /// By row of the table: what happens whatever the arguments.
    fixed: Vec<Option<Verdict>>,
    /// By row: whether the profile names the call at all.
    named: Vec<bool>,
    /// Sorted by call, otherwise in the profile's order.
    conditional: Vec<Conditional>,
}

impl Rules {
    pub(crate) fn new(profile: &Seccomp) -> Result<Self, Error> {
        if profile.default_action == Action::Notify {
            return Err(Error::NotifyByDefault);
        }
        let default = Verdict::of(profile.default_action, profile.default_errno_ret, &|| "the default action".into())?;
        let mut rules = Self {
            default,
            // A tracer is trusted to know what is newer than the profile; runc exempts the same three.
            newer_are_unknown: !matches!(profile.default_action, Action::Allow | Action::Log | Action::Trace),
            fixed: vec![None; syscalls::COUNT],
            named: vec![false; syscalls::COUNT],
            conditional: Vec::new(),
        };
        for rule in &profile.syscalls {
            rules.add(rule)?;
        }
        rules.conditional.sort_by_key(|rule| rule.call);
        Ok(rules)
    }

    fn add(&mut self, rule: &SyscallRule) -> Result<(), Error> {
        let place = || format!("the rule for {}", rule.names.join(", "));
        let verdict = Verdict::of(rule.action, rule.errno_ret, &place)?;
        if rule.names.is_empty() || rule.names.iter().any(String::is_empty) {
            return Err(Error::NoName);
        }
        if rule.action == Action::Notify && rule.names.iter().any(|name| name == "write") {
            return Err(Error::NotifyOnWrite);
        }
        if let Some(arg) = rule.args.iter().find(|arg| arg.index > 5) {
            return Err(Error::ArgumentIndex { place: place(), index: arg.index });
        }
        let alternatives = alternatives(&rule.args);
        for call in rule.names.iter().filter_map(|name| Call::named(name)) {
            self.named[call.row()] = true;
            // A rule that says what the default says is no rule, not even against another one: so with runc and crun,
            // because libseccomp refuses it.
            if verdict == self.default {
                continue;
            }
            for conditions in &alternatives {
                if conditions.is_empty() {
                    self.fixed[call.row()].get_or_insert(verdict);
                } else {
                    self.conditional.push(Conditional { call, verdict, conditions: conditions.clone() });
                }
            }
        }
        Ok(())
    }

    /// Whether the profile has a rule for the call.
    pub(crate) fn names(&self, call: Call) -> bool {
        self.named[call.row()]
    }

    /// What happens whatever the arguments; it wins over rules that look at them.
    pub(crate) fn fixed(&self, call: Call) -> Option<Verdict> {
        self.fixed[call.row()]
    }

    /// The rules that look at arguments.
    pub(crate) fn conditional(&self, call: Call) -> &[Conditional] {
        let start = self.conditional.partition_point(|rule| rule.call < call);
        let rest = &self.conditional[start..];
        &rest[..rest.partition_point(|rule| rule.call == call)]
    }
}

/// The conjunctions that a list of conditions means: one of all, or, where an index comes twice, one of each (runc has
/// always read such lists as "or").
fn alternatives(args: &[Arg]) -> Vec<Conditions> {
    let mut sorted: Conditions = args.iter().copied().filter(|arg| !holds_always(arg)).collect();
    sorted.sort_by_key(|arg| arg.index);
    let twice = (0..6).any(|index| args.iter().filter(|arg| arg.index == index).count() > 1);
    if twice {
        args.iter().map(|arg| if holds_always(arg) { vec![] } else { vec![*arg] }).collect()
    } else {
        vec![sorted]
    }
}

fn holds_always(arg: &Arg) -> bool {
    arg.op == Operator::MaskedEqual && arg.value == 0
}
