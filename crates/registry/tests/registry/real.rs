//! Debian's docker-registry: what skopeo put there is what we read, and what we put there skopeo reads.

use crate::client::World;
use crate::docker::{Registry, With};
use oci::digest::{Digest, Hasher};
use oci::image::{Descriptor, Index, Manifest, media_type};
use oci::reference::Reference;
use registry::{Bytes, Client, Pushed};
use serde_json::{Value, json};
use std::io::Read as _;
use testkit::{Invocation, requires};

fn reference(registry: &Registry, name: &str) -> Reference {
    format!("{}/{name}", registry.name()).parse().expect("a reference")
}

/// Bytes that no compression makes smaller, always the same.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn digest_of(mut from: impl std::io::Read) -> Digest {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer).expect("a blob is read") {
            0 => return hasher.finish(),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// An image of skopeo's in a registry, and the digest of its manifest as skopeo tells it.
fn pushed(registry: &Registry, name: &str, options: &[&str]) -> Digest {
    let layout = registry.layout(&noise(3 << 20));
    registry.skopeo(&format!("oci:{}:1", layout.display()), &registry.url(name), options);
    let told = Invocation::new("skopeo").args(["inspect", "--tls-verify=false", "--format={{.Digest}}"]);
    told.arg(registry.url(name)).ok().stdout.trim().parse().expect("a digest")
}

#[test]
fn what_skopeo_pushed_is_read_with_the_same_digests() {
    requires!(package = "docker-registry", package = "skopeo", package = "umoci");
    let registry = Registry::plain();
    let client = World::new().client();
    for (name, options, kind) in [
        ("oci:1", &[][..], media_type::MANIFEST),
        ("docker:1", &["--format=v2s2"][..], media_type::DOCKER_MANIFEST),
        ("zstd:1", &["--dest-compress-format=zstd", "--dest-compress"][..], media_type::MANIFEST),
    ] {
        let digest = pushed(&registry, name, options);
        let image = reference(&registry, name);
        let descriptor = client.resolve(&image).expect("it is there");
        assert_eq!((descriptor.digest, descriptor.media_type.as_str()), (digest, kind));
        let (found, bytes) = client.manifest(&image, Some(digest)).expect("its manifest");
        assert_eq!((found.digest, found.size), (digest, descriptor.size));
        let manifest = Manifest::parse(&bytes).expect("a manifest");
        let config = client.content(&image, &manifest.config, 1 << 20).expect("its configuration");
        assert!(serde_json::from_slice::<Value>(&config).is_ok());
        for layer in &manifest.layers {
            let blob = client.blob(&image, layer, 0).expect("a layer");
            assert_eq!(digest_of(blob), layer.digest);
        }
    }
}

#[test]
fn a_blob_is_read_from_a_byte_on() {
    requires!(package = "docker-registry", package = "skopeo", package = "umoci");
    let registry = Registry::plain();
    pushed(&registry, "x:1", &[]);
    let (client, image) = (World::new().client(), reference(&registry, "x:1"));
    let manifest = Manifest::parse(&client.manifest(&image, None).unwrap().1).unwrap();
    let layer = &manifest.layers[0];
    let (mut whole, mut end) = (Vec::new(), Vec::new());
    client.blob(&image, layer, 0).unwrap().read_to_end(&mut whole).unwrap();
    let mut blob = client.blob(&image, layer, 1_000_000).unwrap();
    assert_eq!(blob.from(), 1_000_000);
    blob.read_to_end(&mut end).unwrap();
    assert!(end == whole[1_000_000..]);
}

#[test]
fn a_download_outlives_its_server() {
    requires!(package = "docker-registry");
    let mut registry = Registry::plain();
    let image = reference(&registry, "x:1");
    let content = noise(40 << 20);
    let blob = Descriptor::of(media_type::LAYER, &content);
    let world = World::new();
    world.client().push_blob(&image, &blob, &Bytes(&content)).expect("sent");
    let mut settings = world.settings();
    settings.patience.attempts = 30;
    let mut reading = Client::new(settings).blob(&image, &blob, 0).expect("begun");
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 20];
    reading.read_exact(&mut buffer).expect("its first part");
    hasher.update(&buffer);
    registry.stop();
    // What was under way still comes; the rest only after the server is there again.
    let restarted = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        registry.start();
        registry
    });
    loop {
        let count = reading.read(&mut buffer).expect("it goes on");
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    assert_eq!(hasher.finish(), blob.digest);
    drop(restarted.join());
}

