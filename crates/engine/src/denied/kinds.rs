//! The kinds of what was refused, counted. However much a container tries, they take no more room than is said here.

use super::{Advisor, Lack, Refusal, Report};
use crate::record::now;
use seccomp::Data;
use std::collections::BTreeMap;

/// Kinds of calls that are told each; what else is refused is counted by its name.
const MOST: usize = 64;
/// Kinds of missing capabilities.
const MOST_LACKS: usize = 64;

/// What makes two calls one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The call, by architecture and number.
    pub call: (u32, u32),
    /// What it got.
    pub errno: u16,
    /// Who made it.
    pub program: String,
    /// Its operation and flags.
    pub kind: String,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Kinds {
    places: BTreeMap<Key, usize>,
    /// What decides about it, until somebody has asked for advice.
    unasked: Vec<(usize, Data)>,
    report: Report,
}

impl Kinds {
    /// Goes on where an earlier life of the container has ended.
    pub fn after(earlier: Report) -> Self {
        Self { report: Report { version: 1, ..earlier }, ..Self::default() }
    }

    /// Counts a call of a kind that is known; else says so.
    pub fn count(&mut self, key: &Key, name: &str) -> bool {
        let Report { refused, more, .. } = &mut self.report;
        let full = refused.len() >= MOST;
        match self.places.get(key).and_then(|place| refused.get_mut(*place)) {
            Some(refusal) => {
                refusal.count += 1;
                refusal.last = now();
                true
            }
            None if full => {
                *more.entry(name.to_owned()).or_default() += 1;
                true
            }
            None => false,
        }
    }

    /// Adds a kind.
    pub fn add(&mut self, key: Key, data: Data, refusal: Refusal) {
        let time = now();
        // An earlier life of the container may have known it.
        let same = |known: &Refusal| {
            known.call == refusal.call
                && known.errno == refusal.errno
                && known.program == refusal.program
                && known.arguments == refusal.arguments
        };
        if let Some(place) = self.report.refused.iter().position(same) {
            self.places.insert(key.clone(), place);
            let name = refusal.call;
            self.count(&key, &name);
            return;
        }
        let place = self.report.refused.len();
        self.places.insert(key, place);
        self.unasked.push((place, data));
        self.report.refused.push(Refusal { count: 1, first: time, last: time, ..refusal });
    }

    /// What there is to report, with advice.
    pub fn report(&mut self, advisor: &Advisor) -> &mut Report {
        for (place, data) in std::mem::take(&mut self.unasked) {
            if let Some(refusal) = self.report.refused.get_mut(place) {
                refusal.inferred_capability = advisor.capability(&data);
            }
        }
        &mut self.report
    }
}

/// Adds to the missing capabilities of a report.
pub fn add_lack(lacks: &mut Vec<Lack>, lack: Lack) {
    let same = |known: &&mut Lack| {
        (&known.capability, &known.program, &known.call) == (&lack.capability, &lack.program, &lack.call)
    };
    let full = lacks.len() >= MOST_LACKS;
    match lacks.iter_mut().find(same) {
        Some(known) => known.count += lack.count,
        None if full => {}
        None => lacks.push(lack),
    }
}
