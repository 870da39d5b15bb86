//! Images that go to a registry: as they are where they are compressed, compressed where they are not, and read by others.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "it looks for a free port")]

#[path = "seed/archive.rs"]
mod archive;
#[path = "seed/registry.rs"]
mod served;

use std::fs;

use archive::{docker_archive, layer, text};
use serde_json::{Value, json};
use served::registry;
use testkit::{Invocation, Running, Sandbox, requires};

/// An archive of an image that says something; its layers are plain.
fn saying(sandbox: &Sandbox, says: &str) -> std::path::PathBuf {
    let base = sandbox.rootfs(&format!("home/base-{says}"));
    base.file("etc/says", says);
    let upper = layer(sandbox, &format!("upper-{says}"), &[("etc/upper", says)]);
    docker_archive(sandbox, says, &[base.path().to_owned(), upper], &json!({"Cmd": ["cat", "/etc/says"]}))
}

fn skopeo(words: &[&str]) -> String {
    let (verb, rest) = words.split_first().expect("a verb");
    let tls: &[&str] = match *verb {
        "copy" => &["-q", "--src-tls-verify=false", "--dest-tls-verify=false"],
        _ => &["--tls-verify=false"],
    };
    Invocation::new("skopeo").args(["--insecure-policy", verb]).args(tls).args(rest).ok().stdout
}

/// The manifest under a name in the registry.
fn raw(name: &str) -> Value {
    serde_json::from_str(&skopeo(&["inspect", "--raw", &format!("docker://{name}")])).expect("a manifest")
}

fn digest(name: &str) -> String {
    skopeo(&["inspect", "--format", "{{.Digest}}", &format!("docker://{name}")]).trim().to_owned()
}

fn served() -> (Sandbox, Running, String) {
    let sandbox = Sandbox::new();
    let (running, server) = registry(&sandbox, "");
    (sandbox, running, server)
}

#[test]
fn what_was_pulled_goes_back_byte_for_byte() {
    requires!(root, busybox, package = "docker-registry", package = "skopeo");
    let (sandbox, _running, server) = served();
    let archive = format!("docker-archive:{}", saying(&sandbox, "same").display());
    for (name, options) in [
        ("gzip", vec!["--format=oci"]),
        ("docker", vec!["--format=v2s2"]),
        ("zstd", vec!["--format=oci", "--dest-compress-format=zstd", "--dest-compress"]),
    ] {
        let (here, there) = (format!("{server}/{name}:1"), format!("{server}/again/{name}:2"));
        skopeo(&[&["copy"][..], &options, &[&archive, &format!("docker://{here}")]].concat());
        sandbox.run(["pull", "-q", &here]).code(0);
        let file = sandbox.join("digest").display().to_string();
        let pushed = sandbox.run(["push", "--digestfile", &file, &here, &format!("docker://{there}")]);
        pushed.code(0).stdout_contains("2: digest: sha256:").stderr_contains("taken from another repository");
        assert_eq!(digest(&there), digest(&here), "{name}");
        assert_eq!(fs::read_to_string(&file).expect("the digest"), digest(&here));
        let again = sandbox.run(["push", &here, &there]);
        again.code(0).stderr_contains("already there");
        sandbox.run(["push", "-q", &here, &there]).code(0).stdout_is(&format!("{there}\n")).stderr_is("");
    }
}

