//! Containers that stand still, and one that cannot.

use crate::bundle::Bundle;
use crate::container::{Container, SLEEP, SOON};
use serde_json::json;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use testkit::{Invocation, requires, within};

/// A file system in a file, with a file that nobody has read yet; and its device.
fn disk(bundle: &Bundle) -> (PathBuf, u64, u64) {
    let (image, place) = (bundle.sandbox.join("image"), bundle.sandbox.join("disk"));
    bundle.sandbox.file("content/file", vec![b'x'; 4096]);
    std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    std::fs::create_dir(&place).unwrap();
    Invocation::new("mkfs.ext4").args(["-q", "-d"]).arg(bundle.sandbox.join("content")).arg(&image).ok();
    Invocation::new("mount").args(["-o", "loop,ro"]).arg(&image).arg(&place).ok();
    let device = std::fs::metadata(&place).unwrap().dev();
    (place, u64::from(rustix::fs::major(device)), u64::from(rustix::fs::minor(device)))
}

/// Views of the machine's cgroups: as they are, and without v2 beside v1, where the freezer is v1's.
fn views() -> Vec<&'static [&'static str]> {
    let apart: &[&str] = &["unshare", "-m", "sh", "-c", "umount /sys/fs/cgroup/unified && exec \"$@\"", "sh"];
    let hybrid = Path::new("/sys/fs/cgroup/unified/cgroup.controllers").exists();
    [&[][..], apart].into_iter().take(if hybrid { 2 } else { 1 }).collect()
}

#[test]
fn one_that_cannot_be_paused_goes_on_and_that_is_told() {
    let loops = || if Path::new("/dev/loop-control").exists() { Ok(()) } else { Err("loop devices".to_owned()) };
    requires!(root, busybox, controller = "blkio", package = "mkfs.ext4", that = loops());
    for view in views() {
        let mut bundle = Bundle::script("echo up; cat /disk/file > /dev/null; echo read; while :; do sleep 0.1; done");
        let (place, major, minor) = disk(&bundle);
        bundle.mount("bind", &place, "/disk", &["bind"]);
        // Who waits for a disk waits where no freezer stops him: here a block takes 40 seconds.
        let rate = |rate: u64| json!({ "throttleReadBpsDevice": [{ "major": major, "minor": minor, "rate": rate }] });
        bundle.set("/linux/resources/blockIO", rate(100));
        let container = Container::planned(bundle);
        let id = container.bundle.id.clone();
        container.apart(container.create_with(&[])).under(view).run().code(0);
        container.corun(&["start", &id]).under(view).ok();
        container.says("up");
        let pids = || container.corun(&["ps", "-f", "json", &id]).under(view).ok().stdout;
        let waits =
            |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") D "));
        assert!(
            within(SOON, || pids().trim().trim_matches(['[', ']']).split(',').any(waits)),
            "nobody waits for the disk"
        );
        container.corun(&["pause", &id]).under(view).run().code(1).one_line_error("did not freeze");
        assert_eq!(container.status(), "running", "{view:?}");
        let free = json!({ "blockIO": rate(0) }).to_string();
        container.corun(&["update", "-r", "-", &id]).under(view).stdin(free.into_bytes()).ok();
        container.says("read");
        container.corun(&["pause", &id]).under(view).ok();
        assert_eq!(container.status(), "paused", "{view:?}");
        container.corun(&["delete", "--force", &id]).under(view).ok();
    }
}

#[test]
fn a_paused_one_dies_of_every_way_to_kill_it() {
    requires!(root, busybox, cgroups);
    for view in views() {
        for (words, shares) in [
            (&["kill", "ID", "KILL"][..], false),
            (&["kill", "--all", "ID", "9"], false),
            (&["kill", "ID", "SIGKILL"], true),
            (&["delete", "--force", "ID"], false),
            (&["delete", "--force", "ID"], true),
        ] {
            let mut bundle = Bundle::script(&format!("sleep 1000 & {SLEEP}"));
            if shares {
                bundle.without_namespace("pid");
            }
            let container = Container::planned(bundle);
            let id = container.bundle.id.as_str();
            container.apart(container.create_with(&[])).under(view).run().code(0);
            container.corun(&["start", id]).under(view).ok();
            container.says("up");
            container.corun(&["pause", id]).under(view).ok();
            let words: Vec<&str> = words.iter().map(|word| if *word == "ID" { id } else { word }).collect();
            container.corun(&words).under(view).ok();
            if words[0] == "kill" {
                container.becomes("stopped");
                container.corun(&["delete", id]).under(view).ok();
            }
            container.verb("state").run().code(1).stderr_contains("does not exist");
        }
    }
}

#[test]
fn a_signal_waits_in_a_paused_one_until_it_goes_on() {
    requires!(root, busybox, cgroups);
    let container = Container::running(Bundle::script("trap 'echo told' USR1; echo up; while :; do sleep 0.1; done"));
    container.says("up");
    container.verb("pause").ok();
    container.corun(&["kill", &container.bundle.id, "USR1"]).ok();
    assert_eq!(container.status(), "paused");
    assert!(!container.output().contains("told"));
    container.verb("resume").ok();
    container.says("told");
}
