//! Stopping, going on, ending.

use crate::lab::{LIMIT, Lab};
use std::time::Duration;
use testkit::{requires, within};

/// Counts up in a file of its own until it is stopped.
fn counter(lab: &Lab) -> (testkit::Running, std::path::PathBuf, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("count");
    let script = format!("echo ready; i=0; while :; do i=$((i+1)); echo $i >{}; done", file.display());
    (lab.inside(&script).start(), file, dir)
}

fn grows(file: &std::path::Path, limit: Duration) -> bool {
    let read = || std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    let before = read();
    within(limit, || read() > before)
}

#[test]
fn a_frozen_process_stands_still_and_goes_on_when_thawed() {
    requires!(root);
    let lab = Lab::new();
    let (_running, file, _dir) = counter(&lab);
    assert!(grows(&file, LIMIT));
    lab.cgroup.freeze(LIMIT).unwrap();
    assert!(lab.cgroup.is_frozen().unwrap());
    assert!(!grows(&file, Duration::from_millis(150)));
    lab.cgroup.thaw().unwrap();
    assert!(!lab.cgroup.is_frozen().unwrap());
    assert!(grows(&file, LIMIT));
}

#[test]
fn freezing_twice_and_thawing_what_is_not_frozen_is_fine() {
    requires!(root);
    let lab = Lab::new();
    lab.cgroup.thaw().unwrap();
    lab.cgroup.freeze(LIMIT).unwrap();
    lab.cgroup.freeze(LIMIT).unwrap();
    lab.cgroup.thaw().unwrap();
}

#[test]
fn kill_ends_all_even_those_in_other_sessions_and_below() {
    requires!(root);
    let lab = Lab::new();
    for path in lab.cgroup.paths().values() {
        std::fs::create_dir(format!("{path}/below")).unwrap();
        if path.contains("cpuset") {
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let value = std::fs::read_to_string(format!("{path}/{file}")).unwrap();
                std::fs::write(format!("{path}/below/{file}"), value).unwrap();
            }
        }
    }
    let moves = lab.cgroup.paths().into_values().collect::<std::collections::BTreeSet<_>>();
    let moves: Vec<_> = moves.iter().map(|path| format!("echo $$ >{path}/below/cgroup.procs || exit 98; ")).collect();
    let moves = moves.concat();
    let script = format!(
        "setsid sleep 60 & setsid sh -c \"trap : TERM INT HUP; sleep 60; sleep 60\" & \
         sh -c '{moves} exec sleep 60' & sleep 0.2; echo ready; wait"
    );
    let running = lab.inside(&script).start();
    let before = lab.cgroup.procs().unwrap();
    assert!(before.len() >= 4, "{before:?}");
    lab.cgroup.kill(LIMIT).unwrap();
    running.wait().signal(9);
    assert!(within(LIMIT, || lab.cgroup.procs().unwrap().is_empty()), "{:?}", lab.cgroup.procs());
}

#[test]
fn kill_ends_what_is_frozen() {
    requires!(root);
    let lab = Lab::new();
    let running = lab.inside("echo ready; exec sleep 60").start();
    lab.cgroup.freeze(LIMIT).unwrap();
    lab.cgroup.kill(LIMIT).unwrap();
    running.wait().signal(9);
}

#[test]
fn kill_outruns_a_process_that_forks_without_end() {
    requires!(root);
    let lab = Lab::new();
    let running = lab.inside("echo ready; while :; do sh -c : & done 2>/dev/null").start();
    std::thread::sleep(Duration::from_millis(50));
    lab.cgroup.kill(LIMIT).unwrap();
    running.wait().signal(9);
    assert!(within(LIMIT, || lab.cgroup.procs().unwrap().is_empty()));
}

#[test]
fn removal_waits_for_those_that_are_dying() {
    requires!(root);
    let lab = Lab::new();
    let running = lab.inside("for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; echo ready; wait").start();
    lab.cgroup.kill(LIMIT).unwrap();
    lab.cgroup.remove(LIMIT).unwrap();
    running.wait().signal(9);
}

#[test]
fn nothing_in_it_is_nothing_to_kill() {
    requires!(root);
    let lab = Lab::new();
    lab.cgroup.kill(LIMIT).unwrap();
    lab.cgroup.remove(LIMIT).unwrap();
    lab.cgroup.kill(LIMIT).unwrap();
    assert!(lab.cgroup.procs().unwrap().is_empty());
}
