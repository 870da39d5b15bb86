//! From a spec to a container: the parent's side of a start.
//!
//! Runs in the caller's process, which has one thread. Everything that can be prepared is prepared before the clone:
//! the plan, the fds, the cgroup with its limits. After it the parent writes id maps if there are any, and listens on
//! the stub's socket until its end of file says that the command runs.

use crate::affinity::Affinity;
use crate::context::{self, Context};
use crate::error::{Error, Result, What};
use crate::group::{self, Group};
use crate::handle::Handle;
use crate::hooks::{self, Identity, Point};
use crate::inherit::{Entered, Raised};
use crate::launch::{self, Ear, Launched};
use crate::listener::{Agent, Server};
use crate::namespace::{Namespaces, flag_of};
use crate::part::Part;
use crate::parts::{self, Packed};
use crate::plan::{Map, Plan};
use crate::process::{self, Holding, Last};
use crate::recording::Recording;
use crate::rootfs::{self, Rootfs};
use crate::subject::Subject;
use crate::{idmap, net_device, rdt, sysctl};
use cgroup::{Cgroup, JoinBy, Layout, Version};
use init::plan::{Op, sync};
use oci::runtime::{Linux, NamespaceKind, Process, Spec};
use std::cell::OnceCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use sys::process::{Born, Stub};

/// What is to be made.
#[derive(Debug)]
pub struct Request<'a> {
    /// Names the cgroup where the spec does not, and the session keyring.
    pub id: &'a str,
    /// What the container is.
    pub spec: &'a Spec,
    /// Relative paths of the spec are relative to this.
    pub bundle: &'a Path,
    /// Where its root comes from.
    pub rootfs: Rootfs,
    /// The filter, where the caller has it ready; `linux.seccomp` is not looked at then.
    pub filter: Option<seccomp::Filter>,
    /// Who serves the filter's listener, instead of whom the profile names.
    pub server: Option<Server<'a>>,
    /// Where the cgroups are.
    pub layout: &'a Layout,
    /// Its cgroup; on failure it is removed, unless it is joined.
    pub cgroup: Option<Group>,
    /// Its groups of the resctrl file system, made ([`rdt`](crate::rdt)); removed by the caller.
    pub rdt: Vec<PathBuf>,
    /// How its process is held.
    pub holding: Holding,
    /// A listening seqpacket socket at which it waits for the word to run its command, from any process.
    pub gate: Option<OwnedFd>,
    /// No session keyring of its own.
    pub no_new_keyring: bool,
    /// Its steps are recorded.
    pub recording: Option<&'a Recording>,
}

impl<'a> Request<'a> {
    /// The least: a container from what its spec says alone, without a cgroup, held by whoever makes it.
    pub fn new(id: &'a str, spec: &'a Spec, layout: &'a Layout) -> Self {
        Self {
            id,
            spec,
            bundle: Path::new("/"),
            rootfs: Rootfs::Spec,
            filter: None,
            server: None,
            layout,
            cgroup: None,
            rdt: Vec::new(),
            holding: Holding::default(),
            gate: None,
            no_new_keyring: false,
            recording: None,
        }
    }
}

/// A container whose process exists.
#[derive(Debug)]
pub struct Container {
    /// Finds it again.
    pub handle: Handle,
    /// The terminal's master, if it has one.
    pub terminal: Option<OwnedFd>,
    /// What each step of its plan was for.
    pub subjects: Vec<Subject>,
    /// The stub's socket, while it waits for the word to start.
    pub(crate) socket: Option<OwnedFd>,
}

