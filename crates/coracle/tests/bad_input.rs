//! What users get wrong: each answer is one line that says what, why and what to do, with the right exit code, and
//! leaves nothing.

#![forbid(unsafe_code)]

#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use testkit::{Outcome, Sandbox, User, requires};
use world::World;

/// Runs and asserts one line that holds each of these words, this exit code, and nothing left.
#[track_caller]
fn refused(world: &World, options: &[&str], rest: &[&str], code: i32, words: &[&str]) -> Outcome {
    let outcome = world.invocation(options, rest).run();
    outcome.code(code).stdout_is("").one_line_error("coracle: run: ");
    for word in words {
        outcome.stderr_contains(word);
    }
    world.sandbox.run(["ps", "-aq"]).code(0).stdout_is("");
    outcome
}

#[test]
fn an_image_that_is_not_there_is_named_with_the_way_to_get_it() {
    let world = World::root();
    refused(&world, &["--pull=never"], &["debian:12", "sh"], 125, &["debian:12", "coracle load", "coracle import"]);
    refused(&world, &[], &["Debian", "sh"], 125, &["Debian"]);
    refused(&world, &["--rootfs", "/no/such/tree"], &["sh"], 125, &["/no/such/tree"]);
}

#[test]
fn a_command_that_cannot_run_is_126_and_one_that_is_not_there_127() {
    requires!(root, busybox);
    let world = World::root();
    let rootfs = world.sandbox.rootfs("home/root");
    rootfs.file("bin/plain", "#!/bin/sh\n").file("bin/script", "#!/no/interpreter\n").mode("bin/script", 0o755);
    // The head of an ELF file for a machine that this is not (EM_S390).
    let mut foreign = fs::read(rootfs.inside("bin/busybox")).expect("busybox");
    foreign[18..20].copy_from_slice(&22_u16.to_le_bytes());
    rootfs.file("bin/foreign", foreign).mode("bin/foreign", 0o755);
    rootfs.file("bin/garbage", [0x7f, 1, 2, 3]).mode("bin/garbage", 0o755);
    let root = rootfs.path().display().to_string();
    let run = |command: &str, code, words: &[&str]| {
        refused(&world, &["--rootfs", &root], &[command], code, words);
    };
    run("no-such", 127, &["no-such", "not found"]);
    run("/bin/no-such", 127, &["/bin/no-such"]);
    run("plain", 126, &["plain", "permission"]);
    run("/etc", 126, &["/etc"]);
    run("/bin/script", 127, &["/bin/script", "interpreter"]);
    run("/bin/foreign", 126, &["/bin/foreign", "architecture"]);
    run("/bin/garbage", 126, &["/bin/garbage"]);
}

#[test]
fn a_working_directory_or_user_that_cannot_be_is_named() {
    requires!(root);
    let world = World::root();
    let host = ["host:", "true"];
    refused(&world, &["-w", "relative"], &host, 125, &["relative", "absolute"]);
    refused(&world, &["-w", "/etc/passwd"], &host, 126, &["/etc/passwd"]);
    refused(&world, &["-u", "nobody-knows"], &host, 125, &["nobody-knows"]);
    refused(&world, &["-u", "0:nobody-knows"], &host, 125, &["nobody-knows"]);
    refused(&world, &["-u", "-1"], &host, 125, &["-1"]);
    refused(&world, &["-u", "4294967295"], &host, 125, &["4294967295"]);
    refused(&world, &["--group-add", "nobody-knows"], &host, 125, &["nobody-knows"]);
}

