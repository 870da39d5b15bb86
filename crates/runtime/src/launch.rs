//! The child exists: its id maps are written, it is let go, and what it says is heard until its command runs.
//!
//! Runs in the process that made the child; [`begin`] alone may run in another one, much later, which is told what
//! becomes of the command all the same.

use crate::error::{Error, Result, What};
use crate::handle::Handle;
use crate::listener::Server;
use crate::part::Part;
use crate::plan::Map;
use crate::subject::Subject;
use crate::{idmap, report};
use cgroup::Cgroup;
use init::plan::{Op, SEND, message, sync};
use oci::runtime::Spec;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;
use sys::mount::{EMPTY_PATH, MountAttr, RECURSIVE, attr, mount_setattr};
use sys::process::{Born, Child};

/// Whom to ask and whom to tell while a stub is listened to.
#[derive(Clone, Copy)]
pub struct Ear<'a> {
    /// Where an end for want of memory shows.
    pub cgroup: Option<&'a Cgroup>,
    /// Who gets the listener of a filter that has one.
    pub server: Option<Server<'a>>,
    /// What we do when it has been let go, before anything else, by the socket to it.
    pub at_once: &'a dyn Fn(&OwnedFd) -> Result<()>,
    /// By which maps the ids of mounts are mapped that only the stub can reach.
    pub maps: &'a [Map],
    /// What we do at a point ([`sync`]) at which it waits for us, by its pid.
    pub meanwhile: &'a dyn Fn(u64, i32) -> Result<()>,
}

impl<'a> Ear<'a> {
    /// Where nothing is to be done meanwhile.
    pub fn plain(cgroup: Option<&'a Cgroup>) -> Self {
        Self { cgroup, server: None, maps: &[], at_once: &|_| Ok(()), meanwhile: &|_, _| Ok(()) }
    }
}

impl std::fmt::Debug for Ear<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ear").field("cgroup", &self.cgroup).field("server", &self.server).finish_non_exhaustive()
    }
}

/// A child that was launched, and how far it has come.
#[derive(Debug)]
pub struct Launched {
    /// The child, which runs or waits.
    pub child: Child,
    /// Its terminal's master.
    pub terminal: Option<OwnedFd>,
    /// The socket on which it waits for a word; none when the command runs.
    pub socket: Option<OwnedFd>,
}

/// Writes the maps of a child that waits for them at its gate, lets it go, and listens.
pub fn launch(
    mut born: Born,
    socket: OwnedFd,
    gate: Option<OwnedFd>,
    subjects: &[Subject],
    spec: &Spec,
    ear: &Ear<'_>,
) -> Result<Launched> {
    let mapped = match &gate {
        None => Ok(()),
        Some(gate) => {
            let linux = spec.linux.as_ref();
            let empty: &[_] = &[];
            let maps = linux.map_or((empty, empty), |linux| (&linux.uid_mappings[..], &linux.gid_mappings[..]));
            Part::IdMaps.begin();
            idmap::write(born.child.pid, maps.0, maps.1)
                .and_then(|_| sys::socket::release(gate).what("let the child go"))
        }
    };
    // Its end is what a child that waits for maps that never come reads.
    drop(gate);
    let listened = match mapped.and_then(|()| (ear.at_once)(&socket)) {
        Ok(()) => {
            Part::Listen.begin();
            follow(&socket, &mut born.child, ear, &told(subjects, spec), &mut Vec::new())
        }
        Err(error) => {
            let _ = sys::process::pidfd_send_signal(&born.child.pidfd, 9);
            let _ = sys::process::wait(&born.child.pidfd);
            Err(error)
        }
    };
    let (child, failed) = born.settle();
    match (listened, failed) {
        (Ok((terminal, Reached::Word)), _) => Ok(Launched { child, terminal, socket: Some(socket) }),
        (Ok((terminal, _)), _) => Ok(Launched { child, terminal, socket: None }),
        // With two short arguments both mean that no page is to be had for them.
        (Err(_), Some(source)) if matches!(source.errno, sys::Errno::TOOBIG | sys::Errno::NOMEM) => {
            Err(Error::Ended(report::TOO_LITTLE_MEMORY.to_owned()))
        }
        (Err(_), Some(source)) => Err(source).what("execute the stub"),
        (Err(error), None) => Err(error),
    }
}

