//! The witness of a container: the process that answers its refused calls.
//!
//! Forked when the filter is there and before the first call under it, by who starts the container; it holds the listener,
//! the container's directory, a socket, and nothing else. It ends when nobody lives under a filter that it serves.

use super::kinds::{Key, Kinds};
use super::lessons::Lessons;
use super::look::{Caller, Proc};
use super::tracing::{Checks, Tracing};
use super::{Advisor, Lack, Refusal, Report, call, kinds, talk};
use crate::config::PrivilegesConfig;
use crate::error::{Error, Result};
use crate::spec::Composed;
use monitor::RunDir;
use oci::runtime::{Action, Seccomp};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::RecvFlags;
use rustix::time::Timespec;
use seccomp::{Data, Decision, Filter, Flags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use sys::listener::{Answer, Notification};

/// How old what lies on disk may be.
const WRITE: Duration = Duration::from_secs(1);
/// So long the holder of a container that has ended is waited for; he may have been killed.
const HELD: Duration = Duration::from_secs(2);
/// In so long no more than so many calls are answered: whoever makes more waits a little, so that a container that does
/// nothing else costs the machine a fraction of a processor, which no limit of its own would count.
const WINDOW: Duration = Duration::from_millis(100);
const IN_WINDOW: u32 = 2000;
/// So long a thread is taken to be the same program.
const SAME: Duration = Duration::from_millis(50);
/// Connections that are heard at once.
const MOST_CLIENTS: usize = 32;

/// A filter that asks in place of one that refuses. Fails where somebody else is to be asked already, or where the process
/// could not say that it has a listener.
pub fn asking(filter: &Filter) -> Result<Filter> {
    if filter.has_listener() {
        return Err(Error::TwoListeners);
    }
    if !filter.lets_speak() {
        return Err(Error::CannotSpeak);
    }
    Ok(killable(filter.asking()))
}

/// A profile that refuses nothing.
fn everything() -> Seccomp {
    Seccomp {
        default_action: Action::Allow,
        default_errno_ret: None,
        architectures: seccomp::default_profile(&[] as &[&str]).architectures,
        flags: None,
        listener_path: None,
        listener_metadata: None,
        syscalls: Vec::new(),
    }
}

fn killable(filter: Filter) -> Filter {
    // While its question waits a process is interrupted by nothing but its end, or it would ask again after each signal
    // (Linux 5.19).
    let flags = if sys::seccomp::knows(Flags::NEW_LISTENER.bits() | Flags::WAIT_KILLABLE_RECV.bits()) {
        Flags::WAIT_KILLABLE_RECV
    } else {
        Flags::default()
    };
    filter.with(flags)
}

/// Who serves a listener: whoever makes the process hands it to this.
pub fn server(take: &dyn Fn(OwnedFd, i32) -> sys::Result<()>) -> impl Fn(OwnedFd, i32) -> runtime::Result<()> {
    move |listener, pid| {
        take(listener, pid).map_err(|source| runtime::Error::System { what: "give the filter its witness", source })
    }
}

/// What a witness needs to know of a container that is being made.
#[derive(Debug)]
pub struct Witness {
    /// The filter as it is without asking.
    pub filter: Filter,
    advisor: Advisor,
    traces: bool,
    learns: bool,
}

impl Witness {
    /// For a composed container, whose filter asks from now on; none where nothing is filtered.
    pub fn prepare(composed: &mut Composed, privileges: &PrivilegesConfig, is_root: bool) -> Result<Option<Self>> {
        let profile = composed.spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
        let asks = profile.is_some_and(|p| p.syscalls.iter().any(|rule| rule.action == Action::Notify));
        if asks || profile.is_some_and(|profile| profile.listener_path.is_some()) {
            return Err(Error::TwoListeners);
        }
        let filter = match (&composed.filter, profile) {
            (Some(filter), _) => filter.clone(),
            (None, Some(profile)) => seccomp::compile(profile)?,
            (None, None) if privileges.learns => seccomp::compile(&everything())?,
            (None, None) => return Ok(None),
        };
        let process = composed.spec.process.as_ref();
        let held = process.and_then(|process| process.capabilities.as_ref()).map(|sets| sets.bounding.clone());
        composed.filter = Some(if privileges.learns { killable(Filter::asking_all()) } else { asking(&filter)? });
        let advisor = Advisor::new(&privileges.seccomp, held.unwrap_or_default());
        Ok(Some(Self { filter, advisor, traces: is_root, learns: privileges.learns }))
    }

    /// Makes it. It listens when this returns.
    pub fn start(&self, run_dir: &RunDir, dir: BorrowedFd<'_>, listener: &OwnedFd, pid: i32) -> sys::Result<()> {
        let control = sys::socket::listen_in(run_dir, talk::SOCKET)?;
        let proc = Proc::open()?;
        let child = |parent: OwnedFd| {
            let kept = [listener.as_fd(), control.as_fd(), proc.as_fd(), dir, parent.as_fd()];
            if sys::detached::apart(&kept).is_err() {
                return 1;
            }
            let mut serving = Serving::new(self, &proc, dir, listener, pid);
            sys::memory::let_go();
            if sys::socket::release(&parent).is_err() {
                return 1;
            }
            // Its end is what the parent waits for when we fail; afterwards nobody listens.
            let _ = rustix::net::shutdown(&parent, rustix::net::Shutdown::Both);
            serving.go(&control);
            0
        };
        let (socket, _) = sys::process::fork_connected(child)?;
        match sys::socket::receive::<1>(&socket)? {
            Some(_) => Ok(()),
            None => Err(sys::Error::new("fork", "the witness of a container", sys::Errno::CHILD)),
        }
    }
}

/// A listener, and what its filter says.
struct Served<'a> {
    listener: Fd<'a>,
    filter: Filter,
}

