//! One more process in a container that runs.
//!
//! Runs in the caller's process, which has one thread. The stub is born in the container's PID namespace and, where
//! that is v2, in its cgroup; it enters all other namespaces by one setns(2) of the first process's pidfd, and is from
//! there on what the first process was: nothing of the container's specification is read again. An ordinary user may
//! enter the PID namespace from within the user namespace only: then it is the stub that enters both, and its child,
//! ours as well, that is born there and goes on.
//!
//! As it enters, whatever runs in the container could look at it. It is hidden before (CVE-2016-9962), holds no fd of
//! the host but those of its plan, and its memory belongs to our user namespace until it executes the command, for that
//! is where the stub was executed: whatever may be done in the container's, it may not be done to that.

use crate::affinity::Affinity;
use crate::context::{self, Context};
use crate::create::Container;
use crate::error::{Result, What};
use crate::handle::Handle;
use crate::hooks::Identity;
use crate::inherit::{Entered, Raised};
use crate::launch::{self, Ear, Launched};
use crate::listener::Server;
use crate::namespace::{Namespaces, flag_of};
use crate::plan::Plan;
use crate::process::{self, Holding, Last};
use crate::subject::Subject;
use crate::{idmap, parts, rdt};
use cgroup::{Cgroup, Layout};
use init::plan::{Op, sync};
use oci::runtime::{Linux, MemoryPolicy, NamespaceKind, Personality, Process, Seccomp, Spec};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use sys::process::Stub;

/// What is to be run, and where.
#[derive(Debug)]
pub struct Exec<'a> {
    /// The container's id; names its session keyring.
    pub id: &'a str,
    /// Its first process.
    pub handle: &'a Handle,
    /// The namespaces that are not the host's.
    pub namespaces: &'a [NamespaceKind],
    /// The process.
    pub process: &'a Process,
    /// The container's execution domain.
    pub personality: Option<&'a Personality>,
    /// Where the container's memory comes from.
    pub memory_policy: Option<&'a MemoryPolicy>,
    /// The container's filter.
    pub filter: Option<&'a seccomp::Filter>,
    /// The part of its profile that names who serves the filter's listener, where it has one.
    pub profile: Option<&'a Seccomp>,
    /// Who that is.
    pub server: Option<Server<'a>>,
    /// The cgroup that it joins.
    pub cgroup: Option<&'a Cgroup>,
    /// Its groups of the resctrl file system.
    pub rdt: &'a [PathBuf],
    /// Where the cgroups are.
    pub layout: &'a Layout,
    /// How the process is held.
    pub holding: Holding,
    /// No session keyring of the container's.
    pub no_new_keyring: bool,
}

