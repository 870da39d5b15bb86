//! What the container may do, and what is hidden from it.

use crate::facts::{composed, facts, host, linux, origin, process, refused, resources, told, with};
use engine::config::{AppArmor, ContainerConfig, Privileges, SeccompChoice};
use engine::flags::{SecurityOpt, capabilities};
use engine::spec::Facts;
use oci::runtime::{Action, Seccomp};

fn option(text: &str) -> ContainerConfig {
    with(|config| match text.parse().unwrap() {
        SecurityOpt::Paths(masks) => config.privileges.paths = masks,
        SecurityOpt::Label(label) => config.privileges.selinux.push(label),
        other => panic!("{other:?}"),
    })
}

fn privileged() -> ContainerConfig {
    with(|config| config.privileges.level = Privileges::Privileged)
}

fn filter(default_action: Action) -> Seccomp {
    Seccomp {
        default_action,
        default_errno_ret: None,
        architectures: vec![],
        flags: None,
        listener_path: None,
        listener_metadata: None,
        syscalls: vec![],
    }
}

fn ready_made() -> seccomp::Filter {
    seccomp::default_filter(&["CAP_CHOWN"]).expect("the default profile")
}

const HIDDEN: [&str; 12] = [
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];
const READ_ONLY: [&str; 6] = ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

fn hidden(config: &ContainerConfig) -> Vec<String> {
    let mut paths = linux(&composed(config, &facts())).masked_paths.clone();
    paths.sort();
    paths
}

#[test]
fn podmans_paths_are_hidden_or_read_only() {
    assert_eq!(hidden(&host()), HIDDEN);
    assert_eq!(linux(&composed(&host(), &facts())).readonly_paths, READ_ONLY);
    let hot = Facts { thermal_throttle: vec!["/sys/devices/system/cpu/cpu0/thermal_throttle".to_owned()], ..facts() };
    assert!(linux(&composed(&host(), &hot)).masked_paths.iter().any(|path| path.ends_with("/thermal_throttle")));
}

#[test]
fn paths_can_be_shown_and_hidden() {
    assert_eq!(
        hidden(&option("unmask=/proc/*")),
        ["/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux"]
    );
    let without_keys: Vec<&str> = HIDDEN.into_iter().filter(|path| *path != "/proc/keys").collect();
    assert_eq!(hidden(&option("unmask=/proc/keys")), without_keys);
    for all in ["unmask=ALL", "systempaths=unconfined"] {
        let composed = composed(&option(all), &facts());
        assert!(linux(&composed).masked_paths.is_empty() && linux(&composed).readonly_paths.is_empty(), "{all}");
        assert_eq!(origin(&composed, "linux.maskedPaths"), "--security-opt");
    }
    assert!(hidden(&option("mask=/etc/secret")).contains(&"/etc/secret".to_owned()));
}

#[test]
fn cgroups_become_writable_when_they_are_shown() {
    for text in ["unmask=/sys/fs/cgroup", "unmask=ALL"] {
        assert!(told(&composed(&option(text), &facts()), "/sys/fs/cgroup").ends_with(",rw"), "{text}");
    }
}

#[test]
fn a_privileged_container_is_not_confined() {
    let composed = composed(&privileged(), &Facts { default_filter: Some(ready_made()), ..facts() });
    assert_eq!(composed.filter, None);
    let linux = linux(&composed);
    assert!(linux.masked_paths.is_empty() && linux.readonly_paths.is_empty() && linux.seccomp.is_none());
    let capabilities = process(&composed).capabilities.as_ref().unwrap();
    assert_eq!((capabilities.bounding.len(), capabilities.effective.len()), (41, 41));
    assert!(capabilities.ambient.is_empty() && capabilities.inheritable.is_empty());
    assert_eq!(told(&composed, "/sys"), "sysfs sysfs nosuid,noexec,nodev,rw");
    assert!(told(&composed, "/sys/fs/cgroup").ends_with(",rw"));
    let [rule] = resources(&composed).devices.as_slice() else { panic!("one rule") };
    assert!(rule.allow && rule.major.is_none());
}

#[test]
fn the_default_capabilities_are_podmans() {
    let composed = composed(&host(), &facts());
    let capabilities = process(&composed).capabilities.as_ref().unwrap();
    let mut names = capabilities.bounding.clone();
    names.sort();
    let expected = [
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ];
    assert_eq!(names, expected.map(|name| format!("CAP_{name}")));
    assert_eq!(capabilities.effective, capabilities.bounding);
    assert_eq!(origin(&composed, "process.capabilities"), "default");
}

#[test]
fn another_user_has_no_capabilities_but_those_added() {
    let user = Facts { user: engine::spec::User { uid: 1000, ..facts().user }, ..facts() };
    let plain = composed(&host(), &user);
    assert!(process(&plain).capabilities.as_ref().unwrap().effective.is_empty());
    let config = with(|config| config.privileges.cap_add = capabilities(["net_raw"]).unwrap());
    let added = composed(&config, &user);
    let sets = process(&added).capabilities.as_ref().unwrap();
    for set in [&sets.effective, &sets.permitted, &sets.ambient, &sets.inheritable] {
        assert_eq!(set, &["CAP_NET_RAW"]);
    }
}

#[test]
fn the_filter_is_the_default_the_users_or_none() {
    let facts = Facts { default_filter: Some(ready_made()), custom_seccomp: Some(filter(Action::Log)), ..facts() };
    let chosen = |config: &ContainerConfig| {
        let composed = composed(config, &facts);
        let action = linux(&composed).seccomp.as_ref().map(|profile| profile.default_action);
        (composed.filter.is_some(), action)
    };
    let profile = || SeccompChoice::Profile { path: "/p".into(), json: String::new() };
    assert_eq!(chosen(&host()), (true, None));
    assert_eq!(chosen(&with(|config| config.privileges.seccomp = SeccompChoice::Unconfined)), (false, None));
    assert_eq!(chosen(&with(|config| config.privileges.seccomp = profile())), (false, Some(Action::Log)));
    assert_eq!(chosen(&privileged()), (false, None));
    let mut both = privileged();
    both.privileges.seccomp = profile();
    assert_eq!(chosen(&both), (false, Some(Action::Log)));
}

#[test]
fn a_confinement_that_the_kernel_lacks_is_refused() {
    let config = with(|config| config.privileges.apparmor = AppArmor::Profile("tight".to_owned()));
    assert!(refused(&config, &facts()).contains("apparmor=tight"));
    let with_apparmor = Facts { apparmor: true, ..facts() };
    assert_eq!(process(&composed(&config, &with_apparmor)).apparmor_profile.as_deref(), Some("tight"));
    assert!(refused(&option("label=type:x_t"), &facts()).contains("SELinux"));
    composed(&option("label=disable"), &facts());
}

#[test]
fn no_new_privileges_is_passed_on() {
    let composed = composed(&with(|config| config.privileges.no_new_privileges = true), &facts());
    assert!(process(&composed).no_new_privileges);
    assert_eq!(origin(&composed, "process.noNewPrivileges"), "--security-opt");
}
