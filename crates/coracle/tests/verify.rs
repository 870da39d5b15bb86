//! Signatures as cosign makes them, by openssl's keys, are found and checked, and what policy.json asks for is asked.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "it looks for a free port")]

#[path = "seed/archive.rs"]
mod archive;
#[path = "../../registry/tests/registry/faulty.rs"]
#[allow(dead_code, reason = "the faults are tested where the client is")]
mod faulty;
#[path = "seed/registry.rs"]
mod served;

use std::fs;
use std::path::{Path, PathBuf};

use archive::{docker_archive, text};
use engine::registry::{Bytes, Client, Environment, Settings};
use faulty::{Answer, Faulty};
use oci::digest::Digest;
use oci::image::{Descriptor, Manifest, media_type};
use oci::reference::Reference;
use serde_json::{Value, json};
use served::registry;
use testkit::{Invocation, Running, Sandbox, requires};

/// A registry with an image, and the image's name.
fn served() -> (Sandbox, Running, String) {
    let sandbox = Sandbox::new();
    let (running, server) = registry(&sandbox, "");
    let base = sandbox.rootfs("home/base");
    let archive = docker_archive(&sandbox, "signed", &[base.path().to_owned()], &json!({"Cmd": ["true"]}));
    sandbox.run(["load", "-q", "-i", text(&archive)]).code(0);
    let name = format!("{server}/a/b:1");
    sandbox.run(["push", "-q", "signed", &name]).code(0);
    sandbox.run(["rmi", "signed"]).code(0);
    (sandbox, running, name)
}

/// A policy of the user's.
fn policy(sandbox: &Sandbox, requirement: &Value) {
    let policy = json!({"default": [{"type": "reject"}], "transports": {"docker": {"": [requirement]}}});
    sandbox.file("home/.config/containers/policy.json", policy.to_string());
}

fn key_pair(dir: &Path, name: &str) -> PathBuf {
    let openssl = |words: &[&str]| drop(Invocation::new("openssl").args(words).current_dir(dir).ok());
    let (key, public) = (format!("{name}.key"), format!("{name}.pub"));
    openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &key]);
    openssl(&["pkey", "-in", &key, "-pubout", "-out", &public]);
    dir.join(public)
}

/// Where a signature stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Tag,
    Referrer,
}

/// Signs an image as cosign does, with a key of openssl's.
fn sign(sandbox: &Sandbox, name: &str, key: &str, place: Place) {
    let client = Client::new(Settings::read(Environment::default()).expect("settings"));
    let image: Reference = name.parse().expect("a name");
    let subject = client.resolve(&image).expect("it is there");
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": image.repository()},
            "image": {"docker-manifest-digest": subject.digest},
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let payload = sandbox.file("payload", payload.to_string());
    let sign = Invocation::new("openssl").args(["dgst", "-sha256", "-sign", key, "-out", "signature", "payload"]);
    sign.current_dir(sandbox.path()).ok();
    let signature = Invocation::new("base64").arg("-w0").arg(sandbox.join("signature")).ok().stdout;
    let payload = fs::read(payload).expect("the payload");
    let mut layer = Descriptor::of("application/vnd.dev.cosign.simplesigning.v1+json", &payload);
    layer.annotations.insert("dev.cosignproject.cosign/signature".to_owned(), signature);
    let config = Descriptor::of(media_type::CONFIG, b"{}");
    client.push_blob(&image, &config, &Bytes(b"{}")).expect("sent");
    client.push_blob(&image, &layer, &Bytes(&payload)).expect("sent");
    let mut manifest = serde_json::to_value(Manifest::new(config, vec![layer])).expect("JSON");
    let hex = subject.digest.hex();
    let tag = match place {
        Place::Tag => format!("sha256-{hex}.sig"),
        Place::Referrer => {
            manifest["subject"] = serde_json::to_value(&subject).expect("JSON");
            "signature".to_owned()
        }
    };
    let to = format!("{}:{tag}", image.repository()).parse().expect("a name");
    client.push_manifest(&to, media_type::MANIFEST, manifest.to_string().as_bytes()).expect("sent");
}

#[test]
fn a_signature_is_found_under_its_tag_and_among_what_refers_to_the_image() {
    requires!(root, busybox, package = "docker-registry", package = "openssl");
    for place in [Place::Tag, Place::Referrer] {
        let (sandbox, _running, name) = served();
        let (ours, other) = (key_pair(sandbox.path(), "ours"), key_pair(sandbox.path(), "other"));
        let verify = |key: &Path| sandbox.run(["image", "verify", "--key", text(key), &name]);
        verify(&ours).code(1).one_line_error("no signature");
        sign(&sandbox, &name, "ours.key", place);
        verify(&ours).code(0).stdout_contains(&format!("signed with {}", ours.display()));
        verify(&other).code(1).one_line_error("no signature");
        // A key that is none, and an image that another signature is about.
        verify(&sandbox.join("payload")).code(1).one_line_error("BEGIN PUBLIC KEY");
        verify(&sandbox.join("none.pub")).code(1).one_line_error("none.pub");
    }
}

