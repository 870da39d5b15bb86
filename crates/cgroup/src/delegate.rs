//! Cgroups that belong to somebody else than root: the subtree that an ordinary user was given, and the one that a
//! container is given. Version 2 only; v1 has no delegation that could not be abused.

use crate::{Cgroup, CgroupPath, Error, Layout, Result, file};
use rustix::fs::{Access, AtFlags, CWD, Gid, Uid};
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
}

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
