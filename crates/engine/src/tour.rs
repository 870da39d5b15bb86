//! The lesson that a container is a process with a restricted view, told by starting one again and again, each time with one
//! restriction more.
//!
//! What is shown is what runs: from the fourth stop on it is a container as `coracle run` makes it, with flags that leave
//! out what is not told yet. Before, it has no root of its own, which a container always has; there the runtime is given a
//! specification with less in it. The first is a plain process, and no business of ours.

use crate::config::{
    Bytes, CapabilityChange, CgroupNamespace, CgroupUse, ContainerConfig, ContainerName, HostName, ImageRef,
    IpcNamespace, NamespaceMode, NetworkMode, PidsLimit, Resource, SeccompChoice, TerminalMode, Ulimit, UsernsMode,
};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::explanation::{Explanation, Root};
use crate::gather;
use crate::recorded::Recorded;
use crate::start::Io;
use cgroup::Layout;
use oci::runtime::{Capabilities, Linux, Mount, Namespace, NamespaceKind, Process, Spec};
use runtime::{Foreground, Handle, Holding, Newlines, Recording, Request};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

/// A stop of the tour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// A plain process.
    Plain,
    /// With a host name of its own.
    Name,
    /// With process ids of its own.
    Pids,
    /// With a root file system and a /proc of its own.
    Root,
    /// With limits.
    Limits,
    /// With users of its own.
    Users,
    /// With a network of its own, without most of root's capabilities, and under a filter: a container.
    Network,
}

impl Stop {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Plain, Self::Name, Self::Pids, Self::Root, Self::Limits, Self::Users, Self::Network];

    /// Its number, from 1 on.
    pub fn number(self) -> usize {
        self as usize + 1
    }
}

/// The name that the process has for its machine.
pub const HOST_NAME: &str = "tour";

/// Bytes of memory that it may have, and processes, and files that it may have open.
pub const LIMITS: (u64, u32, u64) = (64 << 20, 32, 64);

/// What waits at each stop to be looked at.
const COMMAND: [&str; 2] = ["sleep", "infinity"];

/// The process of a stop before the root: it ends with us.
#[derive(Debug)]
pub struct Bare {
    handle: Handle,
    process: Process,
    kinds: Vec<NamespaceKind>,
    /// How it was started.
    pub explanation: Explanation,
}

impl Bare {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.handle.pid
    }

    /// Runs a command beside it, to its end. `tell` tells of a failure, and says with which code we go on.
    pub fn exec(
        &self,
        command: &[String],
        terminal: TerminalMode,
        io: Io,
        tell: impl FnOnce(Error) -> u8,
    ) -> Result<u8> {
        let signals = crate::attach::signals()?;
        // In a child: an ordinary user cannot take back that his children are born among these pids.
        let holder = |socket: OwnedFd| {
            let code = self.enter_and_exec(command, terminal, io).unwrap_or_else(tell);
            i32::from(sys::socket::send(&socket, &[code]).is_err())
        };
        let (socket, child) = sys::process::fork_connected(holder).map_err(Error::system("run a command beside it"))?;
        crate::exec::follow(&socket, &child.pidfd, &signals)
    }

    fn enter_and_exec(&self, command: &[String], terminal: TerminalMode, io: Io) -> Result<u8> {
        let signals = crate::attach::signals()?;
        let process = Process {
            args: command.to_vec(),
            terminal: terminal == TerminalMode::Pty,
            console_size: io.console_size,
            ..self.process.clone()
        };
        let mut made = runtime::exec(&runtime::Exec {
            id: HOST_NAME,
            handle: &self.handle,
            namespaces: &self.kinds,
            process: &process,
            personality: None,
            memory_policy: None,
            filter: None,
            profile: None,
            server: None,
            cgroup: None,
            rdt: &[],
            layout: &Layout::detect()?,
            holding: holding(),
            no_new_keyring: true,
        })?;
        let input = terminal == TerminalMode::Pty;
        let how = Foreground { pass_signals: true, input, timeout: None, newlines: Newlines::Translated };
        Ok(runtime::hold(&made.handle, made.terminal.take(), &signals, how)?.code())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.handle.signal(9);
        let _ = self.handle.wait();
    }
}

fn holding() -> Holding {
    Holding { die_with_parent: true, ..Holding::default() }
}

/// What a container is looked at with, and by what its steps are found.
#[derive(Debug)]
pub struct Looked {
    /// Its first process.
    pub pid: i32,
    /// The directories of its cgroup, by controller.
    pub cgroup: BTreeMap<String, String>,
    /// How it was started.
    pub explanation: Explanation,
}

