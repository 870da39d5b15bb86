//! The steps of a real start, joined with what each was for: what `--explain` shows.

use crate::run::Ended;
use crate::spec::Origin;
use runtime::{Heading, Subject};
use sys::record::{NO_STEP, Record};

/// A start, step by step.
#[derive(Debug)]
pub struct Explanation {
    /// In the order in which they were done.
    pub steps: Vec<Step>,
}

/// One step, with the system calls that it was.
#[derive(Debug)]
pub struct Step {
    /// Under which of the four questions it stands; `None` for what prepares or cleans up.
    pub heading: Option<Heading>,
    /// What it was to do.
    pub intent: String,
    /// Who asked for it; `None` for what every container gets.
    pub origin: Option<Origin>,
    /// The calls.
    pub calls: Vec<Call>,
}

/// One system call.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Its name.
    pub name: &'static str,
    /// Its result, or the negative error number.
    pub result: i64,
    /// Nanoseconds since the first call.
    pub start: u64,
    /// Nanoseconds that it took.
    pub duration: u64,
    /// The stub made it, in the container's namespaces; else the engine.
    pub inside: bool,
}

impl Call {
    /// Who made it.
    pub fn side(&self) -> &'static str {
        if self.inside { "inside" } else { "engine" }
    }

    /// Why it failed, if it did.
    pub fn error(&self) -> Option<sys::Named> {
        let number = i32::try_from(self.result.unsigned_abs()).ok().filter(|_| self.result < 0)?;
        Some(sys::Named(sys::Errno::from_raw_os_error(number)))
    }
}

impl Step {
    /// Nanoseconds from the first call of all to its own first.
    pub fn start(&self) -> u64 {
        self.calls.first().map_or(0, |call| call.start)
    }

    /// Nanoseconds from the beginning of its first call to the end of its last.
    pub fn duration(&self) -> u64 {
        self.calls.last().map_or(0, |call| call.start + call.duration - self.start())
    }
}

impl Explanation {
    /// Nanoseconds from the first call to the end of the last.
    pub fn duration(&self) -> u64 {
        self.steps.iter().map(|step| step.start() + step.duration()).max().unwrap_or_default()
    }
}

fn origin(subject: &Subject, ended: &Ended) -> Option<Origin> {
    let path = subject.spec_path(&ended.composed.spec);
    let mut origins = ended.composed.origins.iter();
    origins.find(|(known, _)| !path.is_empty() && known.as_str() == path).map(|(_, origin)| *origin)
}

impl Explanation {
    /// Joins records and plan.
    pub(crate) fn new(records: Vec<Record>, ended: &Ended) -> Self {
        let begin = records.first().map_or(0, |record| record.start);
        let mut steps: Vec<Step> = Vec::new();
        let mut last = None;
        for record in records {
            let key = (record.step, record.side);
            if last != Some(key) || steps.is_empty() {
                let subject = ended.subjects.get(record.step as usize).filter(|_| record.step != NO_STEP);
                let intent = subject.map_or_else(
                    || if record.side == 0 { "prepare".to_owned() } else { "read the plan".to_owned() },
                    |subject| subject.intent(&ended.composed.spec),
                );
                let origin = subject.and_then(|subject| origin(subject, ended));
                let heading = subject.map(runtime::Subject::heading);
                steps.push(Step { heading, intent, origin, calls: Vec::new() });
                last = Some(key);
            }
            if let Some(step) = steps.last_mut() {
                step.calls.push(Call {
                    name: sys::nr::name(record.number).unwrap_or("?"),
                    result: record.result,
                    start: record.start.saturating_sub(begin),
                    duration: record.end.saturating_sub(record.start),
                    inside: record.side == 1,
                });
            }
        }
        Self { steps }
    }
}
