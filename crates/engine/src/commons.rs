//! The networks of an ordinary user, who may make none in the machine's network namespace: they are in one of his own,
//! his commons, whose user namespace his containers in networks are born in. pasta(1) connects it with the world.
//!
//! ```text
//!  machine ── pasta ── commons: bridges, resolvers, packet filter ── containers, in user namespaces below the commons'
//!     └─ published port: bound out here by a process that passes on what comes, from within the commons
//! ```
//!
//! A process that does nothing else keeps both namespaces while a container is in a network. Whoever enters the network
//! namespace does not come back: only a process that has nothing left to do outside does, or a child.

use crate::error::{Error, Result};
use monitor::Holder;
use network::{Networks, pasta};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sys::process::namespace;

/// In the run root: the process that keeps them; locked alone by who makes or ends them, together by who comes.
const KEEPER: &str = "commons";
/// In the run root: the number of the pasta that connects them.
const PASTA: &str = "commons.pasta";

/// How long they are kept when nobody is in a network any more.
const IDLE: Duration = Duration::from_secs(10);

const WHAT: &str = "reach the namespaces of this user's networks";
const ENDED: &str = "the process that keeps their namespaces has ended";

/// What the keeper says when it has made them; else why it has not.
const READY: &[u8] = b".";

/// The namespaces.
#[derive(Debug)]
pub(crate) struct Commons {
    user: OwnedFd,
    net: OwnedFd,
    /// While it is held, they stay.
    _lock: Option<OwnedFd>,
}

impl Commons {
    /// Those that are there, for who is outside of them or in their user namespace.
    pub fn find(runroot: &Path) -> Option<Self> {
        Files::of(runroot).look()
    }

    /// Enters their user namespace; where there are none yet, that which `own` enters becomes it. pasta is seen to where
    /// it is wanted. `true` if setgroups(2) is denied there.
    pub fn enter(
        runroot: &Path,
        wants_pasta: impl Fn() -> bool,
        own: impl FnOnce() -> Result<bool>,
    ) -> Result<(Self, bool)> {
        let files = Files::of(runroot);
        let lacks_pasta = || pasta::running(&files.pasta).is_none() && wants_pasta();
        let lock = files.lock(FlockOperation::LockShared)?;
        if files.keeper().is_some()
            && !lacks_pasta()
            && let Some(commons) = files.look()
        {
            let denied = commons.join()?;
            return Ok((Self { _lock: Some(lock), ..commons }, denied));
        }
        drop(lock);
        let lock = files.lock(FlockOperation::LockExclusive)?;
        let there = files.look();
        let denied = match &there {
            Some(commons) => commons.join()?,
            None => own()?,
        };
        let (keeper, new) = match files.keeper() {
            Some(keeper) => (keeper.pid, None),
            None => keep(runroot, &files, there.as_ref()).map(|(pid, socket)| (pid, Some(socket)))?,
        };
        if lacks_pasta() {
            pasta::start(&files.pasta, keeper, &[])?;
            if let Some(commons) = files.look() {
                let widen = || i32::from(commons.go().is_err() || pasta::widen().is_err());
                let done = sys::process::fork(widen).and_then(|child| sys::process::wait(&child.pidfd));
                done.map_err(Error::system(WHAT))?;
            }
        }
        if let (Some(keeper), Some((_, pasta))) = (new, pasta::running(&files.pasta)) {
            sys::socket::send_with(&keeper, b".", &[pasta.as_fd()]).map_err(Error::system(WHAT))?;
        }
        let commons = files.look().ok_or_else(|| Error::NoCommons(ENDED.to_owned()))?;
        network::lock(&lock, FlockOperation::LockShared, &files.keeper)?;
        Ok((Self { _lock: Some(lock), ..commons }, denied))
    }

    /// Enters the user namespace. `true` if setgroups(2) is denied there.
    pub fn join(&self) -> Result<bool> {
        Ok(runtime::idmap::join(&self.user)?)
    }

    /// Enters the network namespace, for good.
    pub fn go(&self) -> Result<()> {
        sys::process::setns(&self.net, namespace::NET).map_err(Error::system(WHAT))
    }
}

/// What is written down of them.
struct Files {
    keeper: PathBuf,
    pasta: PathBuf,
}

impl Files {
    fn of(runroot: &Path) -> Self {
        Self { keeper: runroot.join(KEEPER), pasta: runroot.join(PASTA) }
    }

    fn lock(&self, how: FlockOperation) -> Result<OwnedFd> {
        let file = network::open_lock(&self.keeper)?;
        network::lock(&file, how, &self.keeper)?;
        Ok(file)
    }

