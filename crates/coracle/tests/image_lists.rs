//! Images named, listed, filtered and told of: tag, untag, images, image exists, image inspect, history.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use archive::{docker_archive, layer, text};
use serde_json::{Value, json};
use testkit::{Outcome, Sandbox, requires};

/// A sandbox with an image `NAME:latest` of one file for each name; those labelled have `of=NAME`.
fn with(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    for name in names {
        let files = layer(&sandbox, name, &[("file", name)]);
        let archive = docker_archive(&sandbox, name, &[files], &json!({"Labels": {"of": name, "all": "yes"}}));
        sandbox.run(["load", "-i", text(&archive)]).code(0);
    }
    sandbox
}

fn names(outcome: &Outcome) -> Vec<&str> {
    outcome.code(0);
    let mut names: Vec<_> = outcome.stdout.lines().collect();
    names.sort_unstable();
    names
}

fn listed(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let listed = sandbox.run([&["images", "--format", "{{.Repository}}:{{.Tag}}"], words].concat());
    names(&listed).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_tag_is_one_more_name_and_untag_takes_it_away() {
    let sandbox = with(&["one", "two"]);
    sandbox.run(["tag", "one", "other:1", "quay.io/a/b"]).code(0).stdout_is("");
    assert_eq!(listed(&sandbox, &[]), ["one:latest", "other:1", "quay.io/a/b:latest", "two:latest"]);
    sandbox.run(["image", "untag", "one", "other:1"]).code(0);
    assert_eq!(listed(&sandbox, &[]), ["one:latest", "quay.io/a/b:latest", "two:latest"]);
    sandbox.run(["untag", "one"]).code(0);
    assert_eq!(listed(&sandbox, &[]), ["<none>:<none>", "two:latest"]);
    assert_eq!(listed(&sandbox, &["--filter", "dangling=true"]), ["<none>:<none>"]);
}

#[test]
fn a_name_that_another_image_has_moves() {
    let sandbox = with(&["one", "two"]);
    let id = |name: &str| sandbox.run(["images", "-q", "--no-trunc", name]).stdout.clone();
    let two = id("two");
    sandbox.run(["tag", "two", "one"]).code(0);
    assert_eq!(id("one"), two);
    assert_eq!(listed(&sandbox, &[]), ["<none>:<none>", "one:latest", "two:latest"]);
}

#[test]
fn what_cannot_be_a_name_is_none() {
    let sandbox = with(&["one"]);
    for wrong in ["UPPER", "a b", "x:", &"a".repeat(64)] {
        sandbox.run(["tag", "one", wrong]).code(125);
    }
    let digest = format!("x@sha256:{}", "0".repeat(64));
    sandbox.run(["tag", "one", &digest]).code(1).stderr_contains("digest");
    sandbox.run(["tag", "none", "x"]).code(1).stderr_contains("no image");
    sandbox.run(["untag", "one", "two"]).code(1).stderr_contains("one:latest");
    assert_eq!(listed(&sandbox, &[]), ["one:latest"]);
}

#[test]
fn the_exit_code_tells_whether_an_image_exists() {
    let sandbox = with(&["one"]);
    sandbox.run(["image", "exists", "one"]).code(0).stdout_is("");
    sandbox.run(["image", "exists", "two"]).code(1).stdout_is("").stderr_is("");
}

#[test]
fn filters_choose_images() {
    let sandbox = with(&["one", "two", "three"]);
    sandbox.run(["tag", "three", "localhost/x/three:3"]).code(0);
    for (filters, expected) in [
        (&["reference=t*"][..], &["localhost/x/three:3", "three:latest", "two:latest"][..]),
        (&["reference=localhost/*/*"], &["localhost/x/three:3"]),
        (&["reference=one", "reference=two:lat?st"], &["one:latest", "two:latest"]),
        (&["label=of=one"], &["one:latest"]),
        (&["label=all", "label=of=two"], &["two:latest"]),
        (&["label!=of=one", "reference=[ot][nw]*"], &["two:latest"]),
        (&["label=absent"], &[]),
        (&["dangling=false", "reference=one"], &["one:latest"]),
        (&["dangling=true"], &[]),
        (&["until=2000-01-01", "reference=one"], &["one:latest"]),
    ] {
        let words: Vec<_> = filters.iter().flat_map(|filter| ["--filter", filter]).collect();
        assert_eq!(listed(&sandbox, &words), expected, "{filters:?}");
    }
    assert_eq!(listed(&sandbox, &["two"]), ["two:latest"]);
    sandbox.run(["images", "--filter", "colour=red"]).code(125).stderr_contains("dangling=");
    sandbox.run(["images", "--filter", "dangling=perhaps"]).code(125).stderr_contains("true or false");
    sandbox.run(["images", "--filter", "before=none"]).code(1).stderr_contains("no image");
}

#[test]
fn images_know_what_came_before() {
    let sandbox = Sandbox::new();
    // Images of a tar have the moment of their import.
    let files = layer(&sandbox, "files", &[("file", "x")]);
    sandbox.command("tar").arg("-C").arg(&files).arg("-cf").arg(sandbox.join("home/t.tar")).arg(".").ok();
    for name in ["one", "two", "three"] {
        sandbox.run(["import", text(&sandbox.join("home/t.tar")), name]).code(0);
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    assert_eq!(listed(&sandbox, &["--filter", "before=two"]), ["one:latest"]);
    assert_eq!(listed(&sandbox, &["--filter", "since=two"]), ["three:latest"]);
    assert_eq!(listed(&sandbox, &["--filter", "since=one", "--filter", "before=three"]), ["two:latest"]);
    let newest_first = sandbox.run(["images", "--format", "{{.Repository}}"]);
    newest_first.code(0).stdout_is("three\ntwo\none\n");
    sandbox.run(["images", "--sort", "repository", "--format", "{{.Repository}}"]).stdout_is("one\nthree\ntwo\n");
}

#[test]
fn the_list_has_dockers_fields() {
    let sandbox = with(&["one"]);
    let listed = sandbox.run(["images", "--format", "json"]);
    let row: Value = serde_json::from_str(listed.stdout.trim()).expect("JSON");
    // docker 20.10, `docker images --format '{{json .}}'`.
    let fields = [
        "Containers",
        "CreatedAt",
        "CreatedSince",
        "Digest",
        "ID",
        "Repository",
        "SharedSize",
        "Size",
        "Tag",
        "UniqueSize",
        "VirtualSize",
    ];
    assert_eq!(
        row.as_object().map(|row| row.keys().collect::<Vec<_>>()),
        Some(fields.map(str::to_owned).iter().collect())
    );
    let digest = row["Digest"].as_str().expect("a digest");
    let heading = sandbox.run(["images", "--digests"]);
    heading.code(0).stdout_contains("DIGEST").stdout_contains(digest);
    assert_eq!(sandbox.run(["images", "-n"]).stdout.lines().count(), 1);
    sandbox.run(["image", "exists", &format!("one@{digest}")]).code(0);
}

#[test]
fn an_image_is_inspected_in_dockers_and_podmans_shape() {
    requires!(package = "skopeo");
    let sandbox = with(&["one"]);
    let inspected = sandbox.run(["image", "inspect", "one"]);
    let image: Value = serde_json::from_str::<Vec<Value>>(&inspected.stdout).expect("JSON").remove(0);
    assert_eq!(image["RepoTags"], json!(["one:latest"]));
    let skopeo =
        sandbox.command("skopeo").args(["inspect", &format!("oci:{}", text(&sandbox.root().join("images")))]).ok();
    let skopeo: Value = serde_json::from_str(&skopeo.stdout).expect("JSON");
    assert_eq!(image["Digest"], skopeo["Digest"]);
    assert_eq!(image["Architecture"], skopeo["Architecture"]);
    assert_eq!(image["RepoDigests"], json!([format!("one@{}", skopeo["Digest"].as_str().expect("a digest"))]));
    let upper = image["GraphDriver"]["Data"]["UpperDir"].as_str().expect("a place");
    assert!(std::path::Path::new(upper).exists(), "{upper}");
    sandbox.run(["container", "inspect", "one"]).code(1).stderr_contains("no container");
}

#[test]
fn history_tells_the_steps_newest_first() {
    let sandbox = Sandbox::new();
    let layers = [layer(&sandbox, "below", &[("a", "1")]), layer(&sandbox, "above", &[("b", "2")])];
    let archive = docker_archive(&sandbox, "steps", &layers, &json!({}));
    sandbox.run(["load", "-i", text(&archive)]).code(0);
    let history = sandbox.run(["history", "--format", "{{.ID}} {{.CreatedBy}}", "steps"]);
    let id = sandbox.run(["images", "-q"]).stdout.trim().to_owned();
    history.code(0).stdout_is(&format!("{id} a test\n<missing> a test\n"));
    sandbox.run(["image", "history", "-q", "steps"]).stdout_is(&format!("{id}\n<missing>\n"));
    let sizes = sandbox.run(["history", "-H=false", "--format", "{{.Size}}", "steps"]);
    let tar =
        |number: u32| std::fs::metadata(sandbox.join(format!("home/steps-parts/layer-{number}.tar"))).expect("a layer");
    sizes.code(0).stdout_is(&format!("{}\n{}\n", tar(1).len(), tar(0).len()));
    sandbox.run(["history", "steps"]).stdout_contains("CREATED BY");
}
