//! Which devices a container may open or make nodes of.
//!
//! The specification's rules are a list in which the last rule that speaks of a device and an access decides. v1 has
//! no such list (a default and exceptions from it, of which one must cover the whole access), v2 runs a BPF program;
//! both are made from the same reduced [`Policy`].

mod allow;
mod attach;
mod list;
mod policy;
mod program;

pub(crate) use allow::{DeviceAllow, device_allow};
pub use policy::default_rules;

use crate::{Cgroup, Controller, Result};
use oci::runtime::DeviceRule;
use policy::Policy;

/// The program that [`Cgroup::apply_devices`] attaches on v2 for these rules, as an array of the kernel's
/// `struct bpf_insn` in little-endian order: for whoever compares what is attached, or attaches it himself.
///
/// # Errors
/// A rule that means nothing.
pub fn device_program(rules: &[DeviceRule]) -> Result<Vec<u8>> {
    let bytes = |insn: &sys::bpf::Insn| {
        [&[insn.code, insn.registers][..], &insn.offset.to_le_bytes(), &insn.immediate.to_le_bytes()].concat()
    };
    Ok(program::assemble(&Policy::new(rules)?).iter().flat_map(bytes).collect())
}

impl Cgroup {
    /// Puts device rules in force, in place of those before: what no rule speaks of is denied.
    ///
    /// Where the kernel lets nobody but the machine's root do it, an ordinary user's container goes without: in a user
    /// namespace no device node can be made, and those of the host keep their owners.
    pub fn apply_devices(&self, rules: &[DeviceRule]) -> Result<()> {
        let policy = Policy::new(rules)?;
        let branch = match (self.find(Controller::Devices), self.unified()) {
            (Some(v1), _) => return list::apply(v1, &policy),
            (None, Some(v2)) => v2,
            (None, None) if policy.allows_all() || unprivileged() => return Ok(()),
            (None, None) => self.need(Controller::Devices, "devices")?,
        };
        attach::apply(branch, &policy)
    }
}

/// Is this process somebody else than the machine's root, or root of a user namespace only?
fn unprivileged() -> bool {
    if !rustix::process::geteuid().is_root() {
        return true;
    }
    let map = crate::file::read("/proc/self/uid_map").unwrap_or_default();
    map.split_ascii_whitespace().collect::<Vec<_>>() != ["0", "0", "4294967295"]
}
