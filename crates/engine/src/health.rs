//! Health checks: a command that is run in the container again and again, by children of its monitor.

use crate::config::{Health as Asked, HealthConfig, OnFailure, ProcessConfig};
use crate::engine::Engine;
use crate::events::Actor;
use crate::exec::Exec;
use crate::record::now;
use crate::start::Io;
use monitor::{Chore, Life, RunDir};
use oci::image::Healthcheck;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use sys::process::Child;

/// How a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Nobody knows yet.
    Starting,
    /// The last check said so.
    Healthy,
    /// Several checks in a row have failed.
    Unhealthy,
}

impl Health {
    /// docker's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthState {
    /// How it is.
    pub health: Health,
    /// Failures in a row.
    pub streak: u32,
    /// The last checks, oldest first.
    pub log: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Seconds since 1970 when it began.
    pub start: u64,
    /// And when it ended.
    pub end: u64,
    /// Its code; −1 if it took too long.
    pub code: i32,
    /// The beginning of what it said.
    pub output: String,
}

/// How many checks are remembered, as docker does.
const REMEMBERED: usize = 5;
/// How much of what one says, as docker does.
const OUTPUT: usize = 4096;
/// How long a container that is asked to end may take, and a check beyond its time.
const GRACE: Duration = Duration::from_secs(10);
/// In the run directory.
const STATE: &str = "health.json";

/// What a container is checked by: the flags, and what they leave open the image.
pub(crate) fn config(asked: &Asked, image: Option<&Healthcheck>) -> Option<HealthConfig> {
    let image = image.filter(|_| !asked.off);
    let nanos = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0).map(Duration::from_nanos);
    let of_image = image.and_then(|image| match image.test.split_first() {
        Some((kind, words)) if kind == "CMD" && !words.is_empty() => Some(words.to_vec()),
        Some((kind, [text])) if kind == "CMD-SHELL" => Some(shell(text)),
        _ => None,
    });
    let command = asked.command.clone().or(of_image).filter(|command| !asked.off && !command.is_empty())?;
    let default = HealthConfig::default();
    let of = |field: fn(&Healthcheck) -> i64| image.and_then(|image| nanos(field(image)));
    Some(HealthConfig {
        command,
        interval: asked.interval.or_else(|| of(|image| image.interval)).unwrap_or(default.interval),
        timeout: asked.timeout.or_else(|| of(|image| image.timeout)).unwrap_or(default.timeout),
        retries: asked
            .retries
            .or_else(|| image.and_then(|image| u32::try_from(image.retries).ok()))
            .filter(|retries| *retries > 0)
            .unwrap_or(default.retries),
        start_period: asked.start_period.or_else(|| of(|image| image.start_period)).unwrap_or(default.start_period),
        start_interval: asked
            .start_interval
            .or_else(|| of(|image| image.start_interval))
            .unwrap_or(default.start_interval),
        on_failure: asked.on_failure.unwrap_or_default(),
    })
}

/// The same for one that is there, with what is asked for now.
pub(crate) fn changed(old: Option<HealthConfig>, asked: &Asked) -> Option<HealthConfig> {
    if asked.off {
        return None;
    }
    let mut config = old.or_else(|| asked.command.is_some().then(HealthConfig::default))?;
    let Asked { off: _, command, interval, timeout, retries, start_period, start_interval, on_failure } = asked.clone();
    config.command = command.unwrap_or(config.command);
    config.interval = interval.unwrap_or(config.interval);
    config.timeout = timeout.unwrap_or(config.timeout);
    config.retries = retries.filter(|retries| *retries > 0).unwrap_or(config.retries);
    config.start_period = start_period.unwrap_or(config.start_period);
    config.start_interval = start_interval.unwrap_or(config.start_interval);
    config.on_failure = on_failure.unwrap_or(config.on_failure);
    Some(config)
}

/// A text for the container's shell.
pub fn shell(text: &str) -> Vec<String> {
    ["/bin/sh", "-c", text].map(str::to_owned).to_vec()
}

impl HealthState {
    /// Of one that nobody has looked at yet.
    fn starting() -> Self {
        Self { health: Health::Starting, streak: 0, log: Vec::new() }
    }
}

