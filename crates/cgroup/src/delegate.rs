//! Cgroups that belong to somebody else than root: the subtree that an ordinary user was given, and the one that a
//! container is given. Version 2 only; v1 has no delegation that could not be abused.

use crate::{Cgroup, CgroupPath, Error, Layout, Mode, Result, file};
use rustix::fs::{Access, AtFlags, CWD, Gid, Mode as FileMode, Uid};
use rustix::io::Errno;

impl Layout {
    /// Below which cgroup this process may make cgroups for its containers: the nearest cgroup above its own in which
    /// it may make directories and move processes (in a user's systemd session, the slice of its service). Its own only
    /// where nothing above is given to it, since a cgroup with processes hands no controllers down.
    ///
    /// Nothing where there is no v2 hierarchy or no part of it was delegated.
    pub fn delegated(&self) -> Option<CgroupPath> {
        let hierarchy = self.unified()?;
        let own = hierarchy.own_inner().ok()?;
        let above = own.rmatch_indices('/').map(|(at, _)| &own[..at]);
        let found = above.chain([own]).filter(|inner| !inner.is_empty()).find(|inner| {
            let directory = format!("{}/{inner}", hierarchy.mount);
            let may = |path: &str| rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok();
            may(&directory)
                && ["cgroup.procs", "cgroup.subtree_control"].iter().all(|f| may(&format!("{directory}/{f}")))
        })?;
        CgroupPath::new(&format!("/{found}")).ok()
    }

    /// Makes room for containers in this process's own cgroup, which systemd has delegated to a service: on v2 a cgroup
    /// with processes hands no controllers down, so they move into one below it. Comes back with what was their own;
    /// nothing where that is the top.
    ///
    /// # Errors
    /// It is not given to this process.
    pub fn split_own(&self) -> Result<Option<CgroupPath>> {
        let Some(hierarchy) = self.unified().filter(|_| self.mode() == Mode::V2) else { return Ok(None) };
        let own = hierarchy.own_inner()?;
        // Whoever starts once more has moved before.
        if let Some(above) = own.strip_suffix(&format!("/{SUPERVISOR}")) {
            return CgroupPath::new(&format!("/{above}")).map(Some);
        }
        if own.is_empty() {
            return Ok(None);
        }
        let directory = format!("{}/{own}", hierarchy.mount);
        let below = format!("{directory}/{SUPERVISOR}");
        sys::fs::ensure_dir(CWD, &*below, FileMode::from_raw_mode(0o755)).map_err(Error::Change)?;
        let procs = format!("{below}/cgroup.procs");
        let all = own.rsplit('/').next().is_some_and(|name| name.ends_with(SERVICE));
        // Of a service all; elsewhere, in somebody's session, nobody but us.
        let processes =
            if all { file::read(&format!("{directory}/cgroup.procs")).map_err(Error::Change)? } else { "0".to_owned() };
        for process in processes.lines() {
            match sys::fs::write_file(CWD, &*procs, process.as_bytes()) {
                // It has ended meanwhile.
                Err(error) if error.errno == Errno::SRCH => {}
                other => other.map_err(Error::Change)?,
            }
        }
        CgroupPath::new(&format!("/{own}")).map(Some)
    }
}

/// The cgroup of who holds containers, beside theirs.
const SUPERVISOR: &str = "supervisor";
/// How systemd names a service's.
const SERVICE: &str = ".service";

impl Cgroup {
    /// Gives the v2 directory, and the files in it that the kernel declares safe to give, to a user. For a container
    /// with a cgroup namespace and a writable cgroup mount, whose root is that user (config-linux.md, "Cgroup
    /// ownership").
    pub fn give_to(&self, uid: Uid, gid: Gid) -> Result<()> {
        let Some(branch) = self.unified() else { return Ok(()) };
        // Linux 4.15 has the list.
        let list = file::read_optional("/sys/kernel/cgroup/delegate")?;
        let list = list.as_deref().unwrap_or("cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n");
        let give = |path: &str| sys::fs::fchownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW);
        give(&branch.path).map_err(Error::Change)?;
        for name in list.lines() {
            match give(&branch.file(name)) {
                // The list is of all that may exist.
                Err(error) if error.errno == Errno::NOENT => {}
                other => other.map_err(Error::Change)?,
            }
        }
        Ok(())
    }
}