/// Runs a process in a container. With [`Holding::wait`] it stops right before its command, until [`Container::start`].
/// The handle that comes back is of the new process; its cgroup is empty, for the container's is not its own to remove.
pub fn exec(request: &Exec<'_>) -> Result<Container> {
    let Exec { id, handle, process, filter, server, cgroup, layout, holding, .. } = *request;
    let spec = Spec {
        process: Some(process.clone()),
        linux: Some(Linux {
            personality: request.personality.cloned(),
            memory_policy: request.memory_policy.cloned(),
            seccomp: request.profile.cloned(),
            ..Linux::default()
        }),
        ..Spec::default()
    };
    process::check_preserved(holding.preserve_fds)?;
    let has = |kind| request.namespaces.contains(&kind);
    let maps = if has(NamespaceKind::User) { idmap::of_process(handle.pid) } else { Default::default() };
    let namespaces =
        Namespaces { joined_kinds: request.namespaces.to_vec(), joined_maps: maps, ..Namespaces::default() };
    let context = Context::new(&spec, Path::new("/"), &namespaces, layout, cgroup);
    let root = context::is_root();
    let within = has(NamespaceKind::User) && !root;

    let mut plan = Plan::default();
    let affinity = process.exec_cpu_affinity.as_ref().map(Affinity::parse).transpose()?.unwrap_or_default();
    let attached = cgroup.filter(|cgroup| within && cgroup.attaches(layout));
    if attached.is_some() {
        // systemd moves only what is the user's own, which it may soon be no more.
        plan.plain(Subject::Cgroup(0), Op::Sync, [sync::OUTSIDE]);
    }
    let directory = parts::enter_cgroup(&mut plan, cgroup.filter(|_| attached.is_none()))?;
    rdt::enter(&mut plan, request.rdt)?;
    affinity.settle(&mut plan);
    if let Some(score) = process.oom_score_adj.filter(|_| has(NamespaceKind::User)) {
        plan.oom_score(score);
    }
    plan.plain(Subject::Enter, Op::Hide, []);
    let entered = |kind: &&NamespaceKind| **kind != NamespaceKind::Pid || within;
    let flags = request.namespaces.iter().filter(entered).fold(0, |flags, kind| flags | flag_of(*kind));
    if flags != 0 {
        plan.enter(Subject::Enter, handle.pidfd.as_fd(), flags);
    }
    let [uid, gid] = idmap::maker(context.mappings(), Some(process));
    if has(NamespaceKind::User) {
        plan.user(Subject::Enter, uid, gid, None);
    }
    if has(NamespaceKind::Pid) && within {
        plan.plain(Subject::Enter, Op::Born, [0]);
    }
    plan.plain(Subject::Enter, Op::Here, []);
    process::before_pivot(&mut plan, &spec, process, &context)?;
    parts::session(&mut plan, process, (!request.no_new_keyring).then_some(id), false, holding.newlines)?;
    let no_setgroups = has(NamespaceKind::User) && idmap::denies_setgroups(handle.pid);
    let holding = Holding { no_setgroups: no_setgroups || holding.no_setgroups, ..holding };
    let container = Identity { id, bundle: Path::new("/"), spec: &spec };
    process::after_pivot(
        &mut plan,
        container,
        process,
        &Last { holding, filter, served: server.is_some(), gate: None },
    )?;

    let parts::Packed { stub, bytes, number, inherit, subjects, ours, theirs, proc, given } = parts::pack(plan, None)?;
    let bound = affinity.enter()?;
    let limits = has(NamespaceKind::User).then(|| Raised::new(&process.rlimits));
    let pid = (has(NamespaceKind::Pid) && !within).then(|| Entered::join(NamespaceKind::Pid, &handle.pidfd));
    let pid = pid.transpose()?;
    let order = Stub {
        namespaces: 0,
        cgroup: directory.as_ref().map(AsFd::as_fd),
        executable: stub.as_fd(),
        arguments: [c"coracle-init", &number],
        inherit: &inherit,
        gate: None,
        ids: [uid, gid],
        sibling: false,
    };
    let born = sys::process::clone_stub(&order);
    // A cgroup of v2 with controllers below holds no processes itself.
    let what = match &born {
        Err(error) if error.errno == sys::Errno::BUSY => "error adding pid of the process to cgroups",
        _ => "make a process in the container",
    };
    let born = born.what(what);
    drop((pid, bound, limits, given, theirs, proc, bytes));
    let meanwhile = |_, pid: i32| attached.map_or(Ok(()), |cgroup| Ok(cgroup.attach(pid.unsigned_abs())?));
    let ear = Ear { server, meanwhile: &meanwhile, ..Ear::plain(cgroup) };
    let Launched { child, terminal, socket } = launch::launch(born?, ours, None, &subjects, &spec, &ear)?;
    let handle = Handle { pid: child.pid, pidfd: child.pidfd, cgroup: Cgroup::default() };
    Ok(Container { handle, terminal, subjects, socket })
}

/// The namespaces of a process that are not ours, for a container of which nothing else is known.
pub fn namespaces_of(handle: &Handle) -> Vec<NamespaceKind> {
    let link = |pid: &str, kind| rustix::fs::stat(format!("/proc/{pid}/ns/{}", crate::namespace::file(kind)));
    let inode = |pid: &str, kind| link(pid, kind).ok().map(|stat| (stat.st_dev, stat.st_ino));
    let pid = handle.pid.to_string();
    let differs = |kind: &NamespaceKind| inode(&pid, *kind) != inode("self", *kind);
    crate::namespace::ALL.into_iter().filter(differs).collect()
}