/// Listens to a child that runs no command, and ends it when it has done its steps: what it has shown, also before it
/// failed, and what it failed at.
pub fn errand(
    mut born: Born,
    socket: &OwnedFd,
    subjects: &[Subject],
    spec: &Spec,
) -> Result<(Vec<OwnedFd>, Option<Error>)> {
    let mut shown = Vec::new();
    let listened = follow(socket, &mut born.child, &Ear::plain(None), &told(subjects, spec), &mut shown);
    // Its whole work is done: nobody waits for what it says now.
    let _ = sys::process::pidfd_send_signal(&born.child.pidfd, 9);
    let _ = sys::process::wait(&born.child.pidfd);
    match (listened, born.settle().1) {
        (Ok(_), _) => Ok((shown, None)),
        (Err(_), Some(source)) => Err(source).what("execute the stub"),
        (Err(error), None) => Ok((shown, Some(error))),
    }
}

/// Gives a child of ours the word that it waits for, and listens until its command runs.
pub fn release(socket: &OwnedFd, handle: &Handle, subjects: &[Subject], spec: &Spec) -> Result<()> {
    word(socket).what("start the container")?;
    let ear = Ear::plain(Some(&handle.cgroup));
    listen(socket, (handle.pid, &handle.pidfd), &ear, &told(subjects, spec), &mut Vec::new()).map(drop)
}

/// Gives a container that waits at its gate the word through a connection to it, and listens until its command runs.
/// `spec` needs no more than what may have to be talked of: the command and the hooks.
pub fn begin(gate: &OwnedFd, handle: &Handle, spec: &Spec) -> Result<()> {
    word(gate).what("start the container")?;
    let tell = |told: Told| {
        let op = Op::from_number(told.op & 0xffff).unwrap_or(Op::Exec);
        let subject = Subject::of(op, (told.op >> 16) as usize, spec);
        report::failed(&subject, told.number, told.errno, spec, told.said)
    };
    let ear = Ear::plain(Some(&handle.cgroup));
    listen(gate, (handle.pid, &handle.pidfd), &ear, &tell, &mut Vec::new()).map(drop)
}

/// What a stub says of a step that failed.
#[derive(Debug)]
struct Told {
    step: u32,
    number: u32,
    errno: i32,
    /// The operation, and above it how many of the kind came before.
    op: u32,
    /// What its hook has written.
    said: Option<OwnedFd>,
}

/// The words for it, by the plan.
fn told(subjects: &[Subject], spec: &Spec) -> impl Fn(Told) -> Error {
    move |told| {
        let subject = subjects.get(told.step as usize).unwrap_or(&Subject::Exec);
        report::failed(subject, told.number, told.errno, spec, told.said)
    }
}

/// How far a start came.
#[derive(Debug)]
enum Reached {
    /// It waits for a word.
    Word,
    /// The command runs.
    Exec,
    /// A child of ours with this pid has taken its place, and waits for a word.
    Born(i32),
}

/// How long a stub may take from closing its socket to its end.
const ENDING: Duration = Duration::from_secs(2);

/// Listens to a child of ours, and to the one that takes its place.
fn follow(
    socket: &OwnedFd,
    child: &mut Child,
    ear: &Ear<'_>,
    tell: &impl Fn(Told) -> Error,
    shown: &mut Vec<OwnedFd>,
) -> Result<(Option<OwnedFd>, Reached)> {
    loop {
        let pid = match listen(socket, (child.pid, &child.pidfd), ear, tell, shown)? {
            (_, Reached::Born(pid)) => pid,
            reached => return Ok(reached),
        };
        let _ = sys::process::wait(&child.pidfd);
        // Nobody but us reaps it: the number is its own.
        *child = Child { pid, pidfd: sys::process::pidfd_open(pid).what("find the process in the container")? };
        go_on(Ok(()), socket, &child.pidfd)?;
    }
}

