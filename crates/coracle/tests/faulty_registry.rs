//! Registries that are broken or mean harm, as who pulls or pushes meets them: one line that names the thing and says what to do,
//! exit code 1, and a store in which nothing has changed.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "a server of the tests' own listens on an address of this machine")]

#[path = "../../registry/tests/registry/faulty.rs"]
#[allow(dead_code, reason = "some faults are tested where the client is")]
mod faulty;

use std::fs;
use std::sync::Arc;

use faulty::{Answer, Asked, Body, Faulty};
use oci::digest::Digest;
use oci::image::{Descriptor, Manifest, media_type};
use serde_json::{Value, json};
use testkit::{Outcome, Sandbox, requires};

/// An image of one layer, as a registry has it.
#[derive(Clone)]
struct Image {
    layer: Vec<u8>,
    config: Vec<u8>,
    manifest: Vec<u8>,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Manifest,
    Config,
    Layer,
}

impl Image {
    fn new(sandbox: &Sandbox) -> Self {
        sandbox.file("layer/file", vec![7; 100_000]);
        sandbox.command("tar").args(["-cf", "layer.tar", "-C", "layer", "file"]).ok();
        let layer = fs::read(sandbox.join("layer.tar")).expect("a tar");
        let rootfs = json!({"type": "layers", "diff_ids": [Digest::of(&layer)]});
        let config = json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).to_string().into_bytes();
        let layers = vec![Descriptor::of(media_type::LAYER, &layer)];
        let manifest = Manifest::new(Descriptor::of(media_type::CONFIG, &config), layers);
        Self { layer, config, manifest: serde_json::to_vec(&manifest).expect("JSON") }
    }

    /// The same with another text of its manifest.
    fn with_manifest(&self, change: impl FnOnce(&mut Value)) -> Self {
        let mut manifest = serde_json::from_slice(&self.manifest).expect("JSON");
        change(&mut manifest);
        Self { manifest: manifest.to_string().into_bytes(), ..self.clone() }
    }

    fn part(&self, asked: &Asked) -> Part {
        let named = |bytes: &[u8]| asked.path.ends_with(&Digest::of(bytes).to_string());
        match () {
            () if asked.path.contains("/manifests/") => Part::Manifest,
            () if named(&self.config) => Part::Config,
            () => Part::Layer,
        }
    }

    /// What a good registry answers.
    fn answer(&self, asked: &Asked) -> Answer {
        match self.part(asked) {
            Part::Manifest => manifest(&self.manifest),
            Part::Config => Answer::new(200, self.config.clone()),
            Part::Layer => Answer::new(200, self.layer.clone()),
        }
    }
}

fn manifest(bytes: &[u8]) -> Answer {
    let answer = Answer::new(200, bytes).with("content-type", media_type::MANIFEST);
    answer.with("docker-content-digest", Digest::of(bytes).to_string())
}

/// A registry that answers right but for one part.
fn wrong_in(image: &Image, part: Part, wrong: impl Fn(&Image) -> Answer + Send + Sync + 'static) -> Faulty {
    let image = image.clone();
    Faulty::new(move |asked, _| if image.part(asked) == part { wrong(&image) } else { image.answer(asked) })
}

fn pull(sandbox: &Sandbox, server: &Faulty, more: &[&str]) -> Outcome {
    let name = format!("{}/x:1", server.name());
    sandbox.run([&["pull", "-q", "--retry=1", "--retry-delay=10ms"], more, &[&name]].concat())
}

/// Says it in one line, and leaves nothing.
#[track_caller]
fn refused(sandbox: &Sandbox, server: &Faulty, more: &[&str], told: &str, remedy: &str) {
    let outcome = pull(sandbox, server, more);
    eprintln!("{}", outcome.stderr);
    outcome.code(1).stdout_is("").one_line_error(told).stderr_contains(remedy);
    nothing_left(sandbox);
}

#[track_caller]
fn nothing_left(sandbox: &Sandbox) {
    for dir in ["tmp", "layers", "partial", "images/blobs/sha256"] {
        let left: Vec<_> = fs::read_dir(sandbox.root().join(dir)).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{dir}: {left:?}");
    }
    sandbox.run(["images", "-q", "--all"]).code(0).stdout_is("");
    sandbox.run(["system", "check"]).code(0).stdout_contains("all is well");
}

fn world() -> (Sandbox, Image) {
    let sandbox = Sandbox::new();
    let image = Image::new(&sandbox);
    (sandbox, image)
}

#[test]
fn what_is_served_right_is_taken() {
    requires!(root);
    let (sandbox, image) = world();
    let served = image.clone();
    let server = Faulty::new(move |asked, _| served.answer(asked));
    pull(&sandbox, &server, &[]).code(0);
    sandbox.run(["system", "check"]).code(0).stdout_contains("all is well");
}

