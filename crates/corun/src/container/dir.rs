//! A container's directory: `ROOT/ID` with `state.json`, the gate at which a created container waits, and the name of its
//! cgroup, written down before that is made.
//!
//! Who changes a container holds the flock(2) of its directory, which the kernel drops with its holder. A directory
//! without `state.json` whose lock can be had is what a killed `create` left: whoever comes next to it clears it away.

use super::{Container, Status};
use crate::error::{Error, Result, What};
use crate::global::Context;
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, flock};
use rustix::io::Errno;
use seccomp::Filter;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

const STATE: &str = "state.json";
const GATE: &str = "start.sock";
const CGROUP: &str = "cgroup";
const FILTER: &str = "seccomp.bpf";
const RDT: &str = "rdt";
/// Most bytes of a record: the command and its environment are in it, of which the kernel takes 6 MiB.
const MOST: u64 = 64 << 20;
/// Its subdirectory for the socket at which it says that it is ready.
pub const NOTIFY: &str = "notify";

/// A container's directory, open and perhaps locked.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
    id: String,
}

impl Dir {
    /// Makes it, locked. What a killed maker of the same id left behind goes first.
    pub fn create(context: &Context, id: &str) -> Result<Self> {
        check_id(id)?;
        let path = context.root.join(id);
        let mode = Mode::from_raw_mode(0o711);
        let made = match sys::fs::mkdirat(CWD, &path, mode) {
            Err(error) if error.errno == Errno::NOENT => {
                std::fs::create_dir_all(&context.root).map_err(|source| Error::file(&context.root, source))?;
                sys::fs::mkdirat(CWD, &path, mode)
            }
            other => other,
        };
        match made {
            Ok(()) => {}
            Err(error) if error.errno == Errno::EXIST => {
                match abandoned(&path, id) {
                    // Deleted just now.
                    Err(Error::NoContainer { .. }) => {}
                    left => left?.clear()?,
                }
                return Self::create(context, id);
            }
            Err(error) => return Err(error).what("make the container's directory"),
        }
        let dir = match Self::locked(&path, id, FlockOperation::NonBlockingLockExclusive) {
            Err(Error::NoContainer { .. }) => return Self::create(context, id),
            other => other?,
        };
        // Before we had its lock, another one may have taken it for abandoned, and made a container there.
        if dir.has(STATE) { Err(Error::Exists { id: id.to_owned() }) } else { Ok(dir) }
    }

    /// Opens it, to look.
    pub fn open(context: &Context, id: &str) -> Result<Self> {
        check_id(id)?;
        let dir = Self::at(&context.root.join(id), id)?;
        if dir.has(STATE) { Ok(dir) } else { Err(Error::NoContainer { id: id.to_owned() }) }
    }

    /// Opens it, locked: waits for who holds it.
    pub fn lock(context: &Context, id: &str) -> Result<Self> {
        check_id(id)?;
        let dir = Self::locked(&context.root.join(id), id, FlockOperation::LockExclusive)?;
        // Who held it may have removed it, or was killed in the midst of making it.
        if dir.has(STATE) {
            return Ok(dir);
        }
        dir.clear()?;
        Err(Error::NoContainer { id: id.to_owned() })
    }

    /// Refuses what somebody else may have written: it names processes that we kill and directories that we remove.
    fn trusted(fd: impl AsFd, path: &Path) -> Result<u64> {
        let failed = |errno: Errno| Error::file(path, errno.into());
        let stat = rustix::fs::fstat(fd).map_err(failed)?;
        let theirs = ![0, rustix::process::geteuid().as_raw()].contains(&stat.st_uid);
        if theirs || stat.st_mode & 0o002 != 0 {
            let why = if theirs { format!("belongs to uid {}", stat.st_uid) } else { "is writable by all".to_owned() };
            let path = path.display();
            return Err(Error::State(format!(
                "{path} {why}, and is not to be trusted: use corun as its owner, or remove it"
            )));
        }
        Ok(stat.st_size.cast_unsigned())
    }

