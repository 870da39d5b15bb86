//! What a container has changed: told by diff, made an image by commit, written out by export.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use archive::{docker_archive, layer, text};
use serde_json::{Value, json};
use std::fs;
use testkit::{Sandbox, User, requires};

/// An image `base` of busybox, with a layer on top.
fn with_base(sandbox: &Sandbox) {
    let base = sandbox.rootfs("home/base");
    base.file("etc/gone", "x").file("etc/changed", "old").file("full/old", "x");
    let upper = layer(sandbox, "upper", &[("etc/above", "x")]);
    let config = json!({"Cmd": ["sh"], "Env": ["A=1", "B=2"], "Labels": {"from": "base"}});
    let archive = docker_archive(sandbox, "base", &[base.path().to_owned(), upper], &config);
    sandbox.run(["load", "-i", text(&archive)]).code(0);
}

const CHANGE: &str = "rm /etc/gone; echo new > /etc/changed; rm -r /full; mkdir -m 700 /full; echo 1 > /full/new;
    ln /full/new /full/other; ln -s new /full/link; mkfifo /full/fifo; chown 7:8 /full/new; echo top > /etc/above;
    mkdir /dev/x; mkdir /empty; dd if=/dev/zero of=/full/sparse bs=1 count=1 seek=3000000 2>/dev/null";
const SEEN: &str = "cd /; cat etc/changed etc/above full/new; ls etc/gone full/old 2>/dev/null; ls full; ls -d empty;
    stat -c '%u %g %a' full; stat -c '%u %g %a %h %s' full/new full/other full/sparse; readlink full/link";
const EXPECTED: &str = "new\ntop\n1\nfifo\nlink\nnew\nother\nsparse\nempty\n0 0 700\n7 8 644 2 2\n7 8 644 2 2\n\
                        0 0 644 1 3000001\nnew\n";

#[track_caller]
fn sees_the_changes(sandbox: &Sandbox, words: &[&str]) {
    sandbox.run([&["run", "--rm"], words, &["sh", "-c", SEEN]].concat()).code(0).stdout_is(EXPECTED);
}

fn changed(sandbox: &Sandbox, flags: &[&str]) {
    sandbox.run([&["run", "--name", "con"], flags, &["base", "sh", "-c", CHANGE]].concat()).code(0);
}

#[test]
fn a_container_of_a_committed_image_sees_the_same() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    changed(&sandbox, &[]);
    let id = sandbox.run(["commit", "-m", "why", "-a", "who", "con", "made:1"]);
    id.code(0).stderr_is("");
    sees_the_changes(&sandbox, &["made:1"]);
    let history = sandbox.run(["history", "--format", "{{.Comment}} {{.ID}}", "--no-trunc", "made:1"]);
    history.stdout_contains(&format!("why {}\n", id.stdout.trim()));
    sandbox.run(["image", "inspect", "-f", "{{.Author}} {{len .RootFS.Layers}}", "made:1"]).stdout_is("who 3\n");
    // Loaded elsewhere, the layers are unpacked from their blobs alone.
    let file = sandbox.join("home/made.tar");
    sandbox.run(["save", "-o", text(&file), "made:1"]).code(0);
    let other = Sandbox::new();
    other.run(["load", "-i", text(&file)]).code(0);
    sees_the_changes(&other, &["made:1"]);
}

#[test]
fn owners_are_the_containers_own_whatever_ids_it_had() {
    requires!(root, busybox, kernel = (6, 3));
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    changed(&sandbox, &["--userns=auto"]);
    sandbox.run(["commit", "con", "made"]).code(0);
    sees_the_changes(&sandbox, &["made"]);
    sees_the_changes(&sandbox, &["--userns=auto", "made"]);
    let tar = sandbox.coracle(["export", "con", "-o", text(&sandbox.join("home/c.tar"))]).ok();
    tar.stdout_is("");
    sandbox.run(["import", text(&sandbox.join("home/c.tar")), "flat"]).code(0);
    sees_the_changes(&sandbox, &["flat"]);
}

#[test]
fn an_ordinary_user_commits_and_exports_too() {
    requires!(subuid_user, user_namespaces, busybox, kernel = (6, 6));
    let sandbox = Sandbox::of(&User::with_subuids());
    with_base(&sandbox);
    for (number, flags) in [&[][..], &["--userns=keep-id", "--user=0"]].into_iter().enumerate() {
        changed(&sandbox, flags);
        let (made, flat) = (format!("made:{number}"), format!("flat:{number}"));
        sandbox.run(["commit", "con", &made]).code(0);
        sees_the_changes(&sandbox, &[&made]);
        let file = sandbox.join("home/c.tar");
        sandbox.run(["export", "-o", text(&file), "con"]).code(0);
        sandbox.run(["import", text(&file), &flat]).code(0);
        sees_the_changes(&sandbox, &[&flat]);
        sandbox.run(["rm", "con"]).code(0);
    }
}

#[test]
fn umoci_unpacks_a_committed_image_to_the_same_tree() {
    requires!(root, busybox, package = "umoci");
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    changed(&sandbox, &[]);
    sandbox.run(["commit", "con", "made"]).code(0);
    let (layout, bundle) = (sandbox.join("home/layout"), sandbox.join("home/bundle"));
    sandbox.run(["save", "--format", "oci-dir", "-o", text(&layout), "made"]).code(0);
    let image = format!("{}:docker.io/library/made:latest", layout.display());
    sandbox.command("umoci").args(["unpack", "--image", &image, text(&bundle)]).ok();
    let exported = sandbox.join("home/exported");
    fs::create_dir(&exported).expect("mkdir");
    let tar = sandbox.join("home/c.tar");
    sandbox.run(["export", "-o", text(&tar), "con"]).code(0);
    sandbox.command("tar").args(["-xpf", text(&tar), "--numeric-owner", "-C", text(&exported)]).ok();
    let find = "cd \"$0\" && find . \\( -type d -printf '%p %y %m %U %G\\n' \\) -o -printf '%p %y %m %U %G %s %T@ %l %n\\n' | grep -vE '^./(dev|proc|sys|etc/(hosts|hostname|resolv.conf)) ' | sort";
    let listing = |dir: &std::path::Path| sandbox.command("sh").args(["-c", find, text(dir)]).ok().stdout.clone();
    assert_eq!(listing(&bundle.join("rootfs")), listing(&exported));
}

