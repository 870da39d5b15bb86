//! Whether mounts made on one side appear on the other: never, unless asked for.

use crate::bundle::Bundle;
use std::fs;
use testkit::{Invocation, requires};

/// A shared mount of the host, with a directory to mount on.
fn shared(bundle: &Bundle) -> std::path::PathBuf {
    let dir = bundle.sandbox.join("shared");
    fs::create_dir(&dir).unwrap();
    Invocation::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&dir).ok();
    Invocation::new("mount").arg("--make-shared").arg(&dir).ok();
    fs::create_dir(dir.join("sub")).unwrap();
    dir
}

/// Whether a mount that the host makes while the container runs is seen in it, and one of the container's outside.
fn seen(options: &[&str], propagation: Option<&str>) -> (bool, bool) {
    let mut bundle = Bundle::script(
        "mkdir -p /vol/own; mount -t tmpfs own /vol/own; echo up; read line; test -e /vol/sub/file && echo seen; true",
    );
    bundle.capabilities(&["CAP_SYS_ADMIN"]);
    let dir = shared(&bundle);
    bundle.mount("bind", &dir, "/vol", options);
    if let Some(propagation) = propagation {
        bundle.set("/linux/rootfsPropagation", propagation);
    }
    let mut running = bundle.invocation().spawn();
    running.stdout_until("up");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let outside = mounts.lines().any(|line| line.contains(&*dir.join("own").to_string_lossy()));
    Invocation::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(dir.join("sub")).ok();
    fs::write(dir.join("sub/file"), "").unwrap();
    running.write("go\n");
    let outcome = running.wait();
    outcome.code(0);
    (outcome.stdout.contains("seen"), outside)
}

#[test]
fn by_default_no_mount_crosses() {
    requires!(root, busybox);
    assert_eq!(seen(&["rbind"], None), (false, false));
    assert_eq!(seen(&["rbind", "rprivate"], None), (false, false));
}

#[test]
fn a_slave_gets_the_hosts_mounts_and_gives_none() {
    requires!(root, busybox);
    assert_eq!(seen(&["rbind", "rslave"], Some("rslave")), (true, false));
}

#[test]
fn a_shared_bind_gives_and_gets() {
    requires!(root, busybox);
    assert_eq!(seen(&["rbind", "rshared"], Some("shared")), (true, true));
}

#[test]
fn the_root_has_the_propagation_that_was_asked_for() {
    requires!(root, busybox);
    for (word, shown) in [("shared", "shared:"), ("private", ""), ("unbindable", "unbindable")] {
        let mut bundle = Bundle::script("grep ' / / \\| / ' /proc/self/mountinfo | head -1");
        bundle.set("/linux/rootfsPropagation", word);
        let outcome = bundle.ok();
        let optional = outcome.stdout.split(" - ").next().unwrap().split(' ').skip(6).collect::<Vec<_>>().join(" ");
        if shown.is_empty() {
            assert_eq!(optional, "", "{outcome}");
        } else {
            assert!(optional.contains(shown), "{word}: {outcome}");
        }
    }
}