const AT_FAULT: &str = "whoever runs";

#[test]
fn a_wrong_digest() {
    requires!(root);
    let (sandbox, image) = world();
    let turned = |bytes: &[u8]| Answer::new(200, bytes.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>());
    let digest = |bytes: &[u8]| Digest::of(bytes).to_string();
    let server = wrong_in(&image, Part::Layer, move |image| turned(&image.layer));
    refused(&sandbox, &server, &[], &digest(&image.layer), AT_FAULT);
    let server = wrong_in(&image, Part::Config, move |image| turned(&image.config));
    refused(&sandbox, &server, &[], &digest(&image.config), AT_FAULT);
    let server = wrong_in(&image, Part::Manifest, |image| {
        let mut answer = manifest(&image.manifest);
        answer.headers[1].1 = Digest::of(b"other").to_string();
        answer
    });
    refused(&sandbox, &server, &[], &digest(b"other"), AT_FAULT);
}

#[test]
fn a_wrong_length() {
    requires!(root);
    let (sandbox, image) = world();
    let (layer, config) = (Digest::of(&image.layer).to_string(), Digest::of(&image.config).to_string());
    for more in [1, -1] {
        let of = move |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes.resize(bytes.len().saturating_add_signed(more), b' ');
            Answer::new(200, bytes)
        };
        let server = wrong_in(&image, Part::Layer, move |image| of(&image.layer));
        refused(&sandbox, &server, &[], &layer, AT_FAULT);
        let server = wrong_in(&image, Part::Config, move |image| of(&image.config));
        refused(&sandbox, &server, &[], &config, AT_FAULT);
    }
}

#[test]
fn a_truncation() {
    requires!(root);
    let (sandbox, image) = world();
    let cut = |bytes: &[u8], length: usize| Answer::of(Body::Cut(bytes[..length].to_vec(), bytes.len()));
    let server = wrong_in(&image, Part::Config, move |image| cut(&image.config, 10));
    refused(&sandbox, &server, &[], &Digest::of(&image.config).to_string(), "try again");
    let server = wrong_in(&image, Part::Manifest, move |image| Answer {
        headers: manifest(&image.manifest).headers,
        ..cut(&image.manifest, 10)
    });
    refused(&sandbox, &server, &[], "/v2/x/manifests/", "try again");
    let server = wrong_in(&image, Part::Layer, move |image| cut(&image.layer, 0));
    refused(&sandbox, &server, &[], &Digest::of(&image.layer).to_string(), "try again");
}

#[test]
fn a_body_without_an_end() {
    requires!(root);
    let (sandbox, image) = world();
    for (part, told) in [
        (Part::Layer, Digest::of(&image.layer).to_string()),
        (Part::Config, Digest::of(&image.config).to_string()),
        (Part::Manifest, "/v2/x/manifests/".to_owned()),
    ] {
        let server = wrong_in(&image, part, move |image| match part {
            Part::Manifest => Answer { headers: manifest(&image.manifest).headers, ..Answer::of(Body::Endless) },
            _ => Answer::of(Body::Endless),
        });
        refused(&sandbox, &server, &[], &told, AT_FAULT);
    }
}

#[test]
fn a_redirect_to_another_host_carries_no_authorization() {
    requires!(root);
    let (sandbox, image) = world();
    // What is there is taken, but nobody there learns who asks.
    let given = image.layer.clone();
    let elsewhere = Arc::new(Faulty::new(move |_, _| Answer::new(200, given.clone())));
    let (target, served) = (format!("http://{}/blob", elsewhere.name()), image.clone());
    let server = Faulty::new(move |asked, _| match asked.headers.get("authorization") {
        None => Answer::new(401, "").with("www-authenticate", "Basic realm=\"x\""),
        Some(_) if served.part(asked) == Part::Layer => Answer::to(target.clone()),
        Some(_) => served.answer(asked),
    });
    pull(&sandbox, &server, &["--creds", "me:secret"]).code(0);
    assert_eq!(elsewhere.lines(), ["GET /blob"]);
    assert!(!elsewhere.asked()[0].headers.contains_key("authorization"), "{:?}", elsewhere.asked());
    // One that asks for it gets none either.
    let sandbox = Sandbox::new();
    let asking = Faulty::new(|_, _| Answer::new(401, "").with("www-authenticate", "Basic realm=\"y\""));
    let (target, served) = (format!("http://{}/blob", asking.name()), image.clone());
    let server = Faulty::new(move |asked, _| match served.part(asked) {
        Part::Layer => Answer::to(target.clone()),
        _ => served.answer(asked),
    });
    let layer = Digest::of(&image.layer).to_string();
    refused(&sandbox, &server, &["--creds", "me:secret"], &layer, "coracle login");
    assert!(asking.asked().iter().all(|asked| !asked.headers.contains_key("authorization")));
}