/// Sends an image of a layer and a configuration, and returns the digest of its manifest.
fn push(client: &Client, image: &Reference, layer: &[u8]) -> Digest {
    let diff_id = Digest::of(layer);
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    });
    let config = config.to_string().into_bytes();
    let config_blob = Descriptor::of(media_type::CONFIG, &config);
    let layer_blob = Descriptor::of(media_type::LAYER, layer);
    client.push_blob(image, &config_blob, &Bytes(&config)).expect("the configuration is sent");
    client.push_blob(image, &layer_blob, &Bytes(layer)).expect("the layer is sent");
    let manifest = serde_json::to_vec(&Manifest::new(config_blob, vec![layer_blob])).expect("JSON");
    client.push_manifest(image, media_type::MANIFEST, &manifest).expect("the manifest is sent")
}

#[test]
fn skopeo_reads_what_we_push_in_one_or_in_pieces() {
    requires!(package = "docker-registry", package = "skopeo");
    let registry = Registry::plain();
    let world = World::new();
    let layer = Invocation::new("tar").args(["-cf", "-", "--format=posix", "-C", "/etc", "hostname"]).ok().stdout;
    for (name, chunk) in [("one:1", None), ("pieces:1", Some(1000))] {
        let mut settings = world.settings();
        settings.chunk = chunk;
        let digest = push(&Client::new(settings), &reference(&registry, name), layer.as_bytes());
        let copy = registry.world.join(name);
        registry.skopeo(&registry.url(name), &format!("dir:{}", copy.display()), &["--preserve-digests"]);
        let manifest = std::fs::read(copy.join("manifest.json")).expect("skopeo's copy");
        assert_eq!(Digest::of(&manifest), digest);
    }
}

#[test]
fn a_blob_is_sent_once_and_mounted_from_another_repository() {
    requires!(package = "docker-registry");
    let registry = Registry::plain();
    let client = World::new().client();
    let (here, there) = (reference(&registry, "a/b:1"), reference(&registry, "c:1"));
    let content = noise(100_000);
    let blob = Descriptor::of(media_type::LAYER, &content);
    assert!(!client.mount_blob(&there, &blob, &here).expect("an answer"));
    assert!(!client.has_blob(&there, &blob).expect("an answer"));
    assert_eq!(client.push_blob(&here, &blob, &Bytes(&content)).unwrap(), Pushed::Sent);
    assert_eq!(client.push_blob(&here, &blob, &Bytes(&content)).unwrap(), Pushed::Existed);
    assert!(client.mount_blob(&there, &blob, &here).expect("an answer"));
    assert_eq!(digest_of(client.blob(&there, &blob, 0).unwrap()), blob.digest);
}

#[test]
fn an_empty_blob_is_a_blob() {
    requires!(package = "docker-registry");
    let registry = Registry::plain();
    let world = World::new();
    for (name, chunk) in [("one:1", None), ("pieces:1", Some(10))] {
        let mut settings = world.settings();
        settings.chunk = chunk;
        let (client, image) = (Client::new(settings), reference(&registry, name));
        let blob = Descriptor::of(media_type::LAYER, b"");
        assert_eq!(client.push_blob(&image, &blob, &Bytes(b"")).unwrap(), Pushed::Sent);
        assert_eq!(digest_of(client.blob(&image, &blob, 0).unwrap()), blob.digest);
    }
}

#[test]
fn tags_are_listed_over_all_pages_and_what_is_not_there_is_not_found() {
    requires!(package = "docker-registry");
    let registry = Registry::plain();
    let client = World::new().client();
    let mut expected = Vec::new();
    for tag in 0..105 {
        // Debian's registry gives out pages of any length that is asked for; what it has by itself is one page.
        expected.push(format!("t{tag:03}"));
        push(&client, &reference(&registry, &format!("x:t{tag:03}")), b"layer");
    }
    let mut tags = client.tags(&reference(&registry, "x")).expect("tags");
    tags.sort();
    assert_eq!(tags, expected);
    for missing in ["x:none", "nothing:1"] {
        assert!(client.resolve(&reference(&registry, missing)).unwrap_err().is_not_found());
        assert!(client.manifest(&reference(&registry, missing), None).unwrap_err().is_not_found());
    }
    assert!(client.tags(&reference(&registry, "nothing")).unwrap_err().is_not_found());
}