#[test]
fn a_volume_that_cannot_be_is_named() {
    requires!(root);
    let world = World::root();
    let host = ["host:", "true"];
    refused(&world, &["-v", "he/re:/there"], &host, 125, &["he/re"]);
    refused(&world, &["-v", "-here:/there"], &host, 125, &["-here"]);
    refused(&world, &["--volumes-from", "nobody"], &host, 125, &["nobody"]);
    refused(&world, &["-v", "/no/such:/there"], &host, 125, &["/no/such", "mkdir"]);
    refused(&world, &["-v", "/etc:there"], &host, 125, &["there", "absolute"]);
    refused(&world, &["-v", "/etc:/there:rx"], &host, 125, &["rx"]);
    refused(&world, &["--mount", "type=bind,src=/no/such,dst=/x"], &host, 125, &["/no/such"]);
    refused(&world, &["--mount", "type=bnd,dst=/x"], &host, 125, &["bnd", "bind"]);
    refused(&world, &["--tmpfs", "here"], &host, 125, &["here", "absolute"]);
    refused(&world, &["--device", "/dev/no-such"], &host, 125, &["/dev/no-such"]);
    refused(&world, &["--device", "/etc/passwd"], &host, 125, &["/etc/passwd", "device"]);
}

#[test]
fn an_unknown_word_is_answered_with_the_nearest() {
    let world = World::root();
    let host = ["host:", "true"];
    refused(&world, &["--cap-add", "NET_ADMN"], &host, 125, &["NET_ADMN", "NET_ADMIN"]);
    refused(&world, &["--cap-drop", "CHWON"], &host, 125, &["CHWON", "CHOWN"]);
    refused(&world, &["--stop-signal", "SIGTREM"], &host, 125, &["SIGTREM", "TERM"]);
    refused(&world, &["--ulimit", "nofiles=3"], &host, 125, &["nofiles", "nofile"]);
    refused(&world, &["--hostnam", "x"], &host, 125, &["--hostnam", "--hostname"]);
    refused(&world, &["--network", "hots"], &host, 125, &["hots", "host"]);
    refused(&world, &["--userns", "atuo"], &host, 125, &["atuo", "auto"]);
    refused(&world, &["--security-opt", "no-new-privilege"], &host, 125, &["no-new-privilege", "no-new-privileges"]);
}

#[test]
fn a_number_that_cannot_be_is_named_with_its_option() {
    let world = World::root();
    let host = ["host:", "true"];
    for (option, value) in [
        ("--memory", "lots"),
        ("--memory", "-5m"),
        ("--memory-swap", "x"),
        ("--cpus", "-1"),
        ("--cpus", "many"),
        ("--cpu-shares", "x"),
        ("--cpuset-cpus", "3-1"),
        ("--pids-limit", "few"),
        ("--shm-size", "0x"),
        ("--ulimit", "nofile=5:3"),
        ("--sysctl", "kernel.panic=1"),
        ("--sysctl", "novalue"),
        ("--add-host", "nameonly"),
        ("--dns", "not-an-address"),
        ("--env-file", "/no/such/file"),
        ("--hostname", "under score!"),
        ("--name", "a/b"),
    ] {
        refused(&world, &[option, value], &host, 125, &[option]);
    }
}

#[test]
fn a_limit_that_the_container_cannot_live_with_is_named() {
    requires!(root, cgroups);
    let world = World::root();
    let host = ["host:", "true"];
    refused(&world, &["-m", "600k"], &host, 125, &["memory", "600k"]);
    refused(&world, &["-m", "64m", "--memory-swap", "32m"], &host, 125, &["--memory-swap", "--memory"]);
    requires!(controller = "cpuset");
    refused(&world, &["--cpuset-cpus", "4095"], &host, 125, &["4095"]);
}

#[test]
fn a_limit_of_a_user_without_delegation_is_named_with_the_way_to_get_it() {
    requires!(subuid_user, user_namespaces);
    for world in [World::user(), World::single_id()] {
        let host = ["host:", "true"];
        refused(&world, &["-m", "64m"], &host, 125, &["--memory", "memory", "elegate"]);
        refused(&world, &["--pids-limit", "5"], &host, 125, &["--pids-limit", "pids", "elegate"]);
        refused(&world, &["--cpus", "0.5"], &host, 125, &["--cpus", "cpu", "elegate"]);
        world.invocation(&[], &host).run().code(0).stderr_is("");
    }
}

#[test]
fn a_name_that_is_taken_is_refused_with_who_has_it() {
    requires!(root);
    let sandbox = Sandbox::new();
    sandbox.run(["run", "--name", "taken", "host:", "true"]).code(0);
    let again = sandbox.run(["run", "--name", "taken", "host:", "true"]);
    again.code(125).one_line_error("taken").stderr_contains("rm");
    assert_eq!(sandbox.run(["ps", "-aq"]).lines().len(), 1);
}