/// Makes a container. With [`Holding::wait`] it stops right before its command, until [`Container::start`]; with a gate
/// the same, until [`Container::park`] and then [`begin`](crate::begin) by whoever connects to the gate; without either
/// the command runs when this returns.
pub fn create(request: Request<'_>) -> Result<Container> {
    let Request {
        id,
        spec,
        bundle,
        rootfs,
        filter,
        server,
        layout,
        cgroup: group,
        rdt,
        holding,
        gate,
        no_new_keyring,
        recording,
    } = request;
    let cgroup = group.as_ref().map(Group::cgroup);
    let default = Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&default);
    let umask = sys::process::umask(0);
    Part::Plan.begin();
    let refused =
        check(spec).and_then(|()| hooks::check(spec)).and_then(|()| process::check_preserved(holding.preserve_fds));
    let born = refused.and_then(|()| Namespaces::open(spec)).and_then(|mut namespaces| {
        prepare_and_clone(&mut Preparation {
            id,
            spec,
            bundle,
            linux,
            namespaces: &mut namespaces,
            layout,
            cgroup,
            made: !matches!(group, Some(Group::Reserved(_))),
            rdt: &rdt,
            holding,
            no_new_keyring,
            ring: recording.map(Recording::memory),
            filter: filter.as_ref(),
            served: server.is_some(),
            rootfs: Some(rootfs),
            gate,
        })
    });
    sys::process::umask(umask);
    let agent = Agent::new(spec, id, bundle);
    let complete = OnceCell::new();
    let result = born.and_then(|(born, socket, gate, subjects, maps)| {
        recording.inspect(|recording| recording.planned(&subjects));
        let container = Identity { id, bundle, spec };
        let meanwhile = |point, pid| match point {
            sync::NAMESPACES => spec.linux.as_ref().map_or(Ok(()), |linux| net_device::move_in(linux, pid)),
            sync::HOOKS => hooks::of_creation(container, pid),
            _ => Ok(()),
        };
        let at_once = |socket: &OwnedFd| match &group {
            Some(Group::Reserved(reserved)) => {
                Part::Cgroup.begin();
                admit(reserved.make(layout)?, socket).map(|made| drop(complete.set(made)))
            }
            _ => Ok(()),
        };
        let ear = Ear {
            cgroup,
            server: server.or(agent.as_ref().map(Server::Agent)),
            maps: &maps,
            at_once: &at_once,
            meanwhile: &meanwhile,
        };
        launch::launch(born, socket, gate, &subjects, spec, &ear).map(|launched| (launched, subjects))
    });
    match result {
        Ok((Launched { child, terminal, socket }, subjects)) => {
            let cgroup = complete.into_inner().or(match group {
                Some(Group::Made(cgroup)) => Some(cgroup),
                _ => None,
            });
            let handle = Handle { pid: child.pid, pidfd: child.pidfd, cgroup: cgroup.unwrap_or_default() };
            if let Err(error) = handle.cgroup.inhabited() {
                group::end(&handle.pidfd);
                let _ = handle.delete();
                return Err(error.into());
            }
            Ok(Container { handle, terminal, subjects, socket })
        }
        Err(error) => {
            // The first error is the one to tell; what the clean-up finds comes from it.
            let ours = cgroup.filter(|_| !matches!(group, Some(Group::Joined(_))));
            if let Some(cgroup) = complete.get().or(ours) {
                let _ = cgroup.remove(crate::handle::REMOVAL);
            }
            Err(error)
        }
    }
}

/// Refuses what has no place of its own to be refused at.
fn check(spec: &Spec) -> Result<()> {
    if !spec.oci_version.starts_with("1.") {
        return Err(Error::spec(format!("ociVersion {:?} is none of 1.x", spec.oci_version)));
    }
    if spec.root.as_ref().is_some_and(|root| root.path.is_empty()) {
        return Err(Error::spec("root.path is empty"));
    }
    let linux = spec.linux.as_ref();
    let mut paths = linux.iter().flat_map(|linux| linux.masked_paths.iter().chain(&linux.readonly_paths));
    match paths.find(|path| !path.starts_with('/')) {
        Some(path) => Err(Error::spec(format!("maskedPaths or readonlyPaths: {path:?} is not absolute"))),
        None => Ok(()),
    }
}

