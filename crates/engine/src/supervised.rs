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

mod beginning;

pub use self::beginning::Ears;
use self::beginning::{Beginning, record};
use crate::config::{ContainerConfig, HealthConfig, OnFailure, Signal};
use crate::create::Made;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Actor;
use crate::health::Checks;
use crate::part::Part;
use crate::record::Record;
use crate::root;
use crate::run::{Run, finish, is_over};
use crate::start::{Io, Place};
use crate::{joining, userns};
use monitor::{Client, History, Holder, Life, Mark, Memory, Policy, RunDir, State, Streams, Supervisor, Word, log};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::{Container, ContainerDir, ContainerId};
use sys::process::{Child, Exit};

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
    monitor: i32,
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

    /// Tells a service manager that the container runs, and that its monitor is the process to watch.
    pub fn tell(&self, manager: &Path) -> Result<()> {
        Ok(runtime::notify::ready(manager, self.monitor)?)
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

impl Starter {
    /// Has the monitor know that the command runs. What is still to be done nobody waits for: the streams are let go, at
    /// whose end somebody may wait.
    fn begun(&self) {
        let _ = sys::fs::output_to_null();
        let _ = sys::socket::release(&self.socket);
    }
}

/// What a monitor is told of a container whose command is about to run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
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
    /// What may be changed while it runs: read anew when it is wanted.
    policy: Policy,
    pub health: Option<HealthConfig>,
    log: log::Config,
    command: Vec<String>,
    /// Nobody but who is outside can kill its first process.
    #[serde(default)]
    own_pids: bool,
    #[serde(default)]
    actor: Actor,
    /// Somebody notes what it is refused.
    #[serde(default)]
    reported: bool,
}

/// How long the clearing away of what has ended may take.
const CLEARED: Duration = Duration::from_secs(10);

/// In a run directory: the same, also for the monitor that takes over when this one is killed.
const ORDER: &str = "order.json";

/// PATH_MAX.
const LONGEST_PATH: usize = 4096;

impl Engine {
    /// Does `work`, which starts a container, in a child of a new monitor. Called with one thread, before the store was
    /// opened.
    pub fn supervised(&self, attached: Attached, work: impl FnOnce(&Starter) -> u8) -> Result<Begun> {
        let monitor = |command: OwnedFd| {
            let Ok((socket, worker)) = starter(false, work) else { return 1 };
            match sys::detached::apart(&[command.as_fd(), socket.as_fd(), worker.pidfd.as_fd()]) {
                Ok(()) => watch(self, command, attached, &socket, &worker),
                Err(_) => return 1,
            }
            0
        };
        let (socket, child) = sys::process::fork_connected(monitor).map_err(Error::system("make the monitor"))?;
        Ok(Begun { socket, monitor: child.pid })
    }

    /// Starts a container that does not run, for a monitor.
    pub fn start(&self, starter: &Starter, text: &str, io: Io) -> Result<ContainerId> {
        // Which user namespace is to be entered stands in a record that is to be opened in there.
        let config = {
            let Some(store) = store::Store::open_if_there(&self.locations().root)? else {
                return Err(store::Error::NoSuchContainer(text.to_owned()).into());
            };
            let id = store.find_container(text)?;
            let record: Container<Record> = store.container(&id)?.read()?;
            record.config.config
        };
        let recording = record(&config)?;
        Part::Begin.begin();
        self.enter_for(&config)?;
        Part::Find.begin();
        let mut container = if starter.again {
            let mut container = self.store()?.container(&text.parse()?)?;
            container.lock()?;
            container
        } else {
            self.idle(text)?
        };
        let id = container.id().clone();
        let record: Container<Record> = container.read()?;
        let config = &record.config.config;
        let source = root::of(self, &record)?;
        Part::Make.begin();
        let place = Place::make(self, config, id.as_str(), starter.monitor, starter.again)?;
        let recording = recording.as_ref();
        let container = &mut container;
        let beginning = Beginning { container, record: &record, place: &place, source, io, recording };
        let begun = beginning.go(self, starter, &mut Ears { begun: &mut |_, _| (), explained: &mut drop });
        if begun.is_err() {
            let _ = place.clear();
        }
        begun.map(|()| id)
    }

