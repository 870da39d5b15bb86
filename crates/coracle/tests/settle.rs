//! Layers that are directories reach the disk when the command that unpacked them is long over.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use std::fs;

use archive::{docker_archive, text};
use serde_json::json;
use testkit::{Sandbox, User, requires};

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
    sandbox.settle();
    assert_eq!(sandbox.layer_records().len(), 1);
}

#[test]
fn a_users_layers_of_another_map_are_put_on_disk_too() {
    requires!(subuid_user, user_namespaces, busybox);
    let sandbox = Sandbox::of(&User::with_subuids());
    load(&sandbox);
    sandbox.run(["run", "--rm", "--userns=keep-id", "small", "true"]).code(0);
    assert_eq!(sandbox.layer_records().len(), 2);
    sandbox.settle();
}

#[test]
fn a_layer_that_a_power_cut_has_emptied_is_unpacked_again_record_and_all() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    load(&sandbox);
    sandbox.settle();
    let record = sandbox.layer_records().remove(0);
    let settled = fs::read_to_string(&record).expect("a record");
    let settled = settled.strip_suffix('}').expect("an object");
    let rebooted = format!("{settled},\"boot\":\"00000000-0000-0000-0000-000000000000\"}}");
    let program = record.with_file_name("fs").join("bin/busybox");
    for left in [rebooted.as_str(), ""] {
        // The child of the run before would write the record anew.
        sandbox.settle();
        fs::write(&record, left).expect("writing the record");
        fs::write(&program, "").expect("emptying a file");
        sandbox.run(["run", "--rm", "small", "true"]).code(0);
    }
}