#[test]
fn the_image_starts_as_the_container_did_unless_told_otherwise() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    let flags = ["-e", "A=3", "-w", "/etc", "-l", "own=x", "-u", "7"];
    sandbox.run([&["run", "--name", "con"], &flags[..], &["base", "true"]].concat()).code(0);
    let file = sandbox.join("home/iid");
    let changes = ["-c", "CMD [\"pwd\"]", "--change", "ENV C=4", "-c", "EXPOSE 80", "-c", "LABEL k=v", "-c", "USER 8"];
    let id = sandbox.run([&["commit", "-q", "--iidfile", text(&file)], &changes[..], &["con", "made"]].concat());
    assert_eq!(fs::read_to_string(file).expect("an id"), id.stdout.trim());
    let config = sandbox.run(["image", "inspect", "-f", "{{json .Config}}", "made"]);
    let config: Value = serde_json::from_str(&config.stdout).expect("JSON");
    assert_eq!(
        config,
        json!({"Cmd": ["pwd"], "Env": ["B=2", "A=3", "C=4"], "ExposedPorts": {"80/tcp": {}}, "User": "8",
            "Labels": {"from": "base", "own": "x", "k": "v"}, "WorkingDir": "/etc"})
    );
    sandbox.run(["run", "--rm", "made"]).code(0).stdout_is("/etc\n");
    sandbox.run(["commit", "-c", "RUN make", "con"]).code(1).stderr_contains("ONBUILD");
    sandbox.run(["commit", "--format", "docker", "con", "docker-made"]).code(0);
    let kind = sandbox.run(["image", "inspect", "-f", "{{.ManifestType}}", "docker-made"]);
    kind.stdout_is("application/vnd.docker.distribution.manifest.v2+json\n");
}

#[test]
fn squashed_it_is_one_layer() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    changed(&sandbox, &[]);
    sandbox.run(["commit", "--squash", "con", "made"]).code(0);
    sandbox.run(["image", "inspect", "-f", "{{len .RootFS.Layers}}", "made"]).stdout_is("1\n");
    sees_the_changes(&sandbox, &["made"]);
}

#[test]
fn what_is_not_there_or_has_no_image_is_not_committed() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    sandbox.run(["commit", "none", "x"]).code(1).stderr_contains("no container");
    sandbox.run(["run", "--name", "hst", "host:", "true"]).code(0);
    sandbox.run(["commit", "hst", "x"]).code(1).stderr_contains("not made from an image");
    sandbox.run(["diff", "hst"]).code(1).stderr_contains("no layer of its own");
    sandbox.run(["export", "hst"]).code(1).stdout_is("");
    assert_eq!(fs::read_dir(sandbox.root().join("images/blobs/sha256")).expect("blobs").count(), 0);
    assert_eq!(fs::read_dir(sandbox.root().join("tmp")).expect("tmp").count(), 0);
}

#[test]
fn a_running_container_stands_still_meanwhile() {
    requires!(root, busybox, cgroups);
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    let script = "echo 0 > /n; echo started; n=0; while :; do n=$((n + 1)); echo $n > /m; mv /m /n; done";
    let running = sandbox.coracle(["run", "--name", "con", "base", "sh", "-c", script]).spawn();
    assert!(testkit::within(std::time::Duration::from_secs(20), || {
        sandbox.run(["ps", "-q"]).stdout.lines().count() == 1 && sandbox.run(["diff", "con"]).stdout.contains("A /n\n")
    }));
    sandbox.run(["commit", "con", "paused"]).code(0);
    sandbox.run(["commit", "--pause=false", "con", "moving"]).code(0);
    let number = sandbox.run(["run", "--rm", "paused", "cat", "/n"]);
    assert!(number.code(0).stdout.trim().parse::<u64>().is_ok(), "{}", number.stdout);
    // It runs on.
    let exported = || sandbox.run(["export", "con"]).stdout.len();
    assert!(exported() > 0);
    sandbox.run(["rm", "-f", "con"]).code(0);
    drop(running);
}

#[test]
fn changes_are_told_as_docker_tells_them() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    sandbox
        .run(["run", "--name", "con", "base", "sh", "-c", "rm /etc/gone; echo > /etc/changed; mkdir /n; touch /n/x"])
        .code(0);
    let told = "C /etc\nC /etc/changed\nD /etc/gone\nA /n\nA /n/x\n";
    sandbox.run(["diff", "con"]).code(0).stdout_is(told);
    let diff = sandbox.run(["container", "diff", "--format", "json", "con"]);
    let diff: Value = serde_json::from_str(&diff.stdout).expect("JSON");
    assert_eq!(diff["deleted"], json!(["/etc/gone"]));
    sandbox.run(["commit", "con", "made"]).code(0);
    sandbox.run(["image", "diff", "made"]).code(0).stdout_is(told);
    sandbox.run(["image", "diff", "made", "base"]).code(0).stdout_is(told);
    assert_eq!(sandbox.run(["image", "diff", "made", "made"]).stdout, "");
}
