//! One more process in a container that runs: what the first one was given, with what is asked for here.
//!
//! The container's specification is read from its run directory, so that nothing depends on what has become of its image.
//! Names become ids by the files that the container has now, reached by its first process's root. Whoever asked holds the
//! process, or leaves it to a process that does nothing but wait for its end.

use crate::config::{
    Capability, EnvVar, Privileges, PrivilegesConfig, ProcessConfig, SeccompChoice, StdinMode, TerminalMode,
};
use crate::denied;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Actor;
use crate::keys::Keys;
use crate::record::Record;
use crate::start::{Io, SPEC};
use crate::{gather, spec};
use cgroup::{Cgroup, Layout};
use monitor::RunDir;
use oci::runtime::{MemoryPolicy, NamespaceKind, Personality, Process, Seccomp, Spec};
use runtime::listener::Server;
use runtime::{Foreground, Handle, Held, Holding, Newlines};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use store::Container;
use sys::process::Exit;
use sys::signal::Signals;

const SIGKILL: i32 = 9;

/// What is asked for.
#[derive(Debug, Default)]
pub struct Exec {
    /// The command, its user, directory, variables and terminal; without a user or a directory those of the container.
    pub process: ProcessConfig,
    /// All capabilities, and no filter.
    pub privileged: bool,
    /// Nobody waits for it.
    pub detach: bool,
    /// It is killed when we are.
    pub dies_with_us: bool,
    /// It is killed after that time, with what it has started.
    pub timeout: Option<Duration>,
    /// The keys that leave it.
    pub keys: Keys,
}

/// A container that runs, for what runs beside its first process.
pub(crate) struct Running {
    /// Its id.
    pub id: String,
    /// Its record.
    pub record: Container<Record>,
    /// Its first process.
    pub handle: Handle,
    run_dir: RunDir,
}

impl Engine {
    /// A container that runs, by its first process.
    pub(crate) fn find_running(&self, text: &str) -> Result<Running> {
        let (id, run_dir) = self.running(text)?;
        let stopped = || Error::NotRunning(text.to_owned());
        let record = self.store()?.container(&id.parse()?)?.read()?;
        let process = run_dir.process().ok_or_else(stopped)?.is;
        let mut cgroup = run_dir.state()?.map(|state| state.cgroup).unwrap_or_default();
        // What was planned is written down; an ordinary user may not have got all of it.
        cgroup.retain(|_, path| std::path::Path::new(path).is_dir());
        let found = runtime::Record { pid: process.pid, start_time: process.start_time, cgroup, unit: None };
        let (handle, _) = Handle::open(&found)?;
        Ok(Running { id, record, handle: handle.ok_or_else(stopped)?, run_dir })
    }

    /// Runs a process in a container, to its end unless it is left, and returns its exit code. Called with one thread.
    /// It is held by a child of ours, which stays to wait for its end when it is left, or we are killed: the machine's
    /// init may be one that reaps nobody, and then the container could not end. What dies with us needs none. `tell` tells
    /// of a failure, and says with which code we end.
    pub fn exec(&self, text: &str, exec: &Exec, io: Io, tell: impl FnOnce(Error) -> u8) -> Result<u8> {
        let signals = crate::attach::signals()?;
        if exec.dies_with_us {
            let mut begun = self.begin_exec(text, exec, io)?;
            return match begun.hold(exec, &signals)? {
                Held::Ended(exit) => {
                    self.tell_exec_end(&begun, Some(exit));
                    Ok(exit.code())
                }
                Held::Left(_) => Ok(0),
            };
        }
        let holder = |command: OwnedFd| {
            let say = |code: u8| i32::from(sys::socket::send(&command, &[code]).is_err());
            if !exec.detach && exec.process.terminal != TerminalMode::Pty {
                // What the terminal sends to us comes by way of us, and once.
                sys::process::leave_group();
            }
            let mut begun = match self.begin_exec(text, exec, io) {
                Ok(begun) => begun,
                Err(error) => return say(tell(error)),
            };
            if !exec.detach {
                begun.master = match crate::attach::signals().and_then(|signals| begun.hold(exec, &signals)) {
                    Ok(Held::Left(master)) => Some(master),
                    Ok(Held::Ended(exit)) => {
                        self.tell_exec_end(&begun, Some(exit));
                        return say(exit.code());
                    }
                    Err(error) => return say(tell(error)),
                };
            }
            let _ = say(0);
            let exit = begun.wait();
            self.tell_exec_end(&begun, exit);
            0
        };
        let (socket, child) = sys::process::fork_connected(holder).map_err(Error::system("hold the command"))?;
        follow(&socket, &child.pidfd, &signals)
    }

