//! Whether a container that has ended is started again, and when.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `--restart`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Never.
    #[default]
    No,
    /// When its code is not 0; at most so often in a row, 0 for any number.
    OnFailure(u32),
    /// Whatever its code is, and after a reboot.
    Always,
    /// The same, but after a reboot only if it was not stopped before that.
    UnlessStopped,
}

/// docker's first delay, doubled each time.
const FIRST: Duration = Duration::from_millis(100);
/// And its longest.
const LONGEST: Duration = Duration::from_mins(1);
/// Who ran so long begins anew.
const STEADY: Duration = Duration::from_secs(10);

/// How the restarts of one container went so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct History {
    /// Restarts in all.
    pub restarts: u32,
    /// In a row, none of which ran for long.
    row: u32,
}

impl History {
    /// Whether, and after what time, a container is started again that has ended with this code after so long.
    pub fn next(&mut self, policy: Policy, code: u8, ran: Duration) -> Option<Duration> {
        let again = match policy {
            Policy::No => false,
            Policy::OnFailure(most) => code != 0 && (most == 0 || self.restarts < most),
            Policy::Always | Policy::UnlessStopped => true,
        };
        if !again {
            return None;
        }
        if ran >= STEADY {
            self.row = 0;
        }
        let delay = FIRST.saturating_mul(1 << self.row.min(16)).min(LONGEST);
        self.row += 1;
        self.restarts += 1;
        Some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    #[test]
    fn delays_double_up_to_a_minute_and_begin_anew_after_a_steady_run() {
        let mut history = History::default();
        let mut delays = (0..12).map(|_| history.next(Policy::Always, 0, AT_ONCE).expect("again").as_millis());
        assert_eq!(delays.by_ref().take(4).collect::<Vec<_>>(), [100, 200, 400, 800]);
        assert_eq!(delays.last(), Some(60_000));
        assert_eq!(history.next(Policy::Always, 0, STEADY), Some(FIRST));
    }

    #[test]
    fn a_failure_is_tried_again_as_often_as_is_said() {
        let mut history = History::default();
        let policy = Policy::OnFailure(2);
        assert!(history.next(policy, 0, AT_ONCE).is_none());
        assert!(history.next(policy, 1, AT_ONCE).is_some());
        assert!(history.next(policy, 1, AT_ONCE).is_some());
        assert!(history.next(policy, 1, AT_ONCE).is_none());
        assert!(History::default().next(Policy::No, 1, AT_ONCE).is_none());
    }
}
