//! Ending containers that run, and waiting for their end.

use crate::config::Signal;
use crate::containers::Status;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::Record;
use cgroup::Cgroup;
use monitor::{Holder, Pause, Process, RunDir, Word};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use store::{Container, ContainerId};

/// How long a container is given to end by itself, as docker does.
const GRACE: Duration = Duration::from_secs(10);
/// How long a monitor may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// Without a limit something is waited for as long as it takes.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);
/// How often somebody looks who cannot be told.
const LOOK: Duration = Duration::from_millis(50);

/// A container and what is known of it while somebody holds it.
pub(crate) struct Held {
    pub id: ContainerId,
    run_dir: Option<RunDir>,
}

impl Held {
    /// By its id.
    fn of(engine: &Engine, id: ContainerId) -> Self {
        let run_dir = RunDir::open(&engine.run_dir(id.as_str())).ok();
        Self { id, run_dir }
    }

    pub fn process(&self) -> Option<Holder> {
        Some(self.run_dir.as_ref()?.process().filter(Process::lives)?.is)
    }

    /// Has the monitor take the next end for the last; whoever has none does so anyway.
    fn last(&self) {
        let Some(run_dir) = &self.run_dir else { return };
        let Ok(socket) = sys::socket::connect_in(run_dir, monitor::SOCKET) else { return };
        if Word::Last.send(&socket).is_ok() && sys::process::wait_readable(&socket, ANSWER) {
            let _ = Word::receive(&socket);
        }
    }

    /// Writes down whether it stands still.
    pub fn write_pause(&self, pause: Pause) -> Result<()> {
        Ok(self.run_dir.as_ref().map_or(Ok(()), |run_dir| run_dir.write_pause(pause))?)
    }

    fn signal(&self, signal: Signal) -> Result<Option<OwnedFd>> {
        let Some(process) = self.process() else { return Ok(None) };
        let failed = || Error::system("signal the container");
        let Ok(pidfd) = sys::process::pidfd_open(process.pid) else { return Ok(None) };
        if !process.lives() {
            return Ok(None);
        }
        match sys::process::pidfd_send_signal(&pidfd, signal.number()) {
            Err(error) if error.errno == sys::Errno::SRCH => Ok(None),
            other => other.map(|()| Some(pidfd)).map_err(failed()),
        }
    }

    pub fn cgroup(&self) -> Option<Cgroup> {
        self.run_dir.as_ref()?.cgroup()
    }
}

/// A container that has been asked to end.
pub struct Ending<'a> {
    engine: &'a Engine,
    held: Held,
    /// Its record, for those who hear of its end; none where that is damaged.
    record: Option<Container<Record>>,
    pidfd: Option<OwnedFd>,
    until: Option<Instant>,
    /// It was to be killed, and is about to go.
    doomed: bool,
}

impl Ending<'_> {
    /// Kills it when its time is over, and comes back when all of it is cleared away.
    pub fn wait(self) -> Result<ContainerId> {
        let Self { engine, held, record, pidfd, until, doomed } = self;
        let ran = pidfd.is_some();
        if let Some(pidfd) = pidfd {
            let left = until.map_or(FOR_EVER, |until| until.saturating_duration_since(Instant::now()));
            if !sys::process::wait_readable(&pidfd, left) {
                engine.tell_kill(record.as_ref(), Signal::KILL);
                held.signal(Signal::KILL)?;
            }
        }
        engine.wait_until_cleared(&held.id);
        if ran
            && !doomed
            && let Some(record) = record
        {
            engine.tell_of(&record, "stop", &[]);
        }
        Ok(held.id)
    }
}

impl Engine {
    pub(crate) fn held(&self, text: &str) -> Result<Held> {
        Ok(Held::of(self, self.find(text)?))
    }

    fn record(&self, held: &Held) -> Result<Container<Record>> {
        Ok(self.store()?.container(&held.id)?.read()?)
    }

