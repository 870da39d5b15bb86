//! Restore: a container runs again, as it was when it was written down.
//!
//! criu wants a root that is a mount point. It is made in a mount namespace in which nobody but criu is, so that nothing
//! of it is left when criu has gone, whatever became of us.

use super::external::{self, Outside};
use super::{Archive, Choices, DESCRIPTORS, explained};
use crate::error::{Error, Result, What};
use crate::handle::Handle;
use crate::hooks::{self, Identity};
use crate::mounts::Target;
use cgroup::{Cgroup, Layout};
use criu::{Kind, Request, Streams, Swrk};
use oci::runtime::{NamespaceKind, Spec};
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use sys::fs::RootDir;
use sys::mount::{CLONE, MountAttr, RECURSIVE, mount_setattr, move_mount, open_tree, propagation};
use sys::process::namespace;

const LOG: &str = "restore.log";

/// What is to run again.
#[derive(Debug)]
pub struct Restore<'a> {
    /// The container's id, for its hooks.
    pub id: &'a str,
    /// Its specification.
    pub spec: &'a Spec,
    /// Its bundle.
    pub bundle: &'a Path,
    /// A directory that nobody else mounts on, outside of the bundle.
    pub dir: &'a Path,
    /// Where the cgroups are.
    pub layout: &'a Layout,
    /// Its cgroup, made and limited.
    pub cgroup: Cgroup,
    /// Where it was written down.
    pub archive: &'a Archive,
    /// How.
    pub choices: &'a Choices,
}

/// Makes a container's processes again. `restored` is called before they go on, with the first one; the terminal's
/// master comes back. On failure its cgroup is removed.
pub fn restore(
    request: Restore<'_>,
    mut restored: impl FnMut(&Handle) -> Result<()>,
) -> Result<(Handle, Option<OwnedFd>)> {
    let Restore { id, spec, bundle, dir, layout, cgroup, archive, choices } = request;
    let again = || Cgroup::from_paths(&cgroup.paths()).with_unit(cgroup.unit().cloned());
    let (mut handle, mut terminal) = (None, None);
    let mut restore = || {
        let outside = Outside { spec, bundle, layout, cgroup: &cgroup };
        let root = spec.root.as_ref().ok_or_else(|| Error::spec("root is missing"))?;
        let root = bundle.join(&root.path);
        let failed = |source| Error::Root { path: root.clone(), source };
        let opened = sys::fs::open(&root, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).map_err(failed)?;
        let opened = RootDir::new(opened);
        outside.make_places(&opened)?;
        let mut options = choices.options(archive, LOG);
        options.rst_sibling = true;
        options.evasive_devices = true;
        // A shell job gets the terminal in which it is called back, unless it had one of its own.
        let own = spec.process.as_ref().is_some_and(|process| process.terminal);
        options.orphan_pts_master = own || !choices.shell_job;
        options.root = dir.to_string_lossy().into_owned();
        options.ext_mnt = outside.restored(&opened);
        let mut namespaces = Vec::new();
        for namespace in spec.linux.iter().flat_map(|linux| &linux.namespaces) {
            let Some(path) = outside.joined(namespace.kind) else { continue };
            match namespace.kind {
                NamespaceKind::Network | NamespaceKind::Pid => {
                    let fd = sys::fs::open(path, OFlags::RDONLY, Mode::empty());
                    let fd = fd.map_err(|source| Error::Namespace { kind: namespace.kind, source })?;
                    options.inherit.push((external::key(namespace.kind).to_owned(), fd.as_raw_fd()));
                    namespaces.push(fd);
                }
                NamespaceKind::Cgroup => {
                    return Err(Error::spec("a container that joins a cgroup namespace cannot be restored"));
                }
                kind => options.join_ns.push((crate::namespace::file(kind).to_owned(), path.to_owned())),
            }
        }
        for (number, stream) in (0..).zip(streams(archive)?) {
            if stream.contains("pipe:") || stream.starts_with("file[") {
                options.inherit.push((stream, number));
            }
        }
        criu::check_version(&options)?;
        let profile = choices.lsm_profile.as_deref().and_then(|profile| profile.strip_prefix("apparmor:"));
        let own = || spec.process.as_ref()?.apparmor_profile.as_deref();
        profile.or_else(own).map_or(Ok(()), loaded)?;
        let inherit: Vec<_> = namespaces.iter().map(AsFd::as_fd).collect();
        // criu works in these, and mounts there.
        let (criu, there) = start_at(&root, dir, || {
            let there = archive.again()?;
            Ok((Swrk::start(Streams::Ours, &inherit).map_err(Error::Criu)?, there))
        })?;
        (options.images_dir_fd, options.work_dir_fd) = there.fds();
        cgroup.take_in(criu.pid())?;
        cgroup.inhabited()?;
        let tasks = spec.linux.as_ref().and_then(|linux| linux.resources.as_ref()?.pids.as_ref()?.limit);
        let tasks = tasks.filter(|limit| *limit >= 0);
        // criu is in there too, with what it calls to let packets in again.
        let limit = |limit: i64| cgroup.limit_tasks(limit).map_err(Error::from);
        tasks.map_or(Ok(()), |tasks| limit(tasks.saturating_add(CRIU)))?;
        options.cg_root = memberships(criu.pid());
        let notice = |script: &str, pid: i32, fd: Option<OwnedFd>| {
            match script {
                "setup-namespaces" => hooks::of_creation(Identity { id, bundle, spec }, pid)?,
                "orphan-pts-master" => terminal = fd,
                "post-restore" => {
                    let pidfd = sys::process::pidfd_open(pid).what("find the restored process")?;
                    let found = Handle { pid, pidfd, cgroup: again() };
                    let namespaces = &crate::namespaces_of(&found);
                    crate::mounts::protect(&Target { handle: &found, namespaces, dir: bundle, layout }, spec)?;
                    restored(&found)?;
                    handle = Some(found);
                }
                "pre-resume" if profile.is_some_and(|profile| profile != "unconfined") => {
                    confined(handle.as_ref(), archive)?;
                }
                _ => {}
            }
            Ok::<(), Error>(())
        };
        let request = Request::Do(Kind::Restore, &options);
        explained(criu.ask(&request, notice), archive, LOG)?;
        tasks.map_or(Ok(()), limit)
    };
    let outcome: Result<()> = restore();
    match (outcome, handle) {
        (Ok(()), Some(handle)) => Ok((handle, terminal)),
        (outcome, _) => {
            // The first error is the one to tell.
            let _ = crate::handle::delete(&cgroup);
            Err(outcome.err().unwrap_or(Error::Criu(criu::Error::Malformed)))
        }
    }
}

