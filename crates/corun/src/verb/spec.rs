//! `spec`: a specification to begin with, the same that runc writes, since scripts and test suites change that further.

use super::{Verb, read};
use crate::error::{Error, Result};
use crate::global::Context;
use cgroup::Mode;
use flag::{Flag, Help, Order, put_word};
use oci::runtime::{
    Capabilities, DeviceRule, IdMapping, Linux, Mount, Namespace, NamespaceKind, Process, Resources, Rlimit, Root, Spec,
};
use rustix::fs::{Mode as FileMode, OFlags};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};
use serde::Serialize as _;
use std::path::Path;

#[derive(Debug, Default)]
struct Given {
    bundle: Option<String>,
    file: Option<String>,
    rootless: bool,
}

type F = Flag<Given>;

const FLAGS: [F; 3] = [
    F::takes("bundle", "DIR", |g, w| put_word(&mut g.bundle, w), "Where it goes; the working directory if not given")
        .short('b')
        .under("Options"),
    F::takes("config", "FILE", |g, w| put_word(&mut g.file, w), "Its file; config.json if not given")
        .short('f')
        .alias("file")
        .under("Options"),
    F::switch("rootless", |g, on| g.rootless = on, "For a container of an ordinary user").under("Options"),
];

pub const VERB: Verb = Verb {
    name: "spec",
    help: Help {
        usage: &["spec [OPTIONS]"],
        about: "Write a config.json to begin with",
        more: &["It runs sh on a terminal, in the root file system rootfs. A file that is there is not overwritten."],
    },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

fn run(words: &[String], _: &Context) -> Result<u8> {
    let (given, others) = read(&FLAGS, words, Order::Anywhere)?;
    if let Some(more) = others.first() {
        return Err(Error::Arguments(format!("one word too many: {more}")));
    }
    let name = given.file.as_deref().filter(|name| !name.is_empty()).unwrap_or("config.json");
    let path = given.bundle.as_deref().map_or_else(|| name.into(), |bundle| Path::new(bundle).join(name));
    let spec = if given.rootless { rootless(example()?) } else { example()? };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    match sys::fs::open(&path, flags, FileMode::from_raw_mode(0o666)) {
        Ok(file) => sys::fs::write_once(file, &tabbed(&spec)?).map_err(|error| error.errno),
        // EXCL takes a link that leads nowhere as a file, too: it is not ours to decide where that leads.
        Err(error) if error.errno == Errno::EXIST => {
            return Err(Error::State(format!("File {name} exists. Remove it first")));
        }
        Err(error) => Err(error.errno),
    }
    .map_err(|errno| Error::file(path, errno.into()))?;
    Ok(0)
}

/// As Go writes it for people: with tabs, and no newline at the end.
fn tabbed(spec: &Spec) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, format);
    spec.serialize(&mut writer).map_err(|source| Error::Parse { path: "config.json".into(), source })?;
    Ok(bytes)
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn mount(kind: &str, source: &str, destination: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        source: Some(source.to_owned()),
        kind: Some(kind.to_owned()),
        options: texts(options),
        ..Mount::default()
    }
}

const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
];
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The one for root.
fn example() -> Result<Spec> {
    let capabilities = texts(&["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let capabilities = Capabilities {
        bounding: capabilities.clone(),
        effective: capabilities.clone(),
        permitted: capabilities,
        ..Capabilities::default()
    };
    let process = Process {
        terminal: true,
        cwd: "/".to_owned(),
        env: texts(&["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"]),
        args: texts(&["sh"]),
        rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".to_owned(), hard: 1024, soft: 1024 }],
        capabilities: Some(capabilities),
        no_new_privileges: true,
        ..Process::default()
    };
    Ok(Spec {
        oci_version: oci::runtime::VERSION.to_owned(),
        process: Some(process),
        root: Some(Root { path: "rootfs".to_owned(), readonly: true }),
        hostname: Some("runc".to_owned()),
        mounts: vec![
            mount("proc", "proc", "/proc", &[]),
            mount("tmpfs", "tmpfs", "/dev", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount(
                "devpts",
                "devpts",
                "/dev/pts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            ),
            mount("tmpfs", "shm", "/dev/shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("mqueue", "mqueue", "/dev/mqueue", &["nosuid", "noexec", "nodev"]),
            mount("sysfs", "sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"]),
            mount("cgroup", "cgroup", "/sys/fs/cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
        ],
        linux: Some(linux()?),
        ..Spec::default()
    })
}

fn linux() -> Result<Linux> {
    use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, Uts};
    // Where there is v1, the container sees the machine's cgroups by their whole paths: runc's choice.
    let unified = runtime::Layout::detect()?.mode() == Mode::V2;
    let kinds = [Pid, Network, Ipc, Uts, Mount].into_iter().chain(unified.then_some(Cgroup));
    Ok(Linux {
        resources: Some(Resources {
            devices: vec![DeviceRule { access: Some("rwm".to_owned()), ..DeviceRule::default() }],
            ..Resources::default()
        }),
        namespaces: kinds.map(|kind| Namespace { kind, path: None }).collect(),
        masked_paths: texts(MASKED),
        readonly_paths: texts(READ_ONLY),
        ..Linux::default()
    })
}

/// What an ordinary user can have of it: the host's network, his own ids alone, and no limits.
fn rootless(mut spec: Spec) -> Spec {
    for mount in &mut spec.mounts {
        if mount.destination == "/sys" {
            mount.kind = Some("none".to_owned());
            mount.source = Some("/sys".to_owned());
            mount.options.insert(0, "rbind".to_owned());
        }
        mount.options.retain(|option| !option.starts_with("gid=") && !option.starts_with("uid="));
    }
    if let Some(linux) = &mut spec.linux {
        linux.namespaces.retain(|namespace| namespace.kind != NamespaceKind::Network);
        linux.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
        let own = |host_id| vec![IdMapping { container_id: 0, host_id, size: 1 }];
        linux.uid_mappings = own(geteuid().as_raw());
        linux.gid_mappings = own(getegid().as_raw());
        linux.resources = None;
    }
    spec
}
