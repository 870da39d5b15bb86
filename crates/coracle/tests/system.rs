//! `system df` and `system prune`: what takes up room, and what goes.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use std::fs;

use archive::{docker_archive, layer, text};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::{Invocation, Sandbox, User, requires};

/// `one` is busybox; `two` has a layer of a megabyte on top.
fn loaded(sandbox: &Sandbox) {
    let base = sandbox.rootfs("home/base");
    let upper = layer(sandbox, "upper", &[("big", &"x".repeat(1_000_000))]);
    for (name, layers) in [("one", vec![base.path().to_owned()]), ("two", vec![base.path().to_owned(), upper])] {
        let archive = docker_archive(sandbox, name, &layers, &json!({"Cmd": ["sh"], "Labels": {"of": name}}));
        sandbox.run(["--storage-driver", "overlay", "load", "-i", text(&archive)]).code(0);
    }
}

/// The rows of `system df`, by their types.
fn rows(sandbox: &Sandbox) -> Vec<Value> {
    let told = sandbox.run(["system", "df", "--format", "json"]);
    told.code(0).stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Bytes on disk below a directory, as du(1) counts them, in docker's form.
fn du(sandbox: &Sandbox, dirs: &[&str]) -> u64 {
    let dirs = dirs.iter().map(|dir| sandbox.root().join(dir));
    let told = Invocation::new("du").args(["-scB1"]).args(dirs).ok();
    let total = told.stdout.lines().last().and_then(|line| line.split_whitespace().next()).expect("a total");
    total.parse().expect("a number")
}

fn bytes(text: &str) -> u64 {
    let units = [("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("B", 1.0)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit))).expect("a size");
    (number.parse::<f64>().expect("a number") * unit) as u64
}

#[test]
fn df_counts_what_du_counts() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let empty = sandbox.run(["system", "df"]);
    empty.code(0).stdout_is(
        "TYPE            TOTAL   ACTIVE   SIZE   RECLAIMABLE\n\
         Images          0       0        0B     0B\n\
         Containers      0       0        0B     0B\n\
         Local Volumes   0       0        0B     0B\n\
         Build Cache     0       0        0B     0B\n",
    );
    loaded(&sandbox);
    sandbox.run(["run", "--name=kept", "one", "sh", "-c", "head -c 300000 /dev/zero >/own"]).code(0);
    let rows = rows(&sandbox);
    let near = |row: &Value, expected: u64| {
        let told = bytes(row["Size"].as_str().expect("a size"));
        // The directories that hold blobs and layers are nobody's, and sizes have three digits.
        assert!(told.abs_diff(expected) < 30_000, "{row} {expected}");
    };
    near(&rows[0], du(&sandbox, &["images/blobs", "layers"]));
    near(&rows[1], du(&sandbox, &["containers"]));
    assert_eq!((&rows[0]["TotalCount"], &rows[0]["Active"]), (&json!("2"), &json!("1")));
    // What the other image has alone: its upper layer, packed and unpacked.
    let free = rows[0]["Reclaimable"].as_str().and_then(|text| text.split(' ').next()).map(bytes).expect("a size");
    assert!((2_000_000..2_100_000).contains(&free), "{rows:?}");
    assert!(rows[1]["Reclaimable"].as_str().is_some_and(|text| text.ends_with(" (100%)")), "{rows:?}");
    let format = "table {{.Type}}\t{{.TotalCount}}";
    sandbox.run(["system", "df", "--format", format]).code(0).stdout_contains("Images          2\n");
}

#[test]
fn df_tells_what_images_share() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    loaded(&sandbox);
    let told = sandbox.run(["system", "df", "-v", "--format", "json"]);
    let told: Value = serde_json::from_str(&told.code(0).stdout).expect("JSON");
    let images = told["Images"].as_array().expect("images");
    let field = |image: &Value, name: &str| bytes(image[name].as_str().expect("a size"));
    assert_eq!(images[0]["SharedSize"], images[1]["SharedSize"]);
    assert!(field(&images[0], "UniqueSize") < 50_000 && field(&images[1], "UniqueSize") > 2_000_000, "{told}");
    let table = sandbox.run(["system", "df", "-v"]);
    table.code(0).stdout_contains("SHARED SIZE   UNIQUE SIZE   CONTAINERS").stdout_contains("Build cache usage: 0B");
}

#[test]
fn prune_takes_what_is_not_used_and_says_before_what_that_is() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    loaded(&sandbox);
    sandbox.run(["untag", "two"]).code(0);
    sandbox.run(["run", "--name=kept", "one", "true"]).code(0);
    let mut running = sandbox.coracle(["run", "--name=runs", "one", "sh", "-c", "echo up; exec sleep 1000"]).spawn();
    running.stdout_until("up");
    let dry = sandbox.run(["system", "prune", "--dry-run"]);
    dry.code(0).stdout_contains("Would delete Containers:\n").stdout_contains("Would delete Images:\ndeleted: sha256:");
    assert_eq!(sandbox.run(["images", "-q"]).stdout.lines().count(), 2);
    sandbox.coracle(["system", "prune"]).stdin("n\n").ok().stdout_contains("[y/N]");
    assert_eq!(sandbox.run(["ps", "-aq"]).stdout.lines().count(), 2);
    let told = sandbox.run(["system", "prune", "-f", "--volumes"]);
    told.code(0).stdout_contains("Deleted Images:\n").stdout_contains("Total reclaimed space: ");
    let size = |text: &str| text.lines().last()?.split(' ').next_back().map(bytes);
    let (would, did) = (size(&dry.stdout).expect("a size"), size(&told.stdout).expect("a size"));
    // What has not reached the disk yet may take up a block more or less there; sizes have three digits.
    assert!(did.abs_diff(would) < 30_000, "{dry}\n{told}");
    sandbox.run(["images", "--format", "{{.Repository}}"]).code(0).stdout_is("one\n");
    sandbox.run(["ps", "-a", "--format", "{{.Names}}"]).code(0).stdout_is("runs\n");
    sandbox.run(["system", "prune", "-af"]).code(0).stdout_is("Total reclaimed space: 0B\n");
    running.kill(Signal::TERM);
    sandbox.run(["rm", "-f", "runs"]).code(0);
    running.wait();
    sandbox.run(["system", "prune", "-af"]).code(0).stdout_contains("untagged: one:latest\n");
    assert!(du(&sandbox, &["images/blobs/sha256", "layers", "trash"]) < 20_000);
    sandbox.run(["system", "check"]).code(0).stdout_contains("0 images");
}

