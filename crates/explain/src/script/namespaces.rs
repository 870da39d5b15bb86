//! What the container sees: its namespaces, its ids, its names, its network.

use super::words::{Script, asked, asked_any, comment, quote};
use engine::explanation::Explanation;
use oci::runtime::{IdMapping, Namespace, NamespaceKind};
use std::fmt::Write as _;

/// The flags of unshare(1) and nsenter(1).
fn flag(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Pid => "--pid",
        NamespaceKind::Network => "--net",
        NamespaceKind::Mount => "--mount",
        NamespaceKind::Ipc => "--ipc",
        NamespaceKind::Uts => "--uts",
        NamespaceKind::User => "--user",
        NamespaceKind::Cgroup => "--cgroup",
        NamespaceKind::Time => "--time",
    }
}

fn namespaces(explanation: &Explanation) -> &[Namespace] {
    explanation.spec.linux.as_ref().map_or(&[], |linux| &linux.namespaces)
}

/// The container has one of this kind that nobody else has.
pub fn is_new(explanation: &Explanation, kind: NamespaceKind) -> bool {
    namespaces(explanation).iter().any(|one| one.kind == kind && one.path.is_none())
}

/// The user namespace's maps as this machine has them: where an ordinary user's engine is in a namespace of its own, those
/// of the specification are of that one's ids.
pub fn maps(explanation: &Explanation) -> [Vec<IdMapping>; 2] {
    let Some(linux) = &explanation.spec.linux else { return Default::default() };
    let own = [&linux.uid_mappings, &linux.gid_mappings];
    let Some(user) = &explanation.around.user else { return own.map(Clone::clone) };
    [through(own[0], &user[0]), through(own[1], &user[1])]
}

pub fn through(map: &[IdMapping], base: &[IdMapping]) -> Vec<IdMapping> {
    let mut out = Vec::new();
    for range in map {
        for part in base {
            let first = range.host_id.max(part.container_id);
            let last = range.host_id.saturating_add(range.size).min(part.container_id.saturating_add(part.size));
            if first < last {
                out.push(IdMapping {
                    container_id: range.container_id + (first - range.host_id),
                    host_id: part.host_id + (first - part.container_id),
                    size: last - first,
                });
            }
        }
    }
    out
}

/// A user without subordinate ids: there is one id, and no right to change groups.
pub fn single(explanation: &Explanation) -> bool {
    let [_, gids] = maps(explanation);
    explanation.around.user.is_some() && gids.len() == 1 && gids[0].size == 1
}

/// The stage that makes the namespaces.
pub fn make(script: &mut Script, explanation: &Explanation) {
    let own_user = is_new(explanation, NamespaceKind::User);
    let joined: Vec<&Namespace> = namespaces(explanation).iter().filter(|one| one.path.is_some()).collect();
    if joined.is_empty() {
        script.line("set --");
    } else {
        script.block("sees", "join namespaces that are there", asked_any(explanation, &["linux.namespaces"]));
        let mut line = "set -- nsenter".to_owned();
        for one in &joined {
            _ = write!(line, " {}={}", flag(one.kind), quote(one.path.as_deref().unwrap_or_default()));
        }
        script.line(line);
    }
    if own_user {
        script.block(
            "sees",
            "a user namespace first, to which all others belong",
            asked(explanation, "linux.uidMappings"),
        );
        script.line("exec \"$@\" unshare --user --keep-caps sh \"$script\" others");
    } else {
        script.line("exec \"$@\" sh \"$script\" others");
    }
}

/// The stage that makes all namespaces but that of the users.
pub fn others(script: &mut Script, explanation: &Explanation) {
    if is_new(explanation, NamespaceKind::User) {
        script.line("# The ids are mapped by who is outside.");
        script.line("echo ready >&4");
        script.line("read -r _ <&3 || exit 1");
        let groups = if single(explanation) { "--keep-groups" } else { "--clear-groups" };
        script.line(format!("set -- setpriv --reuid 0 --regid 0 {groups}"));
    } else {
        script.line("set --");
    }
    let mut flags = String::new();
    for one in namespaces(explanation).iter().filter(|one| one.path.is_none() && one.kind != NamespaceKind::User) {
        flags.push(' ');
        flags.push_str(flag(one.kind));
    }
    script.block("sees", "namespaces of its own", asked_any(explanation, &["linux.namespaces"]));
    script.line(format!("exec \"$@\" unshare{flags} --propagation slave --kill-child sh \"$script\" inside"));
}