    fn begin_exec(&self, text: &str, exec: &Exec, io: Io) -> Result<Begun> {
        let running = self.find_running(text)?;
        if running.handle.cgroup.is_frozen().unwrap_or(false) {
            return Err(Error::Paused(text.to_owned()));
        }
        let Given { process: container, linux } = running.given()?;
        let namespaces = runtime::namespaces_of(&running.handle);
        let process = running.process(container, exec, io, namespaces.contains(&NamespaceKind::User))?;
        let profile = linux.seccomp.as_ref().filter(|_| !exec.privileged);
        let mut filter = running.filter(&process, exec.privileged)?;
        let witness = running.witness(exec.privileged);
        let plain = match (&witness, &filter, profile) {
            (None, _, _) | (_, None, None) => None,
            (_, Some(filter), _) => Some(filter.clone()),
            (_, None, Some(profile)) => Some(seccomp::compile(profile)?),
        };
        if let Some(plain) = &plain {
            filter = Some(denied::asking(plain)?);
        }
        let watch = |listener: OwnedFd, pid: i32| match witness.as_ref().zip(plain.as_ref()) {
            Some((witness, plain)) => denied::hand(witness, &listener, pid, plain),
            None => Ok(()),
        };
        let watch = denied::server(&watch);
        let layout = Layout::detect()?;
        let cgroup = running.cgroup(&layout)?;
        let streams = Streams::choose(exec)?;
        let mut made = runtime::exec(&runtime::Exec {
            id: &running.id,
            handle: &running.handle,
            namespaces: &namespaces,
            process: &process,
            personality: linux.personality.as_ref(),
            memory_policy: linux.memory_policy.as_ref(),
            filter: filter.as_ref(),
            profile,
            server: plain.is_some().then_some(Server::Here(&watch)),
            cgroup: cgroup.as_ref(),
            rdt: &[],
            layout: &layout,
            holding: Holding {
                wait: true,
                die_with_parent: exec.dies_with_us,
                preserve_fds: exec.process.preserve_fds,
                newlines: Newlines::Translated,
                ..Holding::default()
            },
            no_new_keyring: false,
        })?;
        drop(streams);
        let master = made.terminal.take();
        made.start(&Spec { process: Some(process), ..Spec::default() })?;
        // Checks of its health are no business of anybody who listens.
        let actor = (!exec.dies_with_us).then(|| (running.id, Actor::of(&running.record)));
        if let Some((id, actor)) = &actor {
            self.tell_by(id, actor, &format!("exec_start: {}", exec.process.command.join(" ")), &[]);
        }
        Ok(Begun { made, master, actor })
    }

    fn tell_exec_end(&self, begun: &Begun, exit: Option<Exit>) {
        let code = exit.map_or_else(|| "unknown".to_owned(), |exit| exit.code().to_string());
        if let Some((id, actor)) = &begun.actor {
            self.tell_by(id, actor, "exec_die", &[("exitCode", &code)]);
        }
    }
}

/// What a process beside the first gets of the container's specification; the rest of it is not even parsed.
#[derive(serde::Deserialize)]
struct Given {
    process: Process,
    #[serde(default)]
    linux: OfLinux,
}

/// The same of its part that is Linux's own.
#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OfLinux {
    personality: Option<Personality>,
    memory_policy: Option<MemoryPolicy>,
    seccomp: Option<Seccomp>,
}

/// A process that runs.
struct Begun {
    made: runtime::Container,
    master: Option<OwnedFd>,
    /// The container, where its beginning and its end are told.
    actor: Option<(String, Actor)>,
}