/// Sends the stub, which waits for it, what it needs to enter its cgroup in the hierarchies of v1.
fn admit(cgroup: Cgroup, socket: &OwnedFd) -> Result<Cgroup> {
    let files = cgroup.join_in(Version::V1, JoinBy::Write)?.files;
    if files.is_empty() {
        return Ok(cgroup);
    }
    let fds: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
    match sys::socket::send_with(socket, &[1], &fds) {
        // A stub that has failed meanwhile has left word why.
        Err(error) if matches!(error.errno, sys::Errno::PIPE | sys::Errno::CONNRESET) => Ok(cgroup),
        other => other.what("let the container into its cgroup").map(|()| cgroup),
    }
}

impl Container {
    /// Lets a waiting container run its command.
    pub fn start(&mut self, spec: &Spec) -> Result<()> {
        let Some(socket) = self.socket.take() else { return Ok(()) };
        launch::release(&socket, &self.handle, &self.subjects, spec)
    }

    /// Lets a waiting container go on to its gate, where it waits for whoever comes there. Without this word it ends
    /// with us: nobody would know of it.
    pub fn park(&mut self) -> Result<()> {
        let Some(socket) = self.socket.take() else { return Ok(()) };
        sys::socket::release(&socket).what("leave the container at its gate")
    }
}

struct Preparation<'a> {
    id: &'a str,
    spec: &'a Spec,
    bundle: &'a Path,
    linux: &'a Linux,
    namespaces: &'a mut Namespaces,
    layout: &'a Layout,
    cgroup: Option<&'a Cgroup>,
    /// The cgroup is there; else it is made while the stub works.
    made: bool,
    rdt: &'a [PathBuf],
    holding: Holding,
    no_new_keyring: bool,
    ring: Option<&'a OwnedFd>,
    filter: Option<&'a seccomp::Filter>,
    /// Its listener is taken here.
    served: bool,
    rootfs: Option<Rootfs>,
    gate: Option<OwnedFd>,
}

/// The gate of a child that waits for its id maps: our end, to be written to.
type Cloned = (Born, OwnedFd, Option<OwnedFd>, Vec<Subject>, Vec<Map>);

