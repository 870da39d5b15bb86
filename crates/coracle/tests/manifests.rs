//! Lists of images for several machines: made of what is here and of what is at registries, changed, sent, and read by
//! others.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "it looks for a free port")]

#[path = "seed/archive.rs"]
mod archive;
#[path = "seed/registry.rs"]
mod served;

use std::fs;

use archive::{docker_archive, text};
use serde_json::{Value, json};
use served::registry;
use testkit::{Invocation, Running, Sandbox, requires};

/// Loads an image for a machine, which says for which.
fn load(sandbox: &Sandbox, machine: &str) {
    let base = sandbox.rootfs(&format!("home/base-{machine}"));
    base.file("etc/machine", machine);
    let archive = docker_archive(sandbox, machine, &[base.path().to_owned()], &json!({"Cmd": ["cat", "/etc/machine"]}));
    let parts = sandbox.join(format!("home/{machine}-parts"));
    let config = fs::read_to_string(parts.join("config.json")).expect("its configuration");
    fs::write(parts.join("config.json"), config.replace("\"amd64\"", &format!("\"{machine}\""))).expect("another");
    Invocation::new("tar").arg("-C").arg(&parts).arg("-cf").arg(&archive).arg(".").ok();
    sandbox.run(["load", "-q", "-i", text(&archive)]).code(0);
}

