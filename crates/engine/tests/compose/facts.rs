//! A machine with everything, and the shortest request.

use engine::config::{CapabilitySet, ContainerConfig, ImageRef};
use engine::spec::{
    Composed, Controllers, EtcFiles, Facts, HostRlimits, IdMaps, ImageDefaults, Limit, Secrets, User, UserNamespace,
    compose,
};
use oci::runtime::{IdMapping, Linux, Mount, Process, Resources};

pub const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Root on a machine of two CPUs, with all controllers and all capabilities.
pub fn facts() -> Facts {
    Facts {
        id: ID.to_owned(),
        name: "web".to_owned(),
        image: ImageDefaults { cmd: vec!["sh".to_owned()], ..ImageDefaults::default() },
        user: User { uid: 0, gid: 0, groups: vec![], home: "/root".to_owned() },
        network: None,
        rootless: false,
        user_namespace: UserNamespace::Host,
        setgroups: true,
        bounding: CapabilitySet::from_bits(u64::MAX),
        rlimits: HostRlimits { limits: [Limit { soft: 1024, hard: u64::MAX }; 16], may_raise: true },
        controllers: Controllers {
            memory: true,
            swap: true,
            oom_control: true,
            cpu: true,
            cpuset: true,
            pids: true,
            io: true,
            swappiness: true,
            unified: true,
            devices: true,
        },
        cgroup_path: Some("/coracle/web".to_owned()),
        cpus: "0-1".parse().unwrap(),
        mems: "0".parse().unwrap(),
        host_name: "machine".to_owned(),
        etc: EtcFiles {
            hosts: Some("/run/x/hosts".into()),
            hostname: Some("/run/x/hostname".into()),
            resolv_conf: Some("/run/x/resolv.conf".into()),
            localtime: None,
        },
        secrets: Secrets::default(),
        volumes: std::collections::BTreeMap::new(),
        owners: std::collections::BTreeMap::new(),
        scratch: Some("/run/x/scratch".into()),
        devices: vec![],
        default_filter: None,
        custom_seccomp: None,
        mqueue: true,
        apparmor: false,
        recursive_read_only: true,
        thermal_throttle: vec![],
        console_size: None,
    }
}

/// An ordinary user's machine: root inside is user 1000, and 65536 subordinate ids are the rest.
pub fn rootless() -> Facts {
    Facts { rootless: true, user_namespace: UserNamespace::New(maps(65536)), ..facts() }
}

/// Root inside is 1000 outside; `more` ids from 100000 on follow.
pub fn maps(more: u32) -> IdMaps {
    let mut maps = vec![IdMapping { container_id: 0, host_id: 1000, size: 1 }];
    if more > 0 {
        maps.push(IdMapping { container_id: 1, host_id: 100_000, size: more });
    }
    IdMaps { uids: maps.clone(), gids: maps }
}

pub fn host() -> ContainerConfig {
    ContainerConfig::new(ImageRef::Host)
}

/// A request with some of its parts set.
pub fn with(change: impl FnOnce(&mut ContainerConfig)) -> ContainerConfig {
    let mut config = host();
    change(&mut config);
    config
}

pub fn composed(config: &ContainerConfig, facts: &Facts) -> Composed {
    compose(config, facts).unwrap_or_else(|error| panic!("{error}: {error:?}"))
}

/// Why it cannot be, in one line.
pub fn refused(config: &ContainerConfig, facts: &Facts) -> String {
    compose(config, facts).expect_err("a refusal").to_string()
}

pub fn process(composed: &Composed) -> &Process {
    composed.spec.process.as_ref().unwrap()
}

pub fn linux(composed: &Composed) -> &Linux {
    composed.spec.linux.as_ref().unwrap()
}

pub fn resources(composed: &Composed) -> &Resources {
    linux(composed).resources.as_ref().unwrap()
}

/// `type source options` of the mount at a place.
pub fn mount<'a>(composed: &'a Composed, destination: &str) -> Option<&'a Mount> {
    let mut found = composed.spec.mounts.iter().filter(|mount| mount.destination == destination);
    let first = found.next();
    assert!(found.next().is_none(), "two mounts at {destination}");
    first
}

pub fn told(composed: &Composed, destination: &str) -> String {
    mount(composed, destination).map_or_else(
        || "nothing".to_owned(),
        |mount| {
            let (kind, source) = (mount.kind.as_deref().unwrap_or("-"), mount.source.as_deref().unwrap_or("-"));
            format!("{kind} {source} {}", mount.options.join(","))
        },
    )
}

/// Who asked for a part.
pub fn origin(composed: &Composed, path: &str) -> String {
    let found = composed.origins.iter().find(|(known, _)| known.as_str() == path);
    found.map_or_else(|| panic!("{path} has no origin"), |(_, origin)| origin.to_string())
}
