//! A shell with tools in the namespaces of a container that has none.
//!
//! It is a container's start like any other, and the least of one: nothing is written down for it, it has no cgroup and no
//! directory of its own, and all of its namespaces are the container's but one. Its mount namespace is new: the root is a
//! toolbox, and the container's root, with all that is mounted in it, is at [`CONTAINER`]. So the container's own mounts
//! stay as they are. Who does not run is looked at with namespaces that are all new.
//!
//! The container's processes see those of the session, and one with CAP_SYS_PTRACE may do whatever the session may. So
//! the session has nothing that the container may not have: see docs/design/006-debug.md.

mod entrances;
mod sweep;
mod toolbox;

use crate::config::{
    Capability, CapabilityChange, CgroupUse, ContainerConfig, EnvVar, ImageRef, IpcNamespace, NamespaceMode,
    NetworkMode, Privileges, PrivilegesConfig, ProcessConfig, SeccompChoice, StdinMode, TerminalMode, UsernsMode,
};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Actor;
use crate::exec::Running;
use crate::spec::{self, Composed, Facts, ImageDefaults, UserNamespace, compose, user};
use crate::start::{Io, custom_profile, default_filter};
use crate::{gather, joined, userns};
use cgroup::{Cgroup, Layout};
use entrances::Entrances;
use oci::runtime::{NamespaceKind, Spec};
use runtime::rootfs::{Item, Rootfs};
use runtime::{Foreground, Group, Holding, Newlines, Request};
use rustix::fs::{CWD, Mode, OFlags};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use store::Lease;
use sys::mount::{CLONE, EMPTY_PATH, MountAttr, RECURSIVE, mount_setattr, open_tree, propagation};

/// Where the container's root is.
pub const CONTAINER: &str = "/container";

/// Where its programs are, for the end of the search path.
const PROGRAMS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What is asked for.
#[derive(Debug, Default)]
pub struct Debug {
    /// The command, which is a shell of the toolbox where none is given, and what it is run with. Without a user it is root.
    pub process: ProcessConfig,
    /// All capabilities in the container's user namespace, and no filter.
    pub privileged: bool,
    /// The image that the tools are from; else they are this machine's.
    pub image: Option<String>,
}

/// A container to be looked into.
struct Patient {
    id: String,
    name: String,
    config: ContainerConfig,
    actor: Actor,
    /// Its root, with all that is mounted there.
    root: OwnedFd,
    /// Its namespaces; of one that does not run none.
    entrances: Entrances,
    /// Its cgroup.
    cgroup: Option<Cgroup>,
    /// Keeps the layers of one that does not run.
    _lease: Option<Lease>,
}

impl Engine {
    /// Runs a shell, or another command, beside a container's processes or on its files, to its end, and returns its exit
    /// code. Called with one thread. It is held by a child of ours, which reaps it also when we are killed: a container
    /// whose processes nobody reaps could not end. `tell` tells of a failure, and says with which code we end.
    pub fn debug(&self, text: &str, debug: &Debug, io: Io, tell: impl FnOnce(Error) -> u8) -> Result<u8> {
        let signals = crate::attach::signals()?;
        let failed = || Error::system("hold the session");
        let us = sys::process::pidfd_open(rustix::process::getpid().as_raw_nonzero().get()).map_err(failed())?;
        let holder = |client: OwnedFd| {
            if debug.process.terminal != TerminalMode::Pty {
                // What the terminal sends to us comes by way of us, and once.
                sys::process::leave_group();
            }
            let code = self.session(text, debug, io, &us).unwrap_or_else(tell);
            i32::from(sys::socket::send(&client, &[code]).is_err())
        };
        let (socket, child) = sys::process::fork_connected(holder).map_err(failed())?;
        crate::exec::follow(&socket, &child.pidfd, &signals)
    }

    /// The session, which ends with whoever asked for it.
    fn session(&self, text: &str, debug: &Debug, io: Io, asked: &OwnedFd) -> Result<u8> {
        let signals = crate::attach::signals()?;
        let layout = Layout::detect()?;
        let patient = self.patient(text, &layout)?;
        let config = config(&patient, debug);
        let ids = match &config.view.userns {
            Some(UsernsMode::Path(path)) => joined::namespace(path, !self.caller().is_root())?,
            _ if patient.entrances.is_empty() => userns::choose(self, &config, &patient.id)?.namespace,
            _ => UserNamespace::Host,
        };
        let toolbox = toolbox::make(self, &config.image, &ids)?;
        let _lease = toolbox.lease;
        let facts = self.facts_of(&patient, &config, &ids, toolbox.defaults, io)?;
        let config = with_shell(config, &facts.image, &toolbox.shell, &patient.name);
        let mut composed = compose(&config, &facts)?;
        adjust(&mut composed, &patient.entrances);
        let mut items = toolbox.items;
        items.push(Item::Mount { at: CONTAINER.to_owned(), mount: patient.root });
        let input = config.process.stdin == StdinMode::Open;
        if !input && config.process.terminal != TerminalMode::Pty {
            sys::fs::stdin_from_null().map_err(Error::system("close standard input"))?;
        }
        let mut made = runtime::create(Request {
            rootfs: Rootfs::Built(items),
            filter: composed.filter.clone(),
            cgroup: patient.cgroup.map(Group::Joined),
            holding: Holding {
                die_with_parent: true,
                wait: true,
                newlines: Newlines::Translated,
                no_setgroups: !self.setgroups(),
                ..Holding::default()
            },
            ..Request::new(&patient.id, &composed.spec, &layout)
        })?;
        let sweeper = sweep::Sweeper::of(&made.handle, asked)?;
        let terminal = made.terminal.take();
        made.start(&composed.spec)?;
        let words = composed.spec.process.as_ref().map(|process| process.args.join(" ")).unwrap_or_default();
        self.tell_by(&patient.id, &patient.actor, &format!("exec_start: {words}"), &[]);
        let how = Foreground { pass_signals: true, input, timeout: None, newlines: Newlines::Translated };
        let exit = runtime::hold(&made.handle, terminal, &signals, how)?;
        drop(sweeper);
        self.tell_by(&patient.id, &patient.actor, "exec_die", &[("exitCode", &exit.code().to_string())]);
        Ok(exit.code())
    }

