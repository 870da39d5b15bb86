//! Images saved: in each form, read by other tools, and loaded again the same.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use archive::{docker_archive, layer, skopeo_copy, text};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use testkit::{Pty, Sandbox, requires};

/// A sandbox with an image of two gzipped layers, `two:latest`.
fn with_two() -> Sandbox {
    let sandbox = Sandbox::new();
    let layers = [layer(&sandbox, "below", &[("etc/a", "1"), ("b", "x")]), layer(&sandbox, "above", &[("etc/a", "2")])];
    let archive = docker_archive(&sandbox, "two", &layers, &json!({"Cmd": ["sh"], "Labels": {"x": "y"}}));
    let gzipped = sandbox.join("home/two").display().to_string();
    let from = format!("docker-archive:{}", archive.display());
    skopeo_copy(&from, &format!("oci:{gzipped}:docker.io/library/two:latest"), &["--dest-compress-format=gzip"]);
    sandbox.run(["load", "-i", &gzipped]).code(0);
    sandbox
}

fn inspect(sandbox: &Sandbox, name: &str) -> Value {
    serde_json::from_str::<Vec<Value>>(&sandbox.run(["image", "inspect", name]).stdout).expect("JSON").remove(0)
}

fn at(sandbox: &Sandbox, name: &str) -> String {
    sandbox.join("home").join(name).display().to_string()
}

#[test]
fn what_is_saved_is_loaded_the_same_in_every_form() {
    requires!(package = "skopeo");
    let sandbox = with_two();
    let before = inspect(&sandbox, "two");
    for format in ["docker-archive", "oci-archive", "oci-dir"] {
        let file = at(&sandbox, format);
        sandbox.run(["save", "--format", format, "-o", &file, "two"]).code(0).stdout_is("").stderr_is("");
        sandbox.run(["rmi", "two"]).code(0);
        sandbox.run(["load", "-i", &file]).code(0).stdout_is("Loaded image: two:latest\n");
        assert_eq!(inspect(&sandbox, "two"), before, "{format}");
    }
}

#[test]
fn skopeo_finds_the_very_blobs_in_every_form() {
    requires!(package = "skopeo");
    let sandbox = with_two();
    let store = format!("oci:{}:docker.io/library/two:latest", sandbox.root().join("images").display());
    let inspect = |place: &str| {
        let told = sandbox.command("skopeo").args(["inspect", place]).ok();
        serde_json::from_str::<Value>(&told.stdout).expect("JSON")
    };
    for (format, transport, name) in [
        ("docker-archive", "docker-archive", ""),
        ("oci-archive", "oci-archive", ":docker.io/library/two:latest"),
        ("oci-dir", "oci", ":docker.io/library/two:latest"),
        ("docker-dir", "dir", ""),
    ] {
        let file = at(&sandbox, format);
        sandbox.run(["image", "save", "--format", format, "-o", &file, "two"]).code(0);
        let (saved, stored) = (inspect(&format!("{transport}:{file}{name}")), inspect(&store));
        assert_eq!(saved["Labels"], stored["Labels"]);
        if format != "docker-archive" {
            // Skopeo tells the layers of docker's archive by their diff IDs.
            assert_eq!(saved["Layers"], stored["Layers"], "{format}");
        }
        let copy = at(&sandbox, &format!("{format}-copy"));
        skopeo_copy(&format!("{transport}:{file}{name}"), &format!("dir:{copy}"), &[]);
    }
}

#[test]
fn umoci_unpacks_what_is_saved() {
    requires!(root, package = "umoci", package = "skopeo");
    let sandbox = with_two();
    let layout = at(&sandbox, "layout");
    sandbox.run(["save", "--format", "oci-dir", "-o", &layout, "two"]).code(0);
    let image = format!("{layout}:docker.io/library/two:latest");
    sandbox.command("umoci").args(["unpack", "--image", &image, &at(&sandbox, "bundle")]).ok();
    assert_eq!(fs::read_to_string(at(&sandbox, "bundle/rootfs/etc/a")).expect("a file"), "2");
}

#[test]
fn podman_loads_both_archives() {
    requires!(root, package = "podman", package = "skopeo");
    let sandbox = with_two();
    let places = ["--root", "podman", "--runroot", "podman-run", "--storage-driver", "vfs"];
    for format in ["docker-archive", "oci-archive"] {
        let file = at(&sandbox, format);
        sandbox.run(["save", "--format", format, "-o", &file, "two"]).code(0);
        let podman = || {
            sandbox.command("podman").args(places.map(|place| match place {
                "podman" | "podman-run" => sandbox.join(place).display().to_string(),
                other => other.to_owned(),
            }))
        };
        podman().args(["load", "-q", "-i", &file]).ok();
        let id = podman().args(["images", "--no-trunc", "-q", "docker.io/library/two"]).ok();
        assert_eq!(id.stdout.trim(), inspect(&sandbox, "two")["Id"].as_str().expect("an id"), "{format}");
        podman().args(["rmi", "-af"]).ok();
    }
}

