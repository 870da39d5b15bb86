//! Containers that outlive the command that starts them, each held by a small process of its own, its monitor.
//!
//! ```text
//!  command ──fork──► monitor ──fork──► starter: image, root, specification; clones the container, as the monitor's child
//!     │                 │                 │                                                                   │
//!     │                 │◄── streams ─────┘ ends                                                              │
//!     └◄── words ───────┤                                                                                     │
//!                       └── holds it: streams, log, who is attached, its end, the next start ◄────────────────┘
//! ```
//!
//! The monitor is forked before anything is read or opened, so that it is small, and it starts nothing itself: the
//! starter has the engine, and gets it done as the command itself would, on the same terminal. A restart is the same
//! again, with another starter.

use crate::config::{ContainerConfig, StdinMode};
use crate::create;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::Record;
use crate::root::{self, Source};
use crate::run::{Run, command_of, finish};
use crate::spec::Composed;
use crate::start::{Hold, Io, Place, Start};
use crate::{containers, userns};
use monitor::{Client, History, Holder, Life, Policy, RunDir, Streams, Supervisor, Word, log};
use runtime::{Newlines, Request};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use store::{Container, ContainerDir, ContainerId};
use sys::process::Child;

/// What the command that starts a container wants of it while it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attached {
    /// Its output.
    pub streams: bool,
    /// To write to its input.
    pub input: bool,
}

/// A start that is on its way: who asked for it talks with the monitor.
#[derive(Debug)]
pub struct Begun {
    socket: OwnedFd,
}

impl Begun {
    /// Waits until its command runs; else the exit code of who could not start it, and has told why.
    pub fn runs(&self) -> Result<std::result::Result<(), u8>> {
        loop {
            match Word::receive(&self.socket).map_err(Error::system("listen to the monitor"))? {
                Some(Word::Begun) => return Ok(Ok(())),
                Some(Word::Failed(code)) => return Ok(Err(code)),
                Some(_) => {}
                None => return Err(Error::MonitorLost),
            }
        }
    }

    /// The connection to it.
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }
}

/// Who starts a container for a monitor.
#[derive(Debug)]
pub struct Starter {
    socket: OwnedFd,
    monitor: Holder,
    again: bool,
}

/// What a monitor is told of a container whose command is about to run.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: String,
    run_dir: PathBuf,
    /// The container's directory in the store.
    dir: PathBuf,
    pid: i32,
    terminal: bool,
    input: bool,
    /// It is killed after so many seconds.
    timeout: Option<u32>,
    ephemeral: bool,
    policy: Policy,
    log: log::Config,
    command: Vec<String>,
}

impl Engine {
    /// Does `work`, which starts a container, in a child of a new monitor. Called with one thread, before the store was
    /// opened.
    pub fn supervised(&self, attached: Attached, work: impl FnOnce(&Starter) -> u8) -> Result<Begun> {
        let failed = || Error::system("make the monitor");
        let (ours, theirs) = sys::socket::pair().map_err(failed())?;
        let mut work = Some((theirs, work));
        sys::process::fork(|| {
            let Some((command, work)) = work.take() else { return 1 };
            let Ok((socket, worker)) = starter(false, work) else { return 1 };
            // The command's own end is closed with everything else that is the command's.
            match sys::detached::apart(&[command.as_fd(), socket.as_fd(), worker.pidfd.as_fd()]) {
                Ok(()) => watch(self, command, attached, socket, worker),
                Err(_) => return 1,
            }
            0
        })
        .map_err(failed())?;
        Ok(Begun { socket: ours })
    }

    /// Starts a container that does not run, for a monitor.
    pub fn start(&self, starter: &Starter, text: &str, io: Io) -> Result<ContainerId> {
        // Which user namespace is to be entered stands in a record that is to be opened in there.
        let mode = {
            let Some(store) = store::Store::open_if_there(&self.locations().root)? else {
                return Err(store::Error::NoSuchContainer(text.to_owned()).into());
            };
            let id = store.find_container(text)?;
            let record: Container<Record> = store.container(&id)?.read()?;
            record.config.config.view.userns
        };
        self.enter_for(mode.as_ref())?;
        if !starter.again {
            containers::clean_up(self);
        }
        let id = self.store()?.find_container(text)?;
        let mut container = self.store()?.container(&id)?;
        container.lock()?;
        let record: Container<Record> = container.read()?;
        let config = &record.config.config;
        if !starter.again && self.is_held(&id) {
            return Err(Error::Runs(text.to_owned()));
        }
        let source = root::of(self, &record)?;
        let place = Place::make(self, config, id.as_str(), starter.monitor, starter.again)?;
        let begun = self.begin(starter, &mut container, &record, &place, source, io);
        if begun.is_err() {
            let _ = place.clear();
        }
        begun.map(|()| id)
    }

