//! Kernel parameters of the container's own namespaces.

use super::origin::Origins;
use super::{Error, Facts, Origin};
use crate::config::{ContainerConfig, NetworkMode};
use crate::flags::{Invalid, Namespaced};
use std::collections::BTreeMap;

/// The groups whose processes may open ping sockets. Here all of them may, as under docker, so that `ping` needs no
/// CAP_NET_RAW whoever the command runs as; with podman's default only group 0 may.
const PING: &str = "net.ipv4.ping_group_range";

/// The kernel takes no larger group, and none that the user namespace does not have.
fn last_group(facts: &Facts) -> u32 {
    let ends =
        |maps: &super::IdMaps| maps.gids.iter().map(|range| range.container_id.saturating_add(range.size - 1)).max();
    facts.user_namespace.maps().and_then(ends).unwrap_or(u32::MAX).min(i32::MAX.cast_unsigned())
}

pub(super) fn compose(
    config: &ContainerConfig,
    facts: &Facts,
    origins: &mut Origins,
) -> Result<BTreeMap<String, String>, Error> {
    let mut sysctls = BTreeMap::new();
    // A joined network namespace has an owner who may have set it otherwise; a group that is not mapped is EINVAL.
    let own_network = NetworkMode::is_own(config.view.network.as_ref());
    if own_network && facts.user_namespace.maps().is_none_or(|maps| maps.has_gid(0)) {
        sysctls.insert(PING.to_owned(), format!("0 {}", last_group(facts)));
        origins.note("linux.sysctl[net.ipv4.ping_group_range]", Origin::Default);
    }
    for (name, value) in &config.view.sysctls {
        let shared = match Namespaced::of(name) {
            Some(Namespaced::Network) if config.view.network == Some(NetworkMode::Host) => Some("--network host"),
            Some(Namespaced::Ipc) if config.view.ipc.is_host() => Some("--ipc host"),
            _ => None,
        };
        if let Some(flag) = shared {
            return Err(Error::flag(
                "--sysctl",
                Invalid::new(name.as_str(), format!("with {flag} it would change the host"))
                    .hint(format!("leave out {flag}, or set it on the host")),
            ));
        }
        origins.note(format!("linux.sysctl[{name}]"), Origin::Flag("--sysctl"));
        sysctls.insert(name.clone(), value.clone());
    }
    Ok(sysctls)
}
