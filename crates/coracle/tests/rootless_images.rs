//! Images under an ordinary user's other maps: whoever a file belongs to in the image, it belongs to in the container.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::PathBuf;
use std::time::Duration;

use archive::{docker_archive, layer, text};
use rustix::process::Signal;
use serde_json::json;
use testkit::{Invocation, Outcome, Sandbox, User, requires};

/// A user's store with an image of two layers, whose files belong to root, to 33, and to the id that the user has
/// outside. The upper layer hides a file.
fn loaded(user: &User) -> Sandbox {
    let sandbox = Sandbox::of(user);
    let base = sandbox.rootfs("home/base");
    base.file("etc/gone", "x").file("srv/of-33", "").file("srv/of-user", "").mode("srv", 0o750);
    Invocation::new("chown").args(["-hR", "0:0"]).arg(base.path()).ok();
    for (name, id) in [("srv/of-33", 33), ("srv/of-user", user.uid), ("srv", 33)] {
        chown(base.inside(name), Some(id), Some(id)).expect("chown");
    }
    let upper = layer(&sandbox, "upper", &[("etc/.wh.gone", ""), ("opt/new/file", "new")]);
    Invocation::new("chown").args(["-hR", "0:0"]).arg(&upper).ok();
    let archive = docker_archive(&sandbox, "owned", &[base.path().to_owned(), upper], &json!({"Cmd": ["sh"]}));
    sandbox.run(["load", "-i", text(&archive)]).code(0);
    sandbox
}

const OWNERS: &str = "stat -c '%u:%g %a %n' / /etc /bin/busybox /srv /srv/of-33 /srv/of-user /opt/new/file; \
                      test ! -e /etc/gone && cat /opt/new/file";

#[track_caller]
fn run(sandbox: &Sandbox, userns: &str, more: &[&str], script: &str) -> Outcome {
    sandbox.coracle(["run", "--rm", userns]).args(more).args(["owned", "sh", "-c", script]).run()
}

/// The trees of unpacked layers, plain and mapped, with their inode numbers.
fn unpacked(sandbox: &Sandbox) -> Vec<(PathBuf, u64)> {
    let inside = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let plain = inside(sandbox.root().join("layers"));
    let mapped = inside(sandbox.root().join("mapped")).flat_map(inside);
    let mut trees: Vec<_> =
        plain.chain(mapped).map(|path| (path.clone(), fs::metadata(path).expect("a layer").ino())).collect();
    trees.sort();
    trees
}

#[test]
fn files_have_the_owners_of_the_image_under_every_map() {
    requires!(subuid_user, user_namespaces, busybox);
    let user = User::with_subuids();
    let sandbox = loaded(&user);
    let id = user.uid;
    let owners = format!(
        "0:0 755 /\n0:0 755 /etc\n0:0 755 /bin/busybox\n33:33 750 /srv\n33:33 644 /srv/of-33\n\
         {id}:{id} 644 /srv/of-user\n0:0 644 /opt/new/file\nnew"
    );
    for (userns, who) in
        [("--userns=host", 0), ("--userns=nomap", 0), ("--userns=keep-id", id), ("--userns=keep-id:uid=7,gid=7", 7)]
    {
        run(&sandbox, userns, &["-u0"], OWNERS).code(0).stdout_is(&owners);
        run(&sandbox, userns, &[], "id -u").code(0).stdout_is(&format!("{who}\n"));
        // Root writes where root may, whoever else only where he may.
        run(&sandbox, userns, &["-u0"], "touch /etc/x && rm /etc/passwd && chown 33 /etc/x").code(0);
        let touched = run(&sandbox, userns, &["-u33"], "touch /srv/x && stat -c %u /srv/x; touch /etc/x 2>/dev/null");
        touched.code(1).stdout_is("33\n");
    }
    // The user outside is the owner of what he makes as himself.
    let dir = sandbox.join("home/shared");
    fs::create_dir(&dir).expect("a directory");
    user.give(&dir);
    run(&sandbox, "--userns=keep-id", &["-v", &format!("{}:/v", dir.display())], "touch /v/made").code(0);
    assert_eq!(fs::metadata(dir.join("made")).expect("the file").uid(), id);
}

