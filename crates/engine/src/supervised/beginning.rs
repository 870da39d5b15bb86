//! The starter's side: the container is made, its monitor takes it over, its command runs.

use super::{ORDER, Order, Starter};
use crate::config::{ContainerConfig, StdinMode};
use crate::create::write_pid;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Actor;
use crate::explanation::{Explanation, Root};
use crate::joining;
use crate::part::Part;
use crate::record::Record;
use crate::recorded::Recorded;
use crate::root::Source;
use crate::run::{command_of, has_own_pids};
use crate::spec::Composed;
use crate::start::{Hold, Io, Place, Start};
use crate::timings::Timings;
use monitor::{Process, Streams, log};
use runtime::{Newlines, Recording, Request};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use store::{Container, ContainerDir, ContainerId};

/// A container that is about to begin, held by a monitor.
pub(super) struct Beginning<'a> {
    pub container: &'a mut ContainerDir,
    pub record: &'a Container<Record>,
    pub place: &'a Place,
    pub source: Source,
    pub io: Io,
    pub recording: Option<&'a Recording>,
}

/// Who hears of a start.
pub struct Ears<'a> {
    /// Its command runs.
    pub begun: &'a mut dyn FnMut(&ContainerId, &Timings),
    /// Its steps are known, also of one that has failed; told where that is wanted.
    pub explained: &'a mut dyn FnMut(Explanation),
}

impl Beginning<'_> {
    /// Begins. What was recorded of it is kept with the container, also where it fails. Nobody waits for that: who wants to
    /// know that the command runs is told before, unless he is to be told the steps, too.
    pub fn go(self, engine: &Engine, starter: &Starter, ears: &mut Ears<'_>) -> Result<()> {
        let Self { container, record, place, source, io, recording } = self;
        let config = &record.config.config;
        let started = recording.map(|recording| (recording, Root::of(engine, config, &source)));
        let dir = engine.locations().root.join("containers").join(record.id.as_str());
        let mut start = Start { engine, config, container, record, place, io, recording, composed: None };
        let hold = Hold { with_us: false, newlines: Newlines::Translated };
        let begun = start.go(source, hold, |request, composed| {
            let order = Order {
                id: record.id.to_string(),
                run_dir: place.run_dir.path().to_owned(),
                dir,
                pid: 0,
                terminal: composed.spec.process.as_ref().is_some_and(|process| process.terminal),
                input: config.process.stdin == StdinMode::Open,
                timeout: config.process.timeout.filter(|timeout| *timeout > 0),
                ephemeral: config.remove,
                policy: config.restart,
                health: record.config.health.clone(),
                log: crate::logs::log_of(config, composed),
                command: command_of(composed),
                own_pids: has_own_pids(config),
                actor: Actor::of(record),
                reported: config.privileges.report_denied,
            };
            let complete = |pid| {
                joining::join(engine, record, &place.run_dir, pid)?;
                Part::Start.begin();
                write_pid(config.pidfile.as_deref(), "write --pidfile", pid)?;
                write_pid(config.monitor_pidfile.as_deref(), "write --conmon-pidfile", starter.monitor.pid)
            };
            hand_over(starter, place, request, composed, order, &complete)
        });
        let timings = Timings::here(record.id.as_str());
        let composed = start.composed;
        if begun.is_ok() {
            engine.tell_of(record, "start", &[]);
            engine.note_start(&timings);
        }
        let is_told = config.foreground.explain == Some(true);
        let mut tell = || {
            if begun.is_ok() {
                (ears.begun)(&record.id, &timings);
                starter.begun();
            }
        };
        if !is_told {
            tell();
        }
        if let Some((recording, root)) = started {
            let recorded = Recorded::new((engine, place), recording, record, root, composed.as_ref());
            recorded.keep(container);
            if is_told {
                (ears.explained)(recorded.explain(engine));
            }
        }
        if is_told {
            tell();
        }
        begun
    }
}

/// Has the steps of a start recorded, unless that is not wanted: nobody knows now whether somebody is going to ask.
pub(super) fn record(config: &ContainerConfig) -> Result<Option<Recording>> {
    let recording = (config.foreground.explain != Some(false)).then(Recording::start).transpose();
    recording.map_err(Error::system("record the steps"))
}

/// Makes the container, has the monitor take it over, and lets its command run when it is complete.
fn hand_over(
    starter: &Starter,
    place: &Place,
    request: Request<'_>,
    composed: &Composed,
    mut order: Order,
    complete: &dyn Fn(i32) -> Result<()>,
) -> Result<()> {
    let spec = request.spec;
    let pipes = if order.terminal {
        None
    } else if order.log.driver == log::Driver::Passthrough {
        if !order.input {
            sys::fs::stdin_from_null().map_err(Error::system("close standard input"))?;
        }
        None
    } else {
        let user = spec.process.as_ref().map(|process| &process.user);
        let (uid, gid) = user.map_or((0, 0), |user| (user.uid, user.gid));
        let maps = place.ids.namespace.maps();
        let owner =
            maps.map_or((uid, gid), |maps| (maps.host_uid(uid).unwrap_or(uid), maps.host_gid(gid).unwrap_or(gid)));
        Some(Streams::make(&place.run_dir, owner, order.input)?)
    };
    let mut container = {
        // Its streams are those that it is born with: ours, for that moment.
        let theirs = pipes.as_ref().map(|(_, ends)| [ends.input.as_fd(), ends.output.as_fd(), ends.error.as_fd()]);
        let _ours = theirs.map(sys::fs::Standard::replace).transpose().map_err(Error::system("give it its streams"))?;
        runtime::create(request)?
    };
    let streams = match (container.terminal.take(), pipes) {
        (Some(master), _) => Streams::of_terminal(master, order.input),
        (None, Some((streams, _))) => streams,
        (None, None) => Streams::none(),
    };
    order.pid = container.handle.pid;
    place.run_dir.write_process(&Process::of(order.pid))?;
    complete(order.pid)?;
    place.write_down(composed)?;
    let failed = || Error::system("hand the container over to its monitor");
    let bytes = serde_json::to_vec(&order).unwrap_or_default();
    place.run_dir.put(ORDER, &bytes, 0o600)?;
    // A command may be longer than what goes through a socket at once.
    let path = place.run_dir.path().as_os_str().as_bytes();
    sys::socket::send_with(&starter.socket, path, &streams.fds()).map_err(failed())?;
    if sys::socket::receive::<1>(&starter.socket).map_err(failed())?.is_none() {
        return Err(Error::MonitorLost);
    }
    Ok(container.start(spec)?)
}
