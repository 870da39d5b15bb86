//! `tmpcopyup`: a tmpfs that begins with what the root has at its place.

use crate::bundle::Bundle;
use std::os::unix::fs::symlink;
use testkit::requires;

#[test]
fn the_tmpfs_begins_with_what_was_there_and_the_root_keeps_its_own() {
    requires!(root, busybox);
    let mut bundle = Bundle::script(
        "cd /data; find . | sort; cat sub/file; readlink link; stat -c '%a %u:%g' . sub sub/file; echo new > sub/file; rm link",
    );
    let big = "x".repeat(3_000_000);
    bundle.rootfs.file("data/sub/file", "old\n").file("data/big", &big).mode("data", 0o1755).mode("data/sub", 0o750);
    bundle.rootfs.mode("data/sub/file", 0o640);
    symlink("/nowhere", bundle.rootfs.inside("data/link")).unwrap();
    std::os::unix::fs::chown(bundle.rootfs.inside("data/sub/file"), Some(12), Some(34)).unwrap();
    bundle.mount("tmpfs", "tmpfs", "/data", &["tmpcopyup", "nodev"]);
    bundle.ok().stdout_is(".\n./big\n./link\n./sub\n./sub/file\nold\n/nowhere\n1755 0:0\n750 0:0\n640 12:34\n");
    assert_eq!(std::fs::read_to_string(bundle.rootfs.inside("data/sub/file")).unwrap(), "old\n");
    assert!(bundle.rootfs.inside("data/link").is_symlink());
    let mut bundle = bundle;
    bundle.command(&["sh", "-c", "wc -c < /data/big"]);
    bundle.ok().stdout_is("3000000\n");
}

#[test]
fn a_place_that_is_not_there_begins_empty() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("ls -A /new; touch /new/x && echo writable");
    bundle.mount("tmpfs", "tmpfs", "/new", &["tmpcopyup"]);
    bundle.ok().stdout_is("writable\n");
}

#[test]
fn a_read_only_one_has_its_files_too() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /data/file; touch /data/x");
    bundle.rootfs.file("data/file", "there\n");
    bundle.mount("tmpfs", "tmpfs", "/data", &["tmpcopyup", "ro"]);
    bundle.run().code(1).stdout_is("there\n").stderr_contains("Read-only file system");
}

#[test]
fn a_tmpfs_too_small_for_it_is_an_error() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.rootfs.file("data/big", "x".repeat(2_000_000));
    bundle.mount("tmpfs", "tmpfs", "/data", &["tmpcopyup", "size=1m"]);
    bundle.refused("/data").stderr_contains("ENOSPC");
}

#[test]
fn links_are_copied_and_never_followed() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("ls -A /data/out; readlink /data/out");
    let bait = crate::bundle::Bait::new(&bundle);
    std::fs::create_dir(bundle.rootfs.inside("data")).unwrap();
    symlink(bait.path(), bundle.rootfs.inside("data/out")).unwrap();
    bundle.mount("tmpfs", "tmpfs", "/data", &["tmpcopyup"]);
    let outcome = bundle.run();
    outcome.code(0).stdout_lacks("file");
    bait.assert_untouched();
}

#[test]
fn in_a_user_namespace_owners_stay() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("stat -c '%u:%g' /data /data/file");
    bundle.rootfs.file("data/file", "x");
    bundle.user_namespace();
    std::os::unix::fs::chown(bundle.rootfs.inside("data/file"), Some(100_007), Some(100_008)).unwrap();
    bundle.mount("tmpfs", "tmpfs", "/data", &["tmpcopyup"]);
    bundle.ok().stdout_is("0:0\n7:8\n");
}

#[test]
fn a_tree_deeper_than_anybody_needs_is_an_error_and_no_crash() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    let deep: String = (0..200).map(|_| "d/").collect();
    std::fs::create_dir_all(bundle.rootfs.inside(&format!("data/{deep}"))).unwrap();
    bundle.mount("tmpfs", "tmpfs", "/data", &["tmpcopyup"]);
    bundle.refused("/data");
}