fn prepare_and_clone(preparation: &mut Preparation<'_>) -> Result<Cloned> {
    let Preparation { id, spec, linux, cgroup, ring, .. } = *preparation;
    let mut plan = Plan::default();
    let joins = join(&mut plan, preparation.namespaces, spec.process.as_ref());
    let context = Context::new(spec, preparation.bundle, preparation.namespaces, preparation.layout, cgroup);
    let maps = context.namespaces.is_new(NamespaceKind::User).then(|| context.mappings());
    if maps.is_some_and(|(uids, _)| uids.is_empty()) {
        return Err(Error::spec("a new user namespace needs uidMappings and gidMappings"));
    }
    if let Some((uids, gids)) = maps {
        idmap::check("uidMappings", uids)?;
        idmap::check("gidMappings", gids)?;
    }
    net_device::check(linux, context.namespaces)?;
    cgroup.map_or(Ok(()), |cgroup| group::give(cgroup, spec, &context))?;
    let attached = cgroup.is_some_and(|cgroup| cgroup.attaches(preparation.layout));
    let network = if context.namespaces.is_new(NamespaceKind::Network) && !preparation.made {
        flag_of(NamespaceKind::Network)
    } else {
        0
    };
    if network != 0 {
        // The dearest of all namespaces is made by the stub, while we make the cgroup.
        plan.plain(Subject::Network, Op::Unshare, [network]);
    }
    let mut entry = Entry { cgroup: cgroup.filter(|_| !attached), made: preparation.made, done: false };
    let directory = entry.birthplace(&mut plan, &context)?;
    rdt::enter(&mut plan, preparation.rdt)?;
    if !linux.net_devices.is_empty() {
        plan.plain(Subject::NetDevices, Op::Sync, [sync::NAMESPACES]);
    }
    if context.namespaces.joins_mounts() {
        refuse_mounts(spec)?;
    } else {
        plan.plain(Subject::Apart, Op::Propagation, [apart(linux)]);
        let rootfs = preparation.rootfs.take().unwrap_or(Rootfs::Spec);
        rootfs::compose(&mut plan, spec, rootfs, &context, &mut |plan| entry.enter(plan, &context))?;
    }
    entry.enter(&mut plan, &context);
    let alone = maps.is_some_and(|(_, gids)| gids.len() == 1 && gids[0].size == 1) && !context.copies_mounts;
    let holding = Holding { no_setgroups: alone || preparation.holding.no_setgroups, ..preparation.holding };
    let keyring = (!preparation.no_new_keyring).then_some(id);
    if let Some(cgroup) = cgroup {
        let limit = linux.resources.as_ref().and_then(|all| all.memory.as_ref()).and_then(|memory| memory.limit);
        if let Some((file, limit)) = cgroup.hold_memory_back(limit)? {
            plan.write(Subject::MemoryLimit, file, &limit);
        }
    }
    let gate = preparation.gate.take().map(|gate| plan.give(gate));
    let last = Last { holding, filter: preparation.filter, served: preparation.served, gate };
    let identity = Identity { id, bundle: preparation.bundle, spec };
    finish_plan(&mut plan, identity, &context, &last, keyring)?;

    let asked = plan.take_maps();
    let Packed { stub, bytes, number, inherit, subjects, ours, theirs, proc, given } = parts::pack(plan, ring)?;
    let held_back = maps.is_some() || attached || cgroup.is_some_and(Cgroup::is_crowded);
    let gate = if held_back { Some(sys::socket::pair().what("hold the child back")?) } else { None };
    let process = spec.process.as_ref();
    let elsewhere = context.namespaces.has(NamespaceKind::User);
    let limits = process.filter(|_| elsewhere).map(|process| Raised::new(&process.rlimits));
    let time = Entered::time(&context, linux, &proc)?;
    let entered = joins.before.iter().map(|(kind, fd)| Entered::join(*kind, fd)).collect::<Result<Vec<_>>>()?;
    let entered_pid = joins.pid.as_ref().map(|fd| Entered::join(NamespaceKind::Pid, fd)).transpose()?;
    let order = Stub {
        namespaces: if joins.user { 0 } else { at_birth(context.namespaces) & !network },
        cgroup: directory.as_ref().map(AsFd::as_fd),
        executable: stub.as_fd(),
        arguments: [c"coracle-init", &number],
        inherit: &inherit,
        gate: gate.as_ref().map(|(ours, theirs)| (ours.as_fd(), theirs.as_fd())),
        ids: maps.map_or([0, 0], |maps| idmap::maker(maps, process)),
        sibling: holding.sibling,
    };
    Part::Clone.begin();
    let born = sys::process::clone_stub(&order).what("create the container's namespaces");
    let born = born.and_then(|born| group::settle_in(born, cgroup, preparation.layout, directory.is_some()));
    drop((entered, entered_pid, time, limits, given, theirs, proc, bytes));
    Ok((born?, ours, gate.map(|(ours, _)| ours), subjects, asked))
}

/// The namespaces that the stub does not join itself.
struct Joins {
    /// It joins a user namespace, and makes the others in that.
    user: bool,
    /// Entered by being born in it.
    pid: Option<OwnedFd>,
    /// What belongs to the host and cannot be entered from a user namespace: the child is born in these.
    before: Vec<(NamespaceKind, OwnedFd)>,
}

/// Adds the joins that the stub does, and hands back the others.
fn join(plan: &mut Plan, namespaces: &mut Namespaces, process: Option<&Process>) -> Joins {
    let all = std::mem::take(&mut namespaces.joined);
    namespaces.joined_kinds = all.iter().map(|(kind, _)| *kind).collect();
    let elsewhere = namespaces.has(NamespaceKind::User) && context::is_root();
    let mut joins = Joins { user: false, pid: None, before: Vec::new() };
    let (mut user, mut within) = (None, Vec::new());
    for (kind, fd) in all {
        match kind {
            NamespaceKind::User => user = Some(fd),
            NamespaceKind::Pid => joins.pid = Some(fd),
            NamespaceKind::Network
            | NamespaceKind::Ipc
            | NamespaceKind::Uts
            | NamespaceKind::Cgroup
            | NamespaceKind::Time
                if elsewhere =>
            {
                joins.before.push((kind, fd));
            }
            _ => within.push((kind, fd)),
        }
    }
    if let Some(user) = user {
        joins.user = true;
        enter_user(plan, namespaces, user, joins.pid.take(), process);
    }
    for (kind, fd) in within {
        plan.join(Subject::Join(kind), fd, flag_of(kind));
    }
    joins
}

