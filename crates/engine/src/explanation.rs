//! The steps of a real start, joined with what each was for and who asked for it: what `--explain` shows, and what a
//! container's directory keeps for `coracle explain`.

use crate::effect;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::part::Part;
use crate::recorded::Recorded;
use crate::spec::Origin;
use crate::surroundings::Surroundings;
use oci::runtime::Spec;
use runtime::{Heading, Subject};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use sys::Record;
use sys::record::{BEGUN, NO_STEP};

/// A start, step by step.
#[derive(Debug)]
pub struct Explanation {
    /// The container's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What its root is made of.
    pub root: Root,
    /// Its specification, as it ran.
    pub spec: Box<Spec>,
    /// Who asked for the parts of that, by their paths ([`SpecPath`](crate::spec::SpecPath)).
    pub origins: Vec<(String, Asked)>,
    /// In the order in which they were done.
    pub steps: Vec<Step>,
    /// What it had of the machine beside that.
    pub around: Surroundings,
}

/// What a root is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Root {
    /// This machine's own directories, each under a layer that is thrown away.
    Host,
    /// A directory of the machine.
    Directory(PathBuf),
    /// An image's layers, lowest first: directories, or images of EROFS. The container's own is on top.
    Layers(Vec<PathBuf>),
}

/// Who asked for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// A flag, by its long name.
    Flag(String),
    /// Nobody; it is how containers are.
    Default,
    /// The image's configuration.
    Image,
}

impl From<Origin> for Asked {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Flag(flag) => Self::Flag(flag.to_owned()),
            Origin::Default => Self::Default,
            Origin::Image => Self::Image,
        }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Flag(flag) => flag,
            Self::Default => "default",
            Self::Image => "image",
        })
    }
}

/// One step, with the system calls that it was.
#[derive(Debug, Clone)]
pub struct Step {
    /// Under which of the four questions it stands; `None` for what prepares or cleans up.
    pub heading: Option<Heading>,
    /// What it was to do.
    pub intent: String,
    /// What is different afterwards, inside and outside.
    pub effect: String,
    /// Who asked for it; `None` for what every container gets.
    pub origin: Option<Asked>,
    /// Nanoseconds from the beginning of the start to that of the step.
    pub start: u64,
    /// Nanoseconds that it took.
    pub duration: u64,
    /// The stub did it, in the container's namespaces; else the engine.
    pub inside: bool,
    /// The calls.
    pub calls: Vec<Call>,
}

/// One system call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its number ([`sys::nr`]).
    pub number: u32,
    /// Its arguments as registers.
    pub args: [u64; 6],
    /// What pointers among them pointed to ([`sys::capture`]).
    pub captured: Vec<u8>,
    /// Its result, or the negative error number.
    pub result: i64,
    /// Nanoseconds from the beginning of the start.
    pub start: u64,
    /// Nanoseconds that it took.
    pub duration: u64,
}

impl Call {
    /// Its name.
    pub fn name(&self) -> &'static str {
        sys::nr::name(self.number).unwrap_or("?")
    }

    /// Why it failed, if it did.
    pub fn error(&self) -> Option<sys::Named> {
        let number = i32::try_from(self.result.unsigned_abs()).ok().filter(|_| self.result < 0)?;
        Some(sys::Named(sys::Errno::from_raw_os_error(number)))
    }

    fn of(record: &Record, began: u64) -> Self {
        Self {
            number: record.number,
            args: record.args,
            captured: record.captured.clone(),
            result: record.result,
            start: record.start.saturating_sub(began),
            duration: record.end.saturating_sub(record.start),
        }
    }
}

impl Step {
    /// Who did it.
    pub fn side(&self) -> &'static str {
        if self.inside { "inside" } else { "engine" }
    }
}

/// How long what was recorded of a start may take to be written down.
const WRITTEN: Duration = Duration::from_secs(1);

impl Engine {
    /// How a container was started last, as far as it came.
    pub fn explanation(&self, container: &str) -> Result<Explanation> {
        let until = Instant::now() + WRITTEN;
        loop {
            match Recorded::find(self, container) {
                // Who starts it writes that down when everybody knows already that it runs.
                Err(Error::NotRecorded(_)) if Instant::now() < until && self.is_recorded(container) => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                found => return found.map(|recorded| recorded.explain(self)),
            }
        }
    }

    /// It runs, and its start was recorded.
    fn is_recorded(&self, container: &str) -> bool {
        let listed = self.container(container);
        listed.is_ok_and(|listed| {
            listed.status.is_alive() && listed.container.config.config.foreground.explain != Some(false)
        })
    }
}

impl Explanation {
    /// Nanoseconds from its beginning to the execution of the command.
    pub fn duration(&self) -> u64 {
        self.steps.iter().map(|step| step.start + step.duration).max().unwrap_or_default()
    }
}

