//! What a container was refused: the calls that its profile denies, and the capabilities that it lacked
//! (`--report-denied`).
//!
//! The branches of the filter that refuse ask somebody instead ([`seccomp::Filter::asking`]): the container's **witness**,
//! a process of its own, who answers with the very error number of the profile and notes who was refused what. Not who
//! holds the container: a holder that is killed would take the listener with it, which nobody can get back, and a
//! container that does nothing but be refused would keep it from its streams.
//!
//! Allowed calls pass by the same instructions as without, and nobody hears of them. Where the witness dies the kernel
//! answers in his place, with ENOSYS: calls fail, none is allowed, none hangs.

mod advice;
mod call;
mod kinds;
mod lessons;
mod look;
mod symbols;
mod talk;
mod tracing;
mod witness;

pub use lessons::{Port, Seen};

pub(crate) use advice::Advisor;
pub(crate) use talk::{finished, hand, pass_on};
pub(crate) use witness::{Witness, asking, server};

use crate::config::{Privileges, PrivilegesConfig, SeccompChoice};
use crate::engine::Engine;
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Report {
    /// Of this shape.
    pub version: u32,
    /// Calls, by kinds, in the order in which they came first.
    pub refused: Vec<Refusal>,
    /// How often calls were refused whose kinds found no room above, by name.
    pub more: BTreeMap<String, u64>,
    /// Capabilities that a check of the kernel found missing.
    pub lacking: Vec<Lack>,
    /// Checks that came faster than they were read.
    pub lost: u64,
    /// Nobody notes anything any more: the witness was killed while the container ran.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub witness_lost: bool,
    /// What it did, where that was to be learnt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// Why the kernel's checks are not seen, where they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untraced: Option<String>,
}

/// A kind of call that was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Refusal {
    /// Its name, or its number where it has none.
    pub call: String,
    /// Its arguments, as they were the first time.
    pub arguments: Vec<Argument>,
    /// The error number that it got.
    pub errno: u16,
    /// The program that made it, as it calls itself.
    pub program: String,
    /// Its file, in the container, if that could be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// The process that made it first, as the container has it, and as the machine does.
    pub pid: i32,
    /// The same as the machine has it.
    pub host_pid: i32,
    /// How often.
    pub count: u64,
    /// When first, in seconds since 1970.
    pub first: u64,
    /// When last.
    pub last: u64,
    /// The capability with which the profile would let it through; inferred from the profile, for the kernel was not
    /// asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inferred_capability: Option<String>,
}

/// An argument of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Argument {
    /// Its name in the manual.
    pub name: String,
    /// Its value, in words where it has some.
    pub value: String,
    /// It was read from the caller's memory, which may have said something else a moment before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unreliable: bool,
}

/// A capability that a check of the kernel's found missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Lack {
    /// Its name.
    pub capability: String,
    /// The program, as it calls itself.
    pub program: String,
    /// In which system call, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// How often.
    pub count: u64,
}

/// Why there is nothing to be reported of a container.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum Pointless {
    /// By its privileges.
    #[error("--privileged refuses it no call")]
    Privileged,
    /// By its profile.
    #[error("--security-opt seccomp=unconfined refuses it no call")]
    Unconfined,
}

/// Why there is nothing to be reported of a container like this, where there is nothing.
pub fn pointless(privileges: &PrivilegesConfig) -> Option<Pointless> {
    match (&privileges.seccomp, privileges.level) {
        (SeccompChoice::Unconfined, _) => Some(Pointless::Unconfined),
        (SeccompChoice::Default, Privileges::Privileged) => Some(Pointless::Privileged),
        _ => None,
    }
}

impl Engine {
    /// What a container was refused, as far as that was noted.
    pub fn denied(&self, text: &str) -> Result<Option<Report>> {
        talk::of(self, text)
    }
}

impl Report {
    /// How many calls were refused in all.
    pub fn calls(&self) -> u64 {
        self.refused.iter().map(|refusal| refusal.count).chain(self.more.values().copied()).sum()
    }

    /// Nothing was.
    pub fn is_empty(&self) -> bool {
        self.refused.is_empty() && self.more.is_empty() && self.lacking.is_empty()
    }
}
