//! OCI seccomp profile to BPF program, by a compiler of our own.
//!
//! [`compile`] takes `linux.seccomp` of a runtime specification and returns a [`Filter`]: the program in the layout that
//! seccomp(2) takes, and the flags to pass with it. [`default_profile`] is the profile of a container that asks for
//! none and [`default_filter`] its filter, [`docker`] reads profile files. Nothing here makes a system call.
//!
//! # The program
//!
//! It is a tree of decisions:
//!
//! 1. on the architecture, the machine's own first; one that the profile does not list kills the thread;
//! 2. on the call's number: ranges of numbers with the same outcome are one, and a balanced tree of `>=` tests finds the
//!    range, in at most eight tests for Docker's profile. x32 is a range above bit 30 of x86_64's numbers; the calls
//!    above the newest that the profile names are a range that does not exist (ENOSYS), because C libraries try a new
//!    call and take only that for an answer, and a profile from before the call would give them EPERM;
//! 3. on arguments, for the few calls that have such rules. Rules that begin alike share their beginning.
//!
//! Equal parts are stored once wherever they stand (`graph`), and places are given last, from the end (`assemble`). A
//! call that is allowed whatever its arguments never has one loaded: Linux 5.11 and newer find that out when the filter
//! is loaded, keep the answer in a bitmap, and do not run the program for it again.
//!
//! A table of numbers per call and ABI ([`syscalls`]) comes with the crate, so what is known does not depend on what is
//! installed. A name that is not in it, and an architecture that the machine cannot run, is passed over, as runc and
//! crun do ([`notes`] tells which); anything else that cannot be done as written is an [`Error`].
//!
//! # libseccomp
//!
//! The outcomes are those of runc with libseccomp, and tests hold them to it (feature `oracle`), but for two cases that
//! libseccomp 2.5.4 compiles wrongly. As a list (runc asks for a tree from 33 rules on) it does not load the number for
//! an architecture that lacks the list's first call, so that i386 is judged by something else. And where a rule fails
//! halfway, it compares the next rule's value with a word that is not in the accumulator any more: "less than 0, or less
//! than 0x1_0000_0004" is false of 2.
//!
//! # No cache
//!
//! Measured (`cargo bench -p seccomp --bench compile`; AMD EPYC, virtual machine with 2 cores, Linux 6.18): Docker's
//! profile for three ABIs becomes 303 instructions in 60 µs in a fresh process and in 14 µs when repeated. To look a
//! program up by content took 43 µs and 10 µs, of which a third each went to writing the profile out, to hashing it, and
//! to opening and reading the file; a miss took 170 µs. 17 µs of a start do not pay for a directory of programs that
//! must be owned, bounded and trusted.
//!
//! The default profile needs no directory: [`default_filter`] has the two programs that nearly every container gets
//! from the build script, in 0.1 µs instead of 40 µs for the profile and 60 µs to compile it.

#![forbid(unsafe_code)]

mod abi;
mod assemble;
mod chain;
mod compile;
mod decide;
mod default;
pub mod docker;
mod error;
mod graph;
mod mux;
mod precompiled;
mod program;
mod rules;
pub mod syscalls;
mod tree;

pub use abi::{Abi, Machine};
pub use compile::{Notes, compile, compile_for, notes};
pub use decide::{Data, Decision, name_of};
pub use default::{default_profile, default_profile_for, guards};
pub use error::Error;
pub use precompiled::default_filter;
/// Changes whenever the compiler makes another program of the same profile: filters that are kept are not taken for it.
pub const COMPILER: u32 = 1;

pub use program::{Filter, Flags, Instruction, MAX_INSTRUCTIONS};
