//! An ordinary user's systemd: his scopes are made by it, and it may hang.

use crate::lab::{LIMIT, name};
use cgroup::{Bus, Cgroup, Error, JoinBy, Layout, UnitRequest};
use oci::runtime::Resources;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use testkit::{Invocation, requires};

const NOBODY: &str = "65534";

/// A systemd of nobody's, as a service of the machine's; stopped when the test ends.
struct Manager {
    unit: String,
    runtime: tempfile::TempDir,
}

impl Manager {
    fn start() -> Self {
        let unit = format!("{}.service", name());
        // Not /tmp: the service has one of its own on some machines.
        let runtime = tempfile::tempdir_in("/run").unwrap();
        let path = runtime.path().display().to_string();
        Invocation::new("chown").args([NOBODY, &path]).run().code(0);
        Invocation::new("systemd-run")
            .args(["--quiet", "-p", "Type=notify", "-p", "Delegate=yes", "-p", "TimeoutStartSec=60"])
            .args(["--uid=65534", &format!("--unit={unit}"), &format!("--setenv=XDG_RUNTIME_DIR={path}")])
            .args(["--collect", "/lib/systemd/systemd", "--user"])
            .timeout(Duration::from_secs(90))
            .run()
            .code(0);
        Self { unit, runtime }
    }

    fn runtime(&self) -> String {
        self.runtime.path().display().to_string()
    }

    fn signal(&self, signal: &str) {
        Invocation::new("systemctl").args(["kill", "--kill-whom=main", "-s", signal, &self.unit]).run().code(0);
    }

    /// What the user's own `systemctl` says.
    fn show(&self, unit: &str, property: &str) -> String {
        let script = r#"exec setpriv --reuid 65534 --regid 65534 --clear-groups systemctl --user show --value -p "$@""#;
        let shown = Invocation::new("sh").args(["-c", script, "sh", property, unit]);
        shown.env("XDG_RUNTIME_DIR", self.runtime()).run().stdout.trim().to_owned()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let stop = Invocation::new("systemctl").args(["stop", &self.unit]).timeout(Duration::from_mins(1)).run();
        if !std::thread::panicking() {
            stop.code(0);
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn make(bus: &Bus, id: &str, limits: &str) -> Result<Cgroup, Error> {
    let resources: Resources = serde_json::from_str(limits).unwrap();
    let request = UnitRequest { id, path: None, resources: &resources, annotations: &BTreeMap::new() };
    Cgroup::create_unit(&Layout::detect().unwrap(), bus, &request)
}

#[test]
fn an_ordinary_user_has_scopes_of_his_own() {
    const TEST: &str = "user_systemd::an_ordinary_user_has_scopes_of_his_own";
    if is_root() {
        requires!(root, systemd, cgroup_v2, package = "setpriv");
        let manager = Manager::start();
        let exec = r#"exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$@""#;
        let me = std::env::current_exe().unwrap();
        let inner = Invocation::new("sh").args(["-c", exec, "sh"]).arg(me).args(["--exact", TEST, "--nocapture"]);
        let inner = inner.env("CORACLE_TEST_RUNTIME", manager.runtime()).without_env("CORACLE_SKIPS");
        let outcome = inner.timeout(Duration::from_mins(2)).run();
        outcome.code(0).stdout_contains("1 passed").stdout_contains("as nobody");
        return;
    }
    println!("as nobody");
    let runtime = std::env::var("CORACLE_TEST_RUNTIME").unwrap();
    let bus = Bus::User { runtime: Some(runtime), address: None };
    let layout = Layout::detect().unwrap();
    let cgroup = make(&bus, &name(), r#"{"memory": {"limit": 33554432}, "pids": {"limit": 9}}"#).unwrap();
    let path = cgroup.paths()[""].clone();
    let read = |file: &str| std::fs::read_to_string(format!("{path}/{file}")).unwrap().trim().to_owned();
    assert!(path.contains(".service/user.slice/runc-"), "{path}");
    assert_eq!((read("memory.max"), read("pids.max")), ("33554432".to_owned(), "9".to_owned()));
    // This test is not below that systemd: it may neither be born into the scope nor move there.
    assert!(cgroup.attaches(&layout));
    let mut inside = Invocation::new("sh").args(["-c", "echo ready; exec sleep 60"]).spawn();
    inside.stdout_until("ready\n");
    cgroup.attach(inside.pid()).unwrap();
    cgroup.inhabited().unwrap();
    assert_eq!(read("cgroup.procs"), inside.pid().to_string());
    assert!(cgroup.join(JoinBy::Clone).unwrap().directory.is_some());
    cgroup.kill(LIMIT).unwrap();
    cgroup.remove(LIMIT).unwrap();
    assert!(!std::fs::exists(&path).unwrap());
}

#[test]
fn a_systemd_that_hangs_costs_its_time_and_leaves_nothing() {
    requires!(root, systemd, cgroup_v2, package = "setpriv");
    let manager = Manager::start();
    let bus = Bus::User { runtime: Some(manager.runtime()), address: None };
    let id = name();
    manager.signal("SIGSTOP");
    let begun = Instant::now();
    let error = make(&bus, &id, "{}").unwrap_err();
    let took = begun.elapsed();
    manager.signal("SIGCONT");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("within 30 s"), "{error}: {source}");
    assert!(took >= Duration::from_secs(30) && took < Duration::from_mins(1), "{took:?}");
    assert_eq!(manager.show(&format!("runc-{id}.scope"), "LoadState"), "not-found");
}

#[test]
fn without_a_session_the_error_says_what_to_do() {
    let error = make(&Bus::User { runtime: None, address: None }, "x", "{}").unwrap_err();
    assert!(error.to_string().contains("XDG_RUNTIME_DIR"), "{error}");
    let gone = Bus::User { runtime: Some("/nonexistent".to_owned()), address: None };
    let error = make(&gone, "x", "{}").unwrap_err();
    assert!(matches!(error, Error::Systemd(_)), "{error}");
}