    /// Makes a container and starts it, for a monitor: nothing is left of one that does not start.
    pub fn run(&self, starter: &Starter, config: &ContainerConfig, io: Io) -> Result<ContainerId> {
        self.enter_for(config.view.userns.as_ref())?;
        containers::clean_up(self);
        let id = ContainerId::random()?;
        let source = root::find(self, config)?;
        let place = Place::make(self, config, id.as_str(), starter.monitor, false)?;
        let (mut container, record) = match create::create(self, config, &id, &source, &place.ids.namespace) {
            Ok(made) => made,
            Err(error) => {
                let _ = place.clear();
                return Err(error);
            }
        };
        let written = create::write_cidfile(config, id.as_str());
        let begun = written.and_then(|()| self.begin(starter, &mut container, &record, &place, source, io));
        let Err(error) = begun else { return Ok(id) };
        let _ = place.clear();
        let _ = container.remove(self.store()?);
        if !matches!(error, Error::CidFile { .. }) {
            create::remove_cidfile(config);
        }
        Err(error)
    }

    fn begin(
        &self,
        starter: &Starter,
        container: &mut ContainerDir,
        record: &Container<Record>,
        place: &Place,
        source: Source,
        io: Io,
    ) -> Result<()> {
        let config = &record.config.config;
        let dir = self.store()?.path().join("containers").join(record.id.as_str());
        let mut start = Start { engine: self, config, container, record, place, io, recorder: None };
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
                log: config.log.clone(),
                command: command_of(composed),
            };
            hand_over(starter, place, request, composed, order)
        });
        begun.map(|((), _)| ())
    }
}

/// Makes the container, has the monitor take it over, and lets its command run.
fn hand_over(
    starter: &Starter,
    place: &Place,
    request: Request<'_>,
    composed: &Composed,
    mut order: Order,
) -> Result<()> {
    let spec = request.spec;
    let pipes = if order.terminal {
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
        let _ours = pipes.as_ref().map(|(_, ends)| {
            sys::fs::Standard::replace([ends.input.as_fd(), ends.output.as_fd(), ends.error.as_fd()])
                .map_err(Error::system("give it its streams"))
        });
        if let Some(Err(error)) = _ours {
            return Err(error);
        }
        runtime::create(request)?
    };
    let streams = match (container.terminal.take(), pipes) {
        (Some(master), _) => Streams::of_terminal(master, order.input),
        (None, Some((streams, _))) => streams,
        (None, None) => return Err(Error::MonitorLost),
    };
    order.pid = container.handle.pid;
    let start_time = runtime::start_time(order.pid).unwrap_or(0);
    place.run_dir.write_process(Holder { pid: order.pid, start_time })?;
    let spec_json = serde_json::to_vec(&composed.spec).unwrap_or_default();
    place.run_dir.put(containers::SPEC, &spec_json, 0o600)?;
    let failed = || Error::system("hand the container over to its monitor");
    let bytes = serde_json::to_vec(&order).unwrap_or_default();
    sys::socket::send_with(&starter.socket, &bytes, &streams.fds()).map_err(failed())?;
    if sys::socket::receive::<1>(&starter.socket).map_err(failed())?.is_none() {
        return Err(Error::MonitorLost);
    }
    Ok(container.start(spec)?)
}

/// Forks who starts the container.
fn starter(again: bool, work: impl FnOnce(&Starter) -> u8) -> sys::Result<(OwnedFd, Child)> {
    let (ours, theirs) = sys::socket::pair()?;
    let monitor = Holder::me();
    let mut work = Some((theirs, work));
    let child = sys::process::fork(|| {
        let Some((socket, work)) = work.take() else { return 1 };
        i32::from(work(&Starter { socket, monitor, again }))
    })?;
    Ok((ours, child))
}