/// More tasks than criu has at a time while it restores.
const CRIU: i64 = 16;

/// Refuses an AppArmor profile that is not in the kernel, as far as that can be told: criu finds out when it can no longer
/// go back, and hangs.
fn loaded(profile: &str) -> Result<()> {
    let Ok(all) = std::fs::read_to_string("/sys/kernel/security/apparmor/profiles") else { return Ok(()) };
    let simple = !matches!(profile, "" | "unconfined") && !profile.contains("//&") && !profile.starts_with(':');
    let found = |line: &str| line.strip_prefix(profile).is_some_and(|mode| mode.starts_with(" ("));
    if !simple || all.lines().any(found) {
        return Ok(());
    }
    Err(Error::spec(format!("the AppArmor profile {profile} is not loaded")))
}

/// Refuses who is unconfined all the same: where images know of no profile criu passes over the one that is asked for.
fn confined(handle: Option<&Handle>, archive: &Archive) -> Result<()> {
    const SIGKILL: i32 = 9;
    let Some(handle) = handle else { return Ok(()) };
    let read = |file| std::fs::read_to_string(format!("/proc/{}/attr/{file}", handle.pid));
    let label = read("apparmor/current").or_else(|_| read("current"));
    if label.is_ok_and(|label| label.trim_end() == "unconfined") {
        // It would go on with the end of criu.
        let _ = handle.signal(SIGKILL);
        return Err(
            archive.malformed("core-1.img", "without an AppArmor profile criu gives it none: omit --lsm-profile")
        );
    }
    Ok(())
}

/// Starts something among mounts of its own, with the container's root mounted at a directory.
fn start_at<T>(root: &Path, dir: &Path, start: impl FnOnce() -> Result<T>) -> Result<T> {
    const WHAT: &str = "prepare the container's root";
    let here = sys::fs::open("/proc/self/ns/mnt", OFlags::RDONLY, Mode::empty()).what(WHAT)?;
    let cwd = sys::fs::open(".", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).what(WHAT)?;
    sys::process::unshare(namespace::MOUNT).what(WHAT)?;
    let started = mount(root, dir).what(WHAT).and_then(|()| start());
    sys::process::setns(&here, namespace::MOUNT).what(WHAT)?;
    sys::cwd::fchdir(&cwd).what(WHAT)?;
    started
}

fn mount(root: &Path, dir: &Path) -> sys::Result<()> {
    let one_way = MountAttr { propagation: propagation::SLAVE, ..MountAttr::default() };
    mount_setattr(CWD, "/", RECURSIVE, &one_way)?;
    let tree = open_tree(CWD, root, CLONE | RECURSIVE)?;
    let place = sys::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
    move_mount(&tree, &place)
}

/// The names of the standard streams that the container had.
fn streams(archive: &Archive) -> Result<Vec<String>> {
    let bytes = archive.read(DESCRIPTORS)?;
    let names: Vec<String> =
        serde_json::from_slice(&bytes).map_err(|error| archive.malformed(DESCRIPTORS, &error.to_string()))?;
    Ok(names.into_iter().take(3).collect())
}

/// The cgroups of a process: controllers and paths.
fn memberships(pid: u32) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let of_line = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        Some(controllers.split(',').map(|name| (name.to_owned(), path.to_owned())).collect::<Vec<_>>())
    };
    text.lines().filter_map(of_line).flatten().collect()
}