impl Begun {
    fn hold(&mut self, exec: &Exec, signals: &Signals) -> Result<Held> {
        let how = Foreground {
            pass_signals: true,
            input: exec.process.stdin == StdinMode::Open,
            timeout: exec.timeout,
            newlines: Newlines::Translated,
        };
        let mut keys = exec.keys.clone();
        let typed: runtime::Typed<'_> = &mut |bytes| keys.pass(bytes);
        let began = Instant::now();
        let held = runtime::hold_until(&self.made.handle, self.master.take(), signals, how, None, typed)?;
        if exec.timeout.is_some_and(|timeout| began.elapsed() >= timeout) {
            // What it has started goes along: all of its session that has not left its group.
            let _ = sys::process::kill(-self.made.handle.pid, SIGKILL);
        }
        Ok(held)
    }

    /// Waits for its end, apart from everybody. Its terminal is read until then: whoever closes that hangs up on those
    /// who use it, and whoever does not read it stops them.
    fn wait(&self) -> Option<Exit> {
        let Self { made, master, .. } = self;
        let kept: Vec<_> = [made.handle.pidfd.as_fd()].into_iter().chain(master.as_ref().map(AsFd::as_fd)).collect();
        sys::detached::apart(&kept).ok()?;
        let mut buffer = [0; 4096];
        let open = |master: &OwnedFd, buffer: &mut [u8]| {
            !matches!(rustix::io::read(master, buffer), Ok(0) | Err(rustix::io::Errno::IO))
        };
        while master.as_ref().is_some_and(|master| open(master, &mut buffer)) {}
        made.handle.wait().ok()
    }
}