/// One that came with the fork, or over the socket.
enum Fd<'a> {
    Given(&'a OwnedFd),
    Own(OwnedFd),
}

impl AsFd for Fd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Given(fd) => fd.as_fd(),
            Self::Own(fd) => fd.as_fd(),
        }
    }
}

/// The witness at work.
struct Serving<'a> {
    advisor: &'a Advisor,
    proc: &'a Proc,
    dir: BorrowedFd<'a>,
    served: Vec<Served<'a>>,
    clients: Vec<OwnedFd>,
    kinds: Kinds,
    tracing: Option<Tracing>,
    untraced: Option<String>,
    lessons: Option<Lessons>,
    /// What an earlier life of the container lacked.
    lacked: Vec<Lack>,
    /// What a process is called before it runs its command.
    stub: String,
    /// The last thread that was looked at, what it is called, and when that was.
    known: Option<(u32, String, Instant)>,
    changed: bool,
    written: Instant,
    window: (Instant, u32),
    ended: bool,
}

impl<'a> Serving<'a> {
    fn new(of: &'a Witness, proc: &'a Proc, dir: BorrowedFd<'a>, listener: &'a OwnedFd, pid: i32) -> Self {
        sys::listener::wake_here(listener);
        let stub = proc.name(pid.unsigned_abs());
        let tracing = if of.traces {
            Tracing::find(if of.learns { Checks::All } else { Checks::Failed })
                .and_then(|mut tracing| tracing.follow(pid, stub.clone()).map(|()| tracing))
        } else {
            Err("an ordinary user may not follow the kernel's checks".to_owned())
        };
        let (tracing, untraced) = match tracing {
            Ok(tracing) => (Some(tracing), None),
            Err(why) => (None, Some(why)),
        };
        let now = Instant::now();
        let earlier = talk::read(dir).unwrap_or_default();
        Self {
            lacked: earlier.lacking.clone(),
            advisor: &of.advisor,
            proc,
            dir,
            served: vec![Served { listener: Fd::Given(listener), filter: of.filter.clone() }],
            clients: Vec::new(),
            kinds: Kinds::after(earlier),
            tracing,
            untraced,
            lessons: of.learns.then(Lessons::default),
            stub,
            known: None,
            changed: true,
            written: now,
            window: (now, 0),
            ended: false,
        }
    }

