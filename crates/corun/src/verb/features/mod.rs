//! `features`: what this runtime can do, in the specification's structure (features.md), and with `--host` also what the
//! machine lets it do.
//!
//! Nothing is told from a list of its own: words are asked of the parsers that take them, names come from the tables that
//! the start uses.

mod host;

use super::{Verb, print, read};
use crate::error::{Error, Result};
use crate::global::Context;
use flag::{Flag, Help, Order};
use oci::runtime::{Action, Arch, Operator, Seccomp};
use runtime::features;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
struct Given {
    host: bool,
}

type F = Flag<Given>;

const FLAGS: [F; 1] =
    [F::switch("host", |g, on| g.host = on, "And what this machine allows, looked at now").under("Options")];

pub const VERB: Verb = Verb {
    name: "features",
    help: Help { usage: &["features [OPTIONS]"], about: "Tell as JSON what this runtime can do", more: &[] },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Features {
    oci_version_min: &'static str,
    oci_version_max: &'static str,
    hooks: [&'static str; 6],
    mount_options: Vec<&'static str>,
    linux: Linux,
    annotations: BTreeMap<&'static str, String>,
    potentially_unsafe_config_annotations: [&'static str; 3],
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<host::Host>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: Vec<&'static str>,
    capabilities: &'static [&'static str],
    cgroup: Cgroup,
    seccomp: Filters,
    apparmor: Enabled,
    selinux: Enabled,
    intel_rdt: IntelRdt,
    memory_policy: MemoryPolicy,
    mount_extensions: MountExtensions,
    net_devices: Enabled,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cgroup {
    v1: bool,
    v2: bool,
    systemd: bool,
    systemd_user: bool,
    rdma: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Filters {
    enabled: bool,
    actions: Vec<String>,
    operators: Vec<String>,
    archs: Vec<String>,
    known_flags: Vec<&'static str>,
    supported_flags: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Debug, Serialize)]
struct IntelRdt {
    enabled: bool,
    schemata: bool,
    monitoring: bool,
}

#[derive(Debug, Serialize)]
struct MemoryPolicy {
    modes: Vec<&'static str>,
    flags: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct MountExtensions {
    idmap: Enabled,
}

const ACTIONS: &str = "ALLOW ERRNO KILL KILL_PROCESS KILL_THREAD LOG NOTIFY TRACE TRAP";
const OPERATORS: &str = "EQ GE GT LE LT MASKED_EQ NE";
const ARCHS: &str = "AARCH64 ARM LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PARISC PARISC64 PPC \
    PPC64 PPC64LE RISCV64 S390 S390X SH SHEB X32 X86 X86_64";
const FILTER_FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

fn run(words: &[String], context: &Context) -> Result<u8> {
    let (given, others) = read(&FLAGS, words, Order::Anywhere)?;
    if let Some(more) = others.first() {
        return Err(Error::Arguments(format!("one word too many: {more}")));
    }
    let told = Features::new(context, given.host.then(host::Host::look));
    let mut bytes = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    told.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, format))
        .map_err(|source| Error::Parse { path: "features".into(), source })?;
    bytes.push(b'\n');
    print(&String::from_utf8_lossy(&bytes))
}

impl Features {
    fn new(context: &Context, host: Option<host::Host>) -> Self {
        let version = context.face.version();
        let line = |name: &str| {
            let found = version.lines().find_map(|line| line.split_once(name));
            found.map(|(_, value)| value.to_owned()).unwrap_or_default()
        };
        Self {
            oci_version_min: "1.0.0",
            oci_version_max: oci::runtime::VERSION,
            hooks: features::hooks(),
            mount_options: features::mount_options(),
            linux: Linux::new(),
            annotations: BTreeMap::from([
                ("org.opencontainers.runc.version", line(" version ")),
                ("org.opencontainers.runc.commit", line("commit: ")),
                ("org.opencontainers.runc.checkpoint.enabled", super::find("checkpoint").is_some().to_string()),
            ]),
            // Who may write annotations must not by that say which bundle a container is of, or what systemd does.
            potentially_unsafe_config_annotations: ["bundle", "org.systemd.property.", crate::crun::PREFIX],
            host,
        }
    }
}

impl Linux {
    fn new() -> Self {
        let flags = FILTER_FLAGS.into_iter().filter_map(|word| Some((word, bits(word)?)));
        let names = |table: &[(&'static str, u64)]| {
            let mut names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            names
        };
        Self {
            namespaces: features::namespaces(),
            capabilities: &runtime::CAPABILITIES,
            // Both drivers are built in, for both generations.
            cgroup: Cgroup { v1: true, v2: true, systemd: true, systemd_user: true, rdma: true },
            seccomp: Filters {
                enabled: true,
                actions: known::<Action>("SCMP_ACT_", ACTIONS),
                operators: known::<Operator>("SCMP_CMP_", OPERATORS),
                archs: known::<Arch>("SCMP_ARCH_", ARCHS),
                known_flags: flags.clone().map(|(word, _)| word).collect(),
                supported_flags: flags.filter(|(_, bits)| sys::seccomp::knows(*bits)).map(|(word, _)| word).collect(),
            },
            apparmor: Enabled { enabled: true },
            selinux: Enabled { enabled: true },
            intel_rdt: IntelRdt {
                enabled: features::INTEL_RDT,
                schemata: features::INTEL_RDT,
                monitoring: features::INTEL_RDT,
            },
            memory_policy: MemoryPolicy {
                modes: names(&features::MEMORY_POLICY_MODES),
                flags: names(&features::MEMORY_POLICY_FLAGS),
            },
            mount_extensions: MountExtensions { idmap: Enabled { enabled: features::mapped_mounts() } },
            net_devices: Enabled { enabled: true },
        }
    }
}

/// The words behind a prefix that a type's parser takes.
fn known<T: DeserializeOwned>(prefix: &'static str, words: &'static str) -> Vec<String> {
    let takes = |word: &String| T::deserialize(StrDeserializer::<serde_json::Error>::new(word)).is_ok();
    words.split_whitespace().map(|word| format!("{prefix}{word}")).filter(takes).collect()
}

/// What a flag of a filter is to the kernel, if the compiler takes it. One may need a rule with a listener.
fn bits(word: &str) -> Option<u32> {
    let flags = format!("\"flags\": [\"{word}\"]");
    let plain = format!("{{\"defaultAction\": \"SCMP_ACT_ALLOW\", {flags}}}");
    let rule = "{\"names\": [\"getpid\"], \"action\": \"SCMP_ACT_NOTIFY\"}";
    let listening = format!("{{\"defaultAction\": \"SCMP_ACT_ALLOW\", {flags}, \"syscalls\": [{rule}]}}");
    let compiled = [plain, listening].into_iter().find_map(|text| {
        let profile: Seccomp = serde_json::from_str(&text).ok()?;
        seccomp::compile(&profile).ok()
    });
    compiled.map(|filter| filter.flags().bits())
}
