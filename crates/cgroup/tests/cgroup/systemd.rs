//! Under systemd: what `systemctl` shows of a container's unit, and what the kernel's files say to it.

use crate::lab::{LIMIT, name};
use cgroup::{Bus, Cgroup, Error, JoinBy, Layout, Unit, UnitRequest};
use oci::runtime::Resources;
use std::collections::BTreeMap;
use std::time::Duration;
use testkit::{Invocation, requires};

/// A container's unit on the machine's systemd; killed and removed when the test ends.
struct Scope {
    id: String,
    cgroup: Cgroup,
}

fn make(id: &str, path: Option<&str>, limits: &str, annotations: &[(&str, &str)]) -> Result<Cgroup, Error> {
    let resources: Resources = serde_json::from_str(limits).unwrap();
    let pair = |(name, value): &(&str, &str)| (format!("org.systemd.property.{name}"), (*value).to_owned());
    let annotations: BTreeMap<_, _> = annotations.iter().map(pair).collect();
    let request = UnitRequest { id, path, resources: &resources, annotations: &annotations };
    Cgroup::create_unit(&Layout::detect().unwrap(), &Bus::System, &request)
}

fn property(unit: &str, property: &str) -> String {
    let shown = Invocation::new("systemctl").args(["show", "--value", "-p", property, unit]).run();
    shown.stdout.trim().to_owned()
}

impl Scope {
    fn new(path: Option<&str>, limits: &str, annotations: &[(&str, &str)]) -> Self {
        let id = name();
        let cgroup = make(&id, path, limits, annotations).unwrap();
        Self { id, cgroup }
    }

    fn unit(&self) -> String {
        self.cgroup.unit().unwrap().name.clone()
    }

    fn show(&self, name: &str) -> String {
        property(&self.unit(), name)
    }

    fn read(&self, file: &str) -> String {
        let path = format!("{}/{file}", self.cgroup.paths()[""]);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")).trim().to_owned()
    }

    /// A process in it, in the place of the one that stood there.
    fn inhabit(&self) -> testkit::Running {
        let join = self.cgroup.join(JoinBy::Write).unwrap();
        let enter = format!("{}/cgroup.procs", self.cgroup.paths()[""]);
        let mut running =
            Invocation::new("sh").args(["-c", &format!("echo 0 >{enter} && echo ready && exec sleep 60")]).spawn();
        running.stdout_until("ready\n");
        drop(join);
        self.cgroup.inhabited().unwrap();
        running
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let killed = self.cgroup.kill(LIMIT);
        let removed = self.cgroup.remove(LIMIT);
        if !std::thread::panicking() {
            killed.unwrap();
            removed.unwrap();
            assert_eq!(self.show("ActiveState"), "inactive", "a unit runs on");
            // To ask for a slice is to load it.
            let left = self.show("LoadState") == "loaded" && !self.unit().contains(".slice");
            assert!(!left, "a unit is left");
            assert!(!std::fs::exists(&self.cgroup.paths()[""]).unwrap(), "a cgroup is left");
        }
    }
}

const LIMITS: &str = r#"{
    "memory": {"limit": 67108864, "swap": 100663296, "reservation": 33554432},
    "cpu": {"shares": 512, "quota": 33333, "period": 100000},
    "pids": {"limit": 50},
    "devices": [{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}],
    "unified": {"memory.high": "60000000"}
}"#;

