//! Namespaces, names and kernel parameters.

use crate::facts::{ID, composed, facts, host, linux, maps, mount, origin, refused, rootless, told, with};
use engine::config::{ContainerConfig, IpcNamespace, NamespaceMode, NetworkMode};
use engine::flags;
use engine::spec::{Facts, UserNamespace};
use oci::runtime::NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, User, Uts};

fn kinds(config: &ContainerConfig, facts: &Facts) -> Vec<oci::runtime::NamespaceKind> {
    linux(&composed(config, facts)).namespaces.iter().map(|namespace| namespace.kind).collect()
}

fn network(mode: &str) -> ContainerConfig {
    with(|config| config.view.network = mode.parse().ok())
}

#[test]
fn all_namespaces_are_the_containers_own() {
    assert_eq!(kinds(&host(), &facts()), [Mount, Pid, Network, Ipc, Uts, Cgroup]);
    let composed = composed(&host(), &rootless());
    assert_eq!(linux(&composed).namespaces.first().map(|namespace| namespace.kind), Some(User));
    assert_eq!(
        (&linux(&composed).uid_mappings, &linux(&composed).gid_mappings),
        (&maps(65536).uids, &maps(65536).gids)
    );
    assert_eq!(origin(&composed, "linux.namespaces[network]"), "default");
}

#[test]
fn shared_namespaces_are_left_out_and_joined_ones_have_a_path() {
    let shared = with(|config| {
        config.view.pid = NamespaceMode::Host;
        config.view.uts = NamespaceMode::Host;
        config.view.ipc = IpcNamespace::Host;
        config.view.cgroup = "host".parse().unwrap();
        config.view.network = Some(NetworkMode::Host);
    });
    assert_eq!(kinds(&shared, &facts()), [Mount]);
    let joined = composed(&network("ns:/run/netns/x"), &facts());
    let namespace = linux(&joined).namespaces.iter().find(|namespace| namespace.kind == Network).unwrap();
    assert_eq!(namespace.path.as_deref(), Some("/run/netns/x"));
    assert_eq!(origin(&joined, "linux.namespaces[network]"), "--network");
    let path = UserNamespace::Path("/proc/7/ns/user".into(), maps(10));
    let joined = composed(&host(), &Facts { user_namespace: path, ..facts() });
    assert_eq!(
        linux(&joined).namespaces.first().and_then(|namespace| namespace.path.as_deref()),
        Some("/proc/7/ns/user")
    );
    assert!(linux(&joined).uid_mappings.is_empty());
}

#[test]
fn the_host_name_is_the_users_the_hosts_or_the_id() {
    let name = |config: &ContainerConfig| {
        let composed = composed(config, &facts());
        (composed.spec.hostname.clone(), composed.host_name)
    };
    let both = |name: &str| (Some(name.to_owned()), name.to_owned());
    assert_eq!(name(&host()), both(&ID[..12]));
    assert_eq!(name(&with(|config| config.view.hostname = "web".parse().ok())), both("web"));
    assert_eq!(name(&network("host")), both("machine"));
    let shared = with(|config| config.view.uts = NamespaceMode::Host);
    assert_eq!(name(&shared), (None, "machine".to_owned()));
    let joined = with(|config| config.view.uts = "ns:/x".parse().unwrap());
    assert_eq!(name(&joined).0, None);
}

#[test]
fn the_hosts_name_cannot_be_changed_by_a_container() {
    let mut config = with(|config| config.view.uts = NamespaceMode::Host);
    config.view.hostname = "web".parse().ok();
    assert!(refused(&config, &facts()).starts_with("--hostname \"web\""));
    config.view.hostname = None;
    config.view.domainname = "example".parse().ok();
    assert!(refused(&config, &facts()).starts_with("--domainname"));
}

#[test]
fn ping_works_without_raw_sockets() {
    let range = |config: &ContainerConfig, facts: &Facts| {
        linux(&composed(config, facts)).sysctl.get("net.ipv4.ping_group_range").cloned()
    };
    assert_eq!(range(&host(), &facts()).as_deref(), Some("0 2147483647"));
    assert_eq!(range(&network("none"), &rootless()).as_deref(), Some("0 65536"));
    assert_eq!(range(&network("host"), &facts()), None);
    assert_eq!(range(&network("ns:/x"), &facts()), None);
    let mut without_zero = maps(10);
    without_zero.gids.remove(0);
    let user = engine::spec::User { gid: 5, ..facts().user };
    let kept = Facts { user, user_namespace: UserNamespace::New(without_zero), ..rootless() };
    assert_eq!(range(&host(), &kept), None);
}

#[test]
fn kernel_parameters_need_a_namespace_of_their_own() {
    let ask = |text: &str| with(|config| config.view.sysctls = vec![flags::sysctl(text).unwrap()]);
    let own = composed(&ask("net.ipv4.ping_group_range=5 6"), &facts());
    assert_eq!(linux(&own).sysctl.get("net.ipv4.ping_group_range").map(String::as_str), Some("5 6"));
    let mut net = ask("net.ipv4.ip_forward=1");
    net.view.network = Some(NetworkMode::Host);
    assert_eq!(
        refused(&net, &facts()),
        "--sysctl \"net.ipv4.ip_forward\": with --network host it would change the host"
    );
    let mut ipc = ask("kernel.shmmax=1");
    ipc.view.ipc = IpcNamespace::Host;
    assert!(refused(&ipc, &facts()).contains("--ipc host"));
}

#[test]
fn a_user_namespace_that_meets_the_hosts_namespaces_binds_the_hosts_view() {
    let bound = |config: &ContainerConfig, place: &str| {
        (told(&composed(config, &rootless()), place), told(&composed(config, &facts()), place))
    };
    let pid = with(|config| config.view.pid = NamespaceMode::Host);
    let (user, root) = bound(&pid, "/proc");
    assert_eq!(user, "bind /proc rbind,rprivate,nosuid,noexec,nodev");
    assert_eq!(root, "proc proc nosuid,noexec,nodev");
    let (user, root) = bound(&network("host"), "/sys");
    assert_eq!(user, "bind /sys rbind,rprivate,nosuid,noexec,nodev,rro");
    assert_eq!(root, "sysfs sysfs nosuid,noexec,nodev,ro");
    let ipc = with(|config| config.view.ipc = IpcNamespace::Host);
    let (user, root) = bound(&ipc, "/dev/mqueue");
    assert_eq!(user, "bind /dev/mqueue bind,rprivate,nosuid,noexec,nodev");
    assert_eq!(root, "mqueue mqueue nosuid,noexec,nodev");
}

#[test]
fn shared_memory_follows_its_namespace() {
    let shm =
        |mode: &str| told(&composed(&with(|config| config.view.ipc = mode.parse().unwrap()), &facts()), "/dev/shm");
    assert_eq!(shm("host"), "bind /dev/shm rbind,rprivate,nosuid,noexec,nodev");
    assert_eq!(shm("none"), "nothing");
    assert!(shm("private").starts_with("tmpfs shm"));
    let sized = composed(&with(|config| config.limits.shm_size = "1m".parse().ok()), &facts());
    assert!(mount(&sized, "/dev/shm").unwrap().options.contains(&"size=1048576".to_owned()));
    assert_eq!(origin(&sized, "mounts[/dev/shm]"), "--shm-size");
}
