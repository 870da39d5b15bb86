//! What the first process may do: ids, capabilities, system calls, and what a security module calls it.

use super::filter::{self, Filter};
use super::proc_dir::line;
use super::{Ids, Living};
use crate::config::{Capability, CapabilityChange, CapabilitySet, ContainerConfig, Privileges};
use serde::Serialize;

/// What it may do.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MayDo {
    /// Whose ids it has.
    pub ids: Ids,
    /// Every capability that it has, could have had by default, or was asked for.
    pub capabilities: Vec<CapabilitySide>,
    /// It has all that this kernel knows.
    pub all_capabilities: bool,
    /// System calls.
    pub filter: Filter,
    /// No program that it executes can gain privileges: asked for.
    pub no_new_privileges_asked: bool,
    /// The same: as it is.
    pub no_new_privileges: Option<bool>,
    /// What a security module calls it, if there is one.
    pub label: Option<String>,
}

/// A capability.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CapabilitySide {
    /// `CAP_…`.
    pub name: String,
    /// It was asked for; `false` is that it was to be left out.
    pub asked: bool,
    /// The first process has it; `None` of a container that does not run.
    pub effective: Option<bool>,
    /// Some program in the container can come to have it.
    pub bounding: Option<bool>,
    /// Who asked for it, or had it left out.
    pub by: String,
}

pub(super) fn look(config: &ContainerConfig, living: &Living, may: &mut MayDo) {
    let status = living.process.text("status").unwrap_or_default();
    let set = |name: &str| CapabilitySet::from_bits(u64::from_str_radix(line(&status, name), 16).unwrap_or(0));
    let (effective, bounding) = (set("CapEff"), set("CapBnd"));
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").ok().and_then(|text| text.trim().parse().ok());
    let all = CapabilitySet::from_bits(u64::MAX >> 63_u32.saturating_sub(last.unwrap_or(40)));
    asked(config, may);
    let known: Vec<_> = may.capabilities.iter().map(|side| side.name.clone()).collect();
    let more = effective.union(bounding).iter().filter(|capability| !known.contains(&capability.to_string()));
    may.capabilities.extend(more.map(|capability| CapabilitySide {
        name: capability.to_string(),
        asked: false,
        effective: None,
        bounding: None,
        by: living.origins.of("process.capabilities").unwrap_or_default(),
    }));
    for side in &mut may.capabilities {
        let Some(capability) = Capability::by_name(&side.name) else { continue };
        (side.effective, side.bounding) = (Some(effective.contains(capability)), Some(bounding.contains(capability)));
    }
    may.all_capabilities = all.difference(effective).is_empty();
    may.no_new_privileges = Some(line(&status, "NoNewPrivs") == "1");
    let label = living.process.text("attr/current").unwrap_or_default();
    may.label = Some(label.trim_end_matches(['\0', '\n']).to_owned()).filter(|label| !label.is_empty());
    may.filter = filter::look(config, living, &status);
}

/// What was asked for: the default, more, or less.
pub(super) fn asked(config: &ContainerConfig, may: &mut MayDo) {
    let privileges = &config.privileges;
    let everything = CapabilitySet::from_bits(u64::MAX);
    let these = |change| match change {
        CapabilityChange::All => everything,
        CapabilityChange::These(set) => set,
    };
    let (add, drop) = (these(privileges.cap_add), these(privileges.cap_drop));
    let privileged = privileges.level == Privileges::Privileged;
    let base = if privileged { everything } else { CapabilitySet::DEFAULT };
    let side = |capability: Capability| {
        let (added, dropped) = (add.contains(capability), drop.contains(capability));
        // Who drops all and adds one has that one; who adds all and drops one has all others.
        let asked = match (privileges.cap_add, privileges.cap_drop) {
            (CapabilityChange::All, _) => !dropped,
            (_, CapabilityChange::All) => added,
            _ => (added || base.contains(capability)) && !dropped,
        };
        let by = match (asked, added, base.contains(capability)) {
            (false, ..) if dropped => "--cap-drop",
            (_, true, false) => "--cap-add",
            (_, true, true) if drop == everything => "--cap-add",
            _ if privileged => "--privileged",
            _ => "default",
        };
        CapabilitySide { name: capability.to_string(), asked, effective: None, bounding: None, by: by.to_owned() }
    };
    let told = if drop == everything { add.union(CapabilitySet::DEFAULT) } else { base.union(add) };
    may.capabilities = told.iter().map(side).collect();
    may.no_new_privileges_asked = privileges.no_new_privileges;
    may.filter = filter::asked(config);
}