/// Has the stub enter a user namespace that exists, and a child of it go on in the namespaces that belong to that. Who has
/// his capabilities there may look into any process of it but one that is hidden and was executed outside (CVE-2016-9962).
fn enter_user(
    plan: &mut Plan,
    namespaces: &Namespaces,
    user: OwnedFd,
    pid: Option<OwnedFd>,
    process: Option<&Process>,
) {
    if let Some(score) = process.and_then(|process| process.oom_score_adj) {
        plan.oom_score(score);
    }
    plan.plain(Subject::Enter, Op::Hide, []);
    let mut both: Vec<_> = pid.map(|pid| (NamespaceKind::Pid, pid)).into_iter().collect();
    // A PID namespace of the host's can be entered from outside only, an ordinary user's from within only.
    both.insert(if context::has_sys_admin() { both.len() } else { 0 }, (NamespaceKind::User, user));
    for (kind, fd) in both {
        plan.join(Subject::Join(kind), fd, flag_of(kind));
    }
    let [uid, gid] = idmap::maker((&namespaces.joined_maps.0, &namespaces.joined_maps.1), process);
    plan.user(Subject::Enter, uid, gid, None);
    plan.plain(Subject::Enter, Op::Born, [at_birth(namespaces)]);
}

/// The new namespaces that a process is born in: clocks it gets as it executes the stub, and the root of its cgroups is
/// the one that it is in when it has entered that.
fn at_birth(namespaces: &Namespaces) -> u64 {
    namespaces.new & !(flag_of(NamespaceKind::Time) | flag_of(NamespaceKind::Cgroup))
}

/// How the stub comes into its cgroup: at its birth as far as that is possible, and by steps of its plan, early if the
/// cgroup is made, as late as can be if not.
struct Entry<'a> {
    cgroup: Option<&'a Cgroup>,
    made: bool,
    done: bool,
}

impl Entry<'_> {
    /// The directory to be born in. A cgroup that is made is entered now.
    fn birthplace(&mut self, plan: &mut Plan, context: &Context<'_>) -> Result<Option<OwnedFd>> {
        let Some(cgroup) = self.cgroup.filter(|cgroup| !self.made && !cgroup.is_empty()) else {
            let directory = parts::enter_cgroup(plan, self.cgroup)?;
            self.settle(plan, context);
            return Ok(directory);
        };
        Ok(cgroup.join_in(Version::V2, JoinBy::Clone)?.directory)
    }

    /// Adds the steps that wait for the cgroup and enter it, unless it was entered.
    fn enter(&mut self, plan: &mut Plan, context: &Context<'_>) {
        if self.done {
            return;
        }
        let hierarchies = self.cgroup.map_or(0, Cgroup::v1_branches);
        for (index, slot) in plan.take(Subject::CgroupMade, hierarchies).into_iter().enumerate() {
            plan.write_slot(Subject::Cgroup(index), slot, "0");
        }
        self.settle(plan, context);
    }

    fn settle(&mut self, plan: &mut Plan, context: &Context<'_>) {
        self.done = true;
        // The caller's affinity is not the container's; that of processes which join later is their own.
        Affinity::default().settle(plan);
        if context.namespaces.is_new(NamespaceKind::Cgroup) {
            // Only now: the namespace's root is the cgroup that its maker is in (cgroup_namespaces(7)).
            plan.plain(Subject::CgroupRoot, Op::Unshare, [flag_of(NamespaceKind::Cgroup)]);
        }
    }
}

