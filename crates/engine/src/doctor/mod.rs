//! What a machine lacks for containers, before one is asked for: each check does what a start does, or looks at what it
//! needs, and says how to get it.
//!
//! Nothing is left behind: what has to be made for a check is made in one directory beside the data, which goes again;
//! that of an examination that was killed the next one removes.

mod kernel;
mod machine;
mod networks;
mod trial;
mod users;

use crate::engine::Locations;
use crate::userns::Caller;
use registry::Environment;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should.
    Ok,
    /// Some containers cannot have what they ask for.
    Warning,
    /// No container runs.
    Broken,
}

impl Grade {
    /// As people and programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }
}

/// What one check has found.
#[derive(Debug)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it stands.
    pub grade: Grade,
    /// What was seen.
    pub seen: String,
    /// What to do about it; where all is well there is nothing to do.
    pub remedy: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self { check, grade: Grade::Ok, seen: seen.into(), remedy: None }
    }

    fn warning(check: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, grade: Grade::Warning, seen: seen.into(), remedy: Some(remedy.into()) }
    }

    fn broken(check: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, grade: Grade::Broken, seen: seen.into(), remedy: Some(remedy.into()) }
    }
}

/// Who is examined, and where.
#[derive(Debug)]
pub struct Patient {
    /// The places of his data and of what runs.
    pub locations: Locations,
    /// In which directories programs are looked for.
    pub path: String,
    /// Where the files for registries are.
    pub registries: Environment,
}

/// Examines the machine. An ordinary user's process is in a user namespace of its own afterwards: this is the last thing
/// that it does.
pub fn examine(patient: &Patient) -> Vec<Finding> {
    let caller = Caller::look();
    let mut findings = kernel::examine();
    findings.extend(machine::examine(patient));
    findings.extend(networks::examine(patient, &caller));
    findings.extend(users::examine(&caller));
    findings.extend(trial::examine(patient, &caller));
    findings
}
