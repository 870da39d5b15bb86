//! Devices that a container may use: their nodes, and what its cgroup lets through.

use super::Living;
use crate::config::ContainerConfig;
use cgroup::{Controller, Version};
use oci::runtime::{DeviceRule, DeviceType};
use serde::Serialize;

/// Devices.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Devices {
    /// Nodes that it was given.
    pub nodes: Vec<DeviceNode>,
    /// Rules, as they were asked for; the last that fits decides.
    pub rules: Vec<String>,
    /// The rules that hold, where the kernel tells them (cgroup v1): a program of version 2 cannot be read back.
    pub effective: Option<Vec<String>>,
    /// Who decides.
    pub gate: Gate,
    /// Who asked for the rules.
    pub by: Option<String>,
}

/// Who decides what may be opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Gate {
    /// Nobody but the owner and the mode of a node; in a user namespace none can be made.
    #[default]
    Modes,
    /// The devices controller of cgroup v1.
    Controller,
    /// A program on the cgroup.
    Program,
}

/// A node.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceNode {
    /// Where it is.
    pub at: String,
    /// `c 1:3`, where it is known.
    pub device: Option<String>,
    /// `rwm`, as far as the cgroup lets it through; none where it does not decide.
    pub access: Option<String>,
    /// Who asked for it.
    pub by: Option<String>,
}

/// What every container has (config-linux.md, "Default Devices").
const DEFAULT: [(&str, i64, i64); 7] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
    ("/dev/ptmx", 5, 2),
];

pub(super) fn look(living: Option<&Living>, config: &ContainerConfig) -> Devices {
    let Some(living) = living else { return asked(config) };
    let Some(linux) = &living.spec.linux else { return Devices::default() };
    let rules = linux.resources.as_ref().map(|resources| resources.devices.as_slice()).unwrap_or_default();
    let cgroup = &living.running.handle.cgroup;
    let by = |path: &str| living.origins.of(path);
    let access = |kind, major, minor| (!rules.is_empty()).then(|| access(rules, kind, major, minor));
    let default = DEFAULT.iter().map(|&(at, major, minor)| DeviceNode {
        at: at.to_owned(),
        device: Some(format!("c {major}:{minor}")),
        access: access(DeviceType::Char, major, minor),
        by: Some("default".to_owned()),
    });
    let made = linux.devices.iter().map(|device| DeviceNode {
        at: device.path.clone(),
        device: Some(format!("{} {}:{}", letter(Some(device.kind)), device.major, device.minor)),
        access: access(device.kind, device.major, device.minor),
        by: by(&format!("linux.devices[{}]", device.path)),
    });
    let bound = living.spec.mounts.iter().filter(|mount| {
        let is_bound = mount.options.iter().any(|option| option == "bind");
        is_bound && mount.destination.starts_with("/dev/") && mount.destination != "/dev/mqueue"
    });
    let bound = bound.map(|mount| DeviceNode {
        at: mount.destination.clone(),
        by: by(&format!("mounts[{}]", mount.destination)),
        ..DeviceNode::default()
    });
    let list = cgroup.text(Controller::Devices, "devices.list").ok().flatten();
    let effective = list.filter(|_| cgroup.version_of(Controller::Devices) == Some(Version::V1));
    Devices {
        nodes: default.chain(made).chain(bound).collect(),
        rules: rules.iter().map(text).collect(),
        gate: match (&effective, rules.is_empty()) {
            (_, true) => Gate::Modes,
            (Some(_), _) => Gate::Controller,
            (None, _) => Gate::Program,
        },
        effective: effective.map(|list| list.lines().map(str::to_owned).collect()),
        by: by("linux.resources.devices"),
    }
}

/// What was asked for one that does not run.
fn asked(config: &ContainerConfig) -> Devices {
    let node = |device: &crate::config::DeviceRequest| DeviceNode {
        at: device.container.to_string(),
        device: None,
        access: Some(device.access.to_string()),
        by: Some("--device".to_owned()),
    };
    Devices { nodes: config.files.devices.iter().map(node).collect(), ..Devices::default() }
}

fn letter(kind: Option<DeviceType>) -> char {
    match kind {
        Some(DeviceType::Char) => 'c',
        Some(DeviceType::Block) => 'b',
        Some(DeviceType::Fifo) => 'p',
        _ => 'a',
    }
}

/// `allow c 1:3 rwm`.
fn text(rule: &DeviceRule) -> String {
    let number = |number: Option<i64>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
    let word = if rule.allow { "allow" } else { "deny" };
    let access = rule.access.as_deref().unwrap_or("rwm");
    format!("{word} {} {}:{} {access}", letter(rule.kind), number(rule.major), number(rule.minor))
}

/// What rules let through of a device: each letter by the last that fits.
fn access(rules: &[DeviceRule], kind: DeviceType, major: i64, minor: i64) -> String {
    let fits = |rule: &&DeviceRule| {
        let same = |asked: Option<i64>, is| asked.is_none_or(|asked| asked == is || asked < 0);
        let kinds = matches!(letter(rule.kind), 'a') || letter(rule.kind) == letter(Some(kind));
        kinds && same(rule.major, major) && same(rule.minor, minor)
    };
    let allowed = |letter: &char| {
        let speaks = |rule: &&DeviceRule| rule.access.as_ref().is_none_or(|access| access.contains(*letter));
        rules.iter().filter(fits).rfind(speaks).is_some_and(|rule| rule.allow)
    };
    ['r', 'w', 'm'].into_iter().filter(allowed).collect()
}
