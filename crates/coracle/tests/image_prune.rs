//! Images that nobody needs: shown by their layers, and removed by rule.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use archive::{docker_archive, layer, text};
use serde_json::json;
use std::fs;
use testkit::{Pty, Sandbox, requires};

/// Images `NAME:latest` of a layer that all have and one of their own.
fn with(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    let shared = layer(&sandbox, "shared", &[("shared", "x")]);
    for name in names {
        let own = layer(&sandbox, name, &[("file", name)]);
        let archive = docker_archive(&sandbox, name, &[shared.clone(), own], &json!({"Labels": {"of": name}}));
        sandbox.run(["load", "-i", text(&archive)]).code(0);
    }
    sandbox
}

fn names(sandbox: &Sandbox) -> String {
    sandbox.run(["images", "--sort", "repository", "--format", "{{.Repository}}"]).stdout.replace('\n', " ")
}

#[test]
fn only_what_has_no_name_goes_unasked() {
    let sandbox = with(&["one", "two"]);
    sandbox.run(["untag", "one"]).code(0);
    let pruned = sandbox.run(["image", "prune", "-f"]);
    pruned.code(0).stdout_contains("Deleted Images:\ndeleted: sha256:").stdout_contains("\nTotal reclaimed space: ");
    assert_eq!(names(&sandbox), "two ");
    sandbox.run(["image", "prune", "-f"]).code(0).stdout_is("Total reclaimed space: 0B\n");
    let blobs = fs::read_dir(sandbox.root().join("images/blobs/sha256")).expect("blobs").count();
    assert_eq!(blobs, 4, "a manifest, a configuration and two layers");
}

#[test]
fn all_and_filters_choose() {
    let sandbox = with(&["one", "two", "three"]);
    sandbox
        .run(["image", "prune", "-a", "-f", "--filter", "label=of=one"])
        .code(0)
        .stdout_contains("untagged: one:latest");
    assert_eq!(names(&sandbox), "three two ");
    sandbox.run(["image", "prune", "-a", "-f", "--filter", "label!=of=two"]).code(0);
    assert_eq!(names(&sandbox), "two ");
    sandbox.run(["image", "prune", "-a", "-f", "--filter", "reference=two"]).code(125).stderr_contains("until=");
    sandbox.run(["image", "prune", "-f", "--filter", "dangling=false"]).code(0);
    assert_eq!(names(&sandbox), "");
}

#[test]
fn an_image_with_a_container_stays() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let base = sandbox.rootfs("home/base");
    let archive = docker_archive(&sandbox, "used", &[base.path().to_owned()], &json!({"Cmd": ["true"]}));
    sandbox.run(["load", "-i", text(&archive)]).code(0);
    sandbox.run(["run", "--name", "con", "used"]).code(0);
    sandbox.run(["image", "prune", "-a", "-f"]).code(0).stdout_is("Total reclaimed space: 0B\n");
    assert_eq!(names(&sandbox), "used ");
}

#[test]
fn whoever_says_nothing_has_not_agreed() {
    let sandbox = with(&["one"]);
    sandbox.coracle(["image", "prune", "-a"]).stdin("").ok().stdout_contains("[y/N]");
    assert_eq!(names(&sandbox), "one ");
    let mut terminal = Pty::spawn(&sandbox.coracle(["image", "prune", "-a"]));
    terminal.expect("[y/N]");
    terminal.send("y\r");
    terminal.expect("Total reclaimed space");
    terminal.wait().code(0);
    assert_eq!(names(&sandbox), "");
}

#[test]
fn a_tree_shows_who_shares_a_layer() {
    let sandbox = with(&["one", "two"]);
    let tree = sandbox.run(["image", "tree", "one"]);
    tree.code(0).stdout_contains("Tags:     [one:latest]").stdout_contains("Top Layer of: [one:latest]");
    let layers: Vec<_> = tree.stdout.lines().filter(|line| line.contains("── ID: ")).collect();
    assert_eq!(layers.len(), 2);
    assert!(layers[0].contains("Shared with: [two:latest]") && !layers[1].contains("Shared"), "{layers:?}");
    sandbox.run(["image", "tree", "--whatrequires", "one"]).code(0).stdout_contains("Images on top");
}

#[test]
fn all_images_are_removed_at_once_and_those_that_are_not_there_ignored() {
    let sandbox = with(&["one", "two"]);
    sandbox.run(["rmi", "--all", "one"]).code(125).one_line_error("--all");
    sandbox.run(["rmi", "none"]).code(1).one_line_error("none");
    sandbox.run(["rmi", "--ignore", "none"]).code(0).stdout_is("");
    sandbox
        .run(["rmi", "--all"])
        .code(0)
        .stdout_contains("Untagged: one:latest")
        .stdout_contains("Untagged: two:latest");
    assert_eq!(names(&sandbox), "");
    sandbox.run(["rmi", "--all"]).code(0).stdout_is("");
}