    /// Until nobody lives under a filter that we serve, and whoever holds the container has heard what there is to tell.
    fn go(&mut self, control: &OwnedFd) {
        let mut deserted: Option<Instant> = None;
        loop {
            if self.served.is_empty() {
                let since = *deserted.get_or_insert_with(|| {
                    self.changed = true;
                    self.write();
                    Instant::now()
                });
                if self.ended || since.elapsed() >= HELD {
                    return;
                }
            }
            let (listeners, clients) = (self.served.len(), self.clients.len());
            let mut fds: Vec<PollFd<'_>> =
                self.served.iter().map(|s| PollFd::new(&s.listener, PollFlags::IN)).collect();
            fds.push(PollFd::new(control, PollFlags::IN));
            fds.extend(self.clients.iter().map(|client| PollFd::new(client, PollFlags::IN)));
            let rings = self.tracing.iter().flat_map(Tracing::fds);
            fds.extend(rings.map(|ring| PollFd::from_borrowed_fd(ring, PollFlags::IN)));
            let left = deserted
                .map_or(WRITE.saturating_sub(self.written.elapsed()), |since| HELD.saturating_sub(since.elapsed()));
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            // Whoever has nothing to write sleeps until somebody comes.
            let limit = (deserted.is_some() || self.changed && !self.ended).then_some(&left);
            let _ = poll(&mut fds, limit);
            let found: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
            drop(fds);
            let is = |at: usize, flags| found.get(at).is_some_and(|revents: &PollFlags| revents.intersects(flags));
            for at in (0..listeners).rev() {
                if is(at, PollFlags::IN) {
                    self.hear(at);
                } else if is(at, PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
                    self.served.swap_remove(at);
                }
            }
            for at in (0..clients).rev().filter(|at| is(listeners + 1 + at, PollFlags::all())) {
                let client = self.clients.swap_remove(at);
                self.talk(&client);
            }
            if is(listeners, PollFlags::IN) {
                self.admit(control);
            }
            if (listeners + 1 + clients..found.len()).any(|at| is(at, PollFlags::IN)) {
                self.tracing.iter_mut().for_each(Tracing::read);
                self.changed = true;
            }
            if self.changed && self.written.elapsed() >= WRITE {
                self.write();
            }
        }
    }

    /// Takes in who comes: root and our own user may.
    fn admit(&mut self, control: &OwnedFd) {
        let Ok(client) = rustix::net::accept_with(control, rustix::net::SocketFlags::CLOEXEC) else { return };
        let allowed = rustix::net::sockopt::socket_peercred(&client)
            .is_ok_and(|peer| peer.uid.is_root() || peer.uid == rustix::process::geteuid());
        if allowed {
            if self.clients.len() >= MOST_CLIENTS {
                self.clients.remove(0);
            }
            self.clients.push(client);
        }
    }

    /// Hears one word.
    fn talk(&mut self, client: &OwnedFd) {
        let mut peek = [0; 1];
        if !matches!(rustix::net::recv(client, &mut peek, RecvFlags::PEEK | RecvFlags::DONTWAIT), Ok((1, _))) {
            return;
        }
        let Ok(Some((word, fd))) = sys::socket::receive_any(client) else { return };
        match word.split_first() {
            Some((&talk::LISTENER, rest)) => {
                let taken = rest.split_first_chunk::<4>().zip(fd).and_then(|((pid, filter), listener)| {
                    Some((i32::from_ne_bytes(*pid), Filter::from_file(filter)?, listener))
                });
                let Some((pid, filter, listener)) = taken else { return };
                sys::listener::wake_here(&listener);
                if let Some(tracing) = &mut self.tracing {
                    let _ = tracing.follow(pid, self.stub.clone());
                }
                self.served.push(Served { listener: Fd::Own(listener), filter });
                let _ = sys::socket::release(client);
            }
            Some((&talk::REPORT, _)) => talk::tell(client, &self.report()),
            Some((&talk::END, _)) => {
                self.changed = true;
                self.write();
                // Its directory may go from now on.
                self.ended = true;
                talk::tell(client, &self.report());
            }
            _ => {}
        }
    }

