//! What the parent does around the plan, for the recorder.

use crate::namespace;
use crate::subject::Heading;
use oci::runtime::Spec;
use sys::record::{NO_STEP, OPEN, PART};

/// A part of the parent's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The plan is made.
    Plan,
    /// The process is made, with its namespaces.
    Clone,
    /// The maps of its ids are written.
    IdMaps,
    /// Its cgroup is made, with its limits.
    Cgroup,
    /// The stub is listened to.
    Listen,
}

impl Part {
    const ALL: [Self; 5] = [Self::Plan, Self::Clone, Self::IdMaps, Self::Cgroup, Self::Listen];

    /// Says that it begins.
    pub fn begin(self) {
        // What these two write are numbers that anybody may read.
        let open = if matches!(self, Self::IdMaps | Self::Cgroup) { OPEN } else { 0 };
        sys::step(PART | open | self as u32);
    }

    /// The part that a record's step names.
    pub fn of_step(step: u32) -> Option<Self> {
        let index = (step & !(PART | OPEN)) as usize;
        (step != NO_STEP && step & PART != 0).then(|| Self::ALL.get(index).copied()).flatten()
    }

    /// Its name in tables of times.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Clone => "clone",
            Self::IdMaps => "ids",
            Self::Cgroup => "cgroup",
            Self::Listen => "inside",
        }
    }

    /// Under which heading it stands.
    pub fn heading(self) -> Option<Heading> {
        match self {
            Self::Plan | Self::Listen => None,
            Self::Clone => Some(Heading::Sees),
            Self::IdMaps => Some(Heading::MayDo),
            Self::Cgroup => Some(Heading::Uses),
        }
    }

    /// What it is to do.
    pub fn intent(self, spec: &Spec) -> String {
        let intent = match self {
            Self::Plan => "open what only this side can, and write the plan",
            Self::Clone => return clone_of(spec),
            Self::IdMaps => "say which ids those inside are outside",
            Self::Cgroup => "make its cgroup, and write its limits",
            Self::Listen => "hear how far it is",
        };
        intent.to_owned()
    }
}

/// The making of the process, with the namespaces that are made for it. Some of them are made a moment later, by the stub.
fn clone_of(spec: &Spec) -> String {
    let all = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    let new: Vec<_> = all.filter(|one| one.path.is_none()).map(|one| namespace::name(one.kind)).collect();
    match &new[..] {
        [] => "make the process, in namespaces that exist".to_owned(),
        new => format!("make the process, with namespaces of its own: {}", new.join(", ")),
    }
}