/// Joins records and plan.
impl From<Recorded<'_>> for Explanation {
    fn from(recorded: Recorded<'_>) -> Self {
        let Recorded { began, ref subjects, .. } = recorded;
        let records = Record::read(&recorded.calls);
        let known = Known { subjects, spec: &recorded.spec, origins: &recorded.origins };
        let mut steps: Vec<Step> = Vec::new();
        // The last step of each side, and what it was.
        let mut open: [Option<(usize, u32)>; 2] = [None, None];
        let end_of_start = records.iter().filter(|record| record.inside).map(|record| record.end).max();
        for record in &records {
            let side = usize::from(record.inside);
            if end_of_start.is_some_and(|end| record.start > end) {
                break;
            }
            let at = match open[side] {
                Some((at, step)) if is_same(step, record.step, subjects) => at,
                before => {
                    let start = record.start.saturating_sub(began);
                    if let (Some((at, _)), 0) = (before, side) {
                        // What is between two calls belongs to the step that it was in.
                        steps[at].duration = start.saturating_sub(steps[at].start);
                    }
                    // What was before the first mark belongs to the beginning.
                    let start = if steps.is_empty() { 0 } else { start };
                    steps.push(known.step(record, start));
                    steps.len() - 1
                }
            };
            open[side] = Some((at, record.step));
            if record.number != BEGUN {
                let call = Call::of(record, began);
                steps[at].duration = (call.start + call.duration).saturating_sub(steps[at].start);
                steps[at].calls.push(call);
            }
        }
        let Recorded { id, name, root, spec, origins, around, .. } = recorded;
        let origins = origins.into_iter().map(|(path, asked)| (path.into_owned(), asked)).collect();
        let (id, name, spec) = (id.into_owned(), name.into_owned(), Box::new(spec.into_owned()));
        Self { id, name, root, spec, origins, steps, around }
    }
}

/// Two steps of the plan may be for one thing.
fn is_same(one: u32, other: u32, subjects: &[Subject]) -> bool {
    let subject = |step: u32| subjects.get(step as usize);
    one == other || (subject(one).is_some() && subject(one) == subject(other))
}

/// What steps are joined with.
struct Known<'a> {
    subjects: &'a [Subject],
    spec: &'a Spec,
    origins: &'a [(Cow<'a, str>, Asked)],
}

impl Known<'_> {
    fn step(&self, record: &Record, start: u64) -> Step {
        let inside = record.inside;
        let subject = self.subjects.get(record.step as usize).filter(|_| record.step != NO_STEP);
        let origin = match (Part::of_step(record.step), runtime::Part::of_step(record.step)) {
            (Some(Part::Network), _) => self.all_of("linux.namespaces[network]"),
            (_, Some(runtime::Part::Clone)) => self.all_of("linux.namespaces["),
            (_, Some(runtime::Part::Cgroup)) => self.all_of("linux.resources."),
            (_, Some(runtime::Part::IdMaps)) => self.all_of("linux.namespaces[user]"),
            _ => subject.and_then(|subject| self.origin(subject)),
        };
        let (heading, intent, effect): (_, _, Cow<'_, str>) = if let Some(part) = Part::of_step(record.step) {
            (part.heading(), part.intent().to_owned(), effect::of_part(part).into())
        } else if let Some(part) = runtime::Part::of_step(record.step) {
            (part.heading(), part.intent(self.spec), effect::of_runtime(part, self.spec))
        } else if let Some(subject) = subject.filter(|_| !inside) {
            // What the stub does not reach is opened for it.
            (Some(subject.heading()), format!("prepare to {}", subject.intent(self.spec)), "".into())
        } else if let Some(subject) = subject {
            (Some(subject.heading()), subject.intent(self.spec), effect::of_subject(subject, self.spec))
        } else {
            (None, if inside { "read the plan" } else { "prepare" }.to_owned(), "".into())
        };
        let effect = effect.into_owned();
        Step { heading, intent, effect, origin, start, duration: 0, inside, calls: Vec::new() }
    }

    /// Who asked for any of what begins so: the flags, or nobody.
    fn all_of(&self, begins: &str) -> Option<Asked> {
        let asked = self.origins.iter().filter(|(path, _)| path.starts_with(begins)).map(|(_, asked)| asked);
        let mut flags: Vec<&str> = asked
            .clone()
            .filter_map(|asked| match asked {
                Asked::Flag(flag) => Some(flag.as_str()),
                Asked::Default | Asked::Image => None,
            })
            .collect();
        flags.sort_unstable();
        flags.dedup();
        if flags.is_empty() {
            asked.max_by_key(|asked| **asked == Asked::Image).cloned()
        } else {
            Some(Asked::Flag(flags.join(", ")))
        }
    }

    fn origin(&self, subject: &Subject) -> Option<Asked> {
        let path = subject.spec_path(self.spec);
        let mut origins = self.origins.iter();
        origins.find(|(known, _)| !path.is_empty() && *known == path).map(|(_, origin)| origin.clone())
    }
}