fn served() -> (Sandbox, Running, String) {
    let sandbox = Sandbox::new();
    let (running, server) = registry(&sandbox, "");
    (sandbox, running, server)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn raw(name: &str) -> Value {
    let inspect = Invocation::new("skopeo").args(["inspect", "--raw", "--tls-verify=false"]);
    json(&inspect.arg(format!("docker://{name}")).ok().stdout)
}

fn machines(list: &Value) -> Vec<String> {
    let entries = list["manifests"].as_array().expect("manifests").iter();
    entries.map(|entry| entry["platform"]["architecture"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_list_of_images_that_are_here_is_pushed_and_each_machine_finds_its_own() {
    requires!(root, busybox, package = "docker-registry", package = "skopeo");
    let (sandbox, _running, server) = served();
    for machine in ["amd64", "arm64"] {
        load(&sandbox, machine);
    }
    let list = format!("{server}/many:1");
    sandbox.run(["manifest", "create", &list, "amd64"]).code(0).stdout_is(&format!("Created manifest list {list}\n"));
    sandbox.run(["manifest", "create", &list]).code(1).one_line_error("--amend");
    sandbox.run(["manifest", "add", "--variant", "v8", &list, "arm64"]).code(0);
    sandbox.run(["manifest", "exists", &list]).code(0);
    let pushed = sandbox.run(["manifest", "push", "-q", &list]);
    pushed.code(0).stdout_contains("sha256:");
    let sent = raw(&list);
    assert_eq!(machines(&sent), ["amd64", "arm64"]);
    assert_eq!(sent["manifests"][1]["platform"]["variant"], "v8");
    for machine in ["amd64", "arm64"] {
        let copy = Invocation::new("skopeo").args(["--insecure-policy", "--override-arch", machine, "inspect"]);
        let copy = copy.args(["--tls-verify=false", "--config", &format!("docker://{list}")]).ok();
        assert_eq!(json(&copy.stdout)["architecture"], machine);
        let other = Sandbox::new();
        let platform = format!("linux/{machine}");
        other.run(["run", "--rm", "-q", "--platform", &platform, &list]).code(0).stdout_is(machine);
    }
    let missing = Sandbox::new().run(["pull", "-q", "--platform", "linux/s390x", &list]);
    missing.code(1).one_line_error("linux/s390x");
    if testkit::on_path("podman").is_some() {
        let store = sandbox.join("podman").display().to_string();
        let words = ["--root", &store, "--runroot", &format!("{store}-run"), "--storage-driver=vfs"];
        let podman = |rest: &[&str]| sandbox.command("podman").args(words).args(rest).ok().stdout;
        podman(&["pull", "-q", "--tls-verify=false", "--arch=arm64", &list]);
        assert_eq!(podman(&["image", "inspect", "--format={{.Architecture}}", &list]), "arm64\n");
    }
}

#[test]
fn a_list_of_images_at_a_registry_needs_none_of_them_here() {
    requires!(root, busybox, package = "docker-registry", package = "skopeo");
    let (sandbox, _running, server) = served();
    for machine in ["amd64", "arm64"] {
        load(&sandbox, machine);
        sandbox.run(["push", "-q", machine, &format!("{server}/app:{machine}")]).code(0);
    }
    let second = Sandbox::new();
    let (_other, elsewhere) = registry(&second, "");
    let list = format!("{server}/app:1");
    let parts = ["amd64", "arm64"].map(|machine| format!("docker://{server}/app:{machine}"));
    second.run(["manifest", "create", "--insecure", &list, &parts[0], &parts[1]]).code(0);
    second.run(["images"]).code(0).stderr_is("");
    assert_eq!(second.run(["images", "-q"]).stdout, "");
    assert_eq!(fs::read_dir(second.root().join("images/blobs/sha256")).expect("blobs").count(), 1, "the list alone");
    second.run(["manifest", "push", "-q", &list]).code(0);
    assert_eq!(machines(&raw(&list)), ["amd64", "arm64"]);
    // To another registry the images come along.
    let copy = format!("{elsewhere}/copy:1");
    second.run(["manifest", "push", "--purge", &list, &copy]).code(0).stderr_contains(", done");
    assert_eq!(raw(&copy), raw(&list));
    let all = format!("dir:{}", second.join("all").display());
    let words = ["copy", "-q", "--all", "--src-tls-verify=false", &format!("docker://{copy}"), &all];
    Invocation::new("skopeo").arg("--insecure-policy").args(words).ok();
    second.run(["manifest", "exists", &list]).code(1);
    second.run(["manifest", "inspect", &list]).code(0).stdout_contains("arm64");
    assert_eq!(fs::read_dir(second.root().join("images/blobs/sha256")).expect("blobs").count(), 0);
    // A list that was pulled can be made into another.
    second.run(["pull", "-q", &list]).code(0);
    let both = format!("{elsewhere}/both:1");
    second.run(["manifest", "create", "--all", &both, &list]).code(0);
    second.run(["manifest", "push", "-q", &both]).code(0);
    assert_eq!(machines(&raw(&both)), ["amd64", "arm64"]);
}

#[test]
fn a_list_is_changed_and_removed_and_the_images_stay() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    for machine in ["amd64", "arm64"] {
        load(&sandbox, machine);
    }
    sandbox.run(["manifest", "create", "list", "amd64", "arm64"]).code(0);
    let inspect = || json(&sandbox.run(["manifest", "inspect", "list"]).code(0).stdout);
    let digest = inspect()["manifests"][1]["digest"].as_str().expect("a digest").to_owned();
    let annotate = ["--arch=riscv64", "--os-version=1", "--annotation", "a=b", "--features=x,y", "list", &digest];
    sandbox.run([&["manifest", "annotate"], &annotate[..]].concat()).code(0);
    sandbox.run(["manifest", "annotate", "--os-features=z", "list", "amd64"]).code(0);
    sandbox.run(["manifest", "annotate", "--index", "--annotation=c=d", "list"]).code(0);
    let told = inspect();
    let platform = &told["manifests"][1]["platform"];
    assert_eq!(platform["architecture"], "riscv64");
    assert_eq!((&platform["os.version"], &platform["features"]), (&json!("1"), &json!(["x", "y"])));
    assert_eq!(told["manifests"][1]["annotations"], json!({"a": "b"}));
    assert_eq!(told["manifests"][0]["platform"]["os.features"], json!(["z"]));
    assert_eq!(told["annotations"], json!({"c": "d"}));
    // What the list has of an image stays with the list, and goes with it.
    sandbox.run(["rmi", "arm64"]).code(0);
    sandbox.run(["manifest", "remove", "list", &digest]).code(0);
    sandbox.run(["manifest", "remove", "list", &digest]).code(1).one_line_error(&digest);
    assert_eq!(machines(&inspect()), ["amd64"]);
    sandbox.run(["run", "--rm", "list"]).code(0).stdout_is("amd64");
    sandbox.run(["manifest", "rm", "list"]).code(0).stdout_is("Untagged: list:latest\n");
    sandbox.run(["manifest", "rm", "list"]).code(1).one_line_error("no manifest list");
    sandbox.run(["manifest", "rm", "amd64"]).code(1).one_line_error("no manifest list");
    sandbox.run(["run", "--rm", "amd64"]).code(0).stdout_is("amd64");
    assert_eq!(fs::read_dir(sandbox.root().join("images/blobs/sha256")).expect("blobs").count(), 3);
}
