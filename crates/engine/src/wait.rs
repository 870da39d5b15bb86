//! Waiting for more than the end of a container: whoever waits hears of what happens, and looks again.

use crate::containers::{Listed, Status};
use crate::engine::Engine;
use crate::error::Result;
use crate::events::Event;
use crate::flags::Invalid;
use crate::health::Health;
use std::str::FromStr;
use std::time::Duration;

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It does not run, nor is it about to again.
    NotRunning,
    /// It ends, from now on.
    NextExit,
    /// It is gone.
    Removed,
    /// It is made, and has never run.
    Created,
    /// It runs.
    Running,
    /// It stands still.
    Paused,
    /// It has ended, and is cleared away.
    Stopping,
    /// It has ended.
    Exited,
    /// Its health is this.
    Health(Health),
}

impl FromStr for Condition {
    type Err = Invalid;

    fn from_str(word: &str) -> std::result::Result<Self, Invalid> {
        Ok(match word {
            "not-running" => Self::NotRunning,
            "next-exit" => Self::NextExit,
            "removed" | "removing" => Self::Removed,
            "created" | "configured" | "initialized" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "stopping" => Self::Stopping,
            "stopped" | "exited" => Self::Exited,
            "healthy" => Self::Health(Health::Healthy),
            "unhealthy" => Self::Health(Health::Unhealthy),
            _ => {
                let words = [
                    "not-running",
                    "next-exit",
                    "removed",
                    "created",
                    "running",
                    "paused",
                    "stopping",
                    "stopped",
                    "exited",
                    "healthy",
                    "unhealthy",
                ];
                let near = crate::flags::nearest(word, words);
                let hint = near.map_or_else(|| words.join(", "), |near| format!("did you mean {near}?"));
                return Err(Invalid::new(word, "nothing to wait for").hint(hint));
            }
        })
    }
}

impl Condition {
    /// Whether a container that is there is so.
    fn holds(self, listed: &Listed) -> bool {
        match (self, listed.status) {
            (Self::NotRunning, Status::Created | Status::Exited(_))
            | (Self::Created, Status::Created)
            | (Self::Running, Status::Running { .. })
            | (Self::Paused, Status::Paused { .. })
            | (Self::Stopping, Status::Stopping)
            | (Self::Exited, Status::Exited(_)) => true,
            (Self::Health(wanted), _) => listed.health.as_ref().is_some_and(|state| state.health == wanted),
            _ => false,
        }
    }
}

impl Engine {
    /// Waits until one of these is true of a container. The exit code that comes back is that of its end, if it has ended
    /// and anybody knows.
    pub fn wait_for(&self, text: &str, conditions: &[Condition], interval: Duration) -> Result<Option<u8>> {
        // What happens from now on is heard of, however short it lasts.
        let mut events = self.events(false)?;
        let id = self.find(text)?;
        let mut last = None;
        loop {
            while let Some(event) = events.next_event() {
                if event.id != id.as_str() {
                    continue;
                }
                last = code(&event).or(last);
                if event.action == "die" && conditions.contains(&Condition::NextExit) {
                    return Ok(last);
                }
            }
            match self.container(id.as_str()) {
                Ok(listed) => {
                    if let Status::Exited(end) = listed.status {
                        last = end.code;
                    }
                    if conditions.iter().any(|condition| condition.holds(&listed)) {
                        let ended = matches!(listed.status, Status::Exited(_));
                        return Ok(last.filter(|_| ended));
                    }
                }
                Err(error) if error.is_not_found() && conditions.contains(&Condition::Removed) => return Ok(last),
                Err(error) => return Err(error),
            }
            events.wait(Some(interval));
        }
    }
}

/// The exit code that an event tells.
fn code(event: &Event) -> Option<u8> {
    if event.action == "die" { event.attributes.get("exitCode")?.parse().ok() } else { None }
}