#[test]
fn an_index_is_pushed_and_read() {
    requires!(package = "docker-registry", package = "skopeo");
    let registry = Registry::plain();
    let (client, image) = (World::new().client(), reference(&registry, "x:1"));
    push(&client, &image, b"layer");
    let entry = client.resolve(&image).unwrap();
    let index = Index { manifests: vec![entry.clone()], ..Index::default() };
    let bytes = serde_json::to_vec(&index).unwrap();
    let many = reference(&registry, "x:many");
    let digest = client.push_manifest(&many, media_type::INDEX, &bytes).unwrap();
    let raw =
        Invocation::new("skopeo").args(["inspect", "--raw", "--tls-verify=false"]).arg(registry.url("x:many")).ok();
    assert_eq!(Digest::of(raw.stdout.as_bytes()), digest);
    let (descriptor, bytes) = client.manifest(&many, None).unwrap();
    assert_eq!((descriptor.digest, descriptor.media_type.as_str()), (digest, media_type::INDEX));
    let inner = client.manifest(&many, Some(Index::parse(&bytes).unwrap().manifests[0].digest)).unwrap();
    assert_eq!(inner.0.digest, entry.digest);
}

#[test]
fn what_refers_to_a_manifest_is_kept_under_a_tag_where_the_registry_keeps_none() {
    // docker-registry 2.8 is of before version 1.1 of the specification.
    requires!(package = "docker-registry");
    let registry = Registry::plain();
    let (client, image) = (World::new().client(), reference(&registry, "x:1"));
    let digest = push(&client, &image, b"layer");
    assert_eq!(client.referrers(&image, digest, None).expect("an answer"), []);
    let empty = Descriptor::of("application/vnd.oci.empty.v1+json", b"{}");
    client.push_blob(&image, &empty, &Bytes(b"{}")).unwrap();
    for kind in ["application/a", "application/b"] {
        let signature = json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "artifactType": kind, "config": empty,
            "layers": [empty], "subject": client.resolve(&image).unwrap(),
        });
        let bytes = signature.to_string().into_bytes();
        let by_digest: Reference = format!("{}@{}", image.repository(), Digest::of(&bytes)).parse().unwrap();
        client.push_manifest(&by_digest, media_type::MANIFEST, &bytes).expect("it is sent");
    }
    assert_eq!(client.referrers(&image, digest, None).unwrap().len(), 2);
    let some = client.referrers(&image, digest, Some("application/b")).unwrap();
    assert_eq!(some.iter().map(|entry| entry.other["artifactType"].clone()).collect::<Vec<_>>(), ["application/b"]);
}

#[test]
fn an_authority_of_certs_d_is_believed_and_no_other() {
    requires!(package = "docker-registry", package = "openssl");
    let registry = Registry::with(With { tls: true, ..With::default() });
    let image = reference(&registry, "x:1");
    let world = World::new();
    let refused = world.client().resolve(&image).unwrap_err();
    assert!(refused.to_string().contains("not trusted"), "{refused}");
    assert!(refused.hint().unwrap().contains(&format!("certs.d/{}/ca.crt", registry.name())));
    let ca = std::fs::read(registry.world.join("ca.crt")).unwrap();
    for place in ["etc/containers/certs.d", "etc/docker/certs.d", "home/.config/containers/certs.d"] {
        let world = World::new();
        world.file(&format!("{place}/{}/ca.crt", registry.name()), &ca);
        push(&world.client(), &image, b"layer");
        assert!(world.client().resolve(&image).is_ok());
    }
    let mut settings = world.settings();
    settings.tls_verify = Some(false);
    assert!(Client::new(settings).resolve(&image).is_ok());
    let mut environment = world.environment();
    environment.certificates = Some(registry.world.join("ca.crt"));
    assert!(Client::new(registry::Settings::read(environment).unwrap()).resolve(&image).is_ok());
}

