//! The filter of system calls: by which profile, and how many it lets through.

use super::Living;
use super::proc_dir::line;
use crate::config::{ContainerConfig, Privileges, SeccompChoice};
use oci::runtime::{Action, Seccomp, SyscallRule};
use seccomp::syscalls;
use serde::Serialize;

/// The filter.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// The profile: `default`, `none`, or the file that it was read from.
    pub profile: String,
    /// Whether the first process has one; `None` of a container that does not run.
    pub effective: Option<bool>,
    /// How many lie on that process, where the kernel tells (Linux 5.9).
    pub filters: Option<u32>,
    /// System calls of this machine that are let through.
    pub allowed: usize,
    /// Those that are with some arguments only.
    pub conditional: usize,
    /// Those that are not.
    pub denied: usize,
    /// Who asked for it.
    pub by: String,
}

pub(super) fn asked(config: &ContainerConfig) -> Filter {
    let privileges = &config.privileges;
    let (profile, by) = match &privileges.seccomp {
        SeccompChoice::Default if privileges.level == Privileges::Privileged => ("none".to_owned(), "--privileged"),
        SeccompChoice::Default => ("default".to_owned(), "default"),
        SeccompChoice::Unconfined => ("none".to_owned(), "--security-opt"),
        SeccompChoice::Profile { path, .. } => (path.to_string_lossy().into_owned(), "--security-opt"),
    };
    Filter { profile, by: by.to_owned(), ..Filter::default() }
}

pub(super) fn look(config: &ContainerConfig, living: &Living, status: &str) -> Filter {
    let mut filter = asked(config);
    filter.effective = Some(line(status, "Seccomp") == "2");
    filter.filters = line(status, "Seccomp_filters").parse().ok();
    let linux = living.spec.linux.as_ref();
    let profile = match linux.and_then(|linux| linux.seccomp.clone()) {
        None if filter.profile == "default" => {
            let sets = living.spec.process.as_ref().and_then(|process| process.capabilities.as_ref());
            Some(seccomp::default_profile(sets.map(|sets| sets.bounding.as_slice()).unwrap_or_default()))
        }
        profile => profile,
    };
    if let Some(profile) = profile {
        count(&profile, &mut filter);
    }
    filter
}

fn count(profile: &Seccomp, filter: &mut Filter) {
    let passes = |action: Action| matches!(action, Action::Allow | Action::Log);
    let mut rules: std::collections::BTreeMap<&str, Vec<&SyscallRule>> = std::collections::BTreeMap::new();
    for rule in &profile.syscalls {
        for name in &rule.names {
            rules.entry(name).or_default().push(rule);
        }
    }
    for name in syscalls::names().filter(|name| syscalls::number(name, seccomp::Machine::NATIVE.abi()).is_some()) {
        let rules = rules.get(name).map(Vec::as_slice).unwrap_or_default();
        let plain = rules.iter().find(|rule| rule.args.is_empty()).map_or(profile.default_action, |rule| rule.action);
        let other = rules.iter().any(|rule| !rule.args.is_empty() && passes(rule.action) != passes(plain));
        *match (other, passes(plain)) {
            (true, _) => &mut filter.conditional,
            (_, true) => &mut filter.allowed,
            (_, false) => &mut filter.denied,
        } += 1;
    }
}