#[test]
fn an_id_file_that_is_there_is_not_written_over() {
    requires!(root);
    let world = World::root();
    let file = world.sandbox.file("home/cid", "precious");
    let option = format!("--cidfile={}", file.display());
    refused(&world, &[&option], &["host:", "true"], 125, &["--cidfile", "there already"]);
    assert_eq!(fs::read_to_string(file).expect("the file"), "precious");
}

/// A run in a sandbox whose data or run directory is of a certain kind.
#[track_caller]
fn refused_at(sandbox: &Sandbox, root: &str, runroot: &str, words: &[&str]) {
    let run =
        sandbox.coracle(["run", "--rm", "host:", "true"]).env("CORACLE_ROOT", root).env("CORACLE_RUNROOT", runroot);
    let outcome = run.run();
    outcome.code(125).stdout_is("").one_line_error("coracle: run: ");
    for word in words {
        outcome.stderr_contains(word);
    }
}

#[test]
fn a_read_only_state_directory_is_told_with_the_way_out() {
    requires!(root);
    let sandbox = Sandbox::new();
    let (good, bad) = (sandbox.join("data").display().to_string(), sandbox.tmpfs("ro", "ro,mode=755"));
    let before = sandbox.leavings();
    refused_at(&sandbox, &bad, &good, &["ro", "read-only", "CORACLE_ROOT"]);
    refused_at(&sandbox, &sandbox.join("home").display().to_string(), &bad, &["read-only", "CORACLE_RUNROOT"]);
    assert!(!before.new_since().iter().any(|thing| thing.starts_with("mount") || thing.starts_with("process")));
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_half() {
    requires!(root);
    let sandbox = Sandbox::new();
    let (full, run) = (sandbox.tmpfs("full", "size=64k"), sandbox.join("run").display().to_string());
    fs::write(format!("{full}/filler"), vec![0; 1 << 20]).expect_err("the tmpfs is full");
    refused_at(&sandbox, &full, &run, &["full"]);
    // Once there is room, it works: nothing half-written stands in the way.
    fs::remove_file(format!("{full}/filler")).expect("removing the filler");
    let again = sandbox.coracle(["run", "--rm", "host:", "true"]).env("CORACLE_ROOT", &full);
    again.run().code(0);
    refused_at(
        &sandbox,
        &sandbox.root().display().to_string(),
        &sandbox.tmpfs("small", "nr_inodes=2,mode=755"),
        &["full"],
    );
}

#[test]
fn no_permission_is_told_with_the_way_out() {
    requires!(subuid_user, user_namespaces);
    let sandbox = Sandbox::of(&User::with_subuids());
    let closed = sandbox.join("closed");
    fs::create_dir(&closed).expect("a directory");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("a mode");
    let (closed, good) = (closed.join("x").display().to_string(), sandbox.runroot().display().to_string());
    refused_at(&sandbox, &closed, &good, &["permission", "CORACLE_ROOT"]);
    refused_at(&sandbox, &sandbox.root().display().to_string(), &closed, &["permission", "CORACLE_RUNROOT"]);
}

#[test]
fn what_is_refused_leaves_nothing() {
    requires!(root, cgroups, subuid_user, user_namespaces);
    for world in [World::root(), World::root_auto(), World::user(), World::single_id()] {
        let before = world.leavings();
        let host: &[&str] = &["host:", "true"];
        refused(&world, &[], &["host:", "no-such-command"], 127, &[]);
        refused(&world, &[], &["host:", "/etc"], 126, &[]);
        refused(&world, &[], &["no-such-image", "true"], 125, &[]);
        refused(&world, &["--mount", "type=bind,src=/no/such,dst=/x"], host, 125, &[]);
        refused(&world, &["-w", "/etc/passwd"], host, 126, &[]);
        refused(&world, &["-u", "nobody-knows"], host, 125, &[]);
        refused(&world, &["-m", "600k"], host, 125, &[]);
        before.assert_nothing_new(Duration::from_secs(5));
    }
}