/// Reads what the stub says until its command runs or it waits; fds of its plan that it shows are added to `shown`. On
/// failure the child is dead, and reaped if it is ours.
fn listen(
    socket: &OwnedFd,
    (pid, pidfd): (i32, &OwnedFd),
    ear: &Ear<'_>,
    tell: &impl Fn(Told) -> Error,
    shown: &mut Vec<OwnedFd>,
) -> Result<(Option<OwnedFd>, Reached)> {
    let mut terminal = None;
    let mut executing = false;
    let mut asked = false;
    loop {
        let received = sys::socket::receive::<20>(socket).what("listen to the stub")?;
        let Some((bytes, fd)) = received else {
            // One whose filter denies it even to write runs on without a word.
            if executing || !sys::process::wait_readable(pidfd, ENDING) {
                return Ok((terminal, Reached::Exec));
            }
            // Who is not its parent learns that it ended, and not how.
            let exit = sys::process::wait(pidfd).ok();
            return Err(report::ended(exit, ear.cgroup));
        };
        let word = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes);
        match word(0) {
            message::TERMINAL => terminal = fd,
            message::SHOWN => shown.extend(fd),
            message::EXEC => executing = true,
            message::BORN => return Ok((terminal, Reached::Born(word(8) as i32))),
            message::LISTENER => {
                let refused = |error: &sys::Error| error.errno == sys::Errno::PERM;
                let listener = fd.map_or_else(|| sys::process::pidfd_getfd(pidfd, word(8)), Ok);
                if listener.as_ref().is_err_and(refused) && !asked && sys::socket::send(socket, &[SEND]).is_ok() {
                    // Nobody answers yet if the filter leaves sendmsg(2) open.
                    asked = sys::process::wait_readable(socket, ENDING);
                    if asked {
                        continue;
                    }
                }
                let listener = listener.what("fetch the listener of the filter");
                let taken = listener.and_then(|fd| ear.server.map_or(Ok(()), |server| server.take_over(fd, pid)));
                go_on(taken, socket, pidfd)?;
            }
            message::MAP_IDS => {
                let mapped = fd.zip(ear.maps.get(word(8) as usize)).map_or(Ok(()), |(mount, map)| map_ids(&mount, map));
                go_on(mapped, socket, pidfd)?;
            }
            message::SYNC if u64::from(word(8)) != sync::START => {
                go_on((ear.meanwhile)(word(8).into(), pid), socket, pidfd)?;
            }
            message::SYNC => return Ok((terminal, Reached::Word)),
            message::FAILED => {
                let _ = sys::process::wait(pidfd);
                return Err(tell(Told {
                    step: word(4),
                    number: word(8),
                    errno: word(12) as i32,
                    op: word(16),
                    said: fd,
                }));
            }
            _ => {}
        }
    }
}

/// Maps the ids of a detached mount. It is nowhere to be seen yet, and nobody but us and the stub has it.
fn map_ids(mount: &OwnedFd, map: &Map) -> Result<()> {
    let userns_fd = map.namespace.as_raw_fd().unsigned_abs().into();
    let attributes = MountAttr { set: attr::IDMAP, userns_fd, ..MountAttr::default() };
    let flags = EMPTY_PATH | if map.recursive { RECURSIVE } else { 0 };
    mount_setattr(mount, "", flags, &attributes).what("map the ids of a bind mount of the container's own files")
}

/// The word to go on. A stub that has ended meanwhile has left word why, or its cgroup tells.
fn word(socket: &OwnedFd) -> sys::Result<()> {
    match sys::socket::release(socket) {
        Err(error) if matches!(error.errno, sys::Errno::PIPE | sys::Errno::CONNRESET) => Ok(()),
        other => other,
    }
}

/// Lets a child go on that has waited for something to be done, or ends it.
fn go_on(done: Result<()>, socket: &OwnedFd, pidfd: &OwnedFd) -> Result<()> {
    let result = done.and_then(|()| word(socket).what("let the child go"));
    if result.is_err() {
        let _ = sys::process::pidfd_send_signal(pidfd, 9);
        let _ = sys::process::wait(pidfd);
    }
    result
}
