//! What each step of a plan is for. Kept beside the plan as small values; turned into words only when somebody asks:
//! an error, or `--explain`.

use crate::hooks::Point;
use crate::namespace;
use init::plan::Op;
use oci::runtime::{NamespaceKind, Spec};
use serde::{Deserialize, Serialize};

/// The four questions that a container answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heading {
    /// Namespaces, host name, network.
    Sees,
    /// Cgroups and resource limits.
    Uses,
    /// Root, mounts, devices.
    Files,
    /// Ids, capabilities, filter.
    MayDo,
    /// The command itself.
    Runs,
}

impl Heading {
    /// All, in their order.
    pub const ALL: [Self; 5] = [Self::Sees, Self::Uses, Self::Files, Self::MayDo, Self::Runs];

    /// The heading as a person reads it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Sees => "sees",
            Self::Uses => "uses",
            Self::Files => "files",
            Self::MayDo => "may do",
            Self::Runs => "runs",
        }
    }
}

/// What a step is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// A namespace is joined.
    Join(NamespaceKind),
    /// A container that exists is entered.
    Enter,
    /// The network namespace is made.
    Network,
    /// The stub waits until its cgroup is there.
    CgroupMade,
    /// The process becomes a member of its cgroup, on the hierarchy of this number.
    Cgroup(usize),
    /// The process becomes a member of its class of service, or of its monitoring group there.
    Rdt(usize),
    /// Its cgroup becomes its cgroup root.
    CgroupRoot,
    /// The memory limit, held back until here.
    MemoryLimit,
    /// The host's mounts and the container's come apart.
    Apart,
    /// The root is made.
    Root,
    /// A piece of the root at this path.
    Piece(String),
    /// `mounts[i]` of the spec.
    Mount(usize),
    /// A mount of a container that runs is removed: the one at this path.
    Unmount(String),
    /// A default device or link.
    Device(String),
    /// `linux.maskedPaths[i]`.
    Masked(usize),
    /// `linux.readonlyPaths[i]`.
    ReadOnlyPath(usize),
    /// The root becomes read-only.
    ReadOnlyRoot,
    /// The root becomes the root.
    Pivot,
    /// Network devices of the host.
    NetDevices,
    /// Propagation of the root.
    RootPropagation,
    /// Host name.
    Hostname,
    /// Domain name.
    Domainname,
    /// A kernel parameter.
    Sysctl(String),
    /// The loopback interface.
    Loopback,
    /// `process.rlimits[i]`.
    Rlimit(usize),
    /// OOM score.
    OomScore,
    /// CPU affinity.
    Affinity,
    /// Scheduling policy.
    Scheduler,
    /// I/O priority.
    IoPriority,
    /// Memory policy.
    MemoryPolicy,
    /// The terminal.
    Terminal,
    /// A session without a terminal.
    Session,
    /// Session keyring.
    Keyring,
    /// Execution domain.
    Personality,
    /// File mode mask.
    Umask,
    /// Inherited fds.
    Fds,
    /// Working directory.
    Cwd,
    /// Ids.
    User,
    /// Bounding set.
    Bounding,
    /// Capability sets.
    Capabilities,
    /// `no_new_privs`.
    NoNewPrivs,
    /// Filter.
    Seccomp,
    /// AppArmor profile or SELinux label, by its file below /proc.
    Label(String),
    /// The command is looked up.
    Find,
    /// The process dies with its parent.
    DeathSignal,
    /// The start waits for the parent.
    Wait,
    /// PID 1 stays ours.
    Reaper,
    /// The user's home is looked up.
    Home,
    /// The stub waits for hooks in our namespaces.
    Hooks,
    /// A hook in the container's namespaces, by its place in the list.
    Hook(Point, usize),
    /// The command runs.
    Exec,
}

impl Subject {
    /// What a step is for of which only the operation is known, and how many of its kind came before: one behind the
    /// gate.
    pub fn of(op: Op, before: usize, spec: &Spec) -> Self {
        match op {
            Op::Hook => {
                let inside = Point::CreateContainer.of(spec).len();
                match before.checked_sub(inside) {
                    Some(index) => Self::Hook(Point::StartContainer, index),
                    None => Self::Hook(Point::CreateContainer, before),
                }
            }
            Op::NoNewPrivs => Self::NoNewPrivs,
            Op::Rlimit => Self::Rlimit(before),
            Op::Capabilities => Self::Capabilities,
            Op::Seccomp => Self::Seccomp,
            Op::Reap => Self::Reaper,
            Op::Gate | Op::Mortal => Self::Wait,
            _ => Self::Exec,
        }
    }