    /// Asks a container to end, and gives it `seconds`: −1 for ever, and nothing said means what was said when it was
    /// made, or ten. One that does not run is left as it is.
    pub fn ask_to_end(&self, text: &str, signal: Option<Signal>, seconds: Option<i32>) -> Result<Ending<'_>> {
        let held = self.held(text)?;
        let record = self.record(&held)?;
        let signal = signal.or(record.config.stop_signal).unwrap_or(Signal::TERM);
        let seconds = seconds.or(record.config.config.process.stop_timeout);
        let grace = seconds.map_or(Some(GRACE), |seconds| u64::try_from(seconds).ok().map(Duration::from_secs));
        self.begin_end(held, Some(record), signal, grace)
    }

    /// Kills a container, whatever its record says.
    pub fn doom(&self, text: &str) -> Result<Ending<'_>> {
        let held = self.held(text)?;
        let record = self.record(&held).ok();
        Ok(Ending { doomed: true, ..self.begin_end(held, record, Signal::KILL, None)? })
    }

    fn begin_end(
        &self,
        held: Held,
        record: Option<Container<Record>>,
        signal: Signal,
        grace: Option<Duration>,
    ) -> Result<Ending<'_>> {
        held.last();
        if held.process().is_some() {
            self.tell_kill(record.as_ref(), signal);
        }
        let pidfd = held.signal(signal)?;
        if pidfd.is_some()
            && let Some(cgroup) = held.cgroup()
            && cgroup.is_frozen().unwrap_or(false)
        {
            // Whoever stands still hears nothing.
            cgroup.thaw()?;
        }
        let until = grace.and_then(|grace| Instant::now().checked_add(grace));
        Ok(Ending { engine: self, held, record, pidfd, until, doomed: false })
    }

    fn tell_kill(&self, record: Option<&Container<Record>>, signal: Signal) {
        if let Some(record) = record {
            self.tell_of(record, "kill", &[("signal", &signal.number().to_string())]);
        }
    }

    /// Asks a container to end, see [`Engine::ask_to_end`], and comes back when it has, see [`Ending::wait`].
    pub fn stop(&self, text: &str, signal: Option<Signal>, seconds: Option<i32>) -> Result<ContainerId> {
        self.ask_to_end(text, signal, seconds)?.wait()
    }

    /// Sends a signal to a container's first process.
    pub fn kill(&self, text: &str, signal: Signal) -> Result<ContainerId> {
        let held = self.held(text)?;
        let record = match self.record(&held) {
            Err(error) if signal != Signal::KILL => return Err(error),
            record => record.ok(),
        };
        // What ends it for certain, or by its own wish, is no accident that it would have to come back from.
        let wish = record.as_ref().and_then(|record| record.config.stop_signal).unwrap_or(Signal::TERM);
        if [Signal::KILL, wish].contains(&signal) {
            held.last();
        }
        let stopped = || Error::NotRunning(text.to_owned());
        held.process().ok_or_else(stopped)?;
        // Told before its end is.
        self.tell_kill(record.as_ref(), signal);
        held.signal(signal)?.ok_or_else(stopped)?;
        Ok(held.id)
    }

    /// Waits until a container does not run, and says what its exit code was, if anybody knows.
    pub fn wait(&self, text: &str) -> Result<Option<u8>> {
        loop {
            let held = self.held(text)?;
            if let Some(process) = held.process() {
                let pidfd = sys::process::pidfd_open(process.pid).ok();
                let ended = held.run_dir.as_ref().and_then(|dir| sys::socket::connect_in(dir, monitor::SOCKET).ok());
                if let Some(socket) = ended {
                    while let Some(word) = Word::receive(&socket).map_err(Error::system("wait for the container"))? {
                        if let Word::Ended(code, _) = word {
                            return Ok(code);
                        }
                    }
                } else if let Some(pidfd) = pidfd {
                    sys::process::wait_readable(&pidfd, FOR_EVER);
                    let code = sys::process::pidfd_exit(&pidfd).map(sys::process::Exit::code);
                    self.wait_until_cleared(&held.id);
                    return Ok(code);
                }
            } else if let Status::Exited(end) = self.container(text)?.status {
                return Ok(end.code);
            }
            // It has not begun yet, or is between two starts.
            std::thread::sleep(LOOK);
        }
    }

    /// Waits a while until nobody holds it any more.
    fn wait_until_cleared(&self, id: &ContainerId) {
        let until = Instant::now() + GRACE;
        while let Some(holder) = self.holder(id) {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(pidfd) = sys::process::pidfd_open(holder.pid) else { return };
            if left.is_zero() || !holder.lives() || sys::process::wait_readable(&pidfd, left) {
                return;
            }
        }
    }
}