/// What runs in the container to see whether it is well.
fn check(config: &HealthConfig) -> Exec {
    let process = ProcessConfig { command: config.command.clone(), ..ProcessConfig::default() };
    Exec { process, dies_with_us: true, timeout: Some(config.timeout), ..Exec::default() }
}

impl Engine {
    /// Runs a container's check once, and says whether it is well; `tell` tells of a check that could not be run.
    pub fn check_health(&self, text: &str, tell: impl FnOnce(crate::Error) -> u8) -> crate::Result<bool> {
        let running = self.find_running(text)?;
        let config = running.record.config.health.clone();
        let config = config.ok_or_else(|| crate::Error::NoCheck(text.to_owned()))?;
        let exec = check(&config);
        let began = Instant::now();
        let code = self.exec(text, &exec, Io::default(), tell)?;
        Ok(code == 0 && began.elapsed() < config.timeout)
    }
}

/// What was last known of a container that runs. Its monitor may not have come so far as to write anything.
pub(crate) fn state(run_dir: &RunDir) -> HealthState {
    let written = run_dir.read(STATE).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    written.unwrap_or_else(HealthState::starting)
}

/// The checks of one life of a container.
pub(crate) struct Checks<'a> {
    engine: &'a Engine,
    id: &'a str,
    actor: &'a Actor,
    run_dir: &'a RunDir,
    config: HealthConfig,
    state: HealthState,
    began: Instant,
    next: Instant,
    running: Option<Running>,
    /// What its failure has led to.
    pub verdict: OnFailure,
}

/// A check on its way.
struct Running {
    child: Child,
    /// What it says.
    pipe: Option<OwnedFd>,
    output: Vec<u8>,
    start: u64,
    /// The child ends its command then, and reaps it: whom nobody reaps keeps the container's PID namespace alive.
    deadline: Instant,
    /// It has not, and was killed itself.
    killed: bool,
}

impl<'a> Checks<'a> {
    pub fn new(
        engine: &'a Engine,
        (id, actor): (&'a str, &'a Actor),
        run_dir: &'a RunDir,
        config: HealthConfig,
    ) -> Self {
        let state = HealthState::starting();
        let began = Instant::now();
        let mut checks = Self {
            engine,
            id,
            actor,
            run_dir,
            config,
            state,
            began,
            next: began,
            running: None,
            verdict: OnFailure::None,
        };
        checks.next = began + checks.pause();
        checks.tell();
        checks
    }

    fn in_start_period(&self) -> bool {
        self.state.health == Health::Starting && self.began.elapsed() < self.config.start_period
    }

    fn pause(&self) -> Duration {
        if self.in_start_period() { self.config.start_interval } else { self.config.interval }
    }

    fn tell(&self) {
        let bytes = serde_json::to_vec(&self.state).unwrap_or_default();
        let _ = self.run_dir.put(STATE, &bytes, 0o600);
    }

    fn begin(&mut self) {
        // It may have been changed meanwhile.
        if let Some(config) = crate::supervised::order_of(self.run_dir).and_then(|order| order.health) {
            self.config = config;
        }
        let Ok((ours, theirs)) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC) else { return };
        let _ = rustix::io::ioctl_fionbio(&ours, true);
        let (engine, id, exec) = (self.engine, self.id, check(&self.config));
        let child = sys::process::fork(|| {
            let Ok(null) = sys::fs::open("/dev/null", OFlags::RDONLY, Mode::empty()) else { return 125 };
            let Ok(_kept) = sys::fs::Standard::replace([null.as_fd(), theirs.as_fd(), theirs.as_fd()]) else {
                return 125;
            };
            let told = |error: crate::Error| {
                let _ = sys::fs::write_all(rustix::stdio::stderr(), error.to_string().as_bytes());
                error.exit_code()
            };
            i32::from(engine.exec(id, &exec, Io::default(), |error| error.exit_code()).unwrap_or_else(told))
        });
        if let Ok(child) = child {
            self.running = Some(Running {
                child,
                pipe: Some(ours),
                output: Vec::new(),
                start: now(),
                deadline: Instant::now() + self.config.timeout,
                killed: false,
            });
        }
    }

    /// Takes the result of a check; what it leads to is returned.
    fn take(&mut self, code: i32, running: &Running) -> Option<OnFailure> {
        let output = String::from_utf8_lossy(&running.output).into_owned();
        self.state.log.push(Check { start: running.start, end: now(), code, output });
        let extra = self.state.log.len().saturating_sub(REMEMBERED);
        self.state.log.drain(..extra);
        let before = self.state.health;
        let counts = !self.in_start_period();
        if code == 0 {
            self.state.streak = 0;
            self.state.health = Health::Healthy;
        } else if counts {
            self.state.streak += 1;
        }
        let fell = self.state.streak >= self.config.retries && self.state.health != Health::Unhealthy;
        if fell {
            self.state.health = Health::Unhealthy;
        }
        self.tell();
        if self.state.health != before {
            let action = format!("health_status: {}", self.state.health.word());
            self.engine.tell_by(self.id, self.actor, &action, &[]);
        }
        fell.then_some(self.config.on_failure)
    }
}