/// The monitor: from the word of one starter to the next, until there is to be no other.
fn watch(engine: &Engine, command: OwnedFd, attached: Attached, mut socket: OwnedFd, mut worker: Child) {
    let mut command = Some(Client::starter(command, attached.streams, attached.input));
    let mut supervisor: Option<Supervisor> = None;
    let mut history = History::default();
    loop {
        let Some((order, mut life)) = take_over(&socket) else {
            let code = sys::process::wait(&worker.pidfd).map_or(125, |exit| exit.code());
            return fail(command, supervisor, code);
        };
        let Ok(run_dir) = RunDir::open(&order.run_dir) else { return fail(command, supervisor, 125) };
        let held = match supervisor.take() {
            Some(supervisor) => Ok(supervisor),
            None => listen(&run_dir, &order, command.take(), attached.input),
        };
        let Ok(mut held) = held else { return fail(command, None, 125) };
        let _ = sys::socket::release(&socket);
        let code = sys::process::wait(&worker.pidfd).map_or(125, |exit| exit.code());
        if code != 0 {
            // It has cleared away everything but the dead.
            let _ = sys::process::wait(&life.pidfd);
            return fail(None, Some(held), code);
        }
        held.tell(&Word::Begun);
        let (began, started) = (Instant::now(), crate::record::now());
        let Ok(exit) = held.hold(&mut life) else { return };
        let cgroup = run_dir.state().ok().flatten().map(|state| cgroup::Cgroup::from_paths(&state.cgroup));
        let oom_kills = cgroup.and_then(|cgroup| cgroup.oom_kills().ok()).unwrap_or(0);
        let run = Run { exit, oom_kills, started, command: order.command.clone() };
        let again = if held.is_last() { None } else { history.next(order.policy, exit.code(), began.elapsed()) };
        if let Some(delay) = again {
            let until = Instant::now() + delay;
            let _ = monitor::end(&run_dir);
            // In a child, as all that needs the store: this process stays as small as it is.
            let written = sys::process::fork(|| i32::from(write_down(engine, &order, &run, false).is_err()));
            let _ = written.and_then(|child| sys::process::wait(&child.pidfd));
            if held.rest(until).unwrap_or(false) {
                let work = |starter: &Starter| u8::from(engine.start(starter, &order.id, Io::default()).is_err());
                if let Ok(next) = starter(true, work) {
                    (socket, worker) = next;
                    supervisor = Some(held);
                    continue;
                }
            }
        }
        let _ = monitor::teardown(&run_dir);
        userns::release(engine, &order.id);
        let _ = write_down(engine, &order, &run, order.ephemeral);
        held.tell(&Word::Ended(exit.code(), oom_kills.try_into().unwrap_or(u32::MAX)));
        return held.finish();
    }
}

fn take_over(socket: &OwnedFd) -> Option<(Order, Life)> {
    let (bytes, fds) = sys::socket::receive_all(socket).ok()??;
    let order: Order = serde_json::from_slice(&bytes).ok()?;
    let streams = Streams::from_fds(fds, order.terminal, order.input)?;
    let pidfd = sys::process::pidfd_open(order.pid).ok()?;
    let timeout = order.timeout.map(|seconds| Duration::from_secs(seconds.into()));
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    Some((order, Life { pidfd, streams, deadline }))
}

fn listen(run_dir: &RunDir, order: &Order, command: Option<Client>, input_ends: bool) -> Result<Supervisor> {
    let dir = sys::fs::open(&order.dir, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
        .map_err(Error::file("open", order.dir.as_path()))?;
    let log = log::Writer::new(dir, order.log.clone());
    Ok(Supervisor::new(run_dir, command, log, input_ends)?)
}

fn fail(command: Option<Client>, supervisor: Option<Supervisor>, code: u8) {
    if let Some(mut supervisor) = supervisor {
        supervisor.tell(&Word::Failed(code));
        supervisor.finish();
    } else if let Some(command) = command {
        command.tell(&Word::Failed(code));
    }
}

fn write_down(engine: &Engine, order: &Order, run: &Run, remove: bool) -> Result<()> {
    if remove {
        engine.enter()?;
    }
    let id: ContainerId = order.id.parse()?;
    let container = match engine.store()?.container(&id) {
        Err(store::Error::NoSuchContainer(_)) => return Ok(()),
        found => found?,
    };
    finish(engine, container, remove, run)
}