#[test]
fn a_server_that_is_busy_or_broken() {
    requires!(root);
    let (sandbox, image) = world();
    for part in [Part::Manifest, Part::Config, Part::Layer] {
        for status in [429, 500, 502, 503, 504] {
            let server = wrong_in(&image, part, move |_| Answer::new(status, ""));
            refused(&sandbox, &server, &[], &status.to_string(), "try again");
        }
        let server = wrong_in(&image, part, |_| Answer::new(429, "").with("retry-after", "3600"));
        refused(&sandbox, &server, &[], "asked again in 3600 s", "try again");
    }
}

#[test]
fn a_layer_that_trickles() {
    requires!(root);
    let (sandbox, image) = world();
    let server = wrong_in(&image, Part::Layer, |image| Answer::of(Body::Trickle(image.layer.len())));
    let outcome = pull(&sandbox, &server, &["--retry=0"]);
    outcome.code(1).one_line_error(&Digest::of(&image.layer).to_string()).stderr_contains("try again");
    // What came is kept for the next time, and no more.
    sandbox.run(["images", "-q"]).stdout_is("");
    sandbox.run(["system", "check"]).code(0).stdout_contains("all is well");
}

/// What is kept of an interrupted download was once believed until the next pull had failed.
#[test]
fn a_kept_part_that_is_damaged_is_fetched_again_by_the_same_pull() {
    requires!(root);
    let (sandbox, image) = world();
    let served = image.clone();
    let server = Faulty::new(move |asked, _| {
        let from = asked.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        match from.and_then(|from| from.parse::<usize>().ok()) {
            Some(from) => {
                let answer = Answer::new(206, &served.layer[from..]);
                let end = served.layer.len();
                answer.with("content-range", format!("bytes {from}-{}/{end}", end - 1))
            }
            None => served.answer(asked),
        }
    });
    let hex = Digest::of(&image.layer).hex();
    for damaged in [&b"damaged"[..], &image.layer[..1000], &vec![0; 200_000], b""] {
        sandbox.run(["images", "-q"]).code(0);
        sandbox.file(&format!("data/partial/{hex}"), damaged);
        pull(&sandbox, &server, &[]).code(0);
        sandbox.run(["system", "check"]).code(0).stdout_contains("all is well");
        let id = sandbox.run(["images", "-q", "--no-trunc"]).stdout.trim().to_owned();
        sandbox.run(["rmi", &id]).code(0);
    }
    let layer = format!("/blobs/sha256:{hex}");
    let asked = server.asked().into_iter().filter(|asked| asked.path.ends_with(&layer));
    let ranges: Vec<_> = asked.map(|asked| asked.headers.get("range").cloned()).collect();
    let from = |at: usize| Some(format!("bytes={at}-"));
    assert_eq!(ranges, [from(7), None, from(1000), None, None]);
}

#[test]
fn a_manifest_of_100_mb() {
    requires!(root);
    let (sandbox, image) = world();
    let server = wrong_in(&image, Part::Manifest, |_| {
        let answer = Answer::of(Body::Cut(vec![b' '; 5 << 20], 100_000_000));
        let digest = Digest::of(b"x").to_string();
        answer.with("content-type", media_type::MANIFEST).with("docker-content-digest", digest)
    });
    refused(&sandbox, &server, &[], "more than 4194304 bytes", AT_FAULT);
}

#[test]
fn layers_and_manifests_in_one_document() {
    requires!(root);
    let (sandbox, image) = world();
    let both = image.with_manifest(|manifest| manifest["manifests"] = json!([]));
    let server = Faulty::new(move |asked, _| both.answer(asked));
    refused(&sandbox, &server, &[], "x:1", AT_FAULT);
}