/// A mount namespace that exists is somebody's, possibly the machine's own: nothing is mounted in it, and its root is
/// the container's. To pivot there would take the root from all who live in it.
fn refuse_mounts(spec: &Spec) -> Result<()> {
    let linux = spec.linux.as_ref();
    let asked = [
        (!spec.mounts.is_empty(), "mounts"),
        (linux.is_some_and(|linux| !linux.masked_paths.is_empty()), "maskedPaths"),
        (linux.is_some_and(|linux| !linux.readonly_paths.is_empty()), "readonlyPaths"),
        (linux.is_some_and(|linux| linux.rootfs_propagation.is_some()), "rootfsPropagation"),
        (spec.root.as_ref().is_some_and(|root| root.readonly), "root.readonly"),
    ];
    match asked.iter().find(|(asked, _)| *asked) {
        Some((_, name)) => {
            Err(Error::spec(format!("{name}: a joined mount namespace has its own, which stay as they are")))
        }
        None => Ok(()),
    }
}

/// How the copied mount tree is set apart from the host's before the root is attached: mounts of the host still
/// arrive where the container asked for that, its own never leave.
fn apart(linux: &Linux) -> u64 {
    use oci::runtime::Propagation;
    match linux.rootfs_propagation {
        Some(Propagation::Shared | Propagation::Slave) => sys::mount::propagation::SLAVE,
        _ => sys::mount::propagation::PRIVATE,
    }
}

fn finish_plan(
    plan: &mut Plan,
    container: Identity<'_>,
    context: &Context<'_>,
    last: &Last<'_>,
    keyring: Option<&str>,
) -> Result<()> {
    use oci::runtime::Propagation;
    let (linux, spec) = (context.linux, container.spec);
    if rootfs::new_network(context) {
        plan.plain(Subject::Loopback, Op::Loopback, []);
    }
    for (name, value) in linux.iter().flat_map(|linux| &linux.sysctl) {
        plan.write_proc(Subject::Sysctl(name.clone()), &sysctl::path(name, context.namespaces)?, value);
    }
    let process = spec.process.as_ref().ok_or_else(|| Error::spec("process is missing"))?;
    process.exec_cpu_affinity.as_ref().map(Affinity::parse).transpose()?;
    process::before_pivot(plan, spec, process, context)?;
    let console = !context.namespaces.joins_mounts();
    if !console {
        plan.plain(Subject::Enter, Op::Here, []);
    }
    parts::session(plan, process, keyring, console, last.holding.newlines)?;
    if context.namespaces.joins_mounts() {
        hooks_of_creation(plan, container)?;
        return process::after_pivot(plan, container, process, last);
    }
    process::working_directory(plan, process);
    rootfs::read_only_root(plan, spec, context);
    hooks_of_creation(plan, container)?;
    plan.plain(Subject::Pivot, Op::Pivot, []);
    if let Some(propagation) = linux.and_then(|linux| linux.rootfs_propagation) {
        let flag = match propagation {
            Propagation::Shared => sys::mount::propagation::SHARED,
            Propagation::Slave => sys::mount::propagation::SLAVE,
            Propagation::Private => sys::mount::propagation::PRIVATE,
            Propagation::Unbindable => sys::mount::propagation::UNBINDABLE,
        };
        plan.plain(Subject::RootPropagation, Op::Propagation, [flag]);
    }
    process::after_pivot(plan, container, process, last)
}

/// The hooks between the container's namespaces and its root: ours first, for which the stub waits, then its own.
fn hooks_of_creation(plan: &mut Plan, container: Identity<'_>) -> Result<()> {
    if hooks::interrupt(container.spec) {
        plan.plain(Subject::Hooks, Op::Sync, [sync::HOOKS]);
    }
    hooks::plan(plan, Point::CreateContainer, container)
}

#[cfg(test)]
mod fuzz;
#[cfg(any(test, fuzzing))]
pub mod planned;
