//! `state.json`: a container written down, in the shape that runc gives it, since other programs read that: monitors look
//! for the cgroup's and the namespaces' paths there. What runc does not have stands under `corun`.

use super::Dir;
use crate::bundle::Bundle;
use crate::error::{Error, Result};
use oci::runtime::{DeviceRule, Hooks, MemoryPolicy, NamespaceKind, Personality, Process, Seccomp, Spec};
use runtime::Bus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The container's id.
    pub id: String,
    /// Its first process.
    pub init_process_pid: i32,
    /// When that began, in clock ticks since boot.
    pub init_process_start: u64,
    /// When the container was made, RFC 3339.
    pub created: String,
    /// What it is.
    pub config: Config,
    /// An ordinary user's.
    pub rootless: bool,
    /// Its cgroup's directories, by controller.
    pub cgroup_paths: BTreeMap<String, String>,
    /// Its namespaces, by runc's names for the kinds.
    pub namespace_paths: BTreeMap<String, String>,
    /// What runc does not have.
    #[serde(default)]
    pub corun: Ours,
}

/// The part of runc's configuration that others read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Absolute.
    pub rootfs: String,
    /// The version of the specification that its configuration follows.
    pub version: String,
    /// `bundle=DIR`, and an annotation each.
    pub labels: Vec<String>,
}

/// What only we need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ours {
    /// The bundle, absolute.
    pub bundle: String,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The specification's file in the bundle.
    pub config_file: String,
    /// Its process, which `exec` has others made like.
    pub process: Process,
    /// Its standard streams, as a checkpoint knows them, unless it has a terminal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<String>,
    /// The programs that run at points of its life that are still to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// It dies with the `run` that holds it, which removes it; if that is killed, whoever comes next does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// The kinds of namespaces that are not the host's.
    pub namespaces: Vec<NamespaceKind>,
    /// Its execution domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
    /// Where its memory comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicy>,
    /// It has a filter, whose program lies beside; what it says of who serves the filter's listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Listener>,
    /// Its groups of the resctrl file system.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rdt: Vec<PathBuf>,
    /// The unit that systemd made for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// What was mounted while it ran.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Added>,
    /// The device rules of its specification.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceRule>,
    /// Those that `update` has added; they stand behind the rules for the devices that every container has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices_added: Vec<DeviceRule>,
}

/// A unit and the systemd that has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// It is an ordinary user's and not the machine's.
    pub user: bool,
    /// His runtime directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The address of his bus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl From<runtime::Unit> for Unit {
    fn from(unit: runtime::Unit) -> Self {
        let name = unit.name;
        match unit.bus {
            Bus::System => Self { name, ..Self::default() },
            Bus::User { runtime, address } => Self { name, user: true, runtime, address },
        }
    }
}

impl From<Unit> for runtime::Unit {
    fn from(unit: Unit) -> Self {
        let Unit { name, user, runtime, address } = unit;
        Self { name, bus: if user { Bus::User { runtime, address } } else { Bus::System } }
    }
}

/// A mount that was added while the container ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Added {
    /// Where, as it was said.
    pub destination: String,
    /// Its id: statx(2).
    pub id: u64,
    /// The id is never given again.
    pub unique: bool,
}

/// Who serves the listener of a filter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listener {
    /// His socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What he is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

impl Listener {
    fn of(profile: &Seccomp) -> Self {
        Self { path: profile.listener_path.clone(), metadata: profile.listener_metadata.clone() }
    }

    /// The part of the profile that says so.
    pub fn profile(&self) -> Seccomp {
        Seccomp {
            default_action: oci::runtime::Action::Allow,
            default_errno_ret: None,
            architectures: Vec::new(),
            flags: None,
            listener_path: self.path.clone(),
            listener_metadata: self.metadata.clone(),
            syscalls: Vec::new(),
        }
    }
}

