//! What is said at each stop, and what is looked at there.

use engine::explanation::Step;
use engine::tour::{LIMITS, Stop};

/// Where a command is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Inside,
    Outside,
}

use Side::{Inside, Outside};

/// The title.
pub fn title(stop: Stop) -> &'static str {
    match stop {
        Stop::Plain => "a plain process",
        Stop::Name => "+ a host name of its own",
        Stop::Pids => "+ process ids of its own",
        Stop::Root => "+ a root file system and /proc of its own",
        Stop::Limits => "+ limits",
        Stop::Users => "+ users of its own",
        Stop::Network => "+ a network of its own, fewer capabilities and a filter: a container",
    }
}

/// What is going to be different.
pub fn lesson(stop: Stop) -> &'static str {
    match stop {
        Stop::Plain => {
            "Every process sees the machine through its namespaces, and all that nobody has thought about share those of \
             the first process. This one is started like any other: nothing separates it from your shell."
        }
        Stop::Name => {
            "The host name is kept in a UTS namespace. A process that is born with CLONE_NEWUTS gets a copy, and what it \
             sets there nobody outside sees. It has a mount namespace, too, so that no mount of the next steps is seen \
             outside; there is no other difference to the machine yet."
        }
        Stop::Pids => {
            "With CLONE_NEWPID it is process 1 of a namespace of its own, and still a process of the machine, with a \
             number there as well. But ps inside lists the whole machine as before: it reads /proc, and that is still the \
             machine's."
        }
        Stop::Root => {
            "Directories are put together to a new tree, here this machine's own under layers that are thrown away; an \
             image's are unpacked layers. pivot_root(2) makes it the root, the old one is taken out of sight, and a new \
             /proc shows the processes of the new namespace alone."
        }
        Stop::Limits => {
            "Namespaces say what is seen, not how much may be used. A cgroup is a directory whose files hold limits for all \
             processes that are listed in it; resource limits hold for each process by itself."
        }
        Stop::Users => {
            "In a user namespace ids mean something else: root inside is an ordinary user of the machine, whose \
             capabilities hold only for what belongs to the namespace. Should it break out, it is nobody. (Message queues and \
             shared memory belong to namespaces that belong to this one: there is an IPC namespace from here on.)"
        }
        Stop::Network => {
            "A new network namespace has no device but loopback, until somebody puts one in. What root may do in general \
             is cut down to a few capabilities, and a filter refuses system calls that no container needs. That is all: \
             this is what coracle run does."
        }
    }
}

/// What an ordinary user has to know in addition.
pub fn for_ordinary_users(stop: Stop) -> Option<&'static str> {
    match stop {
        Stop::Name => Some(
            "Only root may make namespaces, so you are root of a user namespace from here on, which was made first: \
             your own ids, mapped.",
        ),
        Stop::Users => Some("You have had one since step 2, and each container of yours another one below it."),
        _ => None,
    }
}

/// Where no cgroup can be had.
pub const NO_CGROUP: &str = "No cgroup was delegated to you, so there is none here, and no limit of memory; systemd-run --user \
                             --scope -p Delegate=yes coracle tour has one. Limits of the process need nobody's help.";

/// What is looked at; `{pid}` and `{memory}` stand for the process's number outside, and the file of its memory limit.
pub fn looks(stop: Stop) -> &'static [(Side, &'static str)] {
    match stop {
        Stop::Plain => {
            &[(Inside, "uname -n"), (Inside, "readlink /proc/self/ns/uts"), (Outside, "readlink /proc/self/ns/uts")]
        }
        Stop::Name => &[
            (Inside, "uname -n"),
            (Outside, "uname -n"),
            (Inside, "readlink /proc/self/ns/uts"),
            (Outside, "readlink /proc/self/ns/uts"),
        ],
        Stop::Pids => &[
            (Inside, "readlink /proc/self/ns/pid"),
            (Outside, "readlink /proc/self/ns/pid"),
            (Outside, "grep NSpid: /proc/{pid}/status"),
            (Inside, "echo I am $$"),
            (Inside, "ls -d /proc/[0-9]* | wc -l"),
        ],
        Stop::Root => &[
            (Inside, "ls -d /proc/[0-9]*"),
            (Inside, "head -n 1 /proc/self/mounts"),
            (Outside, "grep ' / / ' /proc/self/mountinfo | cut -d ' ' -f 5-"),
            (Inside, "touch /usr/made-inside && ls /usr/made-inside"),
            (Outside, "ls /usr/made-inside 2>&1 || true"),
        ],
        Stop::Limits => &[
            (Inside, "ulimit -n"),
            (Outside, "ulimit -n"),
            (Outside, "cat {memory}"),
            (Inside, "cat /proc/self/cgroup"),
        ],
        Stop::Users => {
            &[(Inside, "id -u"), (Outside, "grep Uid: /proc/{pid}/status"), (Inside, "cat /proc/self/uid_map")]
        }
        Stop::Network => &[
            (Inside, "ls /sys/class/net"),
            (Outside, "ls /sys/class/net"),
            (Inside, "grep -E '^(CapEff|Seccomp):' /proc/self/status"),
            (Outside, "grep -E '^(CapEff|Seccomp):' /proc/self/status"),
            (Inside, "mount -t tmpfs none /mnt || true"),
        ],
    }
}

/// The calls by which a step did what the stop is about, by name, and by text as [`explain::call`] has it.
pub fn is_about(stop: Stop, step: &Step, name: &str, text: &str) -> bool {
    let about = |word: &str| step.intent.contains(word);
    match stop {
        Stop::Plain => false,
        Stop::Name => {
            let users = name == "unshare" && text.contains("CLONE_NEWUSER");
            name == "clone3" && about("make the process") || name == "sethostname" || users
        }
        Stop::Pids => name == "clone3" && about("make the process"),
        Stop::Root => match name {
            "pivot_root" | "umount2" => true,
            "move_mount" => about("make the root") || step.intent.ends_with(" at /proc"),
            _ => matches!(name, "fsopen" | "fsmount") && step.intent.ends_with(" at /proc"),
        },
        Stop::Limits => {
            let (memory, pids, files) = LIMITS;
            let limit = [memory, pids.into()].iter().any(|limit| text.contains(&format!("\"{limit}\"")));
            match name {
                "mkdirat" => about("the place of its cgroup") || text.contains("/memory/"),
                "write" => limit || about("enter the cgroup"),
                _ => name == "prlimit64" && text.contains(&format!("{{{files}, ")),
            }
        }
        Stop::Users => {
            let map = about("ids") && (name == "write" || text.contains("_map"));
            name == "clone3" && about("make the process") || name == "setresuid" && step.inside || map
        }
        Stop::Network => match name {
            "capset" | "seccomp" => true,
            "clone3" | "unshare" => text.contains("CLONE_NEWNET"),
            _ => name == "prctl" && (text.contains("CAPBSET") || text.contains("NO_NEW_PRIVS")),
        },
    }
}
