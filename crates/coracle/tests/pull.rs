//! Images that come from a registry by themselves, or by `pull`, and how that is shown.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "it looks for a free port")]

#[path = "seed/archive.rs"]
mod archive;
#[path = "../../registry/tests/registry/faulty.rs"]
#[allow(dead_code, reason = "the faults are tested where the client is")]
mod faulty;
#[path = "seed/registry.rs"]
mod served;

use std::sync::atomic::{AtomicUsize, Ordering};

use archive::{docker_archive, layer};
use faulty::{Answer, Faulty};
use oci::digest::Digest;
use oci::image::{Descriptor, Manifest, media_type};
use serde_json::json;
use served::registry;
use testkit::{Invocation, Pty, Sandbox, requires};

/// Puts an image that says something into the registry, by skopeo.
fn push(sandbox: &Sandbox, to: &str, says: &str) {
    let base = sandbox.rootfs(&format!("home/base-{says}"));
    base.file("etc/says", says);
    let upper = layer(sandbox, &format!("upper-{says}"), &[("etc/upper", says)]);
    let config = json!({"Cmd": ["cat", "/etc/says"]});
    let archive = docker_archive(sandbox, says, &[base.path().to_owned(), upper], &config);
    let copy = Invocation::new("skopeo").args(["copy", "-q", "--insecure-policy", "--dest-tls-verify=false"]);
    copy.arg(format!("docker-archive:{}", archive.display())).arg(format!("docker://{to}")).ok();
}

#[test]
fn a_run_pulls_what_is_missing_and_asks_again_only_where_that_is_wanted() {
    requires!(root, busybox, package = "docker-registry", package = "skopeo");
    let sandbox = Sandbox::new();
    let (running, server) = registry(&sandbox, "");
    let name = format!("{server}/a/b:1");
    push(&sandbox, &name, "one");
    sandbox.run(["run", "--rm", "--pull=never", &name]).code(125).one_line_error("no image");
    let first = sandbox.run(["run", "--rm", &name]);
    first.code(0).stdout_is("one").stderr_contains("layer ").stderr_contains(", done\n");
    sandbox.run(["run", "--rm", &name]).code(0).stdout_is("one").stderr_is("");
    push(&sandbox, &name, "two");
    sandbox.run(["run", "--rm", "--pull", "missing", &name]).code(0).stdout_is("one");
    let by_id = sandbox.run(["images", "-q"]).stdout.trim().to_owned();
    sandbox.run(["run", "--rm", "--pull", "always", &by_id]).code(0).stdout_is("one");
    sandbox.run(["run", "--rm", "-q", "--pull", "always", &name]).code(0).stdout_is("two").stderr_is("");
    sandbox.run(["rmi", &name]).code(0);
    let other = sandbox.run(["run", "--rm", "--platform", "linux/s390x", &name]);
    other.code(125).stderr_contains("s390x");
    push(&sandbox, &name, "three");
    sandbox.run(["run", "--rm", "-q", "--pull", "newer", &name]).code(0).stdout_is("three");
    drop(running);
    sandbox.run(["run", "--rm", "-q", "--pull", "newer", "--retry=0", &name]).code(0).stdout_is("three");
    sandbox
        .run(["run", "--rm", "-q", "--pull", "always", "--retry=0", &name])
        .code(125)
        .stderr_contains("cannot reach");
}

#[test]
fn a_short_name_is_that_of_the_registry_that_is_searched() {
    requires!(root, busybox, package = "docker-registry", package = "skopeo");
    let sandbox = Sandbox::new();
    let (running, server) = registry(&sandbox, "");
    push(&sandbox, &format!("{server}/some/where:latest"), "found");
    let conf = format!("[aliases]\n\"here\" = \"{server}/some/where\"\n");
    let conf = sandbox.file("registries.conf", conf);
    let run = |words: &[&str]| sandbox.coracle(words).env("CONTAINERS_REGISTRIES_CONF", &conf).run();
    run(&["run", "--rm", "here"]).code(0).stdout_is("found");
    drop(running);
    run(&["run", "--rm", "--pull=never", "here"]).code(0).stdout_is("found");
}

#[test]
fn all_tags_come_and_a_policy_saves_the_way() {
    requires!(root, busybox, package = "docker-registry", package = "skopeo");
    let sandbox = Sandbox::new();
    let (running, server) = registry(&sandbox, "");
    for tag in ["a", "b"] {
        push(&sandbox, &format!("{server}/x:{tag}"), tag);
    }
    sandbox.run(["pull", "-a", &format!("{server}/x:a")]).code(125).one_line_error("one image");
    let pulled = sandbox.run(["pull", "-q", "--all-tags", &format!("{server}/x")]);
    assert_eq!(pulled.code(0).stdout.lines().count(), 2);
    let listed = sandbox.run(["images", "--format", "{{.Tag}}"]);
    assert_eq!(listed.stdout, "a\nb\n");
    drop(running);
    sandbox.run(["pull", "--policy=missing", &format!("{server}/x:a")]).code(0).stderr_is("");
    sandbox.run(["pull", "--policy=never", &format!("{server}/x:c")]).code(1).one_line_error("no image");
    sandbox.run(["pull", "--retry=1", "--retry-delay=10ms", &format!("{server}/x:a")]).code(1);
    sandbox.run(["pull", "--policy=sometimes", "x"]).code(125).stderr_contains("newer");
}

#[test]
fn a_terminal_sees_bars_and_quiet_is_quiet() {
    requires!(root, busybox, package = "docker-registry", package = "skopeo");
    let sandbox = Sandbox::new();
    let (_running, server) = registry(&sandbox, "");
    let name = format!("{server}/x:1");
    push(&sandbox, &name, "x");
    let mut terminal = Pty::spawn(&sandbox.coracle(["pull", &name]));
    let shown = terminal.expect(", done");
    assert!(shown.contains("of 2 layers"), "{shown}");
    terminal.wait().code(0);
    sandbox.run(["rmi", &name]).code(0);
    sandbox.run(["pull", "-q", &name]).code(0).stderr_is("");
}

/// A tag that moves between two requests once gave a manifest that nobody had asked for.
#[test]
fn a_tag_that_moves_meanwhile_gives_the_image_that_it_meant_at_first() {
    requires!(root);
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
    let config = config.to_string().into_bytes();
    let manifest = |note: &str| {
        let mut manifest = Manifest::new(Descriptor::of(media_type::CONFIG, &config), vec![]);
        manifest.annotations.insert("note".to_owned(), note.to_owned());
        serde_json::to_vec(&manifest).expect("JSON")
    };
    let (old, new) = (manifest("old"), manifest("new"));
    let digest = Digest::of(&old);
    let (asked_by_tag, served_config) = (AtomicUsize::new(0), config.clone());
    let server = Faulty::new(move |asked, _| {
        let sent = |bytes: &[u8]| {
            let answer = Answer::new(200, bytes).with("content-type", media_type::MANIFEST);
            answer.with("docker-content-digest", Digest::of(bytes).to_string())
        };
        match asked.path.rsplit('/').next() {
            Some("1") if asked_by_tag.fetch_add(1, Ordering::Relaxed) == 0 => sent(&old),
            Some("1") => sent(&new),
            Some(own) if own == digest.to_string() => sent(&old),
            _ => Answer::new(200, served_config.clone()),
        }
    });
    let sandbox = Sandbox::new();
    let name = format!("{}/x:1", server.name());
    sandbox.run(["pull", "-q", &name]).code(0);
    let told = sandbox.run(["image", "inspect", "--format", "{{.Manifest}}", &name]);
    told.code(0).stdout_is(&format!("{digest}\n"));
}