#[test]
fn digests_that_are_paths() {
    requires!(root);
    let (sandbox, image) = world();
    let path = "sha256:../../x";
    let config = |digest: &str| {
        let rootfs = json!({"type": "layers", "diff_ids": [digest]});
        json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).to_string().into_bytes()
    };
    for bad in [
        image.with_manifest(|manifest| manifest["layers"][0]["digest"] = json!(path)),
        image.with_manifest(|manifest| manifest["config"]["digest"] = json!(path)),
        image.with_manifest(|manifest| {
            let entry = json!({"mediaType": media_type::MANIFEST, "size": 2, "digest": path,
                               "platform": {"architecture": "amd64", "os": "linux"}});
            *manifest = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [entry]});
        }),
        Image {
            config: config(path),
            ..image.with_manifest(|manifest| {
                manifest["config"] =
                    serde_json::to_value(Descriptor::of(media_type::CONFIG, &config(path))).expect("JSON");
            })
        },
    ] {
        let server = Faulty::new(move |asked, _| match bad.part(asked) {
            Part::Manifest => Answer { headers: Vec::new(), ..manifest(&bad.manifest) },
            _ => bad.answer(asked),
        });
        refused(&sandbox, &server, &[], "\"../../x\"", AT_FAULT);
    }
    let server = wrong_in(&image, Part::Manifest, move |image| {
        Answer::new(200, image.manifest.clone()).with("docker-content-digest", path)
    });
    refused(&sandbox, &server, &[], "\"../../x\"", AT_FAULT);
}

/// No lie, but not supported.
#[test]
fn digests_of_another_algorithm_are_refused_by_name() {
    requires!(root);
    let (sandbox, image) = world();
    let told = "\"blake3\" is not supported, only sha256 and sha512 are";
    for field in ["/layers/0/digest", "/config/digest"] {
        let other = image.with_manifest(|manifest| *manifest.pointer_mut(field).expect("it") = json!("blake3:00"));
        let server = Faulty::new(move |asked, _| other.answer(asked));
        refused(&sandbox, &server, &[], told, "ask its publisher");
    }
    sandbox.run(["pull", "127.0.0.1:1/x@blake3:00"]).code(1).one_line_error(told);
}

/// A store with an image, a registry that takes blobs and gives this answer to its manifest, and where a push leads.
fn pushing(to: &str, manifest: impl Fn() -> Answer + Send + Sync + 'static) -> (Sandbox, Faulty) {
    let sandbox = Sandbox::new();
    sandbox.file("layer/file", "x");
    sandbox.command("tar").args(["-cf", "layer.tar", "-C", "layer", "file"]).ok();
    sandbox.run(["import", "layer.tar", "x"]).code(0);
    let to = to.to_owned();
    let server = Faulty::new(move |asked, _| match asked.method.as_str() {
        "POST" => Answer::new(202, "").with("location", to.clone()),
        "PUT" if asked.path.contains("/manifests/") => manifest(),
        "PUT" => Answer::new(201, ""),
        _ => Answer::new(404, ""),
    });
    (sandbox, server)
}

fn push(sandbox: &Sandbox, server: &Faulty) -> Outcome {
    let name = format!("{}/x:1", server.name());
    sandbox.run(["push", "-q", "--retry=0", "--digestfile=digest", "--creds=me:secret", "x", &name])
}

#[test]
fn a_push_goes_nowhere_but_to_servers() {
    requires!(root);
    for location in ["file:///etc/passwd", "ftp://127.0.0.1/", "http://me:secret@127.0.0.1/"] {
        let (sandbox, server) = pushing(location, || Answer::new(201, ""));
        push(&sandbox, &server).code(1).stdout_is("").one_line_error("the upload goes on").stderr_contains(AT_FAULT);
        assert!(!sandbox.join("digest").exists());
    }
    // In the clear, to a host for which that was not allowed.
    let (sandbox, server) = pushing("http://registry.example/", || Answer::new(201, ""));
    push(&sandbox, &server).code(1).one_line_error("registry.example").stderr_contains("--tls-verify=false");
}

#[test]
fn a_push_that_goes_on_at_another_host_carries_no_authorization() {
    requires!(root);
    let elsewhere = Faulty::new(|_, _| Answer::new(201, ""));
    let (sandbox, server) = pushing(&format!("http://{}/upload", elsewhere.name()), || Answer::new(201, ""));
    push(&sandbox, &server).code(0);
    let asked = elsewhere.asked();
    assert_eq!(asked.len(), 2, "a layer and a configuration");
    assert!(asked.iter().all(|asked| !asked.headers.contains_key("authorization")), "{asked:?}");
}

#[test]
fn a_registry_that_says_it_has_taken_another_manifest() {
    requires!(root);
    let other = Digest::of(b"other").to_string();
    let (sandbox, server) = pushing("/upload", move || Answer::new(201, "").with("docker-content-digest", &other));
    push(&sandbox, &server).code(1).stdout_is("").one_line_error(&Digest::of(b"other").to_string());
    assert!(!sandbox.join("digest").exists());
    let path = || Answer::new(201, "").with("docker-content-digest", "sha256:../../x");
    let (sandbox, server) = pushing("/upload", path);
    push(&sandbox, &server).code(1).stdout_is("").one_line_error("\"../../x\"").stderr_contains(AT_FAULT);
}
