//! Images whose digests are of the other algorithm that the specifications register, wherever they may be.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "a server of the tests' own listens on an address of this machine")]

#[path = "../../registry/tests/registry/faulty.rs"]
#[allow(dead_code, reason = "the faults are tested where the client is")]
mod faulty;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use faulty::{Answer, Faulty};
use oci::digest::Digest;
use oci::image::media_type;
use serde_json::{Value, json};
use testkit::{Invocation, Sandbox, requires};

/// By sha512sum(1).
fn sha512(bytes: &[u8]) -> String {
    let sum = Invocation::new("sha512sum").stdin(bytes).ok().stdout;
    format!("sha512:{}", sum.split(' ').next().unwrap_or_default())
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": sha512(bytes), "size": bytes.len()})
}

/// What a registry has, which gives it by digests of either algorithm, and the digests of an index and of the manifest that it leads to.
#[derive(Clone)]
struct Image {
    blobs: BTreeMap<String, (&'static str, Vec<u8>)>,
    index: String,
    manifest: String,
    layer: String,
}

impl Image {
    fn new(sandbox: &Sandbox) -> Self {
        let rootfs = sandbox.rootfs("home/rootfs");
        rootfs.file("etc/says", "sha512");
        sandbox.command("tar").args(["-cf", "layer.tar", "-C"]).arg(rootfs.path()).arg(".").ok();
        let layer = fs::read(sandbox.join("layer.tar")).expect("a tar");
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["cat", "/etc/says"]},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]},
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": descriptor(media_type::CONFIG, &config),
            "layers": [descriptor(media_type::LAYER, &layer)],
        });
        let manifest = manifest.to_string().into_bytes();
        let mut entry = descriptor(media_type::MANIFEST, &manifest);
        entry["platform"] = json!({"architecture": "amd64", "os": "linux"});
        let index = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [entry]});
        let index = index.to_string().into_bytes();
        let names = [sha512(&index), sha512(&manifest), sha512(&layer)];
        let all = [(media_type::INDEX, index), (media_type::MANIFEST, manifest), ("", config), ("", layer)];
        let blobs = all.into_iter().map(|(kind, bytes)| (sha512(&bytes), (kind, bytes))).collect();
        let [index, manifest, layer] = names;
        Self { blobs, index, manifest, layer }
    }

    /// Serves it; the tag means the index, and its digest is told by either algorithm, or by none.
    fn serve(&self, told: Option<&'static str>) -> Faulty {
        let (blobs, index) = (self.blobs.clone(), self.index.clone());
        Faulty::new(move |asked, _| {
            let name = asked.path.rsplit('/').next().unwrap_or_default();
            let by_sha256 = || blobs.values().find(|(_, bytes)| Digest::of(bytes).to_string() == name);
            let found = blobs.get(if name == "1" { index.as_str() } else { name }).or_else(by_sha256);
            let Some((kind, bytes)) = found else { return Answer::new(404, "") };
            let answer = Answer::new(200, bytes.clone()).with("content-type", *kind);
            match told {
                Some("sha256") => answer.with("docker-content-digest", Digest::of(bytes).to_string()),
                Some(_) => answer.with("docker-content-digest", sha512(bytes)),
                None => answer,
            }
        })
    }
}

fn blobs(sandbox: &Sandbox, algorithm: &str) -> usize {
    fs::read_dir(sandbox.root().join("images/blobs").join(algorithm)).into_iter().flatten().count()
}

fn well(sandbox: &Sandbox) {
    sandbox.run(["system", "check"]).code(0).stdout_contains("all is well");
}

#[test]
fn one_is_pulled_run_and_removed() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let image = Image::new(&sandbox);
    for told in [None, Some("sha256"), Some("sha512")] {
        let server = image.serve(told);
        let by_tag = format!("{}/x:1", server.name());
        for name in [
            by_tag.clone(),
            format!("{}/x@{}", server.name(), image.index),
            format!("{}/x@{}", server.name(), image.manifest),
        ] {
            sandbox.run(["run", "--rm", "-q", &name]).code(0).stdout_is("sha512");
            well(&sandbox);
            assert!(blobs(&sandbox, "sha512") >= 3, "{name}");
            sandbox.run(["pull", "-q", &name]).code(0);
            let id = sandbox.run(["images", "-q", "--no-trunc"]).stdout.trim().to_owned();
            assert!(id.starts_with("sha512:"), "{id}");
            sandbox.run(["rmi", &id]).code(0);
            assert_eq!((blobs(&sandbox, "sha512"), blobs(&sandbox, "sha256")), (0, 0), "{name}");
        }
    }
}

#[test]
fn what_has_another_digest_is_refused() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let good = Image::new(&sandbox);
    for part in [&good.index, &good.manifest, &good.layer] {
        let mut bad = good.clone();
        bad.blobs.get_mut(part).expect("it").1[20] ^= 1;
        let name = format!("{}/x@{}", bad.serve(None).name(), good.index);
        sandbox.run(["pull", "-q", "--retry=0", &name]).code(1).stderr_contains("sha512:");
        assert_eq!((blobs(&sandbox, "sha512"), blobs(&sandbox, "sha256")), (0, 0), "{part}");
        well(&sandbox);
    }
}

#[test]
fn one_is_saved_loaded_and_mended() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let image = Image::new(&sandbox);
    let name = format!("{}/x@{}", image.serve(Some("sha512")).name(), image.manifest);
    sandbox.run(["pull", "-q", &name]).code(0);
    let id = sandbox.run(["images", "-q", "--no-trunc"]).stdout.trim().to_owned();
    let loaded = |form: &str, path: &Path| {
        let file = path.to_str().expect("a path");
        sandbox.run(["save", "--format", form, "-o", file, &id]).code(0);
        let other = Sandbox::new();
        other.run(["load", "-q", "-i", file]).code(0);
        other.run(["run", "--rm", &id]).code(0).stdout_is("sha512");
        well(&other);
        other
    };
    loaded("oci-archive", &sandbox.join("archive.tar"));
    let other = loaded("oci-dir", &sandbox.join("layout"));
    let hex = image.layer.trim_start_matches("sha512:");
    assert!(sandbox.join("layout/blobs/sha512").join(hex).is_file());
    // A damaged one is found by its name, and so is what is no blob.
    let place = other.root().join("images/blobs/sha512");
    fs::write(place.join(hex), "damaged").expect("a blob");
    fs::write(place.join(Digest::of(b"x").hex()), "x").expect("a file");
    let found = other.run(["system", "check"]);
    found.code(1).stdout_contains(&image.layer).stdout_contains("it is no blob");
}
