//! The steps of a real start, joined with what each was for and who asked for it: what `--explain` shows, and what a
//! container's directory keeps for `coracle explain`.

use crate::config::{ContainerConfig, ImageRef};
use crate::engine::Engine;
use crate::part::Part;
use crate::root::Source;
use crate::spec::{Composed, Origin};
use oci::runtime::Spec;
use runtime::{Heading, Subject};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};
use store::Layer;
use sys::record::{BEGUN, NO_STEP, Record};

/// A start, step by step.
#[derive(Debug, Serialize, Deserialize)]
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

impl Root {
    /// That of a container that is about to be made.
    pub(crate) fn of(engine: &Engine, config: &ContainerConfig, source: &Source) -> Self {
        match &config.image {
            ImageRef::Host => Self::Host,
            ImageRef::Rootfs(rootfs) => Self::Directory(rootfs.path.clone()),
            ImageRef::Name(_) => Self::Layers(source.layers.iter().map(|layer| place(engine, layer)).collect()),
        }
    }
}

/// Where a layer lies: that of an image is a mount that is attached nowhere, whose path is its own root.
fn place(engine: &Engine, layer: &Layer) -> PathBuf {
    let seen = std::fs::read_link(format!("/proc/self/fd/{}", layer.as_fd().as_raw_fd())).unwrap_or_default();
    if seen != Path::new("/") {
        return seen;
    }
    let root = &engine.locations().root;
    root.join("layers").join(layer.id.0.hex()).join("layer.erofs")
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
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// Under which of the four questions it stands; `None` for what prepares or cleans up.
    #[serde(with = "heading")]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// Its number ([`sys::nr`]).
    pub number: u32,
    /// Its arguments as registers.
    pub args: [u64; 6],
    /// What pointers among them pointed to ([`sys::capture`]), without the zeros at the end.
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

    fn of(record: &Record, begin: u64) -> Self {
        let used = record.captured.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Self {
            number: record.number,
            args: record.args,
            captured: record.captured[..used].to_vec(),
            result: record.result,
            start: record.start.saturating_sub(begin),
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

/// What is known of a container whose start was recorded.
pub(crate) struct Recorded<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Of what its root is made.
    pub root: Root,
    /// What each step of the plan was for; none of one that was not made.
    pub subjects: &'a [Subject],
    /// The specification, with who asked for what.
    pub composed: &'a Composed,
}

impl Explanation {
    /// Nanoseconds from its beginning to the execution of the command.
    pub fn duration(&self) -> u64 {
        self.steps.iter().map(|step| step.start + step.duration).max().unwrap_or_default()
    }

    /// Joins records and plan.
    pub(crate) fn new(records: &[Record], recorded: Recorded<'_>) -> Self {
        let Recorded { id, name, root, subjects, composed } = recorded;
        let begin = sys::began();
        let mut steps: Vec<Step> = Vec::new();
        // The last step of each side, and what it was.
        let mut open: [Option<(usize, u32)>; 2] = [None, None];
        let end_of_start = records.iter().filter(|record| record.side == 1).map(|record| record.end).max();
        for record in records {
            let side = usize::from(record.side == 1);
            if end_of_start.is_some_and(|end| record.start > end) {
                break;
            }
            let at = match open[side] {
                Some((at, step)) if is_same(step, record.step, subjects) => at,
                before => {
                    let start = record.start.saturating_sub(begin);
                    if let (Some((at, _)), 0) = (before, side) {
                        // What is between two calls belongs to the step that it was in.
                        steps[at].duration = start.saturating_sub(steps[at].start);
                    }
                    steps.push(step(record, subjects, composed, start));
                    steps.len() - 1
                }
            };
            open[side] = Some((at, record.step));
            if record.number != BEGUN {
                let call = Call::of(record, begin);
                steps[at].duration = (call.start + call.duration).saturating_sub(steps[at].start);
                steps[at].calls.push(call);
            }
        }
        let origins = composed.origins.iter().map(|(path, origin)| (path.to_string(), (*origin).into())).collect();
        let spec = Box::new(composed.spec.clone());
        Self { id: id.to_owned(), name: name.to_owned(), root, spec, origins, steps }
    }
}

/// Two steps of the plan may be for one thing.
fn is_same(one: u32, other: u32, subjects: &[Subject]) -> bool {
    let subject = |step: u32| subjects.get(step as usize);
    one == other || (subject(one).is_some() && subject(one) == subject(other))
}

fn step(record: &Record, subjects: &[Subject], composed: &Composed, start: u64) -> Step {
    let inside = record.side == 1;
    let part = Part::of_step(record.step).map(|part| (part.heading(), part.intent().to_owned()));
    let part = part.or_else(|| {
        let part = runtime::Part::of_step(record.step)?;
        Some((part.heading(), part.intent().to_owned()))
    });
    let subject = subjects.get(record.step as usize).filter(|_| record.step != NO_STEP);
    let (heading, intent) = match (part, subject) {
        (Some(part), _) => part,
        (None, Some(subject)) => (Some(subject.heading()), subject.intent(&composed.spec)),
        (None, None) => (None, if inside { "read the plan" } else { "prepare" }.to_owned()),
    };
    let origin = subject.and_then(|subject| origin(subject, composed));
    Step { heading, intent, effect: String::new(), origin, start, duration: 0, inside, calls: Vec::new() }
}

fn origin(subject: &Subject, composed: &Composed) -> Option<Asked> {
    let path = subject.spec_path(&composed.spec);
    let mut origins = composed.origins.iter();
    origins.find(|(known, _)| !path.is_empty() && known.as_str() == path).map(|(_, origin)| (*origin).into())
}

/// A heading as its title.
mod heading {
    use runtime::Heading;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "what serde calls")]
    pub fn serialize<S: Serializer>(heading: &Option<Heading>, serializer: S) -> Result<S::Ok, S::Error> {
        heading.map(Heading::title).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Heading>, D::Error> {
        let title = Option::<String>::deserialize(deserializer)?;
        Ok(title.and_then(|title| Heading::ALL.into_iter().find(|heading| heading.title() == title)))
    }
}
