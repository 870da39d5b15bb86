//! How to see whether a container is well.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `--health-…`, or what the image says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthConfig {
    /// The command, run in the container; its code 0 means that all is well.
    pub command: Vec<String>,
    /// Between the end of a check and the next.
    pub interval: Duration,
    /// A check that takes longer has failed.
    pub timeout: Duration,
    /// So many failures in a row, and it is not well.
    pub retries: u32,
    /// Failures do not count before that, unless it was well in between.
    pub start_period: Duration,
    /// Between two checks during that time.
    pub start_interval: Duration,
    /// What is done when it is not well.
    pub on_failure: OnFailure,
}

impl Default for HealthConfig {
    /// docker's.
    fn default() -> Self {
        Self {
            command: Vec::new(),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            retries: 3,
            start_period: Duration::ZERO,
            start_interval: Duration::from_secs(5),
            on_failure: OnFailure::None,
        }
    }
}

/// `--health-on-failure`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It is told, and that is all.
    #[default]
    None,
    /// It is killed, and its restart policy says what comes then.
    Kill,
    /// It is killed and started again, whatever its policy is.
    Restart,
    /// It is asked to end.
    Stop,
}
