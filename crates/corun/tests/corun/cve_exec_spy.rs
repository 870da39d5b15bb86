//! CVE-2016-9962: the first process of a container grabs for whatever turns up in its PID namespace while hundreds of
//! processes enter. It gets nothing that is the host's.

use crate::bundle::Bundle;
use crate::container::{Container, SLEEP};
use std::fs;
use std::os::unix::fs::symlink;
use testkit::requires;

const SPY: &str = include_str!("spy.py");

pub fn rounds() -> usize {
    if std::env::var_os("CORACLE_LONG").is_some() { 1000 } else { 100 }
}

/// Has the spy be the first process; Python is the machine's own, seen through binds.
pub fn spy(bundle: &mut Bundle) {
    bundle.rootfs.file("spy.py", SPY);
    for name in ["lib", "lib64"] {
        let _ = fs::remove_dir(bundle.rootfs.inside(name));
        symlink(format!("usr/{name}"), bundle.rootfs.inside(name)).unwrap();
    }
    fs::remove_dir_all(bundle.rootfs.inside("usr")).unwrap();
    fs::create_dir(bundle.rootfs.inside("usr")).unwrap();
    bundle.mount("bind", "/usr", "/usr", &["rbind", "ro"]);
    bundle.command(&["/usr/bin/python3", "-I", "-u", "/spy.py"]);
}

fn spying(mut bundle: Bundle) -> Container {
    spy(&mut bundle);
    let container = Container::running(bundle);
    container.says("up");
    container
}

#[track_caller]
fn gets_nothing(container: &Container, options: &[&str]) {
    for _ in 0..rounds() {
        container.exec_with(options, &["/bin/true"]).run().code(0);
    }
    has_got_nothing(&container.output());
}

#[track_caller]
pub fn has_got_nothing(seen: &str) {
    assert!(seen.contains("SAW 10"), "the attack is one: {seen}");
    assert!(!seen.contains("GOT") && !seen.contains("Error"), "{seen}");
}

#[test]
fn cve_2016_9962_without_a_user_namespace() {
    requires!(root, busybox, package = "python3");
    gets_nothing(&spying(Bundle::script(SLEEP)), &[]);
}

#[test]
fn cve_2016_9962_in_a_user_namespace_whose_root_may_trace() {
    requires!(root, busybox, package = "python3");
    let mut bundle = Bundle::script(SLEEP);
    bundle.user_namespace().capabilities(&[
        "CAP_SYS_PTRACE",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_SYS_ADMIN",
        "CAP_KILL",
    ]);
    gets_nothing(&spying(bundle), &[]);
}

#[test]
fn cve_2016_9962_by_a_process_of_the_same_ordinary_user() {
    requires!(root, busybox, package = "python3");
    let mut bundle = Bundle::script(SLEEP);
    bundle.set("/process/user", serde_json::json!({ "uid": 1000, "gid": 1000 }));
    gets_nothing(&spying(bundle), &["--user", "1000:1000"]);
}