    /// Under which heading it stands.
    pub fn heading(&self) -> Heading {
        match self {
            Self::Join(_)
            | Self::Enter
            | Self::Network
            | Self::Apart
            | Self::Hostname
            | Self::Domainname
            | Self::Sysctl(_)
            | Self::Loopback
            | Self::NetDevices
            | Self::CgroupRoot
            | Self::Terminal
            | Self::Session => Heading::Sees,
            Self::CgroupMade
            | Self::Cgroup(_)
            | Self::Rdt(_)
            | Self::MemoryLimit
            | Self::Rlimit(_)
            | Self::OomScore
            | Self::Affinity
            | Self::Scheduler
            | Self::IoPriority
            | Self::MemoryPolicy => Heading::Uses,
            Self::Root
            | Self::Piece(_)
            | Self::Mount(_)
            | Self::Unmount(_)
            | Self::Device(_)
            | Self::Masked(_)
            | Self::ReadOnlyPath(_)
            | Self::ReadOnlyRoot
            | Self::Pivot
            | Self::RootPropagation
            | Self::Umask
            | Self::Fds => Heading::Files,
            Self::User
            | Self::Bounding
            | Self::Capabilities
            | Self::NoNewPrivs
            | Self::Seccomp
            | Self::Label(_)
            | Self::Keyring
            | Self::Personality => Heading::MayDo,
            Self::Cwd
            | Self::Find
            | Self::DeathSignal
            | Self::Wait
            | Self::Reaper
            | Self::Home
            | Self::Hooks
            | Self::Hook(..)
            | Self::Exec => Heading::Runs,
        }
    }

    /// The part of the specification that asks for it: field names joined by dots, a list's item by its own key in
    /// brackets. Empty for what every container gets.
    pub fn spec_path(&self, spec: &Spec) -> String {
        match self {
            Self::Mount(i) => spec.mounts.get(*i).map_or_else(String::new, |m| format!("mounts[{}]", m.destination)),
            Self::Device(path) => format!("linux.devices[{path}]"),
            Self::Sysctl(name) => format!("linux.sysctl[{name}]"),
            Self::Rlimit(i) => spec
                .process
                .as_ref()
                .and_then(|process| process.rlimits.get(*i))
                .map_or_else(String::new, |limit| format!("process.rlimits[{}]", limit.kind)),
            Self::MemoryLimit => "linux.resources.memory.limit".to_owned(),
            Self::Masked(_) => "linux.maskedPaths".to_owned(),
            Self::ReadOnlyPath(_) => "linux.readonlyPaths".to_owned(),
            Self::ReadOnlyRoot => "root.readonly".to_owned(),
            Self::Hostname => "hostname".to_owned(),
            Self::NetDevices => "linux.netDevices".to_owned(),
            Self::Domainname => "domainname".to_owned(),
            Self::Terminal => "process.terminal".to_owned(),
            Self::OomScore => "process.oomScoreAdj".to_owned(),
            Self::Rdt(_) => "linux.intelRdt".to_owned(),
            Self::Scheduler => "process.scheduler".to_owned(),
            Self::IoPriority => "process.ioPriority".to_owned(),
            Self::MemoryPolicy => "linux.memoryPolicy".to_owned(),
            Self::Cwd => "process.cwd".to_owned(),
            Self::User => "process.user".to_owned(),
            Self::Bounding | Self::Capabilities => "process.capabilities".to_owned(),
            Self::NoNewPrivs => "process.noNewPrivileges".to_owned(),
            Self::Seccomp => "linux.seccomp".to_owned(),
            Self::Home => "process.env".to_owned(),
            Self::Hooks => "hooks".to_owned(),
            Self::Hook(point, _) => format!("hooks.{}", point.name()),
            Self::Find | Self::Exec => "process.args".to_owned(),
            _ => String::new(),
        }
    }