/// Waits for the word of the child that holds the command, and has it get the signals that are ours.
pub(crate) fn follow(socket: &OwnedFd, child: &OwnedFd, signals: &Signals) -> Result<u8> {
    const SIGWINCH: i32 = 28;
    const SIGCHLD: i32 = 17;
    loop {
        let mut fds = [PollFd::new(socket, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        let _ = poll(&mut fds, None);
        let [heard, signalled] = fds.map(|fd| !fd.revents().is_empty());
        while signalled && let Some(signal) = signals.next() {
            // The terminal's size is told to all who have it.
            if ![SIGWINCH, SIGCHLD].contains(&signal) {
                let _ = sys::process::pidfd_send_signal(child, signal);
            }
        }
        if heard {
            let word = sys::socket::receive::<1>(socket).map_err(Error::system("hold the command"))?;
            return word.map(|([code], _)| code).ok_or(Error::MonitorLost);
        }
    }
}

impl Running {
    /// What its first process was given.
    fn given(&self) -> Result<Given> {
        let path = self.run_dir.path().join(SPEC);
        let failed = |error: std::io::Error| {
            let errno = sys::Errno::from_io_error(&error).unwrap_or(sys::Errno::IO);
            let source = sys::Error::new("open", path.to_string_lossy(), errno);
            Error::File { what: "read", path: path.clone(), source }
        };
        let bytes = std::fs::read(&path).map_err(failed)?;
        serde_json::from_slice(&bytes).map_err(|source| Error::SpecFile { id: self.id.clone(), source })
    }

    /// A file of what is written down while it runs.
    pub fn run_file(&self, name: &str) -> Option<Vec<u8>> {
        self.run_dir.read(name)
    }

    /// The way to who notes what the container is refused; it may be gone.
    fn witness(&self, privileged: bool) -> Option<OwnedFd> {
        let reports = self.record.config.config.privileges.report_denied && !privileged;
        reports.then(|| denied::pass_on(&self.run_dir)).flatten()
    }

    /// Its root, as its processes see it.
    pub fn root(&self) -> Result<OwnedFd> {
        let path = format!("/proc/{}/root", self.handle.pid);
        sys::fs::open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).map_err(Error::system("open its root"))
    }

    /// Its cgroup, for what joins it.
    pub fn cgroup(&self, layout: &Layout) -> Result<Option<Cgroup>> {
        let cgroup = &self.handle.cgroup;
        if cgroup.is_empty() {
            return Ok(None);
        }
        Ok(Some(cgroup.follow(layout, self.handle.pid.unsigned_abs())?))
    }

    /// The container's process, with what is asked for.
    fn process(&self, container: Process, exec: &Exec, io: Io, own_userns: bool) -> Result<Process> {
        let config = &self.record.config.config;
        let asked = &exec.process;
        let files = || self.root().map(|root| gather::user_files(&[root]));
        let mut process = Process {
            args: asked.command.clone(),
            terminal: asked.terminal == TerminalMode::Pty,
            console_size: io.console_size,
            ..container
        };
        if let Some(directory) = &asked.workdir {
            process.cwd = directory.to_string_lossy().into_owned();
        }
        if let Some(who) = &asked.user {
            let (passwd, group) = files()?;
            let user = spec::user::resolve(who, &config.process.groups, &passwd, &group).map_err(spec::Error::from)?;
            if !has_own_home(config.process.env.as_slice(), &process.env) {
                set(&mut process.env, "HOME", &user.home);
            }
            process.user.uid = user.uid;
            process.user.gid = user.gid;
            process.user.additional_gids = user.all_groups(|_| true);
        }
        if process.terminal && !process.env.iter().any(|variable| variable.starts_with("TERM=")) {
            set(&mut process.env, "TERM", "xterm");
        }
        for EnvVar { name, value } in &asked.env {
            set(&mut process.env, name, value);
        }
        if exec.privileged {
            let all = PrivilegesConfig { level: Privileges::Privileged, ..PrivilegesConfig::default() };
            let granted = spec::grant(&all, process.user.uid, gather::bounding(own_userns))?;
            process.capabilities = Some(granted.to_spec());
            process.apparmor_profile = None;
        } else if let Some(sets) = &mut process.capabilities
            && asked.user.is_some()
        {
            // Out of what the container has, not out of what we have by now.
            let available = sets.bounding.iter().filter_map(|name| Capability::by_name(name)).collect();
            *sets = spec::grant(&config.privileges, process.user.uid, available)?.to_spec();
        }
        Ok(process)
    }

    /// The filter of the container's first process.
    fn filter(&self, process: &Process, privileged: bool) -> Result<Option<seccomp::Filter>> {
        let privileges = &self.record.config.config.privileges;
        let none = privileged || privileges.level == Privileges::Privileged;
        if none || !matches!(privileges.seccomp, SeccompChoice::Default) {
            return Ok(None);
        }
        let bounding = process.capabilities.as_ref().map(|sets| sets.bounding.as_slice()).unwrap_or_default();
        Ok(Some(seccomp::default_filter(bounding)?))
    }
}

/// HOME was set by somebody, and is not only that of the container's user, which stands last.
fn has_own_home(flags: &[EnvVar], env: &[String]) -> bool {
    let is_last = env.last().is_some_and(|variable| variable.starts_with("HOME="));
    flags.iter().any(|variable| variable.name == "HOME") || !is_last
}

fn set(env: &mut Vec<String>, name: &str, value: &str) {
    let is = |variable: &&mut String| variable.split_once('=').is_some_and(|(known, _)| known == name);
    let text = format!("{name}={value}");
    match env.iter_mut().find(is) {
        Some(variable) => *variable = text,
        None => env.push(text),
    }
}

/// The standard streams that the process is born with: ours, or nothing.
struct Streams(#[allow(dead_code, reason = "put back when it goes")] Option<sys::fs::Standard>);

impl Streams {
    fn choose(exec: &Exec) -> Result<Self> {
        if exec.process.terminal == TerminalMode::Pty {
            return Ok(Self(None));
        }
        let failed = || Error::system("give it its streams");
        if exec.detach {
            let null = sys::fs::open("/dev/null", OFlags::RDWR, Mode::empty()).map_err(failed())?;
            return Ok(Self(Some(sys::fs::Standard::replace([null.as_fd(); 3]).map_err(failed())?)));
        }
        if exec.process.stdin != StdinMode::Open {
            sys::fs::stdin_from_null().map_err(failed())?;
        }
        Ok(Self(None))
    }
}