impl Chore for Checks<'_> {
    fn due(&self) -> Option<Instant> {
        match &self.running {
            Some(running) if running.killed => None,
            Some(running) => Some(running.deadline + GRACE),
            None => Some(self.next),
        }
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let running = self.running.iter();
        running
            .flat_map(|running| [Some(running.child.pidfd.as_fd()), running.pipe.as_ref().map(AsFd::as_fd)])
            .flatten()
            .collect()
    }

    fn turn(&mut self, life: &mut Life) {
        const SIGTERM: i32 = 15;
        const SIGKILL: i32 = 9;
        let Some(mut running) = self.running.take() else {
            if Instant::now() >= self.next {
                self.next = Instant::now() + self.pause();
                self.begin();
            }
            return;
        };
        running.read();
        if !sys::process::wait_readable(&running.child.pidfd, Duration::ZERO) {
            if !running.killed && Instant::now() >= running.deadline + GRACE {
                running.killed = true;
                let _ = sys::process::pidfd_send_signal(&running.child.pidfd, SIGKILL);
            }
            self.running = Some(running);
            return;
        }
        let code = sys::process::wait(&running.child.pidfd).map_or(-1, |exit| i32::from(exit.code()));
        running.read();
        let late = Instant::now() >= running.deadline;
        let fell = self.take(if late { -1 } else { code }, &running);
        self.next = Instant::now() + self.pause();
        match fell {
            Some(OnFailure::None) | None => return,
            Some(OnFailure::Kill | OnFailure::Restart) => {
                let _ = sys::process::pidfd_send_signal(&life.pidfd, SIGKILL);
            }
            Some(OnFailure::Stop) => {
                let _ = sys::process::pidfd_send_signal(&life.pidfd, SIGTERM);
                life.deadline = Some(Instant::now() + GRACE);
            }
        }
        self.verdict = self.config.on_failure;
    }
}

impl Running {
    /// Takes what it has said; the beginning is kept.
    fn read(&mut self) {
        let mut buffer = [0; OUTPUT];
        while let Some(pipe) = &self.pipe {
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    let room = OUTPUT.saturating_sub(self.output.len()).min(length);
                    self.output.extend_from_slice(buffer.get(..room).unwrap_or_default());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(test: &[&str]) -> Healthcheck {
        let test = test.iter().map(|word| (*word).to_owned()).collect();
        Healthcheck { test, interval: 1_000_000_000, retries: 5, ..Healthcheck::default() }
    }

    #[test]
    fn flags_stand_over_what_the_image_says_and_that_over_what_docker_takes() {
        let asked = Asked { retries: Some(2), ..Asked::default() };
        let config = config(&asked, Some(&image(&["CMD-SHELL", "test -e /ok"]))).expect("a check");
        assert_eq!(config.command, ["/bin/sh", "-c", "test -e /ok"]);
        assert_eq!((config.interval, config.retries), (Duration::from_secs(1), 2));
        assert_eq!(config.timeout, Duration::from_secs(30));
    }

    #[test]
    fn without_a_command_or_with_none_nothing_is_checked() {
        assert_eq!(config(&Asked::default(), None), None);
        assert_eq!(config(&Asked::default(), Some(&image(&["NONE"]))), None);
        assert_eq!(config(&Asked { off: true, ..Asked::default() }, Some(&image(&["CMD", "true"]))), None);
    }
}