    /// Answers one call.
    fn hear(&mut self, at: usize) {
        if self.lessons.is_none() {
            self.slow_down();
        }
        let Some(served) = self.served.get(at) else { return };
        let Ok(notification) = sys::listener::receive(&served.listener) else { return };
        let Notification { id, pid, number, arch, instruction, args, .. } = notification;
        let data = Data { number, arch, instruction, args };
        let decision = served.filter.decide(&data);
        if let (Decision::Allow, Some(lessons)) = (decision, &mut self.lessons) {
            if let Some(name) = seccomp::name_of(&data) {
                lessons.note(self.proc, pid, (name, arch), &args);
            }
            self.changed = true;
            let _ = sys::listener::answer(&served.listener, id, Answer::Continue);
            return;
        }
        let Decision::Errno(errno) = decision else {
            // The kernel asks about nothing else.
            let _ = sys::listener::answer(&served.listener, id, Answer::Errno(sys::Errno::NOSYS.raw_os_error() as u16));
            return;
        };
        let name = seccomp::name_of(&data);
        let shown = name.map_or_else(|| number.to_string(), str::to_owned);
        let program = self.program(pid);
        let key = Key { call: (arch, number), errno, program, kind: call::kind(name, &args) };
        self.changed = true;
        if !self.kinds.count(&key, &shown) {
            let Caller { program, executable, pid: inside, host_pid } = self.proc.caller(pid);
            let arguments = call::arguments(name, &args, |address| self.proc.text(pid, address));
            let refusal = Refusal {
                call: shown,
                arguments,
                errno,
                program,
                executable,
                pid: inside,
                host_pid,
                ..Refusal::default()
            };
            // Else it was somebody else whom we have looked at.
            let served = self.served.get(at).filter(|served| sys::listener::is_valid(&served.listener, id));
            let refusal = if served.is_some() {
                refusal
            } else {
                let Refusal { call, errno, .. } = refusal;
                Refusal { call, errno, program: key.program.clone(), ..Refusal::default() }
            };
            self.kinds.add(key, data, refusal);
        }
        if let Some(served) = self.served.get(at) {
            let _ = sys::listener::answer(&served.listener, id, Answer::Errno(errno));
        }
    }

    /// What a thread's program is called; one that asks again and again is not looked at each time.
    fn program(&mut self, thread: u32) -> String {
        match &self.known {
            Some((known, name, since)) if *known == thread && since.elapsed() < SAME => name.clone(),
            _ => {
                let name = self.proc.name(thread);
                self.known = Some((thread, name.clone(), Instant::now()));
                name
            }
        }
    }

    fn slow_down(&mut self) {
        let (since, count) = &mut self.window;
        let left = WINDOW.saturating_sub(since.elapsed());
        if left.is_zero() {
            self.window = (Instant::now(), 1);
            return;
        }
        *count += 1;
        if *count > IN_WINDOW {
            std::thread::sleep(left);
            self.window = (Instant::now(), 1);
        }
    }

    fn report(&mut self) -> Vec<u8> {
        let report = self.kinds.report(self.advisor);
        report.untraced.clone_from(&self.untraced);
        if let Some(tracing) = &mut self.tracing {
            let (lacking, lost) = tracing.lacking(&self.stub);
            report.lacking.clone_from(&self.lacked);
            for lack in lacking {
                kinds::add_lack(&mut report.lacking, lack);
            }
            report.lost = lost;
            let used = tracing.used(&self.stub);
            report.seen = self.lessons.as_ref().map(Lessons::seen);
            if let Some(seen) = &mut report.seen {
                // What is checked in another's name, who has mounted something, may be more than it has.
                let names = used.names().into_iter().filter(|name| self.advisor.holds(name));
                seen.capabilities = Some(names.collect());
            }
        } else {
            report.seen = self.lessons.as_ref().map(Lessons::seen);
        }
        serde_json::to_vec::<Report>(report).unwrap_or_default()
    }

    fn write(&mut self) {
        if self.changed && !self.ended {
            let report = self.report();
            let _ = talk::write(self.dir, &report);
        }
        self.changed = false;
        self.written = Instant::now();
    }
}