#[test]
fn a_scope_is_what_was_asked_for_and_the_files_agree() {
    requires!(root, systemd, cgroup_v2);
    let scope = Scope::new(None, LIMITS, &[("TimeoutStopSec", "3"), ("CollectMode", "'inactive-or-failed'")]);
    assert_eq!(scope.unit(), format!("runc-{}.scope", scope.id));
    let expected = [
        ("ActiveState", "active"),
        ("ControlGroup", &format!("/system.slice/{}", scope.unit())),
        ("Slice", "system.slice"),
        ("Delegate", "yes"),
        ("DefaultDependencies", "no"),
        ("MemoryMax", "67108864"),
        ("MemoryLow", "33554432"),
        ("MemorySwapMax", "33554432"),
        ("MemoryHigh", "60000000"),
        ("CPUQuotaPerSecUSec", "340ms"),
        ("CPUQuotaPeriodUSec", "100ms"),
        ("TasksMax", "50"),
        ("DevicePolicy", "strict"),
        ("DeviceAllow", "/dev/char/1:3 rwm"),
        ("TimeoutStopUSec", "3s"),
        ("CollectMode", "inactive-or-failed"),
        // runc's tests/integration/dev.bats: systemd of 230 and later has it otherwise when the order is wrong.
        ("NeedDaemonReload", "no"),
        ("CPUAccounting", "yes"),
        ("MemoryAccounting", "yes"),
        ("IOAccounting", "yes"),
        ("TasksAccounting", "yes"),
    ];
    for (name, value) in expected {
        assert_eq!(scope.show(name), value, "{name}");
    }
    let files = |scope: &Scope| {
        assert_eq!(scope.read("memory.max"), "67108864");
        assert_eq!(scope.read("memory.low"), "33554432");
        // Whole pages.
        assert_eq!(scope.read("memory.high"), "59998208");
        assert_eq!(scope.read("cpu.max"), "34000 100000");
        assert_eq!(scope.read("cpu.weight"), scope.show("CPUWeight"));
        assert_eq!(scope.read("pids.max"), "50");
    };
    files(&scope);
    let _inside = scope.inhabit();
    Invocation::new("systemctl").args(["daemon-reload"]).run().code(0);
    files(&scope);
    assert_eq!(scope.show("ActiveState"), "active");
}

