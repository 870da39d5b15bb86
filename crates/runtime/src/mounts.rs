//! Mounts that come and go while a container runs.
//!
//! Runs in the caller's process, which has one thread. As for one more process in a container, a stub enters it, hidden
//! and from the host's view; only it does nothing but mount, and ends. It never enters the container's cgroup: a paused
//! container is paused, and not its mounts.
//!
//! Either all mounts of a list are there or none: what was attached before one failed is removed by its id.

use crate::context::{self, Context};
use crate::error::{Error, Result, What};
use crate::handle::Handle;
use crate::inherit::Entered;
use crate::launch;
use crate::namespace::{Namespaces, flag_of};
use crate::plan::Plan;
use crate::rootfs::{self, Options};
use crate::subject::Subject;
use crate::{idmap, parts};
use cgroup::Layout;
use init::plan::{Op, sync};
use oci::runtime::{Mount, NamespaceKind, Process, Spec};
use rustix::fs::{AtFlags, StatxFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use sys::process::Stub;

/// A container whose mounts change.
#[derive(Debug)]
pub struct Target<'a> {
    /// Its first process.
    pub handle: &'a Handle,
    /// The namespaces that are not the host's.
    pub namespaces: &'a [NamespaceKind],
    /// Relative sources are relative to this.
    pub dir: &'a Path,
    /// Where the cgroups are.
    pub layout: &'a Layout,
}

/// A mount, for as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MountId {
    /// The number.
    pub id: u64,
    /// No other mount will ever have it (Linux 6.8); else it is free again when the mount is gone.
    pub unique: bool,
}

/// `STATX_MNT_ID_UNIQUE`, Linux 6.8.
const UNIQUE: u32 = 0x4000;

impl MountId {
    /// The id of the mount behind an fd.
    fn of(fd: &OwnedFd) -> Option<Self> {
        let mask = StatxFlags::from_bits_retain(UNIQUE) | StatxFlags::MNT_ID;
        let found = rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, mask).ok()?;
        let has = |bit| found.stx_mask & bit != 0;
        let unique = has(UNIQUE);
        (unique || has(StatxFlags::MNT_ID.bits())).then_some(Self { id: found.stx_mnt_id, unique })
    }

    fn known(self) -> (u64, u64) {
        (self.id, u64::from(if self.unique { UNIQUE } else { StatxFlags::MNT_ID.bits() }))
    }
}

