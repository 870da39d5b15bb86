//! What an ordinary user gets.

use crate::lab::{LIMIT, name};
use cgroup::{Cgroup, CgroupPath, Error, Layout, Mode};
use oci::runtime::{DeviceRule, Memory, Pids, Resources};
use std::path::Path;
use testkit::{Invocation, requires};

/// Runs one of this file's tests as nobody, in the cgroup that the caller's `enter` moves it to.
fn as_nobody(test: &str, enter: &str) {
    let me = std::env::current_exe().unwrap();
    let exec = r#"exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$@""#;
    let script = format!("{enter} {exec}");
    let command = Invocation::new("sh").args(["-c", &script, "sh"]).arg(me).args(["--exact", test, "--nocapture"]);
    let outcome = command.without_env("CORACLE_SKIPS").run();
    outcome.code(0).stdout_contains("1 passed");
    outcome.stdout_contains("as nobody");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn without_delegation_it_goes_without_limits_and_says_which() {
    if is_root() {
        requires!(root, package = "setpriv");
        return as_nobody("rootless::without_delegation_it_goes_without_limits_and_says_which", "");
    }
    println!("as nobody");
    let layout = Layout::detect().unwrap();
    assert_eq!(layout.delegated(), None);
    let cgroup = Cgroup::create(&layout, &CgroupPath::new(&format!("/{}", name())).unwrap()).unwrap();
    assert!(cgroup.is_empty());
    assert!(cgroup.paths().is_empty());
    // Nothing asked is nothing missed; device rules are every container's, and moot here.
    let devices = vec![DeviceRule::default()];
    cgroup.apply(&Resources { devices, ..Resources::default() }).unwrap();
    if layout.owner(cgroup::Controller::Memory).is_some() {
        let limits =
            Resources { memory: Some(Memory { limit: Some(1 << 24), ..Memory::default() }), ..Resources::default() };
        let error = cgroup.apply(&limits).unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with("memory.limit cannot be set: no access to the memory controller; "), "{text}");
        let remedy = if layout.mode() == Mode::V2 { "Delegate=yes" } else { "run as root" };
        assert!(text.contains(remedy), "{text}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.starts_with("mkdirat(") && source.contains("EACCES"), "{source}");
    }
    cgroup.kill(LIMIT).unwrap();
    cgroup.remove(LIMIT).unwrap();
}

#[test]
fn a_delegated_subtree_is_used() {
    const TEST: &str = "rootless::a_delegated_subtree_is_used";
    if is_root() {
        requires!(root, package = "setpriv");
        let layout = Layout::detect().unwrap();
        let Some(top) = layout.unified().map(|hierarchy| hierarchy.mount.clone()) else {
            testkit::requires::met(TEST, [Err("a cgroup v2 hierarchy in this view".to_owned())]);
            return;
        };
        // As systemd does it: a slice that is the user's, and in it a scope with the user's shell.
        let slice = Cgroup::create(&layout, &CgroupPath::new(&format!("/{}", name())).unwrap()).unwrap();
        let (uid, gid) = (rustix::fs::Uid::from_raw(65534), rustix::fs::Gid::from_raw(65534));
        slice.give_to(uid, gid).unwrap();
        let slice_path = slice.paths()[""].clone();
        assert!(slice_path.starts_with(&top));
        std::fs::create_dir(format!("{slice_path}/scope")).unwrap();
        as_nobody(TEST, &format!("echo $$ >{slice_path}/scope/cgroup.procs &&"));
        slice.remove(LIMIT).unwrap();
        return;
    }
    println!("as nobody");
    let layout = Layout::detect().unwrap();
    let base = layout.delegated().unwrap();
    assert!(base.is_absolute() && !base.as_inner().ends_with("scope"), "{base:?}");
    let cgroup = Cgroup::create(&layout, &base.join("box").unwrap()).unwrap();
    assert_eq!(cgroup.paths().keys().collect::<Vec<_>>(), [""], "only v2 can be delegated");
    let path = cgroup.paths().remove("").unwrap();
    if layout.mode() == Mode::V2 && layout.owner(cgroup::Controller::Pids).is_some() {
        let limits = Resources { pids: Some(Pids { limit: Some(7) }), ..Resources::default() };
        cgroup.apply(&limits).unwrap();
        assert_eq!(std::fs::read_to_string(format!("{path}/pids.max")).unwrap(), "7\n");
        assert_eq!(cgroup.denied(), []);
    }
    cgroup.apply(&Resources { devices: vec![DeviceRule::default()], ..Resources::default() }).unwrap();
    let enter = format!("echo $$ >{path}/cgroup.procs && echo ready && exec sleep 60");
    let mut sleeper = Invocation::new("sh").args(["-c", &enter]).spawn();
    sleeper.stdout_until("ready\n");
    assert_eq!(cgroup.procs().unwrap(), [sleeper.pid()]);
    cgroup.kill(LIMIT).unwrap();
    sleeper.wait().signal(9);
    cgroup.remove(LIMIT).unwrap();
    assert!(!Path::new(&path).exists());
}
