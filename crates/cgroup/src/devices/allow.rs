//! The policy as systemd's list (systemd.resource-control(5), DeviceAllow=): what may be used, by number or by kind. It
//! is put into a program that allows an access when one entry covers all of it, so the entries are v1's.

use super::list;
use super::policy::{Devices, Kind, MKNOD, Policy, READ, WRITE};
use crate::Result;
use oci::runtime::DeviceRule;

/// What systemd can be told of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeviceAllow {
    /// Everything.
    All,
    /// Paths or names, each with its access.
    These(Vec<(String, String)>),
    /// There are no words for it: a list of what is denied, or a minor number of any major.
    Inexpressible,
}

/// The specification's rules for systemd.
pub(crate) fn device_allow(rules: &[DeviceRule]) -> Result<DeviceAllow> {
    let policy = Policy::new(rules)?;
    if policy.allows_all() {
        return Ok(DeviceAllow::All);
    }
    let entries = list::allowed(&policy).and_then(|allowed| allowed.iter().map(entry).collect());
    Ok(entries.map_or(DeviceAllow::Inexpressible, DeviceAllow::These))
}

fn entry((devices, access): &(Devices, u8)) -> Option<(String, String)> {
    let kind = if devices.kind? == Kind::Block { "block" } else { "char" };
    let name = match (devices.major, devices.minor) {
        (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
        (Some(major), None) => format!("{kind}-{major}"),
        (None, None) => format!("{kind}-*"),
        (None, Some(_)) => return None,
    };
    let letters = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')];
    Some((name, letters.iter().filter(|(bit, _)| access & bit != 0).map(|(_, letter)| letter).collect()))
}