#[test]
fn a_scope_lives_without_a_moment_in_which_it_is_empty() {
    requires!(root, systemd, cgroup_v2);
    let scope = Scope::new(None, r#"{"pids": {"limit": 1}}"#, &[]);
    // Long enough for systemd to collect what is empty.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(scope.show("ActiveState"), "active");
    // There is room for the container's first process beside the one that stands there.
    assert_eq!((scope.read("pids.current"), scope.read("pids.max")), ("1".to_owned(), "2".to_owned()));
    let inside = scope.inhabit();
    assert_eq!((scope.read("pids.current"), scope.read("pids.max")), ("1".to_owned(), "1".to_owned()));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(scope.show("ActiveState"), "active");
    drop(inside);
}

#[test]
fn a_scope_whose_maker_dies_is_collected() {
    requires!(root, systemd, cgroup_v2);
    let scope = Scope::new(None, "{}", &[]);
    scope.cgroup.inhabited().unwrap();
    let begun = std::time::Instant::now();
    while scope.show("LoadState") != "not-found" {
        assert!(begun.elapsed() < LIMIT, "the empty scope stays");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn paths_name_slices_scopes_and_the_root() {
    requires!(root, systemd, cgroup_v2);
    let own = name();
    let inner = own.replace('-', "_");
    let nested = Scope::new(Some(&format!("coracle-{inner}.slice:pod:{own}")), "{}", &[]);
    assert_eq!(
        nested.show("ControlGroup"),
        format!("/coracle.slice/coracle-{inner}.slice/pod-{own}.scope"),
        "a slice below another"
    );
    let root = Scope::new(Some(&format!("-.slice:top:{own}")), "{}", &[]);
    assert_eq!(root.show("ControlGroup"), format!("/top-{own}.scope"));
    let slice = Scope::new(Some(&format!(":ignored:coracle-{inner}.slice")), r#"{"pids":{"limit":7}}"#, &[]);
    assert_eq!(slice.show("ControlGroup"), format!("/coracle.slice/coracle-{inner}.slice"));
    assert_eq!(slice.show("TasksMax"), "7");
    assert_eq!(slice.read("pids.max"), "7");
    drop((nested, root, slice));
    Invocation::new("systemctl").args(["stop", "coracle.slice"]).run().code(0);
}

#[test]
fn a_failed_unit_of_the_same_name_is_forgotten_and_a_running_one_is_left_alone() {
    requires!(root, systemd, cgroup_v2);
    let id = name();
    let unit = format!("runc-{id}.scope");
    let scope = ["--scope", "--quiet", "-p", "RuntimeMaxSec=1", "-p", "TimeoutStopSec=1"];
    let _ = Invocation::new("systemd-run").args(scope).arg(format!("--unit={unit}")).args(["sleep", "30"]).run();
    assert_eq!(property(&unit, "ActiveState"), "failed", "what is to be forgotten is there");
    let cgroup = make(&id, None, "{}", &[]).unwrap();
    let scope = Scope { id: id.clone(), cgroup };
    let error = make(&id, None, "{}", &[]).unwrap_err();
    assert!(matches!(&error, Error::UnitExists { .. }), "{error}");
    assert_eq!(scope.show("ActiveState"), "active");
}

#[test]
fn a_frozen_cgroup_at_the_units_place_is_refused_and_left_as_it_is() {
    requires!(root, systemd, cgroup_v2);
    let id = name();
    let place = format!("/sys/fs/cgroup/system.slice/runc-{id}.scope");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(format!("{place}/cgroup.freeze"), "1").unwrap();
    let error = make(&id, None, "{}", &[]).unwrap_err();
    assert!(matches!(&error, Error::Frozen { path } if *path == place), "{error}");
    assert_eq!(std::fs::read_to_string(format!("{place}/cgroup.freeze")).unwrap(), "1\n");
    std::fs::remove_dir(&place).unwrap();
}

#[test]
fn an_update_reaches_systemd_and_the_kernel_also_from_a_later_process() {
    requires!(root, systemd, cgroup_v2);
    let scope = Scope::new(None, r#"{"memory": {"limit": 67108864}, "pids": {"limit": 50}}"#, &[]);
    let _inside = scope.inhabit();
    let later =
        Cgroup::from_paths(&scope.cgroup.paths()).with_unit(Some(Unit { name: scope.unit(), bus: Bus::System }));
    let limits = r#"{"memory": {"limit": 134217728}, "pids": {"limit": -1}, "cpu": {"quota": 50001}}"#;
    later.update(&serde_json::from_str(limits).unwrap()).unwrap();
    for (name, value) in [("MemoryMax", "134217728"), ("TasksMax", "infinity"), ("CPUQuotaPerSecUSec", "510ms")] {
        assert_eq!(scope.show(name), value, "{name}");
    }
    assert_eq!((scope.read("memory.max"), scope.read("pids.max")), ("134217728".to_owned(), "max".to_owned()));
    assert_eq!(scope.read("cpu.max"), "51000 100000");
}

#[test]
fn what_cannot_be_made_leaves_nothing() {
    requires!(root, systemd, cgroup_v2);
    let cases: [(&str, &[(&str, &str)]); 4] = [
        // Refused by the kernel, after systemd has made the unit.
        (r#"{"unified": {"memory.nonsense": "1"}}"#, &[]),
        (r#"{"memory": {"limit": -5}}"#, &[]),
        ("{}", &[("FailureAction", "'reboot'")]),
        // Refused by systemd.
        ("{}", &[("CollectMode", "'never'")]),
    ];
    for (limits, annotations) in cases {
        let id = name();
        let error = make(&id, None, limits, annotations).unwrap_err();
        assert_eq!(property(&format!("runc-{id}.scope"), "LoadState"), "not-found", "{error}");
        assert!(!std::fs::exists(format!("/sys/fs/cgroup/system.slice/runc-{id}.scope")).unwrap(), "{error}");
    }
}
