//! `coracle run` with a container that lives and dies with the command: one straight walk from a wish to its end.

use crate::config::{ContainerConfig, NamespaceMode, Notify, Ready, StdinMode};
use crate::create::Made;
use crate::denied::{self, Report};
use crate::diagnosis::Death;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Actor;
use crate::explanation::{Explanation, Root};
use crate::learn::Learnt;
use crate::part::Part;
use crate::record::{End, Record, now};
use crate::recorded::Recorded;
use crate::spec::Composed;
use crate::start::{Hold, Io, Start};
use crate::timings::Timings;
use crate::{joining, root};
use monitor::{Holder, Memory};
use runtime::{Foreground, Newlines, Recording};
use std::cell::RefCell;
use std::time::{Duration, Instant};
use store::{Container, ContainerDir, ContainerId, Durability};
use sys::process::Exit;
use sys::signal::Signals;

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code that the caller should leave with.
    pub code: u8,
    /// How long the parts of its start took.
    pub timings: Timings,
    /// It was ended by violence.
    pub death: Option<Death>,
    /// What it was refused, if that was asked for.
    pub denied: Option<Report>,
    /// What was learnt, if that was asked for.
    pub learnt: Option<Learnt>,
}

/// Runs a container in the foreground, to its end. Where its steps are asked for they are told then, or when the start has
/// failed.
pub fn run(
    engine: &Engine,
    config: &ContainerConfig,
    io: Io,
    explained: &mut dyn FnMut(Explanation),
) -> Result<Outcome> {
    let recording = (config.foreground.explain == Some(true)).then(Recording::start).transpose();
    let recording = recording.map_err(Error::system("record the steps"))?;
    Part::Begin.begin();
    engine.enter_for(config)?;
    Part::Tidy.begin();
    engine.clean_up();
    let id = ContainerId::random()?;
    Part::Find.begin();
    let source = root::find(engine, config)?;
    let root = recording.as_ref().map(|_| Root::of(engine, config, &source));
    Part::Make.begin();
    // From here on things are made that must be removed again: no signal may end us before they are.
    let signals = Signals::block().map_err(Error::system("take over the signals"))?;
    let mut made = Made::new(engine, config, &id, &source, Holder::me())?;
    let Made { place, container, record, .. } = &mut made;
    let newlines = Newlines::Translated;
    let mut started = None;
    let timings = RefCell::new(None);
    let began = Instant::now();
    let with_volumes = &record.config.config;
    let mut start = Start {
        engine,
        config: with_volumes,
        container,
        record,
        place,
        io,
        recording: recording.as_ref(),
        composed: None,
    };
    let held = close_stdin(config).and_then(|()| {
        start.go(source, Hold { with_us: true, newlines }, |request, composed| {
            place.write_down(composed)?;
            started = Some(now());
            let foreground = Foreground {
                pass_signals: config.foreground.proxy_signals,
                input: config.process.stdin == StdinMode::Open,
                timeout: config.process.timeout.filter(|t| *t > 0).map(|t| Duration::from_secs(t.into())),
                newlines,
            };
            let ready = match &config.foreground.notify {
                Some(Notify { manager, ready: Ready::Started }) => Some(monitor::Ready::Started(manager)),
                Some(Notify { manager, ready: Ready::Said }) => {
                    Some(monitor::Ready::Said(runtime::notify::Notify::bind(&place.notify_dir()?, manager)?))
                }
                None => None,
            };
            let failed = RefCell::new(None);
            let complete: &dyn Fn(i32) -> bool = &|pid| {
                let joined = joining::join(engine, record, &place.run_dir, pid);
                Part::Start.begin();
                joined.map_err(|error| *failed.borrow_mut() = Some(error)).is_ok()
            };
            let begun: &dyn Fn() = &|| {
                timings.replace(Some(Timings::here(record.id.as_str())));
                engine.tell_of(record, "start", &[]);
            };
            let run_dir = &place.run_dir;
            let order = monitor::Order { request, run_dir, foreground, signals: &signals, complete, begun, ready };
            monitor::run(order).map_err(|error| failed.take().unwrap_or_else(|| error.into()))
        })
    });
    let composed = start.composed;
    if let Some((recording, root)) = recording.zip(root) {
        let recorded = Recorded::new((engine, &made.place), &recording, &made.record, root, composed.as_ref());
        explained(recorded.explain(engine));
    }
    let ended = match held {
        Ok(ended) => ended,
        Err(error) => return Err(made.undo(error)),
    };
    let Made { place, container, record, .. } = made;
    let run = Run {
        exit: Some(ended.exit),
        memory: ended.memory,
        expected: is_over(config.process.timeout, began.elapsed()),
        own_pids: has_own_pids(config),
        started: started.unwrap_or_default(),
        command: composed.as_ref().map(command_of).unwrap_or_default(),
        stopped: false,
        restarts: 0,
    };
    // Whatever happened, nothing of it stays behind; what says that it ran goes last.
    let actor = Actor::of(&record);
    engine.tell_end(&record.id, &actor, &run);
    let privileges = &config.privileges;
    let watched = privileges.report_denied || privileges.learns;
    let denied = watched.then(|| denied::finished(&place.run_dir));
    let learnt = denied.clone().filter(|_| privileges.learns).zip(composed.as_ref());
    let learnt =
        learnt.map(|(report, composed)| Learnt::of(report, composed, privileges, place.run_dir.cgroup().as_ref()));
    let cleared = place.end();
    finish(engine, container, config.remove, &run, &actor)?;
    cleared?;
    place.run_dir.remove()?;
    let timings = timings.into_inner().unwrap_or_else(|| Timings::here(record.id.as_str()));
    engine.note_start(&timings);
    Ok(Outcome { timings, code: ended.exit.code(), death: run.death(), denied, learnt })
}

