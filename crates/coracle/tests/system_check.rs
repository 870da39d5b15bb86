//! `system check`: what is damaged is found and told of, what can be made again is, and the rest is dropped.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use std::fs;
use std::path::PathBuf;

use archive::{docker_archive, layer, text};
use serde_json::{Value, json};
use testkit::{Outcome, Sandbox, User, requires};

/// A store with an image of two layers.
fn loaded(driver: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    load(&sandbox, driver);
    sandbox
}

fn load(sandbox: &Sandbox, driver: &str) {
    let base = sandbox.rootfs("home/base");
    let upper = layer(sandbox, "upper", &[("etc/new", "new")]);
    let archive = docker_archive(sandbox, "two", &[base.path().to_owned(), upper], &json!({"Cmd": ["sh"]}));
    sandbox.run(["--storage-driver", driver, "load", "-i", text(&archive)]).code(0);
}

fn inside(dir: PathBuf) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    all.sort();
    all
}

/// The layer that has this file.
fn layer_with(sandbox: &Sandbox, file: &str) -> PathBuf {
    let layers = inside(sandbox.root().join("layers"));
    layers.into_iter().find(|layer| layer.join("fs").join(file).exists()).expect("a layer")
}

/// It is found, nothing is changed; it is mended; then all is well.
#[track_caller]
fn found_and_mended(sandbox: &Sandbox, words: &[&str], told: &str) -> Outcome {
    let check = |more: &[&str]| sandbox.run([&["system", "check"], words, more].concat());
    check(&[]).code(1).stdout_contains(told).stderr_is("");
    check(&[]).code(1).stdout_contains(told);
    let mended = check(&["--repair"]);
    mended.code(0).stdout_contains(told).stdout_contains("all mended");
    sandbox.run(["system", "check"]).code(0).stdout_contains("all is well");
    mended
}

#[test]
fn a_whole_store_is_well_and_stays_as_it_is() {
    requires!(root, busybox);
    for driver in ["overlay", "erofs"] {
        let sandbox = Sandbox::new();
        if driver == "erofs" && sandbox.run(["--storage-driver", "erofs", "images"]).exit_code() != Some(0) {
            continue;
        }
        load(&sandbox, driver);
        sandbox.run(["run", "--name=kept", "two", "true"]).code(0);
        let before: Vec<_> = inside(sandbox.root().join("layers"));
        let told = sandbox.run(["system", "check"]);
        told.code(0).stdout_is("1 image, 2 layers, 4 blobs, 1 container: all is well\n");
        sandbox.run(["system", "check", "--repair", "-f"]).code(0).stdout_is(&told.stdout);
        sandbox.run(["system", "check", "-q"]).code(0).stdout_is(&told.stdout);
        assert_eq!(inside(sandbox.root().join("layers")), before);
        for dir in ["tmp", "trash"] {
            assert_eq!(inside(sandbox.root().join(dir)), Vec::<PathBuf>::new());
        }
    }
}

#[test]
fn a_layer_that_was_changed_is_made_again_from_its_blob() {
    requires!(root, busybox);
    let sandbox = loaded("overlay");
    let new = layer_with(&sandbox, "etc/new").join("fs/etc/new");
    // As long as it was, and as old.
    let time = fs::metadata(&new).and_then(|meta| meta.modified()).expect("its time");
    fs::write(&new, "old").expect("a file");
    fs::File::options().write(true).open(&new).and_then(|file| file.set_modified(time)).expect("its time");
    found_and_mended(&sandbox, &[], "etc/new is not as its blob has it");
    sandbox.run(["run", "--rm", "two", "cat", "/etc/new"]).code(0).stdout_is("new");
    let base = layer_with(&sandbox, "bin/busybox");
    fs::remove_file(base.join("fs/bin/busybox")).expect("removed");
    found_and_mended(&sandbox, &[], "bin/busybox is not as its blob has it");
    fs::write(base.join("record.json"), "").expect("emptied");
    found_and_mended(&sandbox, &["--quick"], "record.json");
    fs::remove_dir_all(base.join("fs")).expect("removed");
    found_and_mended(&sandbox, &["--quick"], "its directory fs is gone");
    sandbox.run(["run", "--rm", "two", "true"]).code(0);
}

#[test]
fn an_erofs_layer_that_was_changed_is_made_again_from_its_blob() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let possible = sandbox.run(["--storage-driver", "erofs", "images"]).exit_code() == Some(0);
    requires!(that = if possible { Ok(()) } else { Err("images that can be mounted".to_owned()) });
    load(&sandbox, "erofs");
    let image = inside(sandbox.root().join("layers")).remove(0).join("layer.erofs");
    let mut bytes = fs::read(&image).expect("an image");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&image, &bytes).expect("changed");
    found_and_mended(&sandbox, &[], "its image is not what its blob makes");
    fs::write(&image, &bytes[..last]).expect("cut");
    found_and_mended(&sandbox, &["--quick"], "its image");
    sandbox.run(["run", "--rm", "two", "true"]).code(0);
}

