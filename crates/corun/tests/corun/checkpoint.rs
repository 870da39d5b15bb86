//! Containers that are written down and run again.

use crate::bundle::Bundle;
use crate::counting::{COUNTS, Counting, criu};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;
use testkit::{requires, within};

#[test]
fn a_restored_container_goes_on_where_it_was() {
    requires!(root, busybox, cgroups, that = criu());
    let counting = Counting::new();
    for _ in 0..2 {
        counting.again(&[], &[]);
        counting.corun("state", &[]).ok().stdout_contains("\"running\"");
        let id = &counting.bundle.id;
        counting
            .bundle
            .sandbox
            .corun(["exec", id, "sh", "-c", "cat /proc/1/comm; hostname"])
            .ok()
            .stdout_is("sh\nbox\n");
    }
}

#[test]
fn one_that_is_left_running_is_written_down_all_the_same() {
    requires!(root, busybox, cgroups, that = criu());
    let counting = Counting::new();
    counting.checkpoint(&["--leave-running", "--image-path", "images", "--work-path", "work"]).code(0);
    let last = counting.count();
    assert!(within(Duration::from_secs(10), || counting.count() > last + 2), "it goes on from {last}");
    let dir = counting.bundle.dir();
    assert!(dir.join("images/inventory.img").exists());
    assert!(dir.join("work/dump.log").exists());
}

#[test]
fn a_paused_one_stays_paused_if_it_is_not_gone() {
    requires!(root, busybox, cgroups, that = criu());
    let counting = Counting::new();
    counting.corun("pause", &[]).ok();
    counting.checkpoint(&["--leave-running"]).code(0);
    counting.corun("state", &[]).ok().stdout_contains("\"paused\"");
    counting.again(&[], &[]);
}

#[test]
fn without_criu_its_package_is_named() {
    requires!(root, busybox, cgroups);
    let counting = Counting::new();
    let nowhere = counting.bundle.sandbox.join("nowhere");
    let outcome = counting.corun("checkpoint", &[]).env("PATH", nowhere).run();
    outcome.code(1).stderr_contains("executable file not found in $PATH").stderr_contains("install the package criu");
    counting.corun("state", &[]).ok().stdout_contains("\"running\"");
}

#[test]
fn what_cannot_be_written_down_is_refused() {
    requires!(root, busybox, cgroups);
    let counting = Counting::new();
    counting.checkpoint(&["--parent-path", "/abs"]).code(1).stderr_contains("--parent-path must be relative");
    counting.checkpoint(&["--parent-path", "./none"]).code(1).stderr_contains("invalid --parent-path");
    for wrong in ["x", ":1", "host:", "host:0", "host:70000"] {
        counting.checkpoint(&["--page-server", wrong]).code(1).stderr_contains("not a page server");
    }
    counting.checkpoint(&["--empty-ns", "mount"]).code(1);
    counting.checkpoint(&["--status-fd", "77"]).code(1).stderr_contains("--status-fd");
    counting.checkpoint(&["--network-lock", "ebtables"]).code(1).stderr_contains("not a method");
    counting.checkpoint(&["--manage-cgroups-mode", "loose"]).code(1);
    let mount = json!([{ "type": "tmpfs", "source": "tmpfs", "destination": "/late" }]);
    counting.bundle.sandbox.corun(["mounts", "add", &counting.bundle.id, "-"]).stdin(mount.to_string()).ok();
    counting.checkpoint(&[]).code(1).stderr_contains("mounts remove");
}

#[test]
fn a_container_that_could_not_be_restored_goes_on() {
    requires!(root, busybox, cgroups);
    let mut bundle = Bundle::script(COUNTS);
    bundle.rootfs.file("count", "");
    bundle.user_namespace();
    let counting = Counting::of(bundle);
    counting.checkpoint(&[]).code(1).stderr_contains("user namespace");
    counting.corun("state", &[]).ok().stdout_contains("\"running\"");
}

#[test]
fn a_checkpoint_does_not_write_through_links_that_somebody_has_planted() {
    requires!(root, busybox, cgroups);
    let counting = Counting::new();
    let precious = counting.bundle.sandbox.file("precious", "mine\n");
    for (name, is_work) in
        [("dump.log", true), ("stats-dump", true), ("descriptors.json", false), ("core-1.img", false)]
    {
        let dir = counting.bundle.sandbox.join(name);
        fs::create_dir(&dir).unwrap();
        symlink(&precious, dir.join(name)).unwrap();
        let dir = dir.to_string_lossy();
        let message = "a link, through which criu would write";
        counting.checkpoint(&["--image-path", &dir]).code(1).stderr_contains(message);
        if is_work {
            counting.checkpoint(&["--work-path", &dir]).code(1).stderr_contains(message);
        }
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine\n");
    counting.corun("state", &[]).ok().stdout_contains("\"running\"");
}

#[test]
fn a_hostile_archive_does_not_have_criu_write_elsewhere() {
    requires!(root, busybox, cgroups);
    let bundle = Bundle::new();
    bundle.sandbox.file("bundle/config.json", bundle.spec.to_string());
    let precious = bundle.sandbox.file("precious", "mine\n");
    let restore = || bundle.sandbox.corun(["restore", "--bundle"]).arg(bundle.dir()).arg("--image-path");
    for name in ["restore.log", "stats-restore", "descriptors.json", "inventory.img"] {
        let dir = bundle.sandbox.join(format!("archive-{name}"));
        fs::create_dir(&dir).unwrap();
        symlink(&precious, dir.join(name)).unwrap();
        restore().arg(&dir).arg(&bundle.id).run().code(1).stderr_contains("a link, through which criu would write");
        let images = bundle.sandbox.join("empty");
        restore().arg(&images).arg("--work-path").arg(&dir).arg(&bundle.id).run().code(1);
    }
    let dir = bundle.sandbox.join("parent");
    fs::create_dir(&dir).unwrap();
    symlink("/", dir.join("parent")).unwrap();
    restore().arg(&dir).arg(&bundle.id).run().code(1).stderr_contains("a link to outside");
    fs::remove_file(dir.join("parent")).unwrap();
    fs::write(dir.join("descriptors.json"), "{}").unwrap();
    restore().arg(&dir).arg(&bundle.id).run().code(1).stderr_contains("descriptors.json");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine\n");
    assert!(!bundle.sandbox.runroot().join(&bundle.id).exists(), "nothing is left of a failed restore");
}
