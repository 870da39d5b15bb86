//! From a profile to a program: the parts in the order in which they are put together.

use oci::runtime::{Action, Arch, Seccomp};

use crate::abi::{Abi, Machine, X32_BIT};
use crate::assemble::assemble;
use crate::chain::{chain, merged_chain};
use crate::error::Error;
use crate::graph::{Graph, Node, Word};
use crate::mux;
use crate::program::{Filter, Flags, code};
use crate::rules::{Rules, Verdict};
use crate::syscalls::Call;
use crate::tree::Ranges;

/// Compiles a profile for this machine.
pub fn compile(profile: &Seccomp) -> Result<Filter, Error> {
    compile_for(profile, Machine::NATIVE)
}

/// Compiles a profile for a machine. Architectures that it cannot run are left out: their calls would be killed.
pub fn compile_for(profile: &Seccomp, machine: Machine) -> Result<Filter, Error> {
    let flags = flags(profile)?;
    let rules = Rules::new(profile)?;
    let mut graph = Graph::new();
    let mut compiler = Compiler {
        default: graph.verdict(rules.default.0),
        unknown: graph.verdict(Verdict::NO_SUCH_CALL.0),
        foreign: graph.verdict(Verdict::KILL_THREAD.0),
        rules: &rules,
        graph: &mut graph,
    };
    let listed = |abi: Abi| profile.architectures.iter().any(|arch| Abi::of(*arch) == Some(abi));
    let root = compiler.program(machine, &listed)?;
    Ok(Filter::new(&assemble(&graph, root)?, flags))
}

/// What a profile lists in vain on this machine. Neither is an error: profiles are written for many machines and
/// kernels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notes {
    /// Architectures that this machine cannot run.
    pub architectures: Vec<Arch>,
    /// Calls that no listed architecture of this machine has, or that are newer than the tables.
    pub names: Vec<String>,
}

/// Looks for what [`compile`] passes over.
pub fn notes(profile: &Seccomp) -> Notes {
    let machine = Machine::NATIVE;
    let runs = |arch: Arch| Abi::of(arch).filter(|abi| machine.runs(*abi));
    let listed: Vec<Abi> = profile.architectures.iter().filter_map(|arch| runs(*arch)).chain([machine.abi()]).collect();
    let exists =
        |name: &str| Call::named(name).is_some_and(|call| listed.iter().any(|abi| call.number(*abi).is_some()));
    let names = profile.syscalls.iter().flat_map(|rule| &rule.names);
    Notes {
        architectures: profile.architectures.iter().copied().filter(|arch| runs(*arch).is_none()).collect(),
        names: names.filter(|name| !exists(name)).cloned().collect(),
    }
}

/// The flags of the specification. Absent, they are what runc and crun take: SPEC_ALLOW, for without it the kernel
/// would switch a costly mitigation on for every filtered process (that was its default before 5.16).
fn flags(profile: &Seccomp) -> Result<Flags, Error> {
    let mut flags = Flags::default();
    let listener = profile.syscalls.iter().any(|rule| rule.action == Action::Notify);
    if listener {
        flags = flags | Flags::NEW_LISTENER;
    }
    let Some(words) = &profile.flags else { return Ok(flags | Flags::SPEC_ALLOW) };
    for word in words {
        flags = flags
            | match word.as_str() {
                // A process that is about to exec has one thread, and the kernel refuses it together with a listener.
                "SECCOMP_FILTER_FLAG_TSYNC" => Flags::default(),
                "SECCOMP_FILTER_FLAG_LOG" => Flags::LOG,
                "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Flags::SPEC_ALLOW,
                "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" if listener => Flags::WAIT_KILLABLE_RECV,
                "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => return Err(Error::WaitKillableWithoutNotify),
                _ => return Err(Error::Flag(word.clone())),
            };
    }
    Ok(flags)
}

struct Compiler<'a> {
    rules: &'a Rules,
    graph: &'a mut Graph,
    /// What no rule names.
    default: Node,
    /// ENOSYS.
    unknown: Node,
    /// An architecture that is not listed.
    foreign: Node,
}

/// What the profile says of the calls of one ABI.
struct Calls {
    /// By ascending number; what is not here gets the default.
    outcomes: Vec<(u32, Node)>,
    /// The first number that the profile cannot have known of.
    newer: Option<u32>,
}