    /// A container that nobody holds, locked. Whoever clears away one that has just ended is waited for.
    fn idle(&self, text: &str) -> Result<ContainerDir> {
        let until = Instant::now() + CLEARED;
        loop {
            let id = self.find(text)?;
            let mut container = self.store()?.container(&id)?;
            container.lock()?;
            let Ok(run_dir) = RunDir::open(&self.run_dir(id.as_str())) else { return Ok(container) };
            let has_ended = run_dir.process().is_some_and(|process| !process.lives());
            if run_dir.holder().is_some() && !has_ended || Instant::now() >= until {
                return Err(Error::Runs(text.to_owned()));
            }
            drop(container);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Makes a container and starts it, for a monitor: nothing is left of one that does not start, but its steps are told.
    pub fn run(&self, starter: &Starter, config: &ContainerConfig, io: Io, mut ears: Ears<'_>) -> Result<()> {
        let recording = record(config)?;
        Part::Begin.begin();
        self.enter_for(config)?;
        Part::Tidy.begin();
        self.clean_up();
        let id = ContainerId::random()?;
        Part::Find.begin();
        let source = root::find(self, config)?;
        Part::Make.begin();
        let mut made = Made::new(self, config, &id, &source, starter.monitor)?;
        let Made { container, record, place, .. } = &mut made;
        let recording = recording.as_ref();
        let beginning = Beginning { container, record, place, source, io, recording };
        beginning.go(self, starter, &mut ears).map_err(|error| made.undo(error))
    }
}

/// What the monitor of a container is told.
pub(crate) fn order_of(run_dir: &RunDir) -> Option<Order> {
    serde_json::from_slice(&run_dir.read(ORDER)?).ok()
}

/// Has the monitor of a container that runs know of what its record says now.
pub(crate) fn reorder(run_dir: &RunDir, record: &Container<Record>) -> Result<()> {
    let Some(order) = order_of(run_dir) else { return Ok(()) };
    let policy = record.config.config.restart;
    let order = Order { policy, health: record.config.health.clone(), actor: Actor::of(record), ..order };
    Ok(run_dir.put(ORDER, &serde_json::to_vec(&order).unwrap_or_default(), 0o600)?)
}

/// Forks who starts the container.
fn starter(again: bool, work: impl FnOnce(&Starter) -> u8) -> sys::Result<(OwnedFd, Child)> {
    let monitor = Holder::me();
    sys::process::fork_connected(|socket| {
        if again {
            sys::begin();
        }
        i32::from(work(&Starter { socket, monitor, again }))
    })
}

/// The monitor, from its birth.
fn watch(engine: &Engine, command: OwnedFd, attached: Attached, socket: &OwnedFd, worker: &Child) {
    let command = Client::starter(command, attached.streams, attached.input);
    let Some((order, life)) = take_over(socket) else {
        if let Some(code) = code_of(worker) {
            command.tell(&Word::Failed(code));
        }
        return;
    };
    if let Ok(mut watch) = Watch::new(engine, order, Some(command), attached.input) {
        match watch.go(socket, worker, &life) {
            Ok(()) => watch.lives(life),
            Err(code) => watch.fail(code),
        }
    }
}

/// Waits for a starter, and tells its exit code. One that was killed has none and has told nobody why it fails: the end
/// of the connection does.
fn code_of(worker: &Child) -> Option<u8> {
    match sys::process::wait(&worker.pidfd) {
        Ok(Exit::Code(code)) => Some(code),
        Ok(Exit::Signal(_)) | Err(_) => None,
    }
}

/// A monitor and what it has in hand.
struct Watch<'a> {
    engine: &'a Engine,
    order: Order,
    run_dir: RunDir,
    supervisor: Supervisor,
    history: History,
}

impl<'a> Watch<'a> {
    fn new(engine: &'a Engine, order: Order, command: Option<Client>, input_ends: bool) -> Result<Self> {
        let run_dir = RunDir::open(&order.run_dir)?;
        let dir = sys::fs::open(&order.dir, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
            .map_err(Error::file("open", order.dir.as_path()))?;
        let (name, image) = order.actor.names();
        let of = log::Of { id: order.id.clone(), name: name.to_owned(), image: image.to_owned() };
        let log = log::Writer::new(dir, order.log.clone(), &of);
        let supervisor = Supervisor::new(&run_dir, command, log, input_ends)?;
        Ok(Self { engine, order, run_dir, supervisor, history: History::default() })
    }

    /// Has the starter let the command run; else its exit code, if it has one.
    fn go(&mut self, socket: &OwnedFd, worker: &Child, life: &Life) -> std::result::Result<(), Option<u8>> {
        // One that is gone has failed, which its code tells.
        let _ = sys::socket::release(socket);
        if let Ok(Some(_)) = sys::socket::receive::<1>(socket) {
            self.supervisor.tell(&Word::Begun);
            // It has a little left to write down.
            let _ = code_of(worker);
            return Ok(());
        }
        match code_of(worker) {
            Some(0) => {
                self.supervisor.tell(&Word::Begun);
                Ok(())
            }
            code => {
                // It has cleared away everything but the dead; one that was killed may have left it running.
                let _ = sys::process::pidfd_send_signal(&life.pidfd, Signal::KILL.number());
                let _ = sys::process::wait(&life.pidfd);
                Err(code)
            }
        }
    }

    fn fail(mut self, code: Option<u8>) {
        if let Some(code) = code {
            self.supervisor.tell(&Word::Failed(code));
        }
        self.supervisor.finish();
    }

    /// From one end to the next start, until there is none.
    fn lives(mut self, mut life: Life) {
        loop {
            // From now on it waits, perhaps for months, and beside a thousand others.
            sys::memory::let_go();
            let began = Instant::now();
            let (held, verdict) = match self.order.health.clone() {
                Some(config) => {
                    let mut checks =
                        Checks::new(self.engine, (&self.order.id, &self.order.actor), &self.run_dir, config);
                    (self.supervisor.hold(&mut life, &mut checks), checks.verdict)
                }
                None => (self.supervisor.hold(&mut life, &mut ()), OnFailure::None),
            };
            let Ok(exit) = held else { return };
            self.tell_refused();
            let run = Run {
                exit,
                memory: self.run_dir.cgroup().as_ref().map(Memory::of).unwrap_or_default(),
                expected: is_over(self.order.timeout, began.elapsed()) || verdict != OnFailure::None,
                own_pids: self.order.own_pids,
                started: self.run_dir.process().map(|process| process.since).unwrap_or_default(),
                command: self.order.command.clone(),
                stopped: self.supervisor.is_last(),
                restarts: self.history.restarts,
            };
            if let Ok(id) = self.order.id.parse() {
                self.engine.tell_end(&id, &self.order.actor, &run);
            }
            let code = exit.map(Exit::code);
            let ended = Word::Ended(code, run.death().map(|death| death.told()).unwrap_or_default());
            if let Some(order) = order_of(&self.run_dir) {
                self.order = order;
            }
            let policy = if verdict == OnFailure::Restart { Policy::Always } else { self.order.policy };
            let again = match code {
                Some(code) if !run.stopped && verdict != OnFailure::Stop => {
                    self.history.next(policy, code, began.elapsed())
                }
                _ => None,
            };
            let Some(next) = again.and_then(|delay| self.again(&run, &ended, delay)) else {
                let stopped = self.supervisor.is_last();
                return self.end(&Run { stopped, ..run }, &ended);
            };
            life = next;
        }
    }

    /// Tells everybody what it was refused, before its directory may go.
    fn tell_refused(&mut self) {
        if !self.order.reported {
            return;
        }
        let report = serde_json::to_vec(&crate::denied::finished(&self.run_dir));
        for piece in report.unwrap_or_default().chunks(monitor::CHUNK) {
            self.supervisor.tell(&Word::Refused(piece.to_vec()));
        }
    }

    /// Starts it once more after a while, unless somebody says meanwhile that it is enough, or it cannot be started.
    fn again(&mut self, run: &Run, ended: &Word, delay: Duration) -> Option<Life> {
        let until = Instant::now() + delay;
        let _ = monitor::end(&self.run_dir);
        joining::leave(self.engine, &self.order.id);
        self.run_dir.forget_process();
        // In a child, as all that needs the store: this process stays as small as it is.
        let (engine, order) = (self.engine, &self.order);
        let written = sys::process::fork(|| i32::from(write_down(engine, order, run, false).is_err()));
        let _ = written.and_then(|child| sys::process::wait(&child.pidfd));
        self.supervisor.tell(ended);
        if !self.supervisor.rest(until).unwrap_or(false) {
            return None;
        }
        let work = |starter: &Starter| u8::from(engine.start(starter, &order.id, Io::default()).is_err());
        let (socket, worker) = starter(true, work).ok()?;
        let Some((order, life)) = take_over(&socket) else {
            let _ = sys::process::wait(&worker.pidfd);
            return None;
        };
        self.go(&socket, &worker, &life).ok()?;
        self.order = order;
        engine.tell_by(&self.order.id, &self.order.actor, "restart", &[]);
        Some(life)
    }

    /// Clears away what was its own, and tells everybody.
    fn end(mut self, run: &Run, ended: &Word) {
        let cleared = monitor::end(&self.run_dir);
        joining::leave(self.engine, &self.order.id);
        let written = write_down(self.engine, &self.order, run, self.order.ephemeral);
        userns::release(self.engine, &self.order.id);
        // What could not be done the next command does, by what stands in the run directory.
        if written.is_err() {
            run.end().leave_in(&self.run_dir);
        } else if cleared.is_ok() {
            let _ = self.run_dir.remove();
        }
        self.supervisor.tell(ended);
        self.supervisor.finish();
    }
}

fn take_over(socket: &OwnedFd) -> Option<(Order, Life)> {
    let (run_dir, fds) = sys::socket::receive_all(socket, LONGEST_PATH).ok()??;
    let run_dir = RunDir::open(Path::new(OsStr::from_bytes(&run_dir))).ok()?;
    let order = order_of(&run_dir)?;
    let streams = Streams::from_fds(fds, order.terminal, order.input)?;
    let pidfd = sys::process::pidfd_open(order.pid).ok()?;
    let timeout = order.timeout.map(|seconds| Duration::from_secs(seconds.into()));
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    Some((order, Life { pidfd, streams, deadline }))
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
    finish(engine, container, remove, run, &order.actor)
}

/// Takes over a container whose monitor was killed and which runs: a new monitor. What it wrote meanwhile is in its
/// FIFOs; its terminal, if it had one, is lost. Of several who do the same one gets its mark.
pub(crate) fn adopt(engine: &Engine, run_dir: &RunDir, mark: &Mark) -> Result<()> {
    let Some(order) = order_of(run_dir) else {
        return Err(Error::MonitorLost);
    };
    let failed = || Error::system("take over a container");
    // Found before it can have ended, so that its end can be told (Linux 6.15).
    let pidfd = sys::process::pidfd_open(order.pid).map_err(failed())?;
    let streams = Streams::found(run_dir);
    let monitor = |theirs: OwnedFd| {
        let kept: Vec<_> = streams.fds().into_iter().chain([theirs.as_fd(), pidfd.as_fd()]).collect();
        if sys::detached::apart(&kept).is_err() {
            return 1;
        }
        let taken = RunDir::open(&order.run_dir).and_then(|run_dir| {
            let holder = Holder::me();
            let state = run_dir.state()?.filter(|_| mark.pass(holder)).map(|state| State { holder, ..state });
            state.map(|state| run_dir.write_state(&state)).transpose()
        });
        let Ok(Some(())) = taken else { return 1 };
        let Ok(watch) = Watch::new(engine, order, None, false) else { return 1 };
        // Whoever waits for it may go on.
        drop(theirs);
        watch.lives(Life { pidfd, streams, deadline: None });
        0
    };
    let (taken, _) = sys::process::fork_connected(monitor).map_err(failed())?;
    let _ = sys::socket::receive::<1>(&taken);
    Ok(())
}
