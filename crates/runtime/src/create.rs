//! From a spec to a container: the parent's side of a start.
//!
//! Runs in the caller's process, which has one thread. Everything that can be prepared is prepared before the clone:
//! the plan, the fds, the cgroup with its limits. After it the parent writes id maps if there are any, and listens on
//! the stub's socket until its end of file says that the command runs.

use crate::affinity::Affinity;
use crate::context::{self, Context};
use crate::error::{Error, Result, What};
use crate::foreground::Newlines;
use crate::handle::Handle;
use crate::hooks::{self, Identity, Point};
use crate::inherit::{Entered, Raised};
use crate::listener::Agent;
use crate::namespace::{Namespaces, flag_of};
use crate::plan::Plan;
use crate::process::{self, Holding};
use crate::rootfs::{self, Rootfs};
use crate::subject::Subject;
use crate::{idmap, net_device, report, sysctl};
use cgroup::{Cgroup, CgroupPath, JoinBy, Layout};
use init::plan::{Op, message, newline, sync};
use oci::runtime::{Linux, NamespaceKind, Spec};
use rustix::fs::Mode;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
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
    /// Where the cgroups are.
    pub layout: &'a Layout,
    /// Its cgroup, made and limited; on failure it is removed.
    pub cgroup: Option<Cgroup>,
    /// How its process is held.
    pub holding: Holding,
    /// No session keyring of its own.
    pub no_new_keyring: bool,
    /// The recorder's ring, shared with the stub.
    pub ring: Option<&'a OwnedFd>,
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
    socket: Option<OwnedFd>,
}

/// Makes a container. With [`Holding::wait`] it stops right before its command, until [`Container::start`]; without,
/// the command runs when this returns.
pub fn create(request: Request<'_>) -> Result<Container> {
    let Request { id, spec, bundle, rootfs, filter, layout, cgroup, holding, no_new_keyring, ring } = request;
    let default = Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&default);
    let umask = sys::process::umask(0);
    let refused = refuse_what_is_missing(spec)
        .and_then(|()| hooks::check(spec))
        .and_then(|()| process::check_preserved(holding.preserve_fds));
    let born = refused.and_then(|()| Namespaces::open(spec)).and_then(|mut namespaces| {
        prepare_and_clone(&mut Preparation {
            id,
            spec,
            bundle,
            linux,
            namespaces: &mut namespaces,
            layout,
            cgroup: cgroup.as_ref(),
            holding,
            no_new_keyring,
            ring,
            filter: filter.as_ref(),
            rootfs: Some(rootfs),
        })
    });
    sys::process::umask(umask);
    let agent = Agent::new(spec, id, bundle);
    let result = born.and_then(|(born, socket, gate, subjects)| {
        let container = Identity { id, bundle, spec };
        launch(born, socket, gate, subjects, container, cgroup.as_ref(), agent.as_ref())
    });
    match result {
        Ok((child, terminal, socket, subjects)) => {
            let handle = Handle { pid: child.pid, pidfd: child.pidfd, cgroup: cgroup.unwrap_or_default() };
            Ok(Container { handle, terminal, subjects, socket })
        }
        Err(error) => {
            // The first error is the one to tell; what the clean-up finds comes from it.
            if let Some(cgroup) = &cgroup {
                let _ = cgroup.remove(crate::handle::REMOVAL);
            }
            Err(error)
        }
    }
}

impl Container {
    /// Lets a waiting container run its command.
    pub fn start(&mut self, spec: &Spec) -> Result<()> {
        let Some(socket) = self.socket.take() else { return Ok(()) };
        sys::socket::release(&socket).what("start the container")?;
        let child = &self.handle;
        listen(&socket, (child.pid, &child.pidfd), &self.subjects, spec, Some(&child.cgroup), None, None).map(drop)
    }
}

/// What the specification has and we do not, yet: refused rather than left out.
fn refuse_what_is_missing(spec: &Spec) -> Result<()> {
    let linux = spec.linux.as_ref();
    let missing = [
        (linux.is_some_and(|linux| linux.intel_rdt.is_some()), "linux.intelRdt"),
        (linux.is_some_and(|linux| linux.mount_label.as_deref().is_some_and(|l| !l.is_empty())), "linux.mountLabel"),
    ];
    match missing.iter().find(|(there, _)| *there) {
        Some((_, name)) => Err(Error::spec(format!("{name} is not supported yet"))),
        None => Ok(()),
    }
}