/// Maps the ids of the user namespace, from outside.
pub fn map_ids(script: &mut Script, explanation: &Explanation) {
    if !is_new(explanation, NamespaceKind::User) {
        return;
    }
    script.block("may do", "whose ids on this machine the container's are", asked(explanation, "linux.uidMappings"));
    script.line("read -r _ <&6 || die \"the user namespace was not made\"");
    let [uids, gids] = maps(explanation);
    let numbers = |map: &[IdMapping]| -> Vec<String> {
        map.iter().map(|range| format!("{} {} {}", range.container_id, range.host_id, range.size)).collect()
    };
    if single(explanation) {
        script.line("echo deny >\"/proc/$child/setgroups\"");
    }
    for (file, tool, map) in [("uid_map", "newuidmap", &uids), ("gid_map", "newgidmap", &gids)] {
        if explanation.around.user.is_some() && !single(explanation) {
            script.line(format!("{tool} \"$child\" {}", numbers(map).join(" ")));
        } else {
            let lines: Vec<String> = numbers(map).iter().map(|line| quote(line)).collect();
            script.line(format!("printf '%s\\n' {} >\"/proc/$child/{file}\"", lines.join(" ")));
        }
    }
    if let Some((uid, gid)) = owner(explanation).filter(|_| explanation.around.user.is_none()) {
        script.line(format!("chown {uid}:{gid} \"$dir\" \"$root\" \"$dir/scratch\""));
    }
    script.line("echo go >&5");
}

/// The container's root, as this machine knows him: uid and gid.
pub fn owner(explanation: &Explanation) -> Option<(u32, u32)> {
    let [uids, gids] = maps(explanation);
    first(&uids).zip(first(&gids))
}

fn first(map: &[IdMapping]) -> Option<u32> {
    map.iter().find(|range| range.container_id == 0).map(|range| range.host_id)
}

/// Names, kernel parameters and loopback: what is set from within.
pub fn inside(script: &mut Script, explanation: &Explanation) {
    let spec = &explanation.spec;
    if let Some(name) = &spec.hostname {
        script.block("sees", "its host name", asked(explanation, "hostname"));
        script.line(format!("hostname -- {}", quote(name)));
    }
    if let Some(name) = &spec.domainname {
        script.block("sees", "its domain name", asked(explanation, "domainname"));
        script.line(format!("domainname -- {}", quote(name)));
    }
    if is_new(explanation, NamespaceKind::Network) {
        script.block("sees", "loopback, which is down in a new network namespace", None);
        script.line("ip link set lo up");
    }
    for (name, value) in spec.linux.iter().flat_map(|linux| &linux.sysctl) {
        script.block(
            "sees",
            &format!("the kernel parameter {name}"),
            asked(explanation, &format!("linux.sysctl[{name}]")),
        );
        script.line(format!("echo {} >/proc/sys/{}", quote(value), quote(&name.replace('.', "/"))));
    }
}

/// The container's networks, from outside.
pub fn networks(script: &mut Script, explanation: &Explanation) {
    if explanation.around.pasta {
        script.block(
            "sees",
            "the machine's network, by way of a process of the user's",
            asked(explanation, "linux.namespaces[network]"),
        );
        script.line("pasta --config-net --quiet --no-map-gw -t none -u none -T none -U none --netns-only --netns \"/proc/$child/ns/net\"");
    }
    for network in &explanation.around.networks {
        let intent = format!("the network {}, by a pair of devices", network.name);
        script.block("sees", &intent, Some("--network".to_owned()));
        if explanation.around.user.is_some() {
            script.line("# An ordinary user's networks are in a network namespace of their own, which his engine keeps: here there is only loopback.");
            continue;
        }
        let Some(bridge) = &network.bridge else {
            script.line(format!(
                "# {} is a device of the machine's own kind (macvlan), and is left out here.",
                comment(&network.device)
            ));
            continue;
        };
        let (bridge, device) = (quote(bridge), quote(&network.device));
        script.line(format!("if ! ip link show {bridge} >/dev/null 2>&1; then"));
        script.line(format!("    ip link add {bridge} type bridge\n    bridge=\"${{bridge-}} \"{bridge}"));
        for (address, bits) in &network.gateways {
            let nodad = if address.is_ipv6() { " nodad" } else { "" };
            script.line(format!("    ip address add {address}/{bits} dev {bridge}{nodad}"));
        }
        script.line(format!("    ip link set {bridge} up\nfi"));
        let mtu = network.mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default();
        script.line(format!(
            "ip link add \"byhand$$\"{mtu} type veth peer name {device} address {}{mtu} netns \"$child\"",
            quote(&network.mac)
        ));
        script.line(format!("ip link set \"byhand$$\" master {bridge} up"));
        script.line("set -- nsenter --net=\"/proc/$child/ns/net\"");
        for (address, bits) in &network.addresses {
            let nodad = if address.is_ipv6() { " nodad" } else { "" };
            script.line(format!("\"$@\" ip address add {address}/{bits} dev {device}{nodad}"));
        }
        script.line(format!("\"$@\" ip link set {device} up"));
        for gateway in &network.default_routes {
            let family = if gateway.is_ipv6() { "-6 " } else { "" };
            script.line(format!("\"$@\" ip {family}route add default via {gateway} dev {device}"));
        }
        if let Some(resolver) = &network.resolver {
            script.line("# Where names are asked for; nobody answers there without the engine.");
            let family = if resolver.is_ipv6() { "-6 " } else { "" };
            script.line(format!("\"$@\" ip {family}route add {resolver} dev {device}"));
        }
        script.line("# Out into the world it goes with this machine's address, which is the packet filter's work (nft), as are published ports.");
    }
}