impl Record {
    /// The record of a container whose process exists.
    pub fn new(id: &str, bundle: &Bundle, handle: &runtime::Handle) -> Result<Self> {
        let Bundle { dir: bundle, config, spec, process } = bundle;
        let found = handle.record()?;
        let linux = spec.linux.as_ref();
        let bundle_text = bundle.to_string_lossy().into_owned();
        let root = spec.root.as_ref().map(|root| bundle.join(&root.path).to_string_lossy().into_owned());
        let annotations = spec.annotations.iter().map(|(key, value)| format!("{key}={value}"));
        let kinds = linux.iter().flat_map(|linux| &linux.namespaces).map(|namespace| namespace.kind);
        let path = |(name, file): &(&str, &str)| ((*name).to_owned(), format!("/proc/{}/ns/{file}", found.pid));
        Ok(Self {
            id: id.to_owned(),
            init_process_pid: found.pid,
            init_process_start: found.start_time,
            created: crate::log::now(),
            config: Config {
                rootfs: root.unwrap_or_default(),
                version: spec.oci_version.clone(),
                labels: std::iter::once(format!("bundle={bundle_text}")).chain(annotations).collect(),
            },
            rootless: !rustix::process::geteuid().is_root(),
            cgroup_paths: found.cgroup,
            namespace_paths: NAMESPACES.iter().map(path).collect(),
            corun: Ours {
                bundle: bundle_text,
                annotations: spec.annotations.clone(),
                config_file: config.clone(),
                process: process.clone(),
                streams: if process.terminal { Vec::new() } else { runtime::checkpoint::streams() },
                hooks: spec.hooks.clone(),
                held: false,
                rdt: Vec::new(),
                namespaces: kinds.collect(),
                personality: linux.and_then(|linux| linux.personality.clone()),
                memory_policy: linux.and_then(|linux| linux.memory_policy.clone()),
                filter: linux.and_then(|linux| linux.seccomp.as_ref()).map(Listener::of),
                unit: found.unit.map(Unit::from),
                mounts: Vec::new(),
                devices: linux.and_then(|linux| linux.resources.as_ref()).map_or_else(Vec::new, |r| r.devices.clone()),
                devices_added: Vec::new(),
            },
        })
    }

    /// Reads it.
    pub fn read(dir: &Dir) -> Result<Self> {
        serde_json::from_slice(&dir.state()?)
            .map_err(|source| Error::Parse { path: dir.path().join("state.json"), source })
    }

    /// Writes it.
    pub fn write(&self, dir: &Dir) -> Result<()> {
        let bytes =
            serde_json::to_vec(self).map_err(|source| Error::Parse { path: dir.path().join("state.json"), source })?;
        dir.write_state(&bytes)
    }

    /// As much of its specification as its later life needs: its process, the hooks, the annotations.
    pub fn spec(&self) -> Spec {
        Spec {
            oci_version: self.config.version.clone(),
            process: Some(self.corun.process.clone()),
            hooks: self.corun.hooks.clone(),
            annotations: self.corun.annotations.clone(),
            ..Spec::default()
        }
    }

    /// The device rules that are in force.
    pub fn device_rules(&self) -> Vec<DeviceRule> {
        [&self.corun.devices[..], &cgroup::default_rules(), &self.corun.devices_added].concat()
    }

    /// What the runtime needs to find the container again.
    pub fn to_runtime(&self) -> runtime::Record {
        runtime::Record {
            pid: self.init_process_pid,
            start_time: self.init_process_start,
            cgroup: self.cgroup_paths.clone(),
            unit: self.corun.unit.clone().map(runtime::Unit::from),
        }
    }
}

/// runc's names of the kinds, and the names of their files below /proc/PID/ns.
const NAMESPACES: [(&str, &str); 8] = [
    ("NEWCGROUP", "cgroup"),
    ("NEWIPC", "ipc"),
    ("NEWNET", "net"),
    ("NEWNS", "mnt"),
    ("NEWPID", "pid"),
    ("NEWTIME", "time"),
    ("NEWUSER", "user"),
    ("NEWUTS", "uts"),
];
