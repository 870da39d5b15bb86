//! Archives that are broken, hostile or too big, and loads that are cut short: one line that says why, and in the store
//! nothing but what was there before.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use archive::{docker_archive, layer, text};
use rustix::process::Signal;
use serde_json::json;
use testkit::{Invocation, Outcome, Sandbox, User, requires};

/// Every file and directory of the store, once it is at rest.
fn listing(sandbox: &Sandbox) -> Vec<String> {
    sandbox.settle();
    let found = Invocation::new("find").arg(sandbox.root()).ok();
    let mut found: Vec<String> = found.lines().into_iter().map(str::to_owned).collect();
    found.sort();
    found
}

/// An archive of one small layer and one of a megabyte that does not compress.
fn good(sandbox: &Sandbox, name: &str) -> PathBuf {
    let base = layer(sandbox, "base", &[("etc/base", "x")]);
    let more = layer(sandbox, "more", &[("etc/more", "x")]);
    let random = fs::File::open("/dev/urandom").expect("random bytes");
    let mut big = fs::File::create(more.join("big")).expect("a file");
    std::io::copy(&mut std::io::Read::take(random, 1 << 20), &mut big).expect("random bytes");
    docker_archive(sandbox, name, &[base, more], &json!({"Cmd": ["sh"]}))
}

/// A sandbox whose store is there and empty.
fn empty(user: Option<&User>) -> Sandbox {
    let sandbox = user.map_or_else(Sandbox::new, Sandbox::of);
    let tar = layer(&sandbox, "first", &[("x", "x")]);
    let first = docker_archive(&sandbox, "first", &[tar], &json!({}));
    sandbox.run(["load", "-i", text(&first)]).code(0);
    sandbox.run(["rmi", "first"]).code(0);
    sandbox
}

/// Loads or imports what is refused: one line with these words, code 1, and a store as before.
#[track_caller]
fn refused(sandbox: &Sandbox, verb: &[&str], words: &[&str]) -> Outcome {
    let before = listing(sandbox);
    let outcome = sandbox.run(verb);
    outcome.code(1).stdout_is("").one_line_error(&format!("coracle: {}: ", verb[0]));
    for word in words {
        outcome.stderr_contains(word);
    }
    assert_eq!(listing(sandbox), before, "{outcome}");
    outcome
}

#[test]
fn a_damaged_archive_is_refused_whole() {
    requires!(root);
    let sandbox = empty(None);
    let archive = good(&sandbox, "good");
    let bytes = fs::read(&archive).expect("the archive");
    let at = |name: &str| sandbox.join("home").join(name).display().to_string();
    // Cut in the middle of the big layer.
    let cut = sandbox.file("home/cut.tar", &bytes[..bytes.len() / 2]);
    refused(&sandbox, &["load", "-i", text(&cut)], &["cut.tar"]);
    // One byte of it is another.
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    let flipped = sandbox.file("home/flipped.tar", flipped);
    refused(&sandbox, &["load", "-i", text(&flipped)], &["sha256:"]);
    // So compressed, and damaged after.
    Invocation::new("gzip").arg("-k1").arg(&archive).ok();
    let mut gzip = fs::read(at("good.tar.gz")).expect("the compressed archive");
    let middle = gzip.len() / 2;
    gzip[middle] ^= 0xff;
    let gzip = sandbox.file("home/damaged.tar.gz", gzip);
    refused(&sandbox, &["load", "-i", text(&gzip)], &["damaged.tar.gz"]);
    for (name, content) in [("empty", Vec::new()), ("text", vec![b'x'; 4000])] {
        let file = sandbox.file(&format!("home/{name}"), content);
        refused(&sandbox, &["load", "-i", text(&file)], &[name]);
    }
    refused(&sandbox, &["load", "-i", "/no/such/file"], &["/no/such/file"]);
    refused(&sandbox, &["load", "-i", "/etc"], &["/etc"]);
    sandbox.run(["load", "-i", text(&archive)]).code(0);
}