/// What is to be written down of a run that has ended.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// How; nobody knows where whoever held it was killed, and the kernel does not tell others (before Linux 6.15).
    pub exit: Option<Exit>,
    /// What became of its memory.
    pub memory: Memory,
    /// It was to be killed: its time is over, or its health check says so.
    pub expected: bool,
    /// Its first process is that of a PID namespace.
    pub own_pids: bool,
    /// Seconds since 1970 when its process started.
    pub started: u64,
    /// What ran.
    pub command: Vec<String>,
    /// Somebody has asked for its end.
    pub stopped: bool,
    /// How often it was started again by its policy.
    pub restarts: u32,
}

impl Run {
    /// As it is written down.
    pub fn end(&self) -> End {
        let Self { exit, memory, stopped, .. } = self;
        let death = self.death();
        End { code: exit.map(Exit::code), at: now(), out_of_memory: memory.killed > 0, stopped: *stopped, death }
    }

    /// What there is to say of an end by violence that nobody has asked us for.
    pub fn death(&self) -> Option<Death> {
        let signal = match self.exit {
            Some(Exit::Signal(signal)) if !self.stopped && !self.expected => Some(signal),
            _ => None,
        };
        Death::of(signal, self.memory, self.own_pids)
    }
}

/// A process that is killed after so many seconds has lived that long.
pub(crate) fn is_over(timeout: Option<u32>, lived: Duration) -> bool {
    timeout.is_some_and(|seconds| seconds > 0 && lived >= Duration::from_secs(seconds.into()))
}

/// Nobody but who is outside can kill its first process.
pub(crate) fn has_own_pids(config: &ContainerConfig) -> bool {
    config.view.pid == NamespaceMode::Private
}

/// The command that a composed container runs.
pub(crate) fn command_of(composed: &Composed) -> Vec<String> {
    composed.spec.process.as_ref().map(|process| process.args.clone()).unwrap_or_default()
}

/// Without `-i` the container reads nothing; its standard input is ours, so ours becomes /dev/null.
fn close_stdin(config: &ContainerConfig) -> Result<()> {
    if config.process.stdin == StdinMode::Open || config.process.terminal == crate::config::TerminalMode::Pty {
        return Ok(());
    }
    sys::fs::stdin_from_null().map_err(Error::system("close standard input"))
}

/// Writes the end down, or removes the container with `--rm`. A container that is gone was removed by somebody else's
/// force.
pub(crate) fn finish(
    engine: &Engine,
    mut container: ContainerDir,
    remove: bool,
    run: &Run,
    actor: &Actor,
) -> Result<()> {
    let store = engine.store()?;
    let id = container.id().clone();
    let finished = if remove {
        container.lock().and_then(|()| container.remove_with_volumes(store))
    } else {
        write_end(&mut container, run)
    };
    if remove && finished.is_ok() {
        engine.tell_by(id.as_str(), actor, "destroy", &[]);
    }
    match (finished, store.container(&id)) {
        (Err(_), Err(store::Error::NoSuchContainer(_))) => Ok(()),
        (finished, _) => Ok(finished?),
    }
}

fn write_end(container: &mut ContainerDir, run: &Run) -> store::Result<()> {
    container.lock()?;
    let mut record: Container<Record> = container.read()?;
    record.config.started = Some(run.started);
    record.config.restarts = run.restarts;
    record.config.command.clone_from(&run.command);
    record.config.ended = Some(run.end());
    container.write(&record, Durability::Durable)?;
    container.end()
}