#[test]
fn an_image_whose_blob_is_damaged_is_dropped_with_a_word_about_it() {
    requires!(root, busybox);
    let sandbox = loaded("overlay");
    let told: Value = serde_json::from_str(&sandbox.run(["inspect", "two"]).code(0).stdout).expect("JSON");
    let layer = told[0]["RootFS"]["Layers"][1].as_str().expect("a layer").trim_start_matches("sha256:").to_owned();
    let blob = sandbox.root().join("images/blobs/sha256").join(layer);
    let mut bytes = fs::read(&blob).expect("a blob");
    bytes[600] ^= 1;
    fs::write(&blob, bytes).expect("changed");
    sandbox.run(["system", "check", "--quick"]).code(0);
    let mended = found_and_mended(&sandbox, &[], "its content is that of sha256:");
    mended.stdout_contains("image two:latest: ").stdout_contains("coracle pull two:latest gets it again");
    sandbox.run(["images", "-q"]).code(0).stdout_is("");
    for dir in ["layers", "images/blobs/sha256"] {
        assert_eq!(inside(sandbox.root().join(dir)), Vec::<PathBuf>::new(), "{dir}");
    }
}

#[test]
fn what_nothing_needs_and_what_is_nothing_is_removed() {
    requires!(root, busybox);
    let sandbox = loaded("overlay");
    let blobs = sandbox.root().join("images/blobs/sha256");
    // The digest of nothing, as sha256sum prints it.
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    fs::write(blobs.join(empty), "").expect("a blob");
    found_and_mended(&sandbox, &["-q"], &format!("blob sha256:{empty}: nothing needs it"));
    fs::write(blobs.join("notes.txt"), "").expect("a file");
    found_and_mended(&sandbox, &["-q"], "it is no blob");
    fs::create_dir(sandbox.root().join("layers/mine")).expect("a directory");
    found_and_mended(&sandbox, &["-q"], "it is no layer");
    sandbox.run(["run", "--rm", "two", "true"]).code(0);
}

#[test]
fn an_index_that_is_lost_is_made_again_from_the_manifests() {
    requires!(root, busybox);
    let sandbox = loaded("overlay");
    let id = sandbox.run(["images", "-q", "--no-trunc"]).code(0).stdout.clone();
    fs::write(sandbox.root().join("images/index.json"), "{").expect("damaged");
    sandbox.run(["images"]).code(1);
    found_and_mended(&sandbox, &[], "images/index.json");
    sandbox.run(["images", "-q", "--no-trunc"]).code(0).stdout_is(&id);
    sandbox.run(["run", "--rm", id.trim(), "true"]).code(0);
}

#[test]
fn a_container_goes_only_where_that_was_asked_for() {
    requires!(root, busybox);
    let sandbox = loaded("overlay");
    sandbox.run(["run", "--name=kept", "two", "sh", "-c", "echo mine >/mine"]).code(0);
    fs::remove_file(sandbox.root().join("names/kept")).expect("removed");
    found_and_mended(&sandbox, &["-q"], "its name kept is gone");
    sandbox.run(["inspect", "kept"]).code(0);
    let record = inside(sandbox.root().join("containers")).remove(0).join("record.json");
    fs::write(&record, "{").expect("damaged");
    sandbox.run(["system", "check", "-r"]).code(1).stdout_contains("--force removes it").stdout_contains("1 problem");
    assert!(record.with_file_name("upper/mine").exists());
    sandbox.run(["system", "check", "-rf"]).code(0).stdout_contains("removed");
    sandbox.run(["ps", "-aq"]).code(0).stdout_is("");
    sandbox.run(["system", "check"]).code(0);
}

#[test]
fn a_users_copies_for_other_ids_are_looked_at_too() {
    requires!(subuid_user, user_namespaces, busybox);
    let sandbox = Sandbox::of(&User::with_subuids());
    load(&sandbox, "overlay");
    sandbox.run(["run", "--rm", "--userns=keep-id", "two", "true"]).code(0);
    sandbox.run(["system", "check"]).code(0).stdout_contains("1 image, 4 layers");
    let maps = inside(sandbox.root().join("mapped")).remove(0);
    let layers = inside(maps);
    let copy = layers.iter().find(|layer| layer.join("fs/etc/new").exists()).expect("a copy");
    fs::write(copy.join("fs/etc/new"), "old").expect("changed");
    found_and_mended(&sandbox, &[], "etc/new is not as in the layer that it is a copy of");
    let run = ["run", "--rm", "--userns=keep-id", "two", "cat", "/etc/new"];
    sandbox.run(run).code(0).stdout_is("new");
}