#[test]
fn a_map_is_unpacked_for_once_and_removed_with_the_image() {
    requires!(subuid_user, user_namespaces, busybox);
    let sandbox = loaded(&User::with_subuids());
    let plain = unpacked(&sandbox);
    assert_eq!(plain.len(), 2);
    run(&sandbox, "--userns=keep-id", &[], "true").code(0);
    let both = unpacked(&sandbox);
    assert_eq!(both.len(), 4);
    run(&sandbox, "--userns=keep-id", &[], "true").code(0);
    run(&sandbox, "--userns=host", &[], "true").code(0);
    assert_eq!(unpacked(&sandbox), both, "nothing was unpacked again");
    run(&sandbox, "--userns=nomap", &[], "true").code(0);
    assert_eq!(unpacked(&sandbox).len(), 6, "another map has layers of its own");
    let kept = sandbox.run(["run", "--name=kept", "--userns=keep-id", "owned", "true"]);
    kept.code(0);
    sandbox.run(["rmi", "owned"]).code(1).one_line_error("kept");
    sandbox.run(["rm", "kept"]).code(0);
    sandbox.run(["rmi", "owned"]).code(0);
    assert_eq!(unpacked(&sandbox), []);
    assert_eq!(fs::read_dir(sandbox.root().join("mapped")).expect("the maps").count(), 0);
    assert_eq!(fs::read_dir(sandbox.root().join("trash")).expect("the trash").count(), 0);
}

#[test]
fn an_id_that_the_map_lacks_is_named() {
    requires!(subuid_user, user_namespaces, busybox);
    let sandbox = loaded(&User::with_subuids());
    let small = run(&sandbox, "--userns=keep-id:uid=5,gid=5,size=20", &[], "true");
    small.code(125).one_line_error("33");
    assert_eq!(fs::read_dir(sandbox.root().join("tmp")).expect("tmp").count(), 0);
    run(&sandbox, "--userns=keep-id", &[], "true").code(0);
}

#[test]
fn a_user_with_one_id_keeps_it() {
    requires!(subuid_user, user_namespaces, busybox);
    let user = User::without_subuids();
    let sandbox = loaded(&user);
    let seen = run(&sandbox, "--userns=keep-id", &[], "id -u; stat -c %u /etc /srv/of-33; touch /etc/x");
    seen.code(0).stdout_is(&format!("{0}\n{0}\n{0}\n", user.uid));
    assert_eq!(unpacked(&sandbox).len(), 2, "one id, one form");
}

#[test]
fn a_container_that_joins_anothers_ids_shares_its_layers() {
    requires!(subuid_user, user_namespaces, busybox);
    let sandbox = loaded(&User::with_subuids());
    let first = sandbox.coracle(["run", "--rm", "--name=first", "--userns=keep-id", "owned", "sh", "-c"]);
    let mut first = first.arg("echo started; exec sleep 1000").spawn();
    first.stdout_until("started");
    let before = unpacked(&sandbox);
    let told: serde_json::Value =
        serde_json::from_str(&sandbox.run(["inspect", "first"]).code(0).stdout).expect("JSON");
    let joined = format!("--userns=ns:/proc/{}/ns/user", told[0]["State"]["Pid"]);
    run(&sandbox, &joined, &[], "id -u; stat -c %u /etc /srv; touch /etc/x").code(0).stdout_is("0\n0\n33\n");
    assert_eq!(unpacked(&sandbox), before);
    sandbox.run(["rm", "-f", "first"]).code(0);
    first.wait();
}

#[test]
fn ids_that_the_store_was_not_unpacked_for_are_named() {
    requires!(subuid_user, user_namespaces, busybox, package = "unshare");
    let sandbox = loaded(&User::with_subuids());
    let hold = ["--user", "--map-root-user", "sh", "-c", "echo started; exec sleep 1000"];
    let mut held = sandbox.command("/usr/bin/unshare").args(hold).spawn();
    held.stdout_until("started");
    let refused = run(&sandbox, &format!("--userns=ns:/proc/{}/ns/user", held.pid()), &[], "true");
    refused.code(125).one_line_error("user ids").stderr_contains("--root");
    held.kill(Signal::KILL);
    held.wait();
}

#[test]
fn a_run_that_is_interrupted_while_it_unpacks_leaves_nothing_half() {
    requires!(subuid_user, user_namespaces, busybox);
    let sandbox = loaded(&User::with_subuids());
    for number in 0..20 {
        let signal = if number % 2 == 0 { Signal::TERM } else { Signal::INT };
        // A map of its own each time, so that there is something to unpack.
        let userns = format!("--userns=keep-id:uid={},gid=7", 100 + number);
        let running = sandbox.coracle(["run", "--rm", &userns, "owned", "true"]).spawn();
        std::thread::sleep(Duration::from_millis(10 + 8 * number));
        running.kill(signal);
        let outcome = running.wait();
        let code = outcome.exit_code();
        assert!(code.is_none_or(|code| code == 0 || code == 128 + signal.as_raw()), "{outcome}");
        for dir in ["tmp", "trash", "containers"] {
            assert_eq!(fs::read_dir(sandbox.root().join(dir)).expect(dir).count(), 0, "{dir}: {outcome}");
        }
        run(&sandbox, &userns, &[], "true").code(0);
    }
}