    /// What the step is to do, in words.
    pub fn intent(&self, spec: &Spec) -> String {
        let linux = spec.linux.as_ref();
        let process = spec.process.as_ref();
        let path = |paths: Option<&Vec<String>>, i: usize| paths.and_then(|p| p.get(i)).cloned().unwrap_or_default();
        match self {
            Self::Join(kind) => format!("join the {} namespace", namespace::name(*kind)),
            Self::CgroupMade => "wait for the cgroup, which is made meanwhile".to_owned(),
            Self::Network => "make the network namespace".to_owned(),
            Self::Enter => "enter the container".to_owned(),
            Self::Cgroup(index) => format!("enter the cgroup (hierarchy {})", index + 1),
            Self::Rdt(_) => "enter the class of service".to_owned(),
            Self::CgroupRoot => "see the own cgroup as the root of all cgroups".to_owned(),
            Self::MemoryLimit => "set the memory limit".to_owned(),
            Self::Apart => "keep mounts made from here on out of the host's view".to_owned(),
            Self::Root => "make the root file system".to_owned(),
            Self::Piece(at) => format!("put {at} into the root"),
            Self::Mount(i) => spec.mounts.get(*i).map_or_else(String::new, |mount| {
                let kind = mount.kind.as_deref().unwrap_or("bind");
                match mount.source.as_deref() {
                    Some(source) if source.starts_with('/') || kind == "bind" => {
                        format!("mount {source} at {}", mount.destination)
                    }
                    _ => format!("mount {kind} at {}", mount.destination),
                }
            }),
            Self::Unmount(path) => format!("remove the mount at {path}"),
            Self::Device(path) => format!("make {path}"),
            Self::Masked(i) => format!("hide {}", path(linux.map(|l| &l.masked_paths), *i)),
            Self::ReadOnlyPath(i) => format!("make {} read-only", path(linux.map(|l| &l.readonly_paths), *i)),
            Self::ReadOnlyRoot => "make the root read-only".to_owned(),
            Self::Pivot => "make it the root, and let go of the host's".to_owned(),
            Self::RootPropagation => "set the root's propagation".to_owned(),
            Self::Hostname => format!("set the host name {}", spec.hostname.as_deref().unwrap_or_default()),
            Self::Domainname => format!("set the domain name {}", spec.domainname.as_deref().unwrap_or_default()),
            Self::Sysctl(name) => format!("set the kernel parameter {name}"),
            Self::NetDevices => "get network devices of the host".to_owned(),
            Self::Loopback => "set the loopback interface up".to_owned(),
            Self::Rlimit(i) => process.and_then(|p| p.rlimits.get(*i)).map_or_else(
                || "set a resource limit".to_owned(),
                |limit| format!("set {} to {}:{}", limit.kind, limit.soft, limit.hard),
            ),
            Self::OomScore => "set the OOM score".to_owned(),
            Self::Affinity => "reset the CPU affinity".to_owned(),
            Self::Scheduler => "set the scheduling policy".to_owned(),
            Self::IoPriority => "set the I/O priority".to_owned(),
            Self::MemoryPolicy => "set the memory policy".to_owned(),
            Self::Terminal => "open the terminal".to_owned(),
            Self::Session => "start a session without a terminal".to_owned(),
            Self::Keyring => "join a session keyring of its own".to_owned(),
            Self::Personality => "set the execution domain".to_owned(),
            Self::Umask => "set the file mode mask".to_owned(),
            Self::Fds => "close all inherited file descriptors".to_owned(),
            Self::Cwd => format!("change to {}", process.map_or("", |p| p.cwd.as_str())),
            Self::User => process.map_or_else(String::new, |p| format!("become {}:{}", p.user.uid, p.user.gid)),
            Self::Bounding => "give up capabilities for good".to_owned(),
            Self::Capabilities => "set the capabilities".to_owned(),
            Self::NoNewPrivs => "give up gaining privileges by exec".to_owned(),
            Self::Seccomp => "install the system call filter".to_owned(),
            // Podman looks for the path in such quotes.
            Self::Label(path) => format!("set the security label by `/proc/{path}`"),
            Self::Find => format!("find {}", process.and_then(|p| p.args.first()).map_or("the command", |a| a)),
            Self::DeathSignal => "die with the supervisor".to_owned(),
            Self::Wait => "wait for the word to start".to_owned(),
            Self::Reaper => "stay PID 1 and reap".to_owned(),
            Self::Home => "find the user's home".to_owned(),
            Self::Hooks => "wait for the hooks in the runtime's namespaces".to_owned(),
            Self::Hook(point, index) => format!("run {} hook #{index}", point.name()),
            Self::Exec => format!("run {}", process.and_then(|p| p.args.first()).map_or("the command", |a| a)),
        }
    }
}
