//! Cleaning up after holders that were killed, which every command does unasked.
//!
//! Who holds a container has marked it ([`monitor::Mark`]). A command looks through the marks for those whose holder is
//! gone, and at the container that it is asked for once more closely. What cannot be done now is left for the next.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::{End, Record};
use crate::{joining, pause, supervised, userns};
use monitor::{Holder, Mark, RunDir};
use std::time::{Duration, Instant};
use store::{Container, ContainerId, Durability};

impl Engine {
    /// Takes over, or clears away, whatever the dead held. Comes back with the marks of the living.
    pub(crate) fn clean_up(&self) -> Vec<Mark> {
        self.has_cleaned.set(true);
        let marks = Mark::all(&self.locations().runroot);
        let (living, dead): (Vec<_>, Vec<_>) = marks.into_iter().partition(|mark| mark.holder.seems_to_live());
        for mark in dead {
            clear(self, &mark);
        }
        living
    }

    /// The container with this name or id, with nobody dead for its holder. The first time it is cleaned up after all
    /// others, too.
    pub(crate) fn find(&self, text: &str) -> Result<ContainerId> {
        if !self.has_cleaned.get() {
            self.clean_up();
        }
        let id = self.store()?.find_container(text)?;
        if let Ok(run_dir) = RunDir::open(&self.run_dir(id.as_str())) {
            match run_dir.state().ok().flatten().map(|state| state.holder) {
                Some(holder) if !holder.lives() => clear(self, &Mark::of(run_dir.path(), holder)),
                _ => pause::let_go(&run_dir),
            }
        }
        Ok(id)
    }

    /// Who holds a container, and lives.
    pub(crate) fn holder(&self, id: &ContainerId) -> Option<Holder> {
        RunDir::open(&self.run_dir(id.as_str())).ok().as_ref().and_then(RunDir::holder)
    }

    /// Whether somebody has it in hand, who starts it or watches it run.
    pub(crate) fn is_held(&self, id: &ContainerId) -> bool {
        self.holder(id).is_some()
    }
}

/// What one holder who is dead has left: a container that outlives him gets another, of any other nothing stays.
fn clear(engine: &Engine, mark: &Mark) {
    let Some(run_dir) = RunDir::left_by(mark) else {
        let _ = mark.remove();
        return;
    };
    let state = run_dir.state().ok().flatten();
    if state.as_ref().is_some_and(|state| state.holder != mark.holder) {
        // Somebody was faster, and has it, or has begun anew.
        return;
    }
    if run_dir.process().is_some_and(|process| process.lives()) && supervised::adopt(engine, &run_dir, mark).is_ok() {
        return;
    }
    // The mark goes last: while it is there, what could not be done is done by the next command.
    let ephemeral = state.is_some_and(|state| state.ephemeral);
    if monitor::end(&run_dir).is_ok() && settle(engine, &run_dir, &mark.id, ephemeral).is_ok() {
        joining::leave(engine, &mark.id);
        userns::release(engine, &mark.id);
        if run_dir.remove().is_ok() {
            let _ = mark.remove();
        }
    }
}

/// How long a container whose holder is dead may stay locked.
const LOCKED: Duration = Duration::from_secs(1);

/// A container whose holder was killed goes with `--rm`, and else has ended with a code that nobody knows; but for one
/// whose holder found the disk full and left the code in the run directory.
fn settle(engine: &Engine, run_dir: &RunDir, id: &str, ephemeral: bool) -> Result<()> {
    // What has no id for a name has not come as far as a container.
    let Ok(id) = id.parse::<ContainerId>() else { return Ok(()) };
    let mut container = match engine.store()?.container(&id) {
        Err(store::Error::NoSuchContainer(_)) => return Ok(()),
        found => found?,
    };
    // A child of the dead holder may keep its lock for a moment yet.
    let start = Instant::now();
    while !container.try_lock()? {
        if start.elapsed() > LOCKED {
            return Err(Error::Running(id.as_str().to_owned()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    if ephemeral {
        engine.enter()?;
        let record = container.read();
        container.remove_with_volumes(engine.store()?)?;
        if let Ok(record) = record {
            engine.tell_of(&record, "destroy", &[]);
        }
        return Ok(());
    }
    let mut record: Container<Record> = container.read()?;
    if container.has_begun() {
        let left = End::left_in(run_dir);
        if left.is_none() {
            engine.tell_of(&record, "die", &[("exitCode", "unknown")]);
        }
        record.config.ended = Some(left.unwrap_or_else(End::unknown));
        container.write(&record, Durability::Durable)?;
    }
    container.end()?;
    Ok(())
}