impl Engine {
    /// Starts the process of a stop before the root. An ordinary user is root of a user namespace of his own then: nobody
    /// else may make namespaces. Called with one thread.
    pub fn bare(&self, stop: Stop) -> Result<Bare> {
        let recording = Recording::start().map_err(Error::system("record the steps"))?;
        self.enter()?;
        let kinds: Vec<_> = [NamespaceKind::Mount, NamespaceKind::Uts]
            .into_iter()
            .chain((stop >= Stop::Pids).then_some(NamespaceKind::Pid))
            .collect();
        let spec = specification(&kinds);
        let layout = Layout::detect()?;
        let made = runtime::create(Request {
            holding: holding(),
            no_new_keyring: true,
            recording: Some(&recording),
            ..Request::new(HOST_NAME, &spec, &layout)
        })?;
        let process = spec.process.clone().unwrap_or_default();
        let explanation = Recorded::bare(HOST_NAME, &recording, Root::Directory("/".into()), spec).into();
        Ok(Bare { handle: made.handle, process, kinds, explanation })
    }

    /// A container as it is at a stop from the root on, to be run in the background.
    pub fn tour_config(&self, stop: Stop, name: ContainerName) -> Result<ContainerConfig> {
        let mut config = ContainerConfig::new(ImageRef::Host);
        config.name = Some(name);
        config.remove = true;
        config.process.command = COMMAND.map(str::to_owned).to_vec();
        config.view.hostname = HOST_NAME.parse::<HostName>().ok();
        if stop < Stop::Limits {
            config.limits.cgroups = CgroupUse::Disabled;
            config.view.cgroup = CgroupNamespace::Host;
        } else {
            let (memory, pids, files) = LIMITS;
            if self.gives_limits()? {
                config.limits.memory = Bytes::new(memory);
                config.limits.pids = Some(PidsLimit::Max(pids));
            }
            config.process.ulimits = vec![Ulimit { resource: Resource::Nofile, soft: Some(files), hard: Some(files) }];
        }
        if stop >= Stop::Users && self.caller().is_root() {
            config.view.userns = Some(UsernsMode::Auto { size: None });
        }
        if stop < Stop::Network {
            config.view.network = Some(NetworkMode::Host);
            // The host's cannot be seen from within a user namespace but through the host's own mounts.
            let hosts = stop < Stop::Users && self.caller().is_root();
            config.view.ipc = if hosts { IpcNamespace::Host } else { IpcNamespace::Private };
            config.privileges.cap_add = CapabilityChange::All;
            config.privileges.seccomp = SeccompChoice::Unconfined;
            config.privileges.paths.unmask_all = true;
        } else {
            config.view.network = Some(NetworkMode::None);
        }
        debug_assert_eq!(config.view.pid, NamespaceMode::Private);
        Ok(config)
    }

    /// Limits of memory and processes can be set: always by root, by an ordinary user in what was delegated to him.
    pub fn gives_limits(&self) -> Result<bool> {
        Ok(self.caller().is_root() || Layout::detect()?.delegated().is_some())
    }

    /// Looks at a container that was started for a stop.
    pub fn tour_look(&self, name: &str) -> Result<Looked> {
        let running = self.find_running(name)?;
        let explanation = self.explanation(name)?;
        Ok(Looked { pid: running.handle.pid, cgroup: running.handle.cgroup.paths(), explanation })
    }
}

/// Everything is the machine's but these namespaces.
fn specification(kinds: &[NamespaceKind]) -> Spec {
    let all = gather::bounding(false).names();
    // Without an entry for it the devices of a container are made there.
    let dev = Mount {
        destination: "/dev".to_owned(),
        source: Some("/dev".to_owned()),
        kind: Some("bind".to_owned()),
        options: vec!["rbind".to_owned()],
        ..Mount::default()
    };
    Spec {
        oci_version: oci::runtime::VERSION.to_owned(),
        hostname: Some(HOST_NAME.to_owned()),
        process: Some(Process {
            args: COMMAND.map(str::to_owned).to_vec(),
            cwd: "/".to_owned(),
            env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"]
                .map(str::to_owned)
                .to_vec(),
            capabilities: Some(Capabilities {
                bounding: all.clone(),
                effective: all.clone(),
                permitted: all,
                ..Capabilities::default()
            }),
            ..Process::default()
        }),
        root: Some(oci::runtime::Root { path: "/".to_owned(), readonly: false }),
        mounts: vec![dev],
        linux: Some(Linux {
            namespaces: kinds.iter().map(|kind| Namespace { kind: *kind, path: None }).collect(),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}