    /// The container, running or not. An ordinary user's engine is afterwards where it can reach the container, and the
    /// store is opened only there.
    fn patient(&self, text: &str, layout: &Layout) -> Result<Patient> {
        let outside = Self::open(self.locations().clone(), None)?;
        let running = match outside.find_running(text) {
            Err(Error::NotRunning(_)) => return self.standing_patient(text),
            running => running?,
        };
        if running.handle.cgroup.is_frozen().unwrap_or(false) {
            return Err(Error::Paused(text.to_owned()));
        }
        let entrances = Entrances::of(&running.handle)?;
        if let Some(path) = entrances.path(NamespaceKind::User) {
            let mut reached = ContainerConfig::new(ImageRef::Host);
            reached.view.userns = Some(UsernsMode::Path(path));
            self.enter_for(&reached)?;
        }
        let cgroup = running.cgroup(layout)?;
        let root = root_of(&running)?;
        let Running { id, record, .. } = running;
        let actor = Actor::of(&record);
        let name = record.name.to_string();
        Ok(Patient { id, name, config: *record.config.config, actor, root, entrances, cgroup, _lease: None })
    }

    fn standing_patient(&self, text: &str) -> Result<Patient> {
        self.enter()?;
        let held = self.hold(text)?;
        let root = self.mounted_root_of(&held)?;
        let (record, lease) = held.let_go();
        let actor = Actor::of(&record);
        let (id, name) = (record.id.to_string(), record.name.to_string());
        let entrances = Entrances::default();
        Ok(Patient {
            id,
            name,
            config: *record.config.config,
            actor,
            root,
            entrances,
            cgroup: None,
            _lease: Some(lease),
        })
    }

