//! How long the parts of a start took: of this one, and of the last ones on this machine.
//!
//! The times are noted at every start, recorded or not, and kept beside the run state, in memory, as events are: they tell of
//! this boot.

use crate::bounded::Bounded;
use crate::engine::Engine;
use crate::part::Part;
use crate::record::now;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

const STARTS: Bounded = Bounded { name: "starts", older: "starts.1", full: 128 << 10 };

/// A part of a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Its name: `begin`, `tidy`, `find`, `make`, `reserve`, `root`, `volumes`, `compose`, `plan`, `clone`, `ids`, `cgroup`,
    /// `inside`, `network`, `start`.
    pub part: Cow<'static, str>,
    /// Nanoseconds.
    pub took: u64,
}

/// A start that has been.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Timings {
    /// Seconds since 1970.
    pub time: u64,
    /// The container's id.
    pub id: String,
    /// Its parts, in their order.
    pub parts: Vec<Timing>,
}

impl Timings {
    /// Nanoseconds of the whole.
    pub fn whole(&self) -> u64 {
        self.parts.iter().map(|timing| timing.took).sum()
    }

    /// Those of the start that this process has made, up to now. A part that comes more than once is the sum of all.
    pub(crate) fn here(id: &str) -> Self {
        let (marks, end) = (sys::marks(), sys::now());
        let ends = marks.iter().skip(1).map(|(_, time)| *time).chain([end]);
        let mut parts: Vec<Timing> = Vec::new();
        let mut add = |name: &'static str, took| match parts.iter_mut().find(|timing| timing.part == name) {
            Some(timing) => timing.took += took,
            None => parts.push(Timing { part: name.into(), took }),
        };
        if let Some((_, first)) = marks.first() {
            add(Part::Begin.name(), first.saturating_sub(sys::began()));
        }
        for ((step, start), end) in marks.iter().zip(ends) {
            let engine = Part::of_step(*step).map(Part::name);
            let name = engine.or_else(|| runtime::Part::of_step(*step).map(runtime::Part::name));
            add(name.unwrap_or("other"), end.saturating_sub(*start));
        }
        Self { time: now(), id: id.to_owned(), parts }
    }
}

impl Engine {
    /// Notes that of this start for the statistics.
    pub(crate) fn note_start(&self, timings: &Timings) {
        let Ok(mut line) = serde_json::to_vec(timings) else { return };
        line.push(b'\n');
        let _ = STARTS.append(&self.locations().runroot, &line);
    }

    /// The last starts, the oldest first: some hundreds.
    pub fn start_times(&self) -> Vec<Timings> {
        let bytes = STARTS.read(&self.locations().runroot);
        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}