/// Makes the cgroup that a spec names, and sets its limits. Nothing is left of it on failure.
///
/// The devices that every container has are allowed besides those of the spec; all others are denied, also where the
/// spec has no list (GHSA-g54h-m393-cpwq), if that is ours to say.
pub fn make_cgroup(id: &str, spec: &Spec, layout: &Layout) -> Result<Cgroup> {
    let linux = spec.linux.as_ref();
    let path = linux.and_then(|linux| linux.cgroups_path.as_deref()).filter(|path| !path.is_empty());
    let path = CgroupPath::new(path.unwrap_or(&format!("/{id}")))?;
    let cgroup = Cgroup::create(layout, &path)?;
    let mut limits = linux.and_then(|linux| linux.resources.clone()).unwrap_or_default();
    if !limits.devices.is_empty() || context::is_root() && cgroup.denied().is_empty() && !cgroup.is_empty() {
        limits.devices.extend(cgroup::default_rules());
    }
    match cgroup.apply(&limits) {
        Ok(()) => Ok(cgroup),
        Err(error) => {
            let _ = cgroup.remove(crate::handle::REMOVAL);
            Err(error.into())
        }
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
    holding: Holding,
    no_new_keyring: bool,
    ring: Option<&'a OwnedFd>,
    filter: Option<&'a seccomp::Filter>,
    rootfs: Option<Rootfs>,
}

/// The gate of a child that waits for its id maps: our end, to be written to.
type Cloned = (Born, OwnedFd, Option<OwnedFd>, Vec<Subject>);

fn prepare_and_clone(preparation: &mut Preparation<'_>) -> Result<Cloned> {
    let Preparation { id, spec, linux, cgroup, ring, .. } = *preparation;
    let mut plan = Plan::default();
    let joins = join(&mut plan, preparation.namespaces);
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
    let by = if joins.user.is_some() { JoinBy::Write } else { JoinBy::Clone };
    let directory = enter_cgroup(&mut plan, cgroup, by, &context)?;
    if !linux.net_devices.is_empty() {
        plan.plain(Subject::NetDevices, Op::Sync, [sync::NAMESPACES]);
    }
    if context.namespaces.joins_mounts() {
        refuse_mounts(spec)?;
    } else {
        plan.plain(Subject::Apart, Op::Propagation, [apart(linux)]);
        rootfs::compose(&mut plan, spec, preparation.rootfs.take().unwrap_or(Rootfs::Spec), &context)?;
    }
    let alone = maps.is_some_and(|(_, gids)| gids.len() == 1 && gids[0].size == 1) && !context.copies_mounts;
    let holding = Holding { no_setgroups: alone || preparation.holding.no_setgroups, ..preparation.holding };
    let keyring = (!preparation.no_new_keyring).then_some(id);
    if let Some(cgroup) = cgroup {
        let limit = linux.resources.as_ref().and_then(|all| all.memory.as_ref()).and_then(|memory| memory.limit);
        if let Some((file, limit)) = cgroup.hold_memory_back(limit)? {
            plan.write(Subject::MemoryLimit, file, &limit);
        }
    }
    let identity = Identity { id, bundle: preparation.bundle, spec };
    finish_plan(&mut plan, identity, &context, holding, keyring, preparation.filter)?;

    let (ours, theirs) = sys::socket::pair().what("talk to the stub")?;
    let proc = context::open_proc()?;
    let ring_fd = ring.map_or(-1, AsRawFd::as_raw_fd);
    let mut inherit = plan.inherited();
    inherit.extend([theirs.as_raw_fd(), proc.as_raw_fd()]);
    inherit.extend(ring.map(AsRawFd::as_raw_fd));
    let (bytes, subjects, given) = plan.finish(theirs.as_raw_fd(), ring_fd, proc.as_raw_fd())?;
    let bytes = sys::memfd::sealed(c"coracle-plan", &bytes).what("hand the plan over")?;
    let stub = sys::memfd::sealed(c"coracle-init", init::STUB).what("hand the stub over")?;
    inherit.push(bytes.as_raw_fd());
    let number = CString::new(bytes.as_raw_fd().to_string()).unwrap_or_default();
    let gate = if maps.is_some() { Some(sys::socket::pair().what("hold the child back")?) } else { None };
    if joins.user.is_some() {
        // Who has its capabilities there may look into any process of it, unless that runs what it cannot read: such
        // memory belongs to our user namespace (CVE-2016-9962).
        sys::fs::fchmod(&stub, Mode::from_raw_mode(0o111)).what("hand the stub over")?;
    }
    let process = spec.process.as_ref();
    let elsewhere = context.namespaces.has(NamespaceKind::User);
    let limits = process.filter(|_| elsewhere).map(|process| Raised::new(&process.rlimits));
    let time = Entered::time(&context, linux, &proc)?;
    let entered = joins.before.iter().map(|(kind, fd)| Entered::join(*kind, fd)).collect::<Result<Vec<_>>>()?;
    let pid = joins.pid.as_ref().filter(|_| joins.user.is_none());
    let entered_pid = pid.map(|fd| Entered::join(NamespaceKind::Pid, fd)).transpose()?;
    let order = Stub {
        namespaces: context.namespaces.new & !(flag_of(NamespaceKind::Time) | flag_of(NamespaceKind::Cgroup)),
        cgroup: directory.as_ref().map(AsFd::as_fd),
        executable: stub.as_fd(),
        arguments: [c"coracle-init", &number],
        inherit: &inherit,
        gate: gate.as_ref().map(|(ours, theirs)| (ours.as_fd(), theirs.as_fd())),
        ids: idmap::maker(context.mappings(), process),
        oom_score: process.and_then(|process| process.oom_score_adj),
    };
    let born = match &joins.user {
        Some(user) => sys::process::clone_stub_within(user, joins.pid.as_ref().map(AsFd::as_fd), &order),
        None => sys::process::clone_stub(&order),
    }
    .what("create the container's namespaces");
    drop((entered, entered_pid, time, limits, given));
    Ok((born?, ours, gate.map(|(ours, _)| ours), subjects))
}

/// The namespaces that the stub does not join itself.
struct Joins {
    /// There before the others are made in it.
    user: Option<OwnedFd>,
    /// Entered by being born in it.
    pid: Option<OwnedFd>,
    /// What belongs to the host and cannot be entered from a user namespace: the child is born in these.
    before: Vec<(NamespaceKind, OwnedFd)>,
}

/// Adds the joins that the stub does, and hands back the others.
fn join(plan: &mut Plan, namespaces: &mut Namespaces) -> Joins {
    let mut joins = Joins { user: None, pid: None, before: Vec::new() };
    let all = std::mem::take(&mut namespaces.joined);
    namespaces.joined_kinds = all.iter().map(|(kind, _)| *kind).collect();
    let elsewhere = namespaces.has(NamespaceKind::User) && context::is_root();
    for (kind, fd) in all {
        match kind {
            NamespaceKind::User => joins.user = Some(fd),
            NamespaceKind::Pid => joins.pid = Some(fd),
            NamespaceKind::Network | NamespaceKind::Ipc | NamespaceKind::Uts | NamespaceKind::Cgroup if elsewhere => {
                joins.before.push((kind, fd));
            }
            _ => plan.join(Subject::Join(kind), fd, flag_of(kind)),
        }
    }
    joins
}

/// Adds the steps that make the stub a member; the v2 directory goes to clone3(2) instead.
fn enter_cgroup(
    plan: &mut Plan,
    cgroup: Option<&Cgroup>,
    by: JoinBy,
    context: &Context<'_>,
) -> Result<Option<OwnedFd>> {
    let mut directory = None;
    if let Some(cgroup) = cgroup.filter(|cgroup| !cgroup.is_empty()) {
        let join = cgroup.join(by)?;
        directory = join.directory;
        for (index, file) in join.files.into_iter().enumerate() {
            plan.write(Subject::Cgroup(index), file, "0");
        }
    }
    // The caller's affinity is not the container's; that of processes which join later is their own.
    Affinity::default().settle(plan);
    if context.namespaces.is_new(NamespaceKind::Cgroup) {
        // Only now: the namespace's root is the cgroup that its maker is in (cgroup_namespaces(7)).
        plan.plain(Subject::CgroupRoot, Op::Unshare, [flag_of(NamespaceKind::Cgroup)]);
    }
    Ok(directory)
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
        (spec.process.as_ref().is_some_and(|process| process.terminal), "terminal"),
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
    holding: Holding,
    keyring: Option<&str>,
    filter: Option<&seccomp::Filter>,
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
    if let Some(name) = keyring {
        plan.text(Subject::Keyring, Op::Keyring, name);
    }
    if process.terminal {
        let size = process.console_size.unwrap_or_default();
        let size = u64::from(size.height) << 32 | u64::from(size.width);
        let newlines = match holding.newlines {
            Newlines::Translated => newline::TRANSLATED,
            Newlines::AsWritten => newline::AS_WRITTEN,
        };
        plan.plain(Subject::Terminal, Op::Terminal, [u64::from(process.user.uid), size, 1, newlines]);
    } else {
        plan.plain(Subject::Session, Op::Session, []);
    }
    if context.namespaces.joins_mounts() {
        hooks_of_creation(plan, container)?;
        return process::after_pivot(plan, container, process, holding, filter);
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
    process::after_pivot(plan, container, process, holding, filter)
}

/// The hooks between the container's namespaces and its root: ours first, for which the stub waits, then its own.
fn hooks_of_creation(plan: &mut Plan, container: Identity<'_>) -> Result<()> {
    if hooks::interrupt(container.spec) {
        plan.plain(Subject::Hooks, Op::Sync, [sync::HOOKS]);
    }
    hooks::plan(plan, Point::CreateContainer, container)
}

type Launched = (sys::process::Child, Option<OwnedFd>, Option<OwnedFd>, Vec<Subject>);

/// The child exists: writes its maps, lets it go, and listens.
fn launch(
    born: Born,
    socket: OwnedFd,
    gate: Option<OwnedFd>,
    subjects: Vec<Subject>,
    container: Identity<'_>,
    cgroup: Option<&Cgroup>,
    agent: Option<&Agent<'_>>,
) -> Result<Launched> {
    let spec = container.spec;
    let mapped = match &gate {
        None => Ok(()),
        Some(gate) => {
            let linux = spec.linux.as_ref();
            let empty: &[_] = &[];
            let maps = linux.map_or((empty, empty), |linux| (&linux.uid_mappings[..], &linux.gid_mappings[..]));
            idmap::write(born.child.pid, maps.0, maps.1)
                .and_then(|_| sys::socket::release(gate).what("let the child go"))
        }
    };
    // Its end is what a child that waits for maps that never come reads.
    drop(gate);
    let listened = match mapped {
        Ok(()) => listen(&socket, (born.child.pid, &born.child.pidfd), &subjects, spec, cgroup, agent, Some(container)),
        Err(error) => {
            let _ = sys::process::pidfd_send_signal(&born.child.pidfd, 9);
            let _ = sys::process::wait(&born.child.pidfd);
            Err(error)
        }
    };
    let (child, failed) = born.settle();
    match (listened, failed) {
        (Ok((terminal, Reached::Gate)), _) => Ok((child, terminal, Some(socket), subjects)),
        (Ok((terminal, Reached::Exec)), _) => Ok((child, terminal, None, subjects)),
        // With two short arguments both mean that no page is to be had for them.
        (Err(_), Some(source)) if matches!(source.errno, sys::Errno::TOOBIG | sys::Errno::NOMEM) => {
            Err(Error::Ended(report::TOO_LITTLE_MEMORY.to_owned()))
        }
        (Err(_), Some(source)) => Err(source).what("execute the stub"),
        (Err(error), None) => Err(error),
    }
}

/// How far a start came.
enum Reached {
    /// It waits for the word to start.
    Gate,
    /// The command runs.
    Exec,
}

/// How long a stub may take from closing its socket to its end.
const ENDING: Duration = Duration::from_secs(2);

/// Reads what the stub says until its command runs or it waits. On failure the child is dead and reaped.
fn listen(
    socket: &OwnedFd,
    (pid, pidfd): (i32, &OwnedFd),
    subjects: &[Subject],
    spec: &Spec,
    cgroup: Option<&Cgroup>,
    agent: Option<&Agent<'_>>,
    container: Option<Identity<'_>>,
) -> Result<(Option<OwnedFd>, Reached)> {
    let mut terminal = None;
    let mut executing = false;
    loop {
        let received = sys::socket::receive::<16>(socket).what("listen to the stub")?;
        let Some((bytes, fd)) = received else {
            // One whose filter denies it even to write runs on without a word.
            if executing || !sys::process::wait_readable(pidfd, ENDING) {
                return Ok((terminal, Reached::Exec));
            }
            let exit = sys::process::wait(pidfd).what("wait for the stub")?;
            return Err(report::ended(exit, cgroup));
        };
        let word = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes);
        match word(0) {
            message::TERMINAL => terminal = fd,
            message::EXEC => executing = true,
            message::LISTENER => {
                let taken = agent.map_or(Ok(()), |agent| agent.take_over(pidfd.as_fd(), pid, word(8)));
                go_on(taken, socket, pidfd)?;
            }
            message::SYNC if u64::from(word(8)) == sync::NAMESPACES => {
                let moved = spec.linux.as_ref().map_or(Ok(()), |linux| net_device::move_in(linux, pid));
                go_on(moved, socket, pidfd)?;
            }
            message::SYNC if u64::from(word(8)) == sync::HOOKS => {
                let ran = container.map_or(Ok(()), |container| hooks::of_creation(container, pid));
                go_on(ran, socket, pidfd)?;
            }
            message::SYNC => return Ok((terminal, Reached::Gate)),
            message::FAILED => {
                let subject = subjects.get(word(4) as usize).cloned().unwrap_or(Subject::Exec);
                let _ = sys::process::wait(pidfd);
                return Err(report::failed(subject, word(8), word(12) as i32, spec, fd));
            }
            _ => {}
        }
    }
}

/// Lets a child go on that has waited for something to be done, or ends it.
fn go_on(done: Result<()>, socket: &OwnedFd, pidfd: &OwnedFd) -> Result<()> {
    let result = done.and_then(|()| sys::socket::release(socket).what("let the child go"));
    if result.is_err() {
        let _ = sys::process::pidfd_send_signal(pidfd, 9);
        let _ = sys::process::wait(pidfd);
    }
    result
}
