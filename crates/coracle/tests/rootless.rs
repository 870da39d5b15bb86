//! What an ordinary user chooses: which of his ids the container has, and what it may change of his.

#![forbid(unsafe_code)]

#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use rustix::process::Signal;
use testkit::{User, requires};
use world::World;

#[test]
fn root_inside_is_the_user_outside() {
    requires!(subuid_user, user_namespaces);
    for (world, user) in [(World::user(), User::with_subuids()), (World::single_id(), User::without_subuids())] {
        let dir = world.sandbox.join("home/shared");
        fs::create_dir(&dir).expect("a directory");
        user.give(&dir);
        world
            .sh(&["-v", &format!("{}:/v", dir.display())], "touch /v/made; stat -c %u /v /v/made")
            .code(0)
            .stdout_is("0\n0\n");
        assert_eq!(fs::metadata(dir.join("made")).expect("the file").uid(), user.uid);
    }
}

#[test]
fn keep_id_is_the_user_inside_too() {
    requires!(subuid_user, user_namespaces);
    let (world, user) = (World::user(), User::with_subuids());
    let seen = world.sh(&["--userns=keep-id"], "id -u; id -g; touch /tmp/x && stat -c %u /tmp/x");
    seen.code(0).stdout_is(&format!("{0}\n{1}\n{0}\n", user.uid, user.gid));
}

#[test]
fn nomap_leaves_the_users_own_id_out() {
    requires!(subuid_user, user_namespaces);
    let (world, user) = (World::user(), User::with_subuids());
    let dir = world.sandbox.join("home/shared");
    fs::create_dir(&dir).expect("a directory");
    user.give(&dir);
    let seen = world.sh(
        &["--userns=nomap", "-v", &format!("{}:/v", dir.display())],
        "id -u; stat -c %u /v; touch /etc/x; touch /v/x 2>/dev/null || echo refused",
    );
    seen.code(0).stdout_is("0\n65534\nrefused\n");
    let without = World::single_id();
    let refused = without.sh(&["--userns=nomap"], "true");
    refused.code(125).one_line_error("--userns=nomap").stderr_contains("/etc/subuid");
}

#[test]
fn a_directory_of_the_users_is_a_root_with_and_without_changes() {
    requires!(subuid_user, user_namespaces, busybox);
    for world in [World::user(), World::single_id()] {
        let rootfs = world.sandbox.rootfs("home/tree");
        let path = rootfs.path().display().to_string();
        let run =
            |rootfs: &str| world.invocation(&["--rootfs", rootfs], &["sh", "-c", "touch /etc/x && echo made"]).ok();
        run(&format!("{path}:O")).stdout_is("made\n");
        assert!(!rootfs.inside("etc/x").exists());
        run(&path).stdout_is("made\n");
        assert!(rootfs.inside("etc/x").exists());
    }
}

#[test]
fn his_containers_are_nobody_elses() {
    requires!(root, subuid_user, user_namespaces);
    let world = World::user();
    world.sandbox.run(["run", "--name=his", "host:", "true"]).code(0);
    world.sandbox.run(["ps", "-a"]).code(0).stdout_contains("his");
    world.sandbox.run(["inspect", "his"]).code(0);
    world.sandbox.run(["rm", "his"]).code(0);
    let mode = fs::metadata(world.sandbox.root().join("containers")).expect("a directory").mode();
    assert_eq!(mode & 0o077, 0, "closed to others: {mode:o}");
}

/// A user namespace of the user's own, held by `sleep`: `unshare` with these options.
fn unshared(world: &World, options: &[&str]) -> (testkit::Running, String) {
    let script = "echo started; exec sleep 1000";
    let mut running = world.sandbox.command("/usr/bin/unshare").args(options).args(["/bin/sh", "-c", script]).spawn();
    running.stdout_until("started");
    // The wrapper that becomes the user is replaced by what it runs, so the pid is that of sleep.
    let path = format!("/proc/{}/ns/user", running.pid());
    (running, path)
}

const WHERE: &str =
    "readlink /proc/self/ns/user; id -u; touch /etc/x && stat -c %u /etc/x; cat /proc/sys/kernel/hostname";

#[test]
fn a_user_namespace_of_his_own_is_entered() {
    requires!(subuid_user, user_namespaces, package = "unshare");
    for world in [World::user(), World::single_id()] {
        let (held, path) = unshared(&world, &["--user", "--map-root-user"]);
        let namespace = fs::read_link(&path).expect("the namespace").display().to_string();
        let seen = world.sh(&["--hostname=inside", &format!("--userns=ns:{path}")], WHERE);
        seen.code(0).stdout_is(&format!("{namespace}\n0\n0\ninside\n"));
        held.kill(Signal::KILL);
        held.wait();
    }
}

#[test]
fn the_user_namespace_of_another_container_of_his_is_entered() {
    requires!(subuid_user, user_namespaces);
    for (world, userns) in
        [(World::user(), "--userns=host"), (World::user(), "--userns=keep-id"), (World::single_id(), "--userns=host")]
    {
        let (mut running, id) = world.start(&[userns, "-u0"], "readlink /proc/self/ns/user; sleep 1000");
        running.stdout_until("]");
        let pid = pid_of(&world, &id);
        let path = format!("/proc/{pid}/ns/user");
        let namespace = fs::read_link(&path).expect("the namespace").display().to_string();
        let seen = world.sh(&["--hostname=inside", &format!("--userns=ns:{path}")], WHERE);
        seen.code(0).stdout_is(&format!("{namespace}\n0\n0\ninside\n"));
        world.end(running, &id);
    }
}

/// The host's pid of a container's first process. It may run, and write, before its engine has put the pid down.
fn pid_of(world: &World, id: &str) -> u64 {
    let mut pid = 0;
    let known = testkit::within(Duration::from_secs(10), || {
        let told = world.sandbox.run(["inspect", id]);
        let told: serde_json::Value = serde_json::from_str(&told.code(0).stdout).expect("JSON");
        pid = told[0]["State"]["Pid"].as_u64().expect("a pid");
        pid != 0
    });
    assert!(known, "no pid of {id}");
    pid
}

#[test]
fn a_user_namespace_that_he_may_not_enter_is_refused_with_the_reason() {
    requires!(subuid_user, user_namespaces, package = "unshare");
    let (world, other) = (World::user(), World::single_id());
    let refused = |path: &str, reason: &str| {
        world.sh(&[&format!("--userns=ns:{path}")], "true").code(125).one_line_error(path).stderr_contains(reason);
    };
    refused("/proc/self/ns/user", "the machine's own");
    refused("/proc/self/ns/net", "not a user namespace");
    refused("/no/such/ns", "no such file");
    refused("/proc/1/ns/user", "another user");
    let (held, path) = unshared(&other, &["--user", "--map-root-user"]);
    refused(&path, "another user");
    held.kill(Signal::KILL);
    held.wait();
    let (held, path) = unshared(&world, &["--user"]);
    refused(&path, "uid_map");
    held.kill(Signal::KILL);
    held.wait();
}
