//! Images made by hand: the form of `docker save`, of layers that a test fills, for skopeo to turn into every other form.

#![allow(dead_code, reason = "each file of tests takes what it needs")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::{Invocation, Sandbox};

/// A docker-archive of layers, lowest first, and a configuration (the `config` object: Env, User, Cmd…).
pub fn docker_archive(sandbox: &Sandbox, name: &str, layers: &[PathBuf], config: &Value) -> PathBuf {
    let dir = sandbox.join(format!("home/{name}-parts"));
    fs::create_dir_all(&dir).expect("a directory");
    let mut diff_ids = Vec::new();
    let mut files = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let file = format!("layer-{number}.tar");
        Invocation::new("tar").args(["--numeric-owner", "-C"]).arg(layer).arg("-cf").arg(dir.join(&file)).arg(".").ok();
        let sum = Invocation::new("sha256sum").arg(dir.join(&file)).ok();
        diff_ids.push(format!("sha256:{}", sum.stdout.split(' ').next().unwrap_or_default()));
        files.push(file);
    }
    let image = json!({
        "architecture": "amd64", "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": layers.iter().map(|_| json!({"created_by": "a test"})).collect::<Vec<_>>(),
    });
    fs::write(dir.join("config.json"), image.to_string()).expect("the configuration");
    let manifest = json!([{"Config": "config.json", "RepoTags": [format!("{name}:latest")], "Layers": files}]);
    fs::write(dir.join("manifest.json"), manifest.to_string()).expect("the manifest");
    let archive = sandbox.join(format!("home/{name}.tar"));
    let tar =
        Invocation::new("tar").arg("-C").arg(&dir).arg("-cf").arg(&archive).args(["manifest.json", "config.json"]);
    tar.args(&files).ok();
    archive
}

/// A layer that a test fills: an empty directory in the sandbox.
pub fn layer(sandbox: &Sandbox, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let dir = sandbox.join("home").join(name);
    for (path, content) in files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&dir)).expect("a directory");
        fs::write(&path, content).expect("a file");
    }
    dir
}

/// Copies an image from one of skopeo's places (`oci:DIR:TAG`) to another.
pub fn skopeo_copy(from: &str, to: &str, options: &[&str]) {
    Invocation::new("skopeo").args(["--insecure-policy", "copy", "--quiet"]).args(options).args([from, to]).ok();
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