    fn at(path: &Path, id: &str) -> Result<Self> {
        match sys::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) => {
                let dir = Self { fd, path: path.to_owned(), id: id.to_owned() };
                Self::trusted(&dir.fd, path)?;
                Ok(dir)
            }
            Err(error) if error.errno == Errno::NOENT => Err(Error::NoContainer { id: id.to_owned() }),
            Err(error) => Err(error).what("open the container's directory"),
        }
    }

    /// Opens and locks it. Where it was removed and made anew before we had the lock, the new one: what is removed by its
    /// name must be what we hold.
    fn locked(path: &Path, id: &str, operation: FlockOperation) -> Result<Self> {
        loop {
            let dir = Self::at(path, id)?;
            dir.take(operation)?;
            let inode = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
            let held = rustix::fs::fstat(&dir.fd).map(inode);
            if held.is_ok() && held == rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).map(inode) {
                return Ok(dir);
            }
        }
    }

    fn take(&self, operation: FlockOperation) -> Result<()> {
        loop {
            match flock(&self.fd, operation) {
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Err(Error::Exists { id: self.id.clone() }),
                other => {
                    let failed = |errno| sys::Error::new("flock", self.path.display().to_string(), errno);
                    return other.map_err(failed).what("lock the container");
                }
            }
        }
    }

    /// The container's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Reads the record.
    pub fn state(&self) -> Result<Vec<u8>> {
        let path = self.path.join(STATE);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let failed = |errno: Errno| match errno {
            // Deleted since it was found.
            Errno::NOENT => Error::NoContainer { id: self.id.clone() },
            _ => Error::file(&path, errno.into()),
        };
        let file = sys::fs::open_beneath(&self.fd, STATE, flags, Mode::empty()).map_err(|error| failed(error.errno))?;
        if Self::trusted(&file, &path)? > MOST {
            return Err(failed(Errno::FBIG));
        }
        let mut bytes = Vec::new();
        let mut file = std::io::Read::take(std::fs::File::from(file), MOST);
        std::io::Read::read_to_end(&mut file, &mut bytes).map_err(|source| Error::file(&path, source))?;
        Ok(bytes)
    }

    /// Writes the record: it is the old one or the new one, and never half of it.
    pub fn write_state(&self, bytes: &[u8]) -> Result<()> {
        const NEW: &str = "state.json.new";
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        sys::fs::open_beneath(&self.fd, NEW, flags, Mode::from_raw_mode(0o600))
            .and_then(|file| sys::fs::write_all(file, bytes))
            .and_then(|()| sys::fs::renameat(&self.fd, NEW, &self.fd, STATE, RenameFlags::empty()))
            .what("write the container's state")
    }

    /// Makes the gate at which a created container waits.
    pub fn make_gate(&self) -> Result<OwnedFd> {
        sys::socket::listen_in(&self.fd, GATE).what("make the container's gate")
    }

    /// It waits for `start`.
    pub fn has_gate(&self) -> bool {
        self.has(GATE)
    }

    /// Opens the way to the gate, and closes it for others: what waits there is from now on ours to start.
    pub fn pass_gate(&self) -> Result<OwnedFd> {
        let socket = sys::socket::connect_in(&self.fd, GATE).what("reach the container's gate")?;
        sys::fs::unlinkat(&self.fd, GATE, AtFlags::empty()).what("close the container's gate")?;
        Ok(socket)
    }

    /// Keeps the container's filter for processes that come later.
    pub fn write_filter(&self, filter: &Filter) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        sys::fs::open_beneath(&self.fd, FILTER, flags, Mode::from_raw_mode(0o600))
            .and_then(|file| sys::fs::write_all(file, &filter.to_file()))
            .what("write the container's filter")
    }

    /// As [`Dir::write_filter`], where it lies in a file already.
    pub fn link_filter(&self, from: impl AsFd, name: &str) -> Result<()> {
        sys::fs::linkat(from, name, &self.fd, FILTER, AtFlags::empty()).what("keep the container's filter")
    }

    /// Gives the container's filter another name in another directory.
    pub fn lend_filter(&self, to: impl AsFd, name: &str) -> Result<()> {
        sys::fs::linkat(&self.fd, FILTER, to, name, AtFlags::empty()).what("keep a filter")
    }

    /// The container's filter.
    pub fn filter(&self) -> Result<Filter> {
        let path = self.path.join(FILTER);
        let bytes = std::fs::read(&path).map_err(|source| Error::file(&path, source))?;
        Filter::from_file(&bytes).ok_or_else(|| Error::State(format!("{} is no filter", path.display())))
    }

    /// Makes the directory of the socket at which the container says that it is ready, which it sees.
    pub fn make_notify(&self) -> Result<()> {
        sys::fs::mkdirat(&self.fd, NOTIFY, Mode::from_raw_mode(0o755))
            .what("make the directory of the notification socket")
    }

    /// That directory, where the container has one.
    pub fn notify(&self) -> Option<PathBuf> {
        self.has(NOTIFY).then(|| self.path.join(NOTIFY))
    }

    /// Writes down which cgroup is going to be made.
    pub fn note_cgroup(&self, path: &str) -> Result<()> {
        sys::fs::symlinkat(path, &self.fd, CGROUP).what("write down the container's cgroup")
    }

    /// Writes down which group of the resctrl file system is going to be made.
    pub fn note_rdt(&self, own: &Path) -> Result<()> {
        sys::fs::symlinkat(own, &self.fd, RDT).what("write down the container's class of service")
    }

    /// That was not made after all.
    pub fn forget_rdt(&self) -> Result<()> {
        sys::fs::unlinkat(&self.fd, RDT, AtFlags::empty()).what("strike out the container's class of service")
    }

    /// Removes it.
    pub fn remove(self) -> Result<()> {
        if let Ok(own) = rustix::fs::readlinkat(&self.fd, RDT, Vec::new()) {
            runtime::rdt::remove(Path::new(&*own.to_string_lossy()))?;
        }
        // The state goes first: without it there is no container.
        let unlink = |name: &str, flags| match sys::fs::unlinkat(&self.fd, name, flags) {
            Err(error) if error.errno != Errno::NOENT => Err(error).what("remove the container's directory"),
            _ => Ok(()),
        };
        let remove = |name: &str| unlink(name, AtFlags::empty());
        remove(STATE)?;
        if self.has(NOTIFY) {
            remove(&format!("{NOTIFY}/{}", runtime::notify::NAME))?;
            unlink(NOTIFY, AtFlags::REMOVEDIR)?;
        }
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if let Some(name) = entry.file_name().to_str() {
                remove(name)?;
            }
        }
        sys::fs::unlinkat(CWD, &self.path, AtFlags::REMOVEDIR).what("remove the container's directory")
    }

    /// Clears away what a killed `create` left: the cgroup that it had written down, with whom it had put into it.
    pub fn clear(self) -> Result<()> {
        if let Ok(path) = rustix::fs::readlinkat(&self.fd, CGROUP, Vec::new()) {
            let layout = runtime::Layout::detect()?;
            let path = cgroup::CgroupPath::new(&path.to_string_lossy())?;
            runtime::delete(&cgroup::Cgroup::planned(&layout, &path)?)?;
        }
        self.remove()
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A directory that is in the way, if nobody holds it and there is no container in it that anybody waits for.
fn abandoned(path: &Path, id: &str) -> Result<Dir> {
    let dir = Dir::locked(path, id, FlockOperation::NonBlockingLockExclusive)?;
    if !dir.has(STATE) {
        return Ok(dir);
    }
    let container = Container::of(dir)?;
    let left = container.record.corun.held && container.status() == Status::Stopped;
    if left { Ok(container.dir) } else { Err(Error::Exists { id: id.to_owned() }) }
}

/// An id is a name of directories and cgroups.
pub fn check_id(id: &str) -> Result<()> {
    let known = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    let good = !id.is_empty() && id.len() <= 255 && !id.starts_with('.') && id.chars().all(known);
    if good { Ok(()) } else { Err(Error::Id { id: id.to_owned() }) }
}

/// The ids of all containers, in order. A default directory that is not there has none.
pub fn ids(context: &Context) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(&context.root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !context.root_given => return Ok(Vec::new()),
        other => other.map_err(|source| Error::file(&context.root, source))?,
    };
    let mut ids: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    ids.retain(|id| check_id(id).is_ok());
    ids.sort_unstable();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::check_id;

    #[test]
    fn an_id_cannot_be_a_path() {
        for id in ["", "..", ".", ".x", "a/b", "a b", "é", "a\0", &"x".repeat(256)] {
            assert!(check_id(id).is_err(), "{id}");
        }
        for id in ["a", "A_1+2-3.4", "-x", &"x".repeat(255)] {
            assert!(check_id(id).is_ok(), "{id}");
        }
    }
}
