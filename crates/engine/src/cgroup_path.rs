//! Where a container's cgroup goes.

use crate::config::{CgroupUse, ContainerConfig};
use crate::engine::Engine;
use cgroup::{CgroupPath, Layout};

/// One directory below the top, or below what was delegated to an ordinary user; nothing above it is made, so nothing
/// is left when it goes. Without delegation it is tried below our own cgroup, where it will be refused, and why.
pub fn choose(
    engine: &Engine,
    config: &ContainerConfig,
    layout: &Layout,
    id: &str,
) -> Result<CgroupPath, cgroup::Error> {
    let name = format!("coracle-{id}");
    match &config.limits.cgroup_parent {
        Some(parent) => CgroupPath::new(&format!("{}/{name}", parent.trim_end_matches('/'))),
        None if config.limits.cgroups == CgroupUse::Split => match layout.split_own()? {
            Some(above) => above.join(&name),
            None => CgroupPath::new(&name),
        },
        None if engine.caller().is_root() => CgroupPath::new(&format!("/{name}")),
        None => match layout.delegated() {
            Some(above) => above.join(&name),
            None => CgroupPath::new(&name),
        },
    }
}
