//! Layers that are directories reach the disk when the command that unpacked them is long over.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use archive::{docker_archive, text};
use serde_json::json;
use testkit::{Sandbox, User, requires, within};

/// A sync of a busy machine's disk may take its time.
const SYNCED: Duration = Duration::from_mins(2);

/// The records of all layers, those of other maps too.
fn records(sandbox: &Sandbox) -> Vec<PathBuf> {
    let inside = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let plain = inside(sandbox.root().join("layers"));
    let mapped = inside(sandbox.root().join("mapped")).flat_map(inside);
    plain.chain(mapped).map(|layer| layer.join("record.json")).collect()
}

fn unsettled(sandbox: &Sandbox) -> usize {
    let has_boot = |record: &PathBuf| fs::read_to_string(record).is_ok_and(|text| text.contains("\"boot\""));
    records(sandbox).iter().filter(|record| has_boot(record)).count()
}

fn load(sandbox: &Sandbox) {
    let base = sandbox.rootfs("home/base");
    let archive = docker_archive(sandbox, "small", &[base.path().to_owned()], &json!({"Cmd": ["sh"]}));
    sandbox.run(["--storage-driver", "overlay", "load", "-i", text(&archive)]).code(0);
}

#[test]
fn what_a_load_unpacked_is_put_on_disk_by_a_child_that_holds_nothing() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    // The outcome is read to the end of its output: a child that held that would be waited for.
    load(&sandbox);
    assert!(within(SYNCED, || unsettled(&sandbox) == 0), "{:?}", records(&sandbox));
    assert_eq!(records(&sandbox).len(), 1);
}

#[test]
fn a_users_layers_of_another_map_are_put_on_disk_too() {
    requires!(subuid_user, user_namespaces, busybox);
    let sandbox = Sandbox::of(&User::with_subuids());
    load(&sandbox);
    sandbox.run(["run", "--rm", "--userns=keep-id", "small", "true"]).code(0);
    assert_eq!(records(&sandbox).len(), 2);
    assert!(within(SYNCED, || unsettled(&sandbox) == 0), "{:?}", records(&sandbox));
}

#[test]
fn a_layer_that_a_power_cut_has_emptied_is_unpacked_again_record_and_all() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    load(&sandbox);
    assert!(within(SYNCED, || unsettled(&sandbox) == 0));
    let record = records(&sandbox).remove(0);
    let settled = fs::read_to_string(&record).expect("a record");
    let settled = settled.strip_suffix('}').expect("an object");
    let rebooted = format!("{settled},\"boot\":\"00000000-0000-0000-0000-000000000000\"}}");
    let program = record.with_file_name("fs").join("bin/busybox");
    for left in [rebooted.as_str(), ""] {
        // The child of the run before would write the record anew.
        assert!(within(SYNCED, || unsettled(&sandbox) == 0));
        fs::write(&record, left).expect("writing the record");
        fs::write(&program, "").expect("emptying a file");
        sandbox.run(["run", "--rm", "small", "true"]).code(0);
    }
}
