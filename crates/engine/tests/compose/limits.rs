//! Limits, and what happens where they cannot be set.

use crate::facts::{composed, facts, host, linux, origin, refused, resources, rootless, with};
use engine::config::{CgroupUse, ContainerConfig, LimitsConfig, PidsLimit};
use engine::flags;
use engine::spec::{Controllers, Facts, compose};
use oci::runtime::DeviceType;

const NONE: Controllers = Controllers {
    memory: false,
    swap: false,
    oom_control: false,
    cpu: false,
    cpuset: false,
    pids: false,
    io: false,
    swappiness: false,
    unified: false,
    devices: false,
};

fn memory(limit: &str, swap: Option<&str>) -> ContainerConfig {
    with(|config| {
        let swap = swap.map(|swap| swap.parse().unwrap());
        flags::memory(limit.parse().ok(), swap, None, &mut config.limits).unwrap();
    })
}

#[test]
fn by_default_there_is_a_limit_of_tasks_and_no_other() {
    let composed = composed(&host(), &facts());
    let limits = resources(&composed);
    assert_eq!(limits.pids.and_then(|pids| pids.limit), Some(2048));
    assert_eq!((&limits.memory, &limits.cpu), (&None, &None));
    assert_eq!(origin(&composed, "linux.resources.pids.limit"), "default");
}

type Wish = fn(&mut LimitsConfig);

#[test]
fn a_default_that_cannot_be_set_is_left_out_and_a_wish_is_refused() {
    let without = Facts { controllers: NONE, ..rootless() };
    assert_eq!(linux(&composed(&host(), &without)).resources, None);
    let wishes: [(&str, Wish); 10] = [
        ("--memory", |limits| limits.memory = "64m".parse().ok()),
        ("--memory-reservation", |limits| limits.memory_reservation = "64m".parse().ok()),
        ("--oom-kill-disable", |limits| limits.oom_kill_disable = true),
        ("--cpus", |limits| limits.cpu_time = flags::cpu_time("1".parse().ok(), None, None).unwrap()),
        ("--cpu-quota", |limits| limits.cpu_time = flags::cpu_time(None, None, Some(5000)).unwrap()),
        ("--cpu-period", |limits| limits.cpu_time = flags::cpu_time(None, Some(5000), None).unwrap()),
        ("--cpu-shares", |limits| limits.cpu_shares = Some(512)),
        ("--cpuset-cpus", |limits| limits.cpuset_cpus = "0".parse().ok()),
        ("--cpuset-mems", |limits| limits.cpuset_mems = "0".parse().ok()),
        ("--pids-limit", |limits| limits.pids = Some(PidsLimit::Max(5))),
    ];
    for (flag, wish) in wishes {
        let mut config = with(|config| wish(&mut config.limits));
        let error = compose(&config, &without).expect_err(flag);
        assert!(error.to_string().starts_with(&format!("{flag}: the cgroup controller")), "{error}");
        assert!(error.remedy().unwrap().contains("Delegate="), "{flag}");
        assert!(compose(&config, &facts()).is_ok(), "{flag}");
        config.limits.cgroups = CgroupUse::Disabled;
        let told = refused(&config, &facts());
        assert_eq!(told, format!("{flag} needs a cgroup, and --cgroups=disabled leaves none"));
    }
}

#[test]
fn swap_is_as_much_again_unless_told_otherwise() {
    let limits = |config: &ContainerConfig, facts: &Facts| {
        let memory = resources(&composed(config, facts)).memory.clone().unwrap();
        (memory.limit, memory.swap)
    };
    let mebi = |number: i64| Some(number << 20);
    assert_eq!(limits(&memory("64m", None), &facts()), (mebi(64), mebi(128)));
    assert_eq!(limits(&memory("64m", Some("80m")), &facts()), (mebi(64), mebi(80)));
    assert_eq!(limits(&memory("64m", Some("-1")), &facts()), (mebi(64), Some(-1)));
    let no_swap = Facts { controllers: Controllers { swap: false, ..facts().controllers }, ..facts() };
    assert_eq!(limits(&memory("64m", None), &no_swap), (mebi(64), None));
    assert_eq!(limits(&memory("64m", Some("-1")), &no_swap), (mebi(64), None));
    assert!(refused(&memory("64m", Some("80m")), &no_swap).starts_with("--memory-swap"));
}

#[test]
fn cpus_become_a_quota_and_cannot_exceed_the_machine() {
    let ask =
        |cpus: &str| with(|config| config.limits.cpu_time = flags::cpu_time(cpus.parse().ok(), None, None).unwrap());
    let composed = composed(&ask("1.5"), &facts());
    let cpu = resources(&composed).cpu.as_ref().unwrap();
    assert_eq!((cpu.period, cpu.quota), (Some(100_000), Some(150_000)));
    assert_eq!(refused(&ask("2.1"), &facts()), "--cpus \"2.1\": this machine has 2 CPUs");
}

#[test]
fn sets_of_cpus_and_nodes_must_be_there() {
    let ask = |cpus: &str| with(|config| config.limits.cpuset_cpus = cpus.parse().ok());
    let composed = composed(&ask("1,0"), &facts());
    assert_eq!(resources(&composed).cpu.as_ref().unwrap().cpus.as_deref(), Some("0-1"));
    assert_eq!(refused(&ask("1-3"), &facts()), "--cpuset-cpus \"1-3\": 2 is not there");
}

#[test]
fn no_limit_of_tasks_is_a_limit_of_none() {
    let unlimited = with(|config| config.limits.pids = Some(PidsLimit::Unlimited));
    assert_eq!(resources(&composed(&unlimited, &facts())).pids.and_then(|pids| pids.limit), Some(-1));
    let without = Facts { controllers: NONE, ..facts() };
    assert_eq!(linux(&composed(&unlimited, &without)).resources, None);
}

#[test]
fn without_a_cgroup_nothing_is_limited_and_the_namespace_is_the_callers() {
    let composed = composed(&with(|config| config.limits.cgroups = CgroupUse::Disabled), &facts());
    let linux = linux(&composed);
    assert_eq!((&linux.resources, &linux.cgroups_path), (&None, &None));
    assert!(!linux.namespaces.iter().any(|namespace| namespace.kind == oci::runtime::NamespaceKind::Cgroup));
}

#[test]
fn by_default_only_harmless_devices_are_let_through() {
    let composed = composed(&host(), &facts());
    let rules = &resources(&composed).devices;
    let first = rules.first().unwrap();
    assert!(!first.allow && first.kind.is_none() && first.access.as_deref() == Some("rwm"));
    let usable: Vec<(Option<i64>, Option<i64>)> = rules
        .iter()
        .filter(|rule| rule.allow && rule.access.as_deref() != Some("m"))
        .inspect(|rule| assert_eq!(rule.kind, Some(DeviceType::Char)))
        .map(|rule| (rule.major, rule.minor))
        .collect();
    let n = Some;
    let null_zero_full_random_urandom = [(n(1), n(3)), (n(1), n(5)), (n(1), n(7)), (n(1), n(8)), (n(1), n(9))];
    let tty_console_ptmx_pts = [(n(5), n(0)), (n(5), n(1)), (n(5), n(2)), (n(136), None)];
    assert_eq!(usable, [&null_zero_full_random_urandom[..], &tty_console_ptmx_pts].concat());
}

#[test]
fn in_a_user_namespace_no_devices_are_ruled() {
    assert!(resources(&composed(&host(), &rootless())).devices.is_empty());
}