/// Mounts into a container that runs; the new mounts' ids where the kernel tells them, one for each but for a link that
/// was copied.
pub fn add_mounts(target: &Target<'_>, mounts: &[Mount]) -> Result<Vec<Option<MountId>>> {
    let spec = Spec { mounts: mounts.to_vec(), ..Spec::default() };
    let simple =
        |mount: &Mount| mount.kind.as_deref() == Some("tmpfs") || rootfs::bind_of(mount, &Options::of(mount)).is_some();
    // What else there is shows the processes, the network or the queues of its maker.
    let all = !mounts.iter().all(simple);
    let mut copied = Vec::new();
    let outcome = enter(target, &spec, all, |plan, context, join| {
        let sources = rootfs::sources(plan, mounts, context)?;
        copied = sources.iter().map(|source| matches!(source, rootfs::Source::Link(_))).collect();
        join(plan);
        rootfs::attach(plan, mounts, sources, context)
    });
    let ids = |shown: &[OwnedFd]| -> Vec<Option<MountId>> {
        let mut shown = shown.iter();
        copied.iter().map(|link| if *link { None } else { shown.next().and_then(MountId::of) }).collect()
    };
    match outcome {
        Ok((shown, None)) => Ok(ids(&shown)),
        Ok((shown, Some(error))) => {
            for (mount, id) in mounts.iter().zip(ids(&shown)).rev() {
                if let Some(id) = id {
                    // The first error is the one to tell.
                    let _ = remove_mounts(target, &[(mount.destination.clone(), Some(id))]);
                }
            }
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// Removes mounts from a container that runs, each with what is mounted below it. One with an id is removed if it is that
/// very mount; one without, if no link leads to it.
pub fn remove_mounts(target: &Target<'_>, mounts: &[(String, Option<MountId>)]) -> Result<()> {
    let spec = Spec::default();
    let (_, failed) = enter(target, &spec, false, |plan, _, join| {
        join(plan);
        mounts.iter().try_for_each(|(path, id)| rootfs::remove(plan, path, id.map(MountId::known)))
    })?;
    failed.map_or(Ok(()), Err)
}

/// Makes sure of a restored container that what its specification hides is hidden, and that what is to be read-only is:
/// the host's /dev/null is one mount to criu, whose attributes it restores at the first place alone.
pub(crate) fn protect(target: &Target<'_>, spec: &Spec) -> Result<()> {
    if !target.namespaces.contains(&NamespaceKind::Mount) {
        return Ok(());
    }
    let (_, failed) = enter(target, spec, false, |plan, _, join| {
        join(plan);
        rootfs::protect(plan, spec, true)
    })?;
    failed.map_or(Ok(()), Err)
}

/// Sends a stub into the container with the steps that `compose` adds; what it has shown, and what it failed at.
fn enter(
    target: &Target<'_>,
    spec: &Spec,
    all: bool,
    compose: impl FnOnce(&mut Plan, &Context<'_>, &dyn Fn(&mut Plan)) -> Result<()>,
) -> Result<(Vec<OwnedFd>, Option<Error>)> {
    let Target { handle, namespaces, dir, layout } = *target;
    let has = |kind| namespaces.contains(&kind);
    if !has(NamespaceKind::Mount) {
        return Err(Error::spec("the container has no mounts of its own: they are the host's"));
    }
    let maps = if has(NamespaceKind::User) { idmap::of_process(handle.pid) } else { Default::default() };
    let joined = Namespaces { joined_kinds: namespaces.to_vec(), joined_maps: maps, ..Namespaces::default() };
    let context = Context::new(spec, dir, &joined, layout, None);
    let within = has(NamespaceKind::User) && !context::is_root();
    let inside = all && has(NamespaceKind::Pid);
    let own = |kind: &&NamespaceKind| match **kind {
        NamespaceKind::Pid => false,
        NamespaceKind::User => !within,
        NamespaceKind::Mount => true,
        _ => all,
    };
    let flags = namespaces.iter().filter(own).fold(0, |flags, kind| flags | flag_of(*kind));
    let [uid, gid] = idmap::maker(context.mappings(), None::<&Process>);
    let join = |plan: &mut Plan| {
        plan.enter(Subject::Enter, handle.pidfd.as_fd(), flags);
        if has(NamespaceKind::User) && !within {
            plan.user(Subject::Enter, uid, gid, None);
        }
        plan.plain(Subject::Enter, Op::Here, []);
    };
    let mut plan = Plan::default();
    plan.plain(Subject::Enter, Op::Hide, []);
    if within {
        // What an ordinary user may do with mounts he may do there.
        let pid = if inside { flag_of(NamespaceKind::Pid) } else { 0 };
        plan.enter(Subject::Enter, handle.pidfd.as_fd(), flag_of(NamespaceKind::User) | pid);
        plan.user(Subject::Enter, uid, gid, None);
        if inside {
            plan.plain(Subject::Enter, Op::Born, [0]);
        }
    }
    if !context.copies_mounts {
        // Sources are opened among mounts of which the stub is master.
        plan.plain(Subject::Enter, Op::Unshare, [flag_of(NamespaceKind::Mount)]);
    }
    compose(&mut plan, &context, &join)?;
    plan.plain(Subject::Wait, Op::Sync, [sync::START]);

    let parts::Packed { stub, bytes, number, inherit, subjects, ours, theirs, proc, given } = parts::pack(plan, None)?;
    let umask = sys::process::umask(0);
    let pid = (inside && !within).then(|| Entered::join(NamespaceKind::Pid, &handle.pidfd)).transpose();
    let order = Stub {
        namespaces: 0,
        cgroup: None,
        executable: stub.as_fd(),
        arguments: [c"coracle-init", &number],
        inherit: &inherit,
        gate: None,
        ids: [uid, gid],
        sibling: false,
    };
    let born = pid.and_then(|pid| {
        let born = sys::process::clone_stub(&order);
        drop(pid);
        born.what("make a process in the container")
    });
    sys::process::umask(umask);
    drop((given, theirs, proc, bytes));
    launch::errand(born?, &ours, &subjects, spec)
}