#[test]
fn a_client_certificate_is_shown_where_one_is_wanted() {
    requires!(package = "docker-registry", package = "openssl");
    let registry = Registry::with(With { tls: true, client_certificates: true, ..With::default() });
    let (image, world) = (reference(&registry, "x:1"), World::new());
    let read = |name: &str| std::fs::read(registry.world.join(name)).unwrap();
    let place = |name: &str| format!("etc/containers/certs.d/{}/{name}", registry.name());
    world.file(&place("ca.crt"), read("ca.crt"));
    assert!(!world.client().resolve(&image).unwrap_err().is_not_found());
    world.file(&place("client.cert"), read("client.crt"));
    world.file(&place("client.key"), read("client.key"));
    assert!(world.client().resolve(&image).unwrap_err().is_not_found());
}

#[test]
fn mirrors_are_asked_first_and_the_registry_itself_last() {
    requires!(package = "docker-registry");
    let (mirror, registry) = (Registry::plain(), Registry::plain());
    let world = World::new();
    let image: Reference = "hub.example/lib/x:1".parse().unwrap();
    let conf = format!(
        "[[registry]]\nprefix = \"hub.example\"\nlocation = \"{}/origin\"\n[[registry.mirror]]\nlocation = \"{}/mirror\"\n",
        registry.name(),
        mirror.name()
    );
    world.file("etc/containers/registries.conf", conf);
    let client = world.client();
    push(&client, &image, b"one");
    // What is pushed goes to the registry itself.
    let direct = World::new().client();
    let original = direct.resolve(&reference(&registry, "origin/lib/x:1")).expect("it is there").digest;
    assert_eq!(client.resolve(&image).unwrap().digest, original);
    let mirrored = push(&direct, &reference(&mirror, "mirror/lib/x:1"), b"two");
    assert_eq!(client.resolve(&image).unwrap().digest, mirrored);
    // A blob that the mirror lacks comes from behind it.
    let manifest = Manifest::parse(&client.manifest(&image, Some(original)).unwrap().1).unwrap();
    assert_eq!(digest_of(client.blob(&image, &manifest.layers[0], 0).unwrap()), manifest.layers[0].digest);
}

#[test]
fn a_hosts_toml_of_containerd_says_whom_to_ask() {
    requires!(package = "docker-registry");
    let (mirror, registry) = (Registry::plain(), Registry::plain());
    let world = World::new();
    let toml = format!(
        "server = \"http://{}\"\n[host.\"http://{}\"]\ncapabilities = [\"pull\", \"resolve\"]\n",
        registry.name(),
        mirror.name()
    );
    world.file("etc/containerd/certs.d/hub.example/hosts.toml", toml);
    let (client, direct) = (world.client(), World::new().client());
    let image: Reference = "hub.example/x:1".parse().unwrap();
    push(&client, &image, b"one");
    assert!(direct.resolve(&reference(&registry, "x:1")).is_ok());
    let mirrored = push(&direct, &reference(&mirror, "x:1"), b"two");
    assert_eq!(client.resolve(&image).unwrap().digest, mirrored);
}

#[test]
fn a_short_name_is_an_alias_or_searched_for() {
    let world = World::new();
    let names = |name: &str| -> Vec<String> {
        world.client().candidates(name).unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(names("debian"), ["docker.io/library/debian:latest"]);
    world.file("etc/containers/registries.conf", "unqualified-search-registries = [\"a.io\", \"docker.io\"]\n");
    world.file("etc/containers/registries.conf.d/names.conf", "[aliases]\n\"fedora\" = \"registry.example/fedora\"\n");
    assert_eq!(names("debian:12"), ["a.io/debian:12", "docker.io/library/debian:12"]);
    assert_eq!(names("fedora:40"), ["registry.example/fedora:40"]);
    assert_eq!(names("b.io/x"), ["b.io/x:latest"]);
    world.file("home/.config/containers/registries.conf", "unqualified-search-registries = [\"own.io\"]\n");
    assert_eq!(names("debian"), ["own.io/debian:latest"]);
}
