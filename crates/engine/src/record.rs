//! What is written down of a container beside what the store itself must know.

use crate::config::{ContainerConfig, HealthConfig, Signal};
use crate::diagnosis::Death;
use monitor::RunDir;
use oci::runtime::IdMapping;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// A container's record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What the user asked for.
    pub config: Box<ContainerConfig>,
    /// What its root is, as the user named it.
    pub image_name: String,
    /// The command that runs, as far as it is known.
    #[serde(default)]
    pub command: Vec<String>,
    /// The signal that asks it to end, where it is not SIGTERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<Signal>,
    /// How to see whether it is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthConfig>,
    /// The ids that the files of its own layer have on disk, where these are not the container's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maps: Option<Maps>,
    /// Seconds since 1970 when it was made.
    pub created: u64,
    /// Seconds since 1970 when its process started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<End>,
    /// How often it was started again by its policy, since somebody has started it.
    #[serde(default)]
    pub restarts: u32,
}

/// Which id on disk belongs to which of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maps {
    /// User ids.
    pub uids: Vec<IdMapping>,
    /// Group ids.
    pub gids: Vec<IdMapping>,
}

impl Maps {
    /// The other way round: from the ids on disk to the container's.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let reverse = |range: &IdMapping| IdMapping {
            container_id: range.host_id,
            host_id: range.container_id,
            size: range.size,
        };
        Self { uids: self.uids.iter().map(reverse).collect(), gids: self.gids.iter().map(reverse).collect() }
    }
}

/// The end of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Exit code; absent when whoever held the container was killed and nobody knows.
    pub code: Option<u8>,
    /// Seconds since 1970.
    pub at: u64,
    /// The kernel killed processes for want of memory.
    #[serde(default)]
    pub out_of_memory: bool,
    /// Somebody has asked for it: it does not come back by itself after a reboot, unless it always does.
    #[serde(default)]
    pub stopped: bool,
    /// It was an end by violence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub death: Option<Death>,
}

/// In a run directory: an end that could not be written where it belongs.
const END: &str = "end.json";

impl End {
    /// Leaves it in a run directory.
    pub(crate) fn leave_in(&self, run_dir: &RunDir) {
        // What else fails is told by what fails first.
        let _ = serde_json::to_vec(self).map(|bytes| run_dir.put(END, &bytes, 0o600));
    }

    /// One that was left in a run directory.
    pub(crate) fn left_in(run_dir: &RunDir) -> Option<Self> {
        serde_json::from_slice(&run_dir.read(END)?).ok()
    }

    /// One that nobody saw.
    pub fn unknown() -> Self {
        Self { code: None, at: now(), out_of_memory: false, stopped: false, death: None }
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