    fn keeper(&self) -> Option<Holder> {
        let text = std::fs::read_to_string(&self.keeper).ok()?;
        text.parse().ok().filter(Holder::lives)
    }

    /// By the keeper, or by pasta where that was killed.
    fn look(&self) -> Option<Commons> {
        let net = match self.keeper() {
            Some(keeper) => {
                let net = open(&format!("/proc/{}/ns/net", keeper.pid))?;
                // Whoever has that number now had it then.
                keeper.lives().then_some(net)?
            }
            None => self.held_by_pasta()?,
        };
        Some(Commons { user: sys::process::namespace_owner(&net).ok()?, net, _lock: None })
    }

    /// pasta stays in the machine's, and holds the other one.
    fn held_by_pasta(&self) -> Option<OwnedFd> {
        let (pid, _pidfd) = pasta::running(&self.pasta)?;
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
        let mut namespaces = fds.filter(|fd| {
            std::fs::read_link(fd.path()).is_ok_and(|link| link.as_os_str().as_encoded_bytes().starts_with(b"net:["))
        });
        open(&namespaces.next()?.path().display().to_string())
    }
}

fn open(path: &str) -> Option<OwnedFd> {
    sys::fs::open(path, OFlags::RDONLY, Mode::empty()).ok()
}

/// Starts the process that keeps the namespaces: the user namespace that we are in, and a network namespace that is
/// there already, or a new one. Comes back with its number, and a socket by which it waits for the pasta that it is to end
/// with it.
fn keep(runroot: &Path, files: &Files, there: Option<&Commons>) -> Result<(i32, OwnedFd)> {
    let networks = Networks::of(runroot);
    let child = |ready: OwnedFd| {
        let kept: Vec<_> = there.map(|commons| commons.net.as_fd()).into_iter().chain([ready.as_fd()]).collect();
        let net = || match there {
            Some(commons) => sys::process::setns(&commons.net, namespace::NET),
            None => sys::process::unshare(namespace::NET),
        };
        let begun = || {
            sys::detached::apart(&kept).and_then(|()| net()).map_err(Error::system(WHAT))?;
            network::furnish()?;
            // Whoever has fewer capabilities than a process may not look for its namespaces: pasta has few.
            sys::process::drop_capabilities().and_then(|()| write(&files.keeper)).map_err(Error::system(WHAT))
        };
        if let Err(error) = begun() {
            let _ = sys::socket::send(&ready, error.to_string().as_bytes());
            return 1;
        }
        if sys::socket::send(&ready, READY).is_err() {
            return 1;
        }
        let pasta = sys::socket::receive::<1>(&ready).ok().flatten().and_then(|(_, pidfd)| pidfd);
        drop(ready);
        sys::memory::let_go();
        stay(files, &networks, pasta);
        0
    };
    let (ready, keeper) = sys::process::fork_connected(child).map_err(Error::system(WHAT))?;
    match sys::socket::receive_text(&ready).map_err(Error::system(WHAT))? {
        Some(text) if text.as_bytes() == READY => Ok((keeper.pid, ready)),
        Some(text) => Err(Error::NoCommons(text)),
        None => Err(Error::NoCommons(ENDED.to_owned())),
    }
}

fn write(path: &Path) -> sys::Result<()> {
    let file = sys::fs::open(path, OFlags::WRONLY | OFlags::TRUNC, Mode::empty())?;
    sys::fs::write_once(&file, Holder::me().to_string().as_bytes())
}

/// Waits until nobody has been in a network for a while.
fn stay(files: &Files, networks: &Networks, mut pasta: Option<OwnedFd>) {
    let mut since = Instant::now();
    loop {
        std::thread::sleep(IDLE / 2);
        pasta = pasta::running(&files.pasta).map(|(_, pidfd)| pidfd).or(pasta);
        if !networks.are_empty() {
            since = Instant::now();
        } else if since.elapsed() >= IDLE {
            // Who comes meanwhile holds the lock, and finds nothing when this is gone.
            let lock = files.lock(FlockOperation::NonBlockingLockExclusive);
            // Somebody may have removed the run root.
            let is_there = files.keeper.exists();
            if (lock.is_ok() || !is_there) && networks.are_empty() && networks.have_no_resolvers() {
                if let Some(pasta) = &pasta {
                    pasta::stop(pasta);
                }
                let _ = lock.map(|lock| rustix::fs::ftruncate(lock, 0));
                return;
            }
        }
    }
}