#[test]
fn prune_keeps_what_fits_into_a_size_and_what_a_filter_leaves() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    loaded(&sandbox);
    let prune = |more: &[&str]| sandbox.run([&["system", "prune", "-a", "-f"], more].concat());
    let names =
        || sandbox.run(["images", "--format", "{{.Repository}}", "--sort", "repository"]).code(0).stdout.clone();
    prune(&["--keep-storage", "1g"]).code(0).stdout_is("Total reclaimed space: 0B\n");
    prune(&["--filter", "label=of=three"]).code(0);
    prune(&["--filter", "label!=of"]).code(0);
    assert_eq!(names(), "one\ntwo\n");
    prune(&["--filter", "dangling=true"]).code(125).one_line_error("label=");
    // The one that came first goes first; it shares nearly all, so that the other one goes as well.
    prune(&["--keep-storage", "1m", "--dry-run"]).code(0).stdout_contains("untagged: two:latest");
    prune(&["--filter", "label=of=two", "--keep-storage", "1m"]).code(0).stdout_contains("untagged: two:latest");
    assert_eq!(names(), "one\n");
    sandbox.run(["run", "--rm", "one", "true"]).code(0);
}

#[test]
fn prune_forgets_what_came_of_pulls_that_were_cut_off() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    loaded(&sandbox);
    let partial = sandbox.root().join("partial");
    fs::create_dir_all(&partial).expect("a directory");
    fs::write(partial.join("e".repeat(64)), vec![1; 100_000]).expect("a part");
    assert_eq!(rows(&sandbox)[4]["Type"], "Partial Pulls");
    sandbox.run(["system", "prune", "-f"]).code(0).stdout_contains("Deleted Partial Pulls: 1");
    assert_eq!(rows(&sandbox).len(), 4);
}

#[test]
fn an_ordinary_user_sees_and_prunes_what_is_his() {
    requires!(subuid_user, user_namespaces, busybox);
    let sandbox = Sandbox::of(&User::with_subuids());
    loaded(&sandbox);
    sandbox.run(["run", "--name=kept", "--userns=keep-id", "one", "true"]).code(0);
    assert_eq!(rows(&sandbox)[0]["TotalCount"], "2");
    sandbox.run(["system", "prune", "-af"]).code(0).stdout_contains("untagged: one:latest");
    sandbox.run(["system", "check"]).code(0).stdout_contains("0 images, 0 layers, 0 blobs");
}
