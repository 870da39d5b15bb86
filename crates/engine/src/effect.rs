//! What is different when a step has been done, inside and outside, in a sentence: what a step of an explanation says
//! beside what it was to do.

use crate::part::Part;
use oci::runtime::{NamespaceKind, Spec};
use runtime::Subject;
use std::borrow::Cow;

type Words = Cow<'static, str>;

/// What a step of the plan has changed. Empty where it changes nothing that anybody could see.
pub(crate) fn of_subject(subject: &Subject, spec: &Spec) -> Words {
    let linux = spec.linux.as_ref();
    let process = spec.process.as_ref();
    let text = match subject {
        Subject::Join(kind) => return of_namespace(*kind).into(),
        Subject::Network => return of_namespace(NamespaceKind::Network).into(),
        Subject::Cgroup(_) => "what it and its children use is counted there, and limited",
        Subject::Rdt(_) => "its share of the caches and of the memory's bandwidth is that class's",
        Subject::CgroupRoot => {
            "inside, /proc/self/cgroup begins at its own cgroup; outside, it is a directory among others"
        }
        Subject::MemoryLimit => {
            let limit = linux.and_then(|linux| linux.resources.as_ref()?.memory.as_ref()?.limit);
            return match limit {
                Some(limit) => format!("who is over {limit} bytes is killed").into(),
                None => Words::Borrowed(""),
            };
        }
        Subject::Apart => "what is mounted inside is seen inside only",
        Subject::Root => "there is a tree that nobody sees yet",
        Subject::Piece(_) => "it is seen inside; what is written there goes to a layer that is thrown away",
        Subject::Mount(index) => return of_mount(*index, spec),
        Subject::Unmount(_) => "it is not seen inside any more",
        Subject::Device(_) => "those inside may open it as far as the cgroup's device rules let them",
        Subject::Masked(_) => "those inside find an empty directory or file there",
        Subject::ReadOnlyPath(_) => "those inside can read it and not write to it",
        Subject::ReadOnlyRoot => "those inside can write to mounts alone",
        Subject::Pivot => "inside, / is the container's tree, and no path leads to the machine's",
        Subject::NetDevices => "the device is gone outside, and there inside",
        Subject::RootPropagation => "what is mounted on either side is seen on the other as that says",
        Subject::Hostname => return named(spec.hostname.as_deref(), "hostname").into(),
        Subject::Domainname => return named(spec.domainname.as_deref(), "domainname").into(),
        Subject::Sysctl(_) => "the parameter has that value inside; the machine's own is what it was",
        Subject::Loopback => "127.0.0.1 and ::1 answer inside",
        Subject::Rlimit(_) => "each process inside can have so much, and its children no more",
        Subject::OomScore => "the kernel kills it earlier, or later, than others when memory is short",
        Subject::Affinity => "it may run on every CPU of its cpuset, whatever its starter was bound to",
        Subject::Scheduler => "its turns on the CPU come by that policy",
        Subject::IoPriority => "its turns at the disks come by that priority",
        Subject::MemoryPolicy => "its memory comes from those nodes",
        Subject::Terminal => "inside, /dev/console is a terminal whose other end is with who holds the container",
        Subject::Session => "the keys of the starter's terminal do not reach it",
        Subject::Keyring => "keys of the starter are not to be had inside",
        Subject::Personality => "system calls behave as in that domain",
        Subject::Umask => "new files have no more bits than that leaves",
        Subject::Fds => "no file of the machine is open inside",
        Subject::Cwd => "relative paths begin there",
        Subject::User => return of_user(spec),
        Subject::Bounding => "no program inside can ever get them again, not even one with file capabilities",
        Subject::Capabilities => return of_capabilities(spec),
        Subject::NoNewPrivs => "setuid programs give nothing inside",
        Subject::Seccomp => {
            let default = linux.and_then(|linux| linux.seccomp.as_ref()).is_none();
            return if default {
                "calls that the default profile does not let through fail with EPERM".into()
            } else {
                "calls that the profile does not let through fail".into()
            };
        }
        Subject::Label(_) => "what it may touch is also decided by that label",
        Subject::DeathSignal => "it cannot outlive who holds it",
        Subject::Reaper => "orphans inside become children of a small init of ours, which waits for them",
        Subject::Home => "HOME is what the container's own /etc/passwd says",
        Subject::Hook(..) => "whatever that program does",
        Subject::Exec => {
            let command = process.and_then(|process| process.args.first()).map_or("", String::as_str);
            return format!("our code is gone from the process: what runs is {command}, as PID 1 of its view").into();
        }
        Subject::Enter | Subject::CgroupMade | Subject::Find | Subject::Wait | Subject::Hooks => "",
    };
    text.into()
}