#[test]
fn the_signature_of_another_image_is_none() {
    requires!(root, busybox, package = "docker-registry", package = "openssl");
    let (sandbox, _running, name) = served();
    let key = key_pair(sandbox.path(), "ours");
    sign(&sandbox, &name, "ours.key", Place::Tag);
    // The same signature under the tag of another image: its claim is about the first.
    let client = Client::new(Settings::read(Environment::default()).expect("settings"));
    let image: Reference = name.parse().expect("a name");
    let digest = client.resolve(&image).expect("it is there").digest;
    let at = |hex: &str| format!("{}:sha256-{hex}.sig", image.repository()).parse::<Reference>().expect("a name");
    let (kind, signature) = client.manifest(&at(&digest.hex()), None).expect("its signature");
    sandbox.run(["pull", "-q", &name]).code(0);
    let second = format!("{}:2", image.repository());
    sandbox.run(["push", "-q", "--format=v2s2", &name, &second]).code(0);
    let other = client.resolve(&second.parse().expect("a name")).expect("it is there").digest;
    client.push_manifest(&at(&other.hex()), &kind.media_type, &signature).expect("sent");
    sandbox.run(["image", "verify", "--key", text(&key), &name]).code(0);
    sandbox.run(["image", "verify", "--key", text(&key), &second]).code(1).one_line_error("no signature");
}

#[test]
fn a_policy_is_held_by_every_pull() {
    requires!(root, busybox, package = "docker-registry", package = "openssl");
    let (sandbox, _running, name) = served();
    let key = key_pair(sandbox.path(), "ours");
    let signed =
        |identity: &str| json!({"type": "sigstoreSigned", "keyPath": key, "signedIdentity": {"type": identity}});
    let none = json!({"default": [{"type": "insecureAcceptAnything"}]}).to_string();
    let none = sandbox.file("none.json", none);
    for (requirement, told) in [
        (json!({"type": "reject"}), "rejects it"),
        (json!({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}), "signedBy, which is not supported"),
        (json!({"type": "sigstoreSigned", "fulcio": {}}), "Fulcio"),
        (json!({"type": "sigstoreSigned", "keyPath": "/no/key"}), "/no/key"),
        (signed("matchRepository"), "none that is there is right"),
    ] {
        policy(&sandbox, &requirement);
        sandbox.run(["pull", "-q", &name]).code(1).one_line_error(told);
        sandbox.run(["run", "--rm", "-q", &name]).code(125).one_line_error(told);
        sandbox.run(["image", "verify", &name]).code(1).one_line_error(told);
        assert_eq!(sandbox.run(["images", "-q"]).stdout, "", "{requirement}");
    }
    sign(&sandbox, &name, "ours.key", Place::Tag);
    // Cosign signs a repository, not a tag.
    policy(&sandbox, &signed("matchExact"));
    sandbox.run(["pull", "-q", &name]).code(1).one_line_error("none that is there is right");
    policy(&sandbox, &signed("matchRepository"));
    sandbox.run(["image", "verify", &name]).code(0).stdout_contains("it has one");
    sandbox.run(["pull", "-q", &name]).code(0);
    policy(&sandbox, &json!({"type": "reject"}));
    sandbox.run(["pull", "-q", &name]).code(1).one_line_error("rejects it");
    sandbox.run(["pull", "-q", "--signature-policy", text(&none), &name]).code(0);
    sandbox.file("home/.config/containers/policy.json", "{}");
    sandbox.run(["pull", "-q", &name]).code(1).one_line_error("policy.json");
}

/// CVE-2023-46737 and its like: as many signatures as there were, of whatever length, were read.
#[test]
fn signatures_without_number_or_end_cost_little() {
    requires!(package = "openssl");
    let sandbox = Sandbox::new();
    let key = key_pair(sandbox.path(), "ours");
    let image = serde_json::to_vec(&Manifest::new(Descriptor::of(media_type::CONFIG, b"{}"), vec![])).expect("JSON");
    let verified = |signatures: Vec<Descriptor>, pages: bool| {
        let signatures = Manifest::new(Descriptor::of(media_type::CONFIG, b"{}"), signatures);
        let (signatures, image) = (serde_json::to_vec(&signatures).expect("JSON"), image.clone());
        let server = Faulty::new(move |asked, _| match asked.path.rsplit('/').next() {
            Some("1") => Answer::new(200, image.clone()).with("content-type", media_type::MANIFEST),
            Some(tag) if tag.starts_with("sha256-") => Answer::new(200, signatures.clone()),
            _ if asked.path.contains("/referrers/") && pages => {
                let entry = Descriptor::of(media_type::MANIFEST, b"x");
                let page =
                    json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": vec![entry; 10_000]});
                Answer::new(200, page.to_string()).with("link", format!("<{}>; rel=\"next\"", asked.path))
            }
            _ if asked.path.ends_with(&Digest::of(b"payload").to_string()) => Answer::new(200, "payload"),
            _ => Answer::new(404, ""),
        });
        let name = format!("{}/x:1", server.name());
        let outcome = sandbox.run(["image", "verify", "--retry=0", "--key", text(&key), &name]);
        (outcome, server.lines())
    };
    let mut payload = Descriptor::of("application/vnd.dev.cosign.simplesigning.v1+json", b"payload");
    payload.annotations.insert("dev.cosignproject.cosign/signature".to_owned(), "c2lnbmF0dXJl".to_owned());
    for pages in [false, true] {
        let (outcome, asked) = verified(vec![payload.clone(); 5000], pages);
        outcome.code(1).stdout_is("").one_line_error("no signature");
        assert!(asked.len() < 200, "{}", asked.len());
    }
    let long = Descriptor { size: 100_000_000, ..payload.clone() };
    let (outcome, asked) = verified(vec![long], false);
    outcome.code(1).stdout_is("").one_line_error("more than 65536 bytes");
    assert!(!asked.iter().any(|line| line.contains("/blobs/")), "{asked:?}");
}