impl Compiler<'_> {
    /// Dispatches on the architecture, the machine's own first.
    fn program(&mut self, machine: Machine, listed: &dyn Fn(Abi) -> bool) -> Result<Node, Error> {
        let mut node = self.foreign;
        for abi in Abi::ALL.into_iter().rev().filter(|abi| machine.runs(*abi)) {
            let ranges = match abi {
                Abi::X86_64 => self.x86_64(listed(Abi::X32))?,
                Abi::X32 => continue,
                _ if abi == machine.abi() || listed(abi) => self.plain(abi)?,
                _ => continue,
            };
            let tree = ranges.tree(self.graph, self.default);
            let tree = self.graph.load(Word::NUMBER, tree);
            node = self.graph.compare(code::EQUAL, abi.audit_arch(), tree, node);
        }
        Ok(self.graph.load(Word::ARCH, node))
    }

    fn plain(&mut self, abi: Abi) -> Result<Ranges, Error> {
        let mut ranges = Ranges::default();
        let calls = self.calls(abi)?;
        self.lay(&mut ranges, 0, &calls);
        Ok(ranges)
    }

    /// x86_64 and x32 share the range of numbers. Where x32 is not listed its calls count as those of a foreign
    /// architecture, all but -1: that is what a tracer sets to skip a call, and Linux 4.8 and newer filter once more then.
    fn x86_64(&mut self, with_x32: bool) -> Result<Ranges, Error> {
        let mut ranges = Ranges::default();
        let native = self.calls(Abi::X86_64)?;
        self.lay(&mut ranges, 0, &native);
        // Above, bit 31 is set. Nothing calls that; it is decided as libseccomp and runc's prefix to it decide it.
        if with_x32 {
            let x32 = self.calls(Abi::X32)?;
            self.lay(&mut ranges, X32_BIT, &x32);
            ranges.from(2 * X32_BIT, self.beyond(&native, self.default));
            ranges.from(3 * X32_BIT, self.beyond(&x32, self.default));
        } else {
            ranges.from(X32_BIT, self.foreign);
            ranges.from(2 * X32_BIT, self.beyond(&native, self.foreign));
            ranges.from(3 * X32_BIT, self.foreign);
            ranges.from(u32::MAX, self.default);
        }
        Ok(ranges)
    }

    fn beyond(&self, calls: &Calls, otherwise: Node) -> Node {
        if calls.newer.is_some() { self.unknown } else { otherwise }
    }

    fn lay(&self, ranges: &mut Ranges, base: u32, calls: &Calls) {
        ranges.from(base, self.default);
        for (number, outcome) in &calls.outcomes {
            ranges.from(base + number, *outcome);
            ranges.from(base + number + 1, self.default);
        }
        if let Some(newer) = calls.newer {
            ranges.from(base + newer, self.unknown);
        }
    }

    fn calls(&mut self, abi: Abi) -> Result<Calls, Error> {
        let mut calls = Calls { outcomes: Vec::with_capacity(512), newer: None };
        let multiplexers = if abi == Abi::X86 { mux::i386() } else { vec![] };
        // Most calls have the verdict of the one before.
        let mut last = (self.rules.default, self.default);
        for (number, call) in Call::of(abi) {
            let multiplexer = multiplexers.iter().find(|multiplexer| multiplexer.call == call);
            let named = self.rules.names(call) || multiplexer.is_some_and(|one| one.is_named(self.rules));
            if !named {
                continue;
            }
            let outcome = match (self.rules.fixed(call), multiplexer) {
                (Some(verdict), _) if verdict == last.0 => last.1,
                (Some(verdict), _) => {
                    last = (verdict, self.graph.verdict(verdict.0));
                    last.1
                }
                (None, Some(multiplexer)) => {
                    merged_chain(self.graph, &multiplexer.conditional(self.rules), abi.width(), self.default)
                }
                (None, None) => chain(self.graph, self.rules.conditional(call), abi.width(), self.default)?,
            };
            calls.outcomes.push((number, outcome));
            calls.newer = self.rules.newer_are_unknown.then_some(number + 1);
        }
        Ok(calls)
    }
}