/// What a part of the work around the plan has changed.
pub(crate) fn of_part(part: Part) -> &'static str {
    match part {
        Part::Begin | Part::Reserve | Part::Compose => "",
        Part::Tidy => "no mount, cgroup or device of a container that nobody holds is left",
        Part::Find => "its layers cannot be removed meanwhile",
        Part::Make => "coracle ps -a shows it; what says how to remove all of it is written down first",
        Part::Root => "one tree, seen by nobody yet, in which the layers shine through the container's own",
        Part::Volumes => "each is a tree of its own, ready to be put into the container's",
        Part::Network => "it has its devices, addresses, routes and names, and its published ports lead to it",
        Part::Start => "it runs, and who holds it waits for its end",
    }
}

/// The same of the runtime's parts.
pub(crate) fn of_runtime(part: runtime::Part, spec: &Spec) -> Words {
    let has = |kind| spec.linux.iter().flat_map(|linux| &linux.namespaces).any(|namespace| namespace.kind == kind);
    match part {
        runtime::Part::Plan => "all that the process is going to need is open, and its steps are written down".into(),
        runtime::Part::Clone => {
            let pids = has(NamespaceKind::Pid);
            let seen =
                if pids { "outside it has a pid like any other process, inside it is 1" } else { "it is a process" };
            format!("{seen}; what runs in it is a small program of ours, from memory, that does the steps inside")
                .into()
        }
        runtime::Part::IdMaps => "each id inside is another one outside: root inside is nobody special here".into(),
        runtime::Part::Cgroup => "what those in it use is counted, and they get no more than its limits".into(),
        runtime::Part::Listen => "".into(),
    }
}

fn of_namespace(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Pid => "it sees processes of that namespace alone, from 1 on",
        NamespaceKind::Network => {
            "it has interfaces, routes, ports and a firewall of its own; the machine's are not seen"
        }
        NamespaceKind::Mount => "what is mounted in it is mounted for those in it",
        NamespaceKind::Ipc => "shared memory, semaphores and message queues are those of who is in it",
        NamespaceKind::Uts => "its host name is its own",
        NamespaceKind::User => "its ids and capabilities count in there, and for nothing outside",
        NamespaceKind::Cgroup => "cgroups are named from its own on",
        NamespaceKind::Time => "its clocks have an offset of their own",
    }
}

fn of_mount(index: usize, spec: &Spec) -> Words {
    let Some(mount) = spec.mounts.get(index) else { return "".into() };
    let read_only = mount.options.iter().any(|option| matches!(option.as_str(), "ro" | "rro"));
    let writes = if read_only { "can be read inside, not written" } else { "can be written inside" };
    match mount.kind.as_deref().unwrap_or("bind") {
        "proc" => "inside, /proc shows the processes of its PID namespace".into(),
        "sysfs" => "inside, /sys shows the devices of its network namespace".into(),
        "devpts" => "terminals inside have numbers of their own".into(),
        "mqueue" => "message queues of its IPC namespace are files".into(),
        "cgroup" | "cgroup2" => "inside, its own cgroup is the root of what can be seen".into(),
        "tmpfs" => "memory, empty, counted to the container, and gone with it".into(),
        "bind" | "none" => match &mount.source {
            Some(source) => format!("the very files of {source} on the machine, which {writes}").into(),
            None => writes.into(),
        },
        _ => writes.into(),
    }
}

fn named(name: Option<&str>, program: &str) -> String {
    format!("`{program}` says {} inside; outside it is what it was", name.unwrap_or_default())
}

fn of_user(spec: &Spec) -> Words {
    let Some(user) = spec.process.as_ref().map(|process| &process.user) else { return "".into() };
    let maps = spec.linux.as_ref().map(|linux| &linux.uid_mappings[..]).unwrap_or_default();
    let map = maps.iter().find(|map| (map.container_id..map.container_id.saturating_add(map.size)).contains(&user.uid));
    match map {
        Some(map) => {
            let outside = map.host_id + (user.uid - map.container_id);
            format!("it is user {} inside, and {outside} one user namespace further out", user.uid).into()
        }
        None => format!("files and processes of user {} are its own, inside and outside", user.uid).into(),
    }
}

fn of_capabilities(spec: &Spec) -> Words {
    let sets = spec.process.as_ref().and_then(|process| process.capabilities.as_ref());
    let effective = sets.map(|sets| &sets.effective[..]).unwrap_or_default();
    if effective.is_empty() {
        return "it has none of root's powers".into();
    }
    let names: Vec<&str> = effective.iter().map(|name| name.trim_start_matches("CAP_")).collect();
    format!("of root's powers it has {}", names.join(", ")).into()
}