#[test]
fn plain_layers_are_compressed_on_the_way_and_others_read_them() {
    requires!(root, busybox, package = "docker-registry", package = "skopeo", package = "umoci");
    let (sandbox, _running, server) = served();
    sandbox.run(["load", "-i", text(&saying(&sandbox, "plain"))]).code(0);
    let inspect = |name: &str, format: &str| sandbox.run(["inspect", "--format", format, name]).code(0).stdout.clone();
    let (id, layers) = (inspect("plain", "{{.Id}}"), inspect("plain", "{{json .RootFS.Layers}}"));
    for (tag, options, manifest, kind) in [
        ("oci", &[][..], "oci.image.manifest.v1", "application/vnd.oci.image.layer.v1.tar+gzip"),
        (
            "zstd",
            &["--compression-format=zstd"],
            "oci.image.manifest.v1",
            "application/vnd.oci.image.layer.v1.tar+zstd",
        ),
        ("docker", &["-f", "v2s2"], "docker.distribution", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    ] {
        let name = format!("{server}/plain:{tag}");
        sandbox.run([&["push"], options, &["plain", &name]].concat()).code(0);
        let sent = raw(&name);
        assert!(sent["mediaType"].as_str().is_some_and(|kind| kind.contains(manifest)), "{sent}");
        assert!(
            sent["layers"].as_array().is_some_and(|layers| layers.iter().all(|l| l["mediaType"] == kind)),
            "{sent}"
        );
        // The configuration, and so the image's id, is the same.
        assert_eq!(sent["config"]["digest"], id.trim());
        let layout = sandbox.join(format!("layout-{tag}")).display().to_string();
        skopeo(&["copy", &format!("docker://{name}"), &format!("oci:{layout}:1")]);
        if tag != "zstd" {
            let bundle = sandbox.join(format!("bundle-{tag}"));
            Invocation::new("umoci").args(["unpack", "--image", &format!("{layout}:1")]).arg(&bundle).ok();
            assert_eq!(fs::read_to_string(bundle.join("rootfs/etc/says")).expect("a file"), "plain");
        }
        let other = Sandbox::new();
        other.run(["run", "--rm", "-q", &name]).code(0).stdout_is("plain");
        let told = other.run(["inspect", "--format", "{{json .RootFS.Layers}}", &name]);
        told.code(0).stdout_is(&layers);
    }
    let zstd = ["push", "--compression-format=zstd", "--format=v2s2", "plain", &format!("{server}/x:1")];
    sandbox.run(zstd).code(1).one_line_error("--format oci");
}

#[test]
fn podman_and_buildah_read_what_we_push() {
    requires!(root, busybox, package = "docker-registry", package = "podman");
    let (sandbox, _running, server) = served();
    sandbox.run(["load", "-i", text(&saying(&sandbox, "read"))]).code(0);
    let name = format!("{server}/read:1");
    sandbox.run(["push", "-q", "read", &name]).code(0);
    for program in ["podman", "buildah"] {
        if testkit::on_path(program).is_none() {
            continue;
        }
        let store = sandbox.join(program).display().to_string();
        let words = ["--root", &store, "--runroot", &format!("{store}-run"), "--storage-driver=vfs"];
        let run = |rest: &[&str]| sandbox.command(program).args(words).args(rest).ok().stdout;
        let id = run(&["pull", "-q", "--tls-verify=false", &name]);
        let ours = sandbox.run(["inspect", "--format", "{{.Id}}", "read"]);
        assert_eq!(format!("sha256:{}", id.trim()), ours.stdout.trim(), "{program}");
    }
}

#[test]
fn a_layer_of_many_pieces_is_compressed_while_it_goes() {
    requires!(root, busybox, package = "docker-registry", package = "skopeo");
    let (sandbox, _running, server) = served();
    // Random bytes do not get smaller: two pieces, of which the first has 8 MiB.
    let base = sandbox.rootfs("home/large");
    Invocation::new("dd")
        .args(["if=/dev/urandom", "bs=1M", "count=9", "status=none"])
        .arg(format!("of={}", base.inside("noise").display()))
        .ok();
    let archive = docker_archive(&sandbox, "large", &[base.path().to_owned()], &json!({"Cmd": ["md5sum", "/noise"]}));
    sandbox.run(["load", "-i", text(&archive)]).code(0);
    let name = format!("{server}/large:1");
    sandbox.run(["push", "-q", "large", &name]).code(0);
    let (ours, other) = (sandbox.run(["run", "--rm", "large"]), Sandbox::new());
    other.run(["run", "--rm", "-q", &name]).code(0).stdout_is(&ours.stdout);
    skopeo(&["copy", &format!("docker://{name}"), &format!("dir:{}", sandbox.join("copy").display())]);
}

#[test]
fn what_was_compressed_once_is_not_compressed_for_a_registry_that_has_it() {
    requires!(root, busybox, package = "docker-registry", package = "skopeo");
    let (sandbox, _running, server) = served();
    let base = sandbox.rootfs("home/large");
    let noise = format!("of={}", base.inside("noise").display());
    Invocation::new("dd").args(["if=/dev/urandom", "bs=1M", "count=9", "status=none", &noise]).ok();
    let archive = docker_archive(&sandbox, "large", &[base.path().to_owned()], &json!({"Cmd": ["true"]}));
    sandbox.run(["load", "-i", text(&archive)]).code(0);
    let (first, beside) = (format!("{server}/large:1"), format!("{server}/beside/large:1"));
    sandbox.run(["tag", "large", &first]).code(0);
    sandbox.run(["push", &first]).code(0).stderr_contains(", done");
    sandbox.run(["push", "large", &first]).code(0).stderr_contains("already there").stderr_lacks(", done");
    sandbox.run(["push", "large", &beside]).code(0).stderr_contains("taken from another repository");
    assert_eq!(digest(&beside), digest(&first));
    // Otherwise compressed it is something else.
    sandbox.run(["push", "--compression-level=1", "large", &first]).code(0).stderr_contains(", done");
    // Another registry gets the same, and what is remembered wrongly costs no more than the work.
    let other = Sandbox::new();
    let (_other_running, there) = registry(&other, "");
    let there = format!("{there}/large:1");
    for remembered in [None, Some("damaged")] {
        if let Some(text) = remembered {
            sandbox.file("data/compressed.json", text);
        }
        sandbox.run(["push", "large", &there]).code(0);
        assert_eq!(digest(&there), digest(&beside));
    }
    sandbox.run(["system", "check"]).code(0).stdout_contains("all is well");
}

#[test]
fn all_tags_go_and_wrong_words_are_told() {
    requires!(root, busybox, package = "docker-registry", package = "skopeo");
    let (sandbox, running, server) = served();
    sandbox.run(["load", "-i", text(&saying(&sandbox, "many"))]).code(0);
    for tag in ["a", "b"] {
        sandbox.run(["tag", "many", &format!("{server}/many:{tag}")]).code(0);
    }
    sandbox.run(["push", "-q", "--all-tags", &format!("{server}/many")]).code(0);
    assert_eq!(digest(&format!("{server}/many:a")), digest(&format!("{server}/many:b")));
    sandbox.run(["push", "-a", &format!("{server}/many:a")]).code(125).one_line_error("one image");
    sandbox.run(["push", "-a", &format!("{server}/none")]).code(1).one_line_error("no image of");
    sandbox.run(["push", "many", "oci:/x"]).code(125).one_line_error("coracle save");
    sandbox.run(["push", "none", &format!("{server}/none:1")]).code(1).one_line_error("no image");
    let id = sandbox.run(["images", "-q", "many"]).stdout.trim().to_owned();
    sandbox.run(["push", &id]).code(125).one_line_error("destination");
    drop(running);
    let gone = sandbox.run(["push", "--retry=0", "-q", &format!("{server}/many:a")]);
    gone.code(1).stderr_contains("cannot reach");
}

#[test]
fn a_registry_that_wants_a_login_gets_one() {
    requires!(root, busybox, package = "docker-registry");
    let sandbox = Sandbox::new();
    let (_running, server) = served::guarded(&sandbox);
    sandbox.run(["load", "-i", text(&saying(&sandbox, "mine"))]).code(0);
    let name = format!("{server}/mine:1");
    sandbox.run(["push", "mine", &name]).code(1).stderr_contains(&format!("coracle login {server}"));
    sandbox.run(["push", "-q", "--creds", "someone:an:open secret", "mine", &name]).code(0);
    sandbox.run(["login", "-u", "someone", "-p", "an:open secret", &server]).code(0);
    sandbox.run(["push", "-q", "mine", &name]).code(0);
}