#[test]
fn several_images_share_an_archive_and_their_layers() {
    requires!(package = "skopeo");
    let sandbox = with_two();
    let other = docker_archive(&sandbox, "other", &[layer(&sandbox, "o", &[("o", "o")])], &json!({}));
    sandbox.run(["load", "-i", text(&other)]).code(0);
    sandbox.run(["tag", "two", "again:1"]).code(0);
    let file = at(&sandbox, "all.tar");
    sandbox.run(["save", "-o", &file, "two", "again:1", "other"]).code(0);
    let names = sandbox.command("tar").args(["-tf", &file]).ok();
    let mut blobs: Vec<_> = names.stdout.lines().filter(|name| name.starts_with("blobs/sha256/")).collect();
    let all = blobs.len();
    blobs.sort_unstable();
    blobs.dedup();
    assert_eq!(blobs.len(), all, "a blob twice");
    sandbox.run(["rmi", "-f", "two", "other"]).code(0);
    sandbox.run(["load", "-i", &file]).code(0);
    let listed = sandbox.run(["images", "--sort", "repository", "--format", "{{.Repository}}:{{.Tag}}"]);
    listed.stdout_is("again:1\nother:latest\ntwo:latest\n");
}

#[test]
fn an_archive_goes_into_a_pipe_and_not_to_a_terminal() {
    requires!(package = "skopeo");
    let sandbox = with_two();
    let program = sandbox.coracle(["save", "two"]);
    let saved = program.run();
    saved.code(0);
    let mut terminal = Pty::spawn(&sandbox.coracle(["save", "two"]));
    terminal.expect("standard output is a terminal");
    terminal.wait().code(125);
}

#[test]
fn inflated_layers_are_the_tars_that_the_configuration_names() {
    requires!(package = "skopeo");
    let sandbox = with_two();
    let dir = at(&sandbox, "plain");
    sandbox.run(["save", "--uncompressed", "--format", "oci-dir", "-o", &dir, "two"]).code(0);
    let diff_ids = inspect(&sandbox, "two")["RootFS"]["Layers"].clone();
    for diff_id in diff_ids.as_array().expect("layers") {
        let hex = diff_id.as_str().and_then(|id| id.strip_prefix("sha256:")).expect("a digest");
        let sum = sandbox.command("sha256sum").arg(PathBuf::from(&dir).join("blobs/sha256").join(hex)).ok();
        assert!(sum.stdout.starts_with(hex), "{}", sum.stdout);
    }
    sandbox.run(["rmi", "two"]).code(0);
    sandbox.run(["load", "-i", &dir]).code(0);
    assert_eq!(inspect(&sandbox, "two")["RootFS"]["Layers"], diff_ids);
}

#[test]
fn what_cannot_be_saved_leaves_nothing() {
    requires!(package = "skopeo");
    let sandbox = with_two();
    let file = at(&sandbox, "none.tar");
    sandbox.run(["save", "-o", &file, "none"]).code(1).stderr_contains("no image");
    assert!(!PathBuf::from(&file).exists());
    fs::write(&file, "before").expect("a file");
    // A blob that the disk has damaged is not handed on.
    let upper = inspect(&sandbox, "two");
    let manifest = upper["Manifest"].as_str().and_then(|digest| digest.strip_prefix("sha256:")).expect("a digest");
    let blobs = sandbox.root().join("images/blobs/sha256");
    let manifest: Value = serde_json::from_slice(&fs::read(blobs.join(manifest)).expect("a manifest")).expect("JSON");
    let layer = blobs.join(&manifest["layers"][1]["digest"].as_str().expect("a digest")["sha256:".len()..]);
    let mut bytes = fs::read(&layer).expect("a layer");
    bytes[20] ^= 1;
    fs::write(&layer, bytes).expect("a layer");
    for format in ["docker-archive", "oci-archive"] {
        sandbox.run(["save", "--format", format, "-o", &file, "two"]).code(1).stderr_contains("digest");
        assert_eq!(fs::read_to_string(&file).expect("the file"), "before");
    }
    let dir = at(&sandbox, "dir");
    sandbox.run(["save", "--format", "oci-dir", "-o", &dir, "two"]).code(1);
    assert!(!PathBuf::from(&dir).exists());
    let full = at(&sandbox, "below");
    sandbox.run(["save", "--format", "oci-dir", "-o", &full, "two"]).code(1).stderr_contains("ENOTEMPTY");
    assert!(PathBuf::from(full).join("b").exists());
}
