//! What the engine does around a container's making, for the recorder. The runtime has parts of its own, for the making.

use runtime::Heading;
use sys::record::{NO_STEP, PART};

/// A part of the engine's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// From the first instruction of the command.
    Begin,
    /// What killed commands have left is cleared away.
    Tidy,
    /// The image is looked up.
    Find,
    /// The container gets its name, its record and its directories.
    Make,
    /// Where its cgroup will be.
    Reserve,
    /// Its layers are stacked.
    Root,
    /// Volumes and secrets are mounted.
    Volumes,
    /// What was asked for becomes a specification.
    Compose,
    /// It joins its networks.
    Network,
    /// Who holds it takes it over, and lets its command run.
    Start,
}

/// Where its numbers begin: below are the runtime's.
const FIRST: u32 = 64;

impl Part {
    const ALL: [Self; 10] = [
        Self::Begin,
        Self::Tidy,
        Self::Find,
        Self::Make,
        Self::Reserve,
        Self::Root,
        Self::Volumes,
        Self::Compose,
        Self::Network,
        Self::Start,
    ];

    /// Says that it begins.
    pub fn begin(self) {
        sys::step(PART | (FIRST + self as u32));
    }

    /// The part that a record's step names.
    pub fn of_step(step: u32) -> Option<Self> {
        let index = (step & !PART).checked_sub(FIRST)? as usize;
        (step != NO_STEP && step & PART != 0).then(|| Self::ALL.get(index).copied()).flatten()
    }

    /// Its name in tables of times.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Tidy => "tidy",
            Self::Find => "find",
            Self::Make => "make",
            Self::Reserve => "reserve",
            Self::Root => "root",
            Self::Volumes => "volumes",
            Self::Compose => "compose",
            Self::Network => "network",
            Self::Start => "start",
        }
    }

    /// Under which heading it stands.
    pub fn heading(self) -> Option<Heading> {
        match self {
            Self::Begin | Self::Tidy | Self::Make | Self::Compose | Self::Start => None,
            Self::Find | Self::Root | Self::Volumes => Some(Heading::Files),
            Self::Reserve => Some(Heading::Uses),
            Self::Network => Some(Heading::Sees),
        }
    }

    /// What it is to do.
    pub fn intent(self) -> &'static str {
        match self {
            Self::Begin => "read what is asked for",
            Self::Tidy => "clear away what killed commands have left",
            Self::Find => "find its image and the layers of that",
            Self::Make => "give it an id, a name and directories",
            Self::Reserve => "choose the place of its cgroup",
            Self::Root => "stack its layers to one tree, and its own on top",
            Self::Volumes => "get its volumes and secrets",
            Self::Compose => "write its specification",
            Self::Network => "connect it with its networks",
            Self::Start => "hand it to who holds it, and let its command run",
        }
    }
}