#[test]
fn a_bad_layer_takes_no_name_from_a_good_image() {
    requires!(root, busybox);
    let sandbox = empty(None);
    let base = sandbox.rootfs("home/root");
    let archive = docker_archive(&sandbox, "named", &[base.path().to_owned()], &json!({"Cmd": ["echo", "good"]}));
    sandbox.run(["load", "-i", text(&archive)]).code(0);
    // The layer is what the configuration says, and still cannot be unpacked: a whiteout of what is above.
    let bad = layer(&sandbox, "bad", &[("etc/.wh...", "")]);
    let archive = docker_archive(&sandbox, "named", &[base.path().to_owned(), bad], &json!({"Cmd": ["echo", "bad"]}));
    refused(&sandbox, &["load", "-i", text(&archive)], &[".wh..."]);
    sandbox.run(["run", "--rm", "named"]).code(0).stdout_is("good\n");
}

#[test]
fn a_hostile_tar_changes_nothing_outside() {
    requires!(subuid_user, user_namespaces);
    let user = User::with_subuids();
    for sandbox in [empty(None), empty(Some(&user))] {
        let dir = layer(&sandbox, "hostile", &[("evil", "evil"), ("in/x", "x")]);
        let tar = |name: &str, args: &[&str]| {
            let path = sandbox.join("home").join(name);
            Invocation::new("tar").arg("-cf").arg(&path).arg("-P").args(args).current_dir(dir.join("in")).ok();
            path.display().to_string()
        };
        refused(&sandbox, &["import", &tar("dots.tar", &["../evil"]), "dots"], &["../evil"]);
        fs::hard_link(dir.join("evil"), dir.join("in/link")).expect("a link");
        let link = tar("link.tar", &["--transform=s,^evil,../../outside,RSh", "-C", "..", "evil", "in/link"]);
        refused(&sandbox, &["import", &link, "link"], &["in/link", ".."]);
        // Absolute names, links to outside and ten gigabytes of zeroes are harmless: inside they stay, or take no room.
        let canary = sandbox.file("home/canary", "alive");
        std::os::unix::fs::symlink(&canary, dir.join("in/out")).expect("a link");
        fs::File::create(dir.join("in/zeroes")).and_then(|file| file.set_len(10 << 30)).expect("a sparse file");
        let absolute = dir.join("evil").display().to_string();
        let inside = tar("inside.tar", &["--sparse", &absolute, "out", "zeroes"]);
        sandbox.run(["import", &inside, "inside"]).code(0);
        assert_eq!(fs::read_to_string(&canary).expect("the canary"), "alive");
        let used = Invocation::new("du").args(["-sk"]).arg(sandbox.root()).ok();
        let used: u64 = used.stdout.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number");
        assert!(used < 10 << 10, "{used} KiB");
        sandbox.run(["rmi", "inside"]).code(0);
    }
}

#[test]
fn a_device_is_made_by_root_alone_and_opens_nothing() {
    requires!(subuid_user, user_namespaces, busybox);
    let user = User::with_subuids();
    for (sandbox, there) in [(empty(None), true), (empty(Some(&user)), false)] {
        let base = sandbox.rootfs("home/root");
        Invocation::new("mknod").arg(base.inside("disk")).args(["b", "7", "0"]).ok();
        let archive = docker_archive(&sandbox, "device", &[base.path().to_owned()], &json!({"Cmd": ["sh"]}));
        sandbox.run(["load", "-i", text(&archive)]).code(0);
        let script = "test -b /disk && echo there; head -c 1 /disk 2>/dev/null && echo read; true";
        let seen = sandbox.run(["run", "--rm", "device", "sh", "-c", script]);
        seen.code(0).stdout_is(if there { "there\n" } else { "" });
    }
}

