//! `spec` writes what runc writes: the very content that runc 1.5.1 gave is kept beside, in `spec/`.

use serde_json::Value;
use testkit::{Sandbox, requires};

/// What runc 1.5.1's `spec` wrote on a machine with cgroup v1, and what it wrote with `--rootless`.
const OF_RUNC: &str = include_str!("spec/runc.json");
const ROOTLESS: &str = include_str!("spec/runc-rootless.json");

fn unified() -> bool {
    std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// runc adds this on pure cgroup v2, before it turns the whole into one for an ordinary user.
fn with_cgroup_namespace(text: &str) -> Value {
    let mut spec: Value = serde_json::from_str(text).unwrap();
    let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
    let at = namespaces.iter().position(|namespace| namespace["type"] == "mount").unwrap() + 1;
    if unified() {
        namespaces.insert(at, serde_json::json!({ "type": "cgroup" }));
    }
    spec
}

fn written(sandbox: &Sandbox, name: &str) -> Value {
    let text = std::fs::read_to_string(sandbox.join(name)).unwrap();
    // Scripts append to it and count on how it ends.
    assert!(text.starts_with("{\n\t\"ociVersion\"") && text.ends_with("\t}\n}"), "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn it_is_runcs_word_for_word() {
    let sandbox = Sandbox::new();
    sandbox.corun(["spec", "--bundle"]).arg(sandbox.path()).ok().stdout_is("");
    assert_eq!(written(&sandbox, "config.json"), with_cgroup_namespace(OF_RUNC));
}

#[test]
fn that_for_an_ordinary_user_is_runcs_too() {
    requires!(root);
    let sandbox = Sandbox::new();
    sandbox.corun(["spec", "-rootless", "-b"]).arg(sandbox.path()).ok();
    assert_eq!(written(&sandbox, "config.json"), with_cgroup_namespace(ROOTLESS));
}

#[test]
fn a_file_that_is_there_stays() {
    let sandbox = Sandbox::new();
    sandbox.file("config.json", "mine");
    let spec = || sandbox.corun(["spec", "--bundle"]).arg(sandbox.path());
    spec().run().code(1).stderr_contains("File config.json exists. Remove it first");
    assert_eq!(std::fs::read_to_string(sandbox.join("config.json")).unwrap(), "mine");
    // crun's name for another file.
    spec().args(["-f", "other.json"]).ok();
    assert_eq!(written(&sandbox, "other.json"), with_cgroup_namespace(OF_RUNC));
    sandbox.corun(["spec", "--bundle", "/nonexistent"]).run().code(1).stderr_contains("No such file or directory");
    sandbox.corun(["spec", "more"]).run().code(1).stderr_contains("more");
}

#[test]
fn what_it_writes_runs() {
    requires!(root, busybox, cgroups);
    let bundle = crate::bundle::Bundle::new();
    bundle.sandbox.corun(["spec", "--bundle"]).arg(bundle.dir()).ok();
    let mut spec = written(&bundle.sandbox, "bundle/config.json");
    spec["process"]["terminal"] = false.into();
    spec["process"]["args"] = serde_json::json!(["hostname"]);
    spec["linux"]["cgroupsPath"] = format!("/{}", bundle.id).into();
    bundle.sandbox.file("bundle/config.json", spec.to_string());
    bundle.sandbox.corun(["run", "--bundle"]).arg(bundle.dir()).arg(&bundle.id).ok().stdout_is("runc\n");
}