    fn facts_of(
        &self,
        patient: &Patient,
        config: &ContainerConfig,
        namespace: &UserNamespace,
        image: ImageDefaults,
        io: Io,
    ) -> Result<Facts> {
        let own_userns = *namespace != UserNamespace::Host;
        let tree = sys::fs::open_beneath(&patient.root, ".", OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
        let tree = tree.map_err(Error::system("open the container's root"))?;
        let (passwd, group) = gather::user_files(&[tree]);
        let who = config.process.user.clone().unwrap_or_default();
        let user = user::resolve(&who, &config.process.groups, &passwd, &group).map_err(spec::Error::from)?;
        let bounding = gather::bounding(own_userns);
        let capabilities = spec::grant(&config.privileges, user.uid, bounding)?.bounding.names();
        let devices = match patient.config.privileges.level {
            Privileges::Privileged => spec::all_devices(own_userns)?,
            Privileges::Confined => spec::devices(&patient.config.files.devices)?,
        };
        let cpus = gather::list("/sys/devices/system/cpu/online");
        Ok(Facts {
            id: patient.id.clone(),
            name: patient.name.clone(),
            image,
            user,
            network: None,
            rootless: !self.caller().is_root(),
            user_namespace: namespace.clone(),
            setgroups: self.setgroups(),
            bounding,
            rlimits: gather::rlimits(self, own_userns),
            controllers: gather::controllers(&Layout::detect()?, None),
            cgroup_path: None,
            thermal_throttle: spec::thermal_throttle(&cpus),
            cpus,
            mems: gather::list("/sys/devices/system/node/online"),
            host_name: gather::host_name(),
            etc: spec::EtcFiles::default(),
            secrets: spec::Secrets::default(),
            scratch: None,
            volumes: BTreeMap::new(),
            owners: BTreeMap::new(),
            devices,
            default_filter: default_filter(config, &capabilities)?,
            custom_seccomp: custom_profile(config, &capabilities)?,
            mqueue: gather::has_file_system("mqueue"),
            apparmor: false,
            recursive_read_only: true,
            console_size: io.console_size,
        })
    }
}

/// What of the container's root there is to be seen, copied, so that it can be attached elsewhere. Only who is among the
/// container's mounts can copy them: for that long we are, and look nothing up there but the root.
fn root_of(running: &Running) -> Result<OwnedFd> {
    let copy = || {
        let _left = crate::stage::Left::here()?;
        sys::process::setns(&running.handle.pidfd, sys::process::namespace::MOUNT)?;
        let tree = open_tree(CWD, "/", CLONE | RECURSIVE)?;
        let private = MountAttr { propagation: propagation::PRIVATE, ..MountAttr::default() };
        mount_setattr(&tree, "", EMPTY_PATH | RECURSIVE, &private)?;
        Ok(tree)
    };
    copy().map_err(Error::system("copy the container's mounts"))
}

/// The session as a container: its namespaces are the other one's, and its rights those and the one to look into
/// processes, which makes it more than the container's processes unless they have it too: these cannot look into it.
fn config(patient: &Patient, debug: &Debug) -> ContainerConfig {
    let image = debug.image.clone().map_or(ImageRef::Host, ImageRef::Name);
    let mut config = ContainerConfig::new(image);
    config.process = debug.process.clone();
    config.limits.cgroups = CgroupUse::Disabled;
    config.remove = true;
    config.privileges = privileges(&patient.config.privileges, debug.privileged);
    config.view.hostname.clone_from(&patient.config.view.hostname);
    if patient.entrances.is_empty() {
        config.view.network = Some(NetworkMode::None);
        if patient.config.view.uts.is_host() {
            config.view.hostname = None;
        }
        return config;
    }
    let path = |kind| patient.entrances.path(kind);
    let mode = |path: Option<PathBuf>| path.map_or(NamespaceMode::Host, NamespaceMode::Path);
    config.view.pid = mode(path(NamespaceKind::Pid));
    config.view.uts = mode(path(NamespaceKind::Uts));
    config.view.ipc = path(NamespaceKind::Ipc).map_or(IpcNamespace::Host, IpcNamespace::Path);
    config.view.network = Some(path(NamespaceKind::Network).map_or(NetworkMode::Host, NetworkMode::Path));
    config.view.userns = path(NamespaceKind::User).map(UsernsMode::Path);
    if let Some(path) = path(NamespaceKind::Cgroup) {
        config.view.cgroup = crate::config::CgroupNamespace::Path(path);
    }
    if config.view.uts.is_host() {
        config.view.hostname = None;
    }
    config
}

fn privileges(own: &PrivilegesConfig, privileged: bool) -> PrivilegesConfig {
    if privileged {
        return PrivilegesConfig {
            level: Privileges::Privileged,
            seccomp: SeccompChoice::Unconfined,
            ..PrivilegesConfig::default()
        };
    }
    let mut privileges = own.clone();
    if let Some(ptrace) = Capability::by_name("SYS_PTRACE") {
        if let CapabilityChange::These(dropped) = &mut privileges.cap_drop {
            *dropped = dropped.iter().filter(|capability| *capability != ptrace).collect();
        }
        if let CapabilityChange::These(added) = &mut privileges.cap_add {
            *added = added.with(ptrace);
        }
    }
    privileges
}

/// A shell where no command was given; and the container's programs come after those of the toolbox.
fn with_shell(mut config: ContainerConfig, image: &ImageDefaults, shell: &str, name: &str) -> ContainerConfig {
    let process = &mut config.process;
    if process.command.is_empty() {
        process.command = vec![shell.to_owned()];
    }
    let own = image.env.iter().find_map(|variable| variable.strip_prefix("PATH="));
    let programs = PROGRAMS.map(|programs| format!("{CONTAINER}{programs}"));
    let path = format!("{}:{}", own.map_or_else(|| PROGRAMS.join(":"), str::to_owned), programs.join(":"));
    let mut env = vec![EnvVar { name: "PATH".to_owned(), value: path }];
    if process.terminal == TerminalMode::Pty {
        env.push(EnvVar { name: "PS1".to_owned(), value: format!("debug {name}:$PWD # ") });
    }
    env.append(&mut process.env);
    process.env = env;
    config
}

/// What the machine would show of itself to a container that shares its namespaces comes from the container here.
fn adjust(composed: &mut Composed, entrances: &Entrances) {
    let Spec { mounts, .. } = &mut composed.spec;
    mounts.retain(|mount| mount.kind.as_deref() != Some("cgroup"));
    let shares =
        |mount: &&mut oci::runtime::Mount| mount.destination == "/sys" && mount.kind.as_deref() == Some("bind");
    if let Some(sys) = mounts.iter_mut().find(shares) {
        if entrances.path(NamespaceKind::Network).is_some() {
            sys.kind = Some("sysfs".to_owned());
            sys.source = Some("sysfs".to_owned());
            sys.options = ["nosuid", "noexec", "nodev", "ro"].map(str::to_owned).to_vec();
        } else {
            mounts.retain(|mount| mount.destination != "/sys");
        }
    }
    if let Some(linux) = &mut composed.spec.linux {
        linux.resources = None;
    }
}