#[test]
fn a_disk_that_fills_up_while_loading_is_told_and_emptied_again() {
    requires!(root);
    let sandbox = Sandbox::new();
    let archive = good(&sandbox, "good");
    let small = sandbox.root();
    fs::create_dir_all(&small).expect("a directory");
    // Room for the blobs, not for the tree; and not even for the blobs.
    for size in ["size=1600k,mode=700", "size=800k,mode=700"] {
        Invocation::new("mount").args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(&small).ok();
        sandbox.run(["images"]).code(0);
        sandbox.run(["load", "-i", "/no/such"]).code(1);
        let outcome = sandbox.run(["load", "-i", text(&archive)]);
        outcome.code(1).one_line_error("full").stderr_contains("CORACLE_ROOT");
        sandbox.run(["images", "-q"]).code(0).stdout_is("");
        for dir in ["tmp", "trash", "layers", "images/blobs/sha256"] {
            assert_eq!(fs::read_dir(small.join(dir)).expect(dir).count(), 0, "{dir} of {size}");
        }
        Invocation::new("umount").arg(&small).ok();
    }
}

/// Moments over all of a load and a little longer, as many as the machine is quick enough for.
fn moments(sandbox: &Sandbox, archive: &Path) -> Vec<Duration> {
    let start = Instant::now();
    sandbox.run(["load", "-i", text(archive)]).code(0);
    let (length, count) = (start.elapsed(), if requires::timing().is_ok() { 20 } else { 6 });
    sandbox.run(["rmi", "good"]).code(0);
    (0..count).map(|number| length * number * 11 / (count * 10)).collect()
}

/// Sends signals to a load; what is not loaded has left nothing once `after` has run.
#[track_caller]
fn cut_short(sandbox: &Sandbox, signals: &[Signal], after: Option<&[&str]>) {
    let archive = good(sandbox, "good");
    let moments = moments(sandbox, &archive);
    let before = listing(sandbox);
    let mut interrupted = 0;
    for (moment, signal) in moments.into_iter().zip(signals.iter().cycle()) {
        let running = sandbox.coracle(["load", "-i", text(&archive)]).spawn();
        std::thread::sleep(moment);
        running.kill(*signal);
        let outcome = running.wait();
        if let Some(after) = after {
            sandbox.run(after).code(0);
        }
        let code = outcome.exit_code();
        assert!(code.is_none_or(|code| code == 0 || code == 128 + signal.as_raw()), "{outcome}");
        interrupted += i32::from(code != Some(0));
        // Loaded it may be even so, if the signal came between that and the end.
        if !sandbox.run(["images", "-q"]).code(0).stdout.is_empty() {
            sandbox.run(["rmi", "good"]).code(0);
        }
        assert_eq!(listing(sandbox), before, "after {moment:?}: {outcome}");
    }
    assert!(interrupted > 3, "only {interrupted} were cut short");
}

#[test]
fn a_load_of_root_that_is_interrupted_at_any_moment_leaves_nothing() {
    requires!(root);
    cut_short(&empty(None), &[Signal::TERM, Signal::INT, Signal::HUP], None);
}

#[test]
fn a_users_load_that_is_interrupted_at_any_moment_leaves_nothing() {
    requires!(subuid_user, user_namespaces);
    cut_short(&empty(Some(&User::with_subuids())), &[Signal::TERM, Signal::INT, Signal::HUP], None);
}

#[test]
fn what_a_load_of_root_killed_at_any_moment_leaves_goes_with_the_next_command() {
    requires!(root);
    cut_short(&empty(None), &[Signal::KILL], Some(&["ps", "-a"]));
}

#[test]
fn what_a_users_load_killed_at_any_moment_leaves_goes_with_the_next_command() {
    requires!(subuid_user, user_namespaces);
    cut_short(&empty(Some(&User::with_subuids())), &[Signal::KILL], Some(&["ps", "-a"]));
}
