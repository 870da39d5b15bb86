//! What a registry that is broken or means harm can do, and cannot.

use crate::client::World;
use crate::faulty::{Answer, Asked, Body, Faulty};
use oci::digest::Digest;
use oci::image::{Descriptor, Manifest, media_type};
use oci::reference::Reference;
use registry::{Bytes, Client, Credential, Error, Pushed, Secret};
use serde_json::{Value, json};
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn image(server: &Faulty) -> Reference {
    format!("{}/x:1", server.name()).parse().expect("a reference")
}

fn manifest() -> Vec<u8> {
    let config = Descriptor::of(media_type::CONFIG, b"{}");
    serde_json::to_vec(&Manifest::new(config, vec![])).expect("JSON")
}

fn sent(kind: &str, bytes: impl Into<Vec<u8>>) -> Answer {
    Answer::new(200, bytes).with("content-type", kind)
}

/// What is got where the server gives this for every manifest.
fn got(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Result<Vec<u8>, Error> {
    let server = Faulty::new(move |_, _| answer());
    World::new().client().manifest(&image(&server), None).map(|(_, bytes)| bytes)
}

fn read(client: &Client, server: &Faulty, blob: &Descriptor) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut reading = client.blob(&image(server), blob, 0).map_err(|error| error.to_string())?;
    reading.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[test]
fn a_manifest_with_another_digest_is_refused() {
    let other = Digest::of(b"other");
    let wrong = move || sent(media_type::MANIFEST, manifest()).with("docker-content-digest", other.to_string());
    assert!(matches!(got(wrong), Err(Error::Digest { .. })));
    let server = Faulty::new(|_, _| sent(media_type::MANIFEST, manifest()));
    let (client, right) = (World::new().client(), Digest::of(&manifest()));
    assert!(matches!(client.manifest(&image(&server), Some(other)), Err(Error::Digest { .. })));
    assert!(client.manifest(&image(&server), Some(right)).is_ok());
    let pinned: Reference = format!("{}/x@{other}", server.name()).parse().unwrap();
    assert!(matches!(client.manifest(&pinned, None), Err(Error::Digest { .. })));
}

#[test]
fn a_small_blob_with_another_digest_is_refused() {
    let server = Faulty::new(|_, _| Answer::new(200, "{!}"));
    let blob = Descriptor::of(media_type::CONFIG, b"{?}");
    let error = World::new().client().content(&image(&server), &blob, 100).unwrap_err();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
}

/// CVE-2024-3727: such a digest was used as a path.
#[test]
fn a_digest_that_is_a_path_is_refused() {
    let server =
        Faulty::new(|_, _| sent(media_type::MANIFEST, manifest()).with("docker-content-digest", "sha256:../../x"));
    let client = World::new().client();
    assert!(matches!(client.resolve(&image(&server)), Err(Error::Answer { .. })));
    assert!(matches!(client.manifest(&image(&server), None), Err(Error::Answer { .. })));
    let text = String::from_utf8(manifest()).unwrap().replace(&Digest::of(b"{}").hex(), "../../x");
    assert!(text.contains("sha256:../../x"));
    assert!(matches!(got(move || sent(media_type::MANIFEST, text.clone())), Err(Error::Manifest { .. })));
}

/// CVE-2021-41190.
#[test]
fn a_document_that_is_two_things_is_refused() {
    let mut both: Value = serde_json::from_slice(&manifest()).unwrap();
    both["manifests"] = json!([]);
    for kind in [media_type::MANIFEST, media_type::INDEX, "application/json"] {
        let text = both.to_string();
        assert!(matches!(got(move || sent(kind, text.clone())), Err(Error::Manifest { .. })), "{kind}");
    }
    // The head says one thing and the document another.
    assert!(matches!(got(|| sent(media_type::INDEX, manifest())), Err(Error::Manifest { .. })));
    assert!(got(|| sent("text/plain", manifest())).is_ok());
}

/// CVE-2021-21285: such a document ended the daemon.
#[test]
fn a_malformed_document_is_an_error_and_no_more() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "{\"schemaVersion\":2}",
        "{\"schemaVersion\":2,\"config\":null,\"layers\":null}",
        "{\"schemaVersion\":2,\"config\":{\"size\":-1},\"layers\":[null]}",
        "{\"schemaVersion\":1,\"fsLayers\":[{}]}",
        "{\"schemaVersion\":2,\"manifests\":[{\"digest\":5}]}",
        "\u{0}",
        "{\"schemaVersion\":2,\"config\":\"x\"}",
    ] {
        for kind in [media_type::MANIFEST, media_type::INDEX, media_type::DOCKER_MANIFEST] {
            assert!(got(move || sent(kind, text)).is_err(), "{text}");
        }
    }
    let deep = "[".repeat(1_000_000);
    assert!(got(move || sent(media_type::MANIFEST, deep.clone())).is_err());
}

#[test]
fn a_manifest_of_100_mb_is_not_read() {
    let start = Instant::now();
    let told = || Answer::of(Body::Cut(vec![b' '; 1 << 20], 100_000_000)).with("content-type", media_type::MANIFEST);
    let endless = || Answer::of(Body::Endless).with("content-type", media_type::MANIFEST);
    assert!(matches!(got(told), Err(Error::Length { .. })));
    assert!(matches!(got(endless), Err(Error::Length { .. })));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_blob_ends_where_its_descriptor_says() {
    let content = vec![b' '; 1000];
    let blob = Descriptor::of(media_type::LAYER, &content);
    let client = World::new().client();
    let endless = Faulty::new(|_, _| Answer::of(Body::Endless));
    assert!(read(&client, &endless, &blob).unwrap_err().contains("goes on behind the end"));
    for length in [999, 1001, 0] {
        let wrong = Faulty::new(move |_, _| Answer::new(200, vec![b' '; length]));
        let error = read(&client, &wrong, &blob).unwrap_err();
        assert!(error.contains("has 1000 bytes"), "{error}");
        assert_eq!(wrong.asked().len(), 1, "what is wrong stays wrong");
    }
}

fn range_of(asked: &Asked) -> Option<usize> {
    asked.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

#[test]
fn what_breaks_off_is_gone_on_with() {
    let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let blob = Descriptor::of(media_type::LAYER, &content);
    let given = content.clone();
    let ranged = Faulty::new(move |asked, before| {
        let from = range_of(asked).unwrap_or(0);
        let end = if before < 2 { (from + 100_000).min(given.len()) } else { given.len() };
        let total = given.len();
        let answer = Answer::of(Body::Cut(given[from..end].to_vec(), total - from));
        let range = format!("bytes {from}-{}/{total}", total - 1);
        if from == 0 { answer } else { Answer { status: 206, ..answer }.with("content-range", range) }
    });
    assert!(read(&World::new().client(), &ranged, &blob).unwrap() == content);
    assert_eq!(ranged.asked().iter().map(range_of).collect::<Vec<_>>(), [None, Some(100_000), Some(200_000)]);
    // One that knows no ranges sends all of it again.
    let given = content.clone();
    let whole = Faulty::new(move |_, before| {
        let end = if before == 0 { 1000 } else { given.len() };
        Answer::of(Body::Cut(given[..end].to_vec(), given.len()))
    });
    assert!(read(&World::new().client(), &whole, &blob).unwrap() == content);
    assert_eq!(whole.asked().len(), 2);
    // One that sends another part is not believed.
    let given = content.clone();
    let other = Faulty::new(move |asked, _| match range_of(asked) {
        None => Answer::of(Body::Cut(given[..1000].to_vec(), given.len())),
        Some(_) => Answer::new(206, "x").with("content-range", format!("bytes 7-7/{}", given.len())),
    });
    assert!(read(&World::new().client(), &other, &blob).unwrap_err().contains("something else is sent"));
}

#[test]
fn what_breaks_off_for_ever_is_given_up() {
    let server = Faulty::new(|_, _| Answer::of(Body::Cut(Vec::new(), 1000)));
    let blob = Descriptor::new(media_type::LAYER, Digest::of(b""), 1000);
    assert!(read(&World::new().client(), &server, &blob).is_err());
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn a_server_that_trickles_or_says_nothing_is_not_waited_for() {
    let client = World::new().client();
    let start = Instant::now();
    let blob = Descriptor::new(media_type::LAYER, Digest::of(b""), 100_000);
    let trickle = Faulty::new(|_, _| Answer::of(Body::Trickle(100_000)));
    assert!(read(&client, &trickle, &blob).is_err());
    assert!(client.manifest(&image(&trickle), None).is_err());
    let mut settings = World::new().settings();
    settings.patience.answer = Duration::from_millis(200);
    let silent = Faulty::new(|_, _| Answer::of(Body::Silence));
    let error = Client::new(settings).resolve(&image(&silent)).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    for (status, wait) in [(429, Some("1")), (503, None), (500, None), (502, Some("0"))] {
        let server = Faulty::new(move |_, before| match (before, wait) {
            (0, Some(wait)) => Answer::new(status, "").with("retry-after", wait),
            (0, None) => Answer::new(status, ""),
            _ => sent(media_type::MANIFEST, manifest()),
        });
        let start = Instant::now();
        assert!(World::new().client().manifest(&image(&server), None).is_ok(), "{status}");
        assert_eq!(server.asked().len(), 2);
        assert!(wait != Some("1") || start.elapsed() >= Duration::from_secs(1));
    }
    let busy = Faulty::new(|_, _| Answer::new(503, r#"{"errors":[{"code":"X","message":"closed\u001b[2J today"}]}"#));
    let error = World::new().client().manifest(&image(&busy), None).unwrap_err().to_string();
    assert!(error.contains("503: closed[2J today"), "{error}");
    assert_eq!(busy.asked().len(), 4);
    let later = Faulty::new(|_, _| Answer::new(429, "").with("retry-after", "3600"));
    let error = World::new().client().manifest(&image(&later), None).unwrap_err();
    assert!(matches!(error, Error::Later { seconds: 3600, .. }), "{error}");
    assert_eq!(later.asked().len(), 1);
}

const PROOF: &str = "Basic bWU6c2VjcmV0";

/// A client that is `me:secret`, which is `bWU6c2VjcmV0` in base64(1).
fn me(world: &World) -> Client {
    let mut settings = world.settings();
    settings.credential = Some(Credential::basic("me", "secret"));
    Client::new(settings)
}

/// Answers whoever shows the proof, and asks all others for it.
fn guarded(asked: &Asked, answer: impl FnOnce() -> Answer) -> Answer {
    match asked.headers.get("authorization") {
        Some(proof) if proof == PROOF => answer(),
        _ => Answer::new(401, "").with("www-authenticate", "Basic realm=\"x\""),
    }
}

/// CVE-2020-15157.
#[test]
fn a_redirect_to_another_server_carries_no_authorization() {
    let content = b"blob".to_vec();
    let blob = Descriptor::of(media_type::LAYER, &content);
    let given = content.clone();
    let elsewhere = Faulty::new(move |_, _| Answer::new(200, given.clone()));
    let target = format!("http://{}/signed?secret=1", elsewhere.name());
    let server = Faulty::new(move |asked, _| guarded(asked, || Answer::to(target.clone())));
    assert_eq!(read(&me(&World::new()), &server, &blob).unwrap(), content);
    let asked = elsewhere.asked();
    assert_eq!(asked.len(), 1);
    assert!(!asked[0].headers.contains_key("authorization"), "{asked:?}");
    // On the same server it does.
    let given = content.clone();
    let server = Faulty::new(move |asked, _| {
        guarded(asked, || if asked.path == "/there" { Answer::new(200, given.clone()) } else { Answer::to("/there") })
    });
    assert_eq!(read(&me(&World::new()), &server, &blob).unwrap(), content);
}

#[test]
fn another_server_that_asks_for_a_password_gets_none() {
    let elsewhere = Faulty::new(|asked, _| guarded(asked, || Answer::new(200, "blob")));
    let target = format!("http://{}/", elsewhere.name());
    let server = Faulty::new(move |asked, _| guarded(asked, || Answer::to(target.clone())));
    let blob = Descriptor::of(media_type::LAYER, b"blob");
    assert!(read(&me(&World::new()), &server, &blob).is_err());
    assert!(elsewhere.asked().iter().all(|asked| !asked.headers.contains_key("authorization")));
}

#[test]
fn an_upload_that_goes_on_elsewhere_carries_no_authorization() {
    let elsewhere = Faulty::new(|_, _| Answer::new(201, ""));
    let location = format!("http://{}/upload?state=1", elsewhere.name());
    let server = Faulty::new(move |asked, _| {
        guarded(asked, || match asked.method.as_str() {
            "POST" => Answer::new(202, "").with("location", location.clone()),
            _ => Answer::new(404, ""),
        })
    });
    let blob = Descriptor::of(media_type::LAYER, b"blob");
    me(&World::new()).push_blob(&image(&server), &blob, &Bytes(b"blob")).expect("it is sent");
    let asked = elsewhere.asked();
    assert_eq!((asked.len(), asked[0].body.as_slice()), (1, &b"blob"[..]));
    assert!(asked[0].path.contains("state=1&digest=sha256%3A"), "{asked:?}");
    assert!(!asked[0].headers.contains_key("authorization"));
}

#[test]
fn redirects_that_lead_nowhere_end() {
    for location in ["/v2/x/manifests/1", "file:///etc/passwd", "ftp://x/", "http://user:pass@127.0.0.1/"] {
        let error = got(move || Answer::to(location)).unwrap_err();
        assert!(matches!(error, Error::Redirect { .. }), "{location}: {error}");
    }
    // In the clear, to a host for which that was not allowed.
    let error = got(|| Answer::to("http://registry.example/")).unwrap_err();
    assert!(matches!(error, Error::Clear { .. }), "{error}");
}

/// The `urls` of a layer were once followed, with the registry's token (CVE-2020-15157).
#[test]
fn the_urls_of_a_descriptor_are_not_followed() {
    let elsewhere = Faulty::new(|_, _| Answer::new(200, "blob"));
    let server = Faulty::new(|_, _| Answer::new(404, ""));
    let mut blob = Descriptor::of(media_type::LAYER, b"blob");
    blob.other.insert("urls".to_owned(), json!([format!("http://{}/blob", elsewhere.name())]));
    assert!(read(&me(&World::new()), &server, &blob).is_err());
    assert_eq!(elsewhere.lines(), [""; 0]);
}

/// A server that wants a token from this realm.
fn wanting(realm: String) -> Faulty {
    Faulty::new(move |asked, _| {
        if asked.headers.get("authorization").is_some_and(|proof| proof == "Bearer good") {
            return sent(media_type::MANIFEST, manifest());
        }
        let challenge = format!("Bearer realm=\"{realm}\",service=\"here\",scope=\"repository:x:pull\"");
        Answer::new(401, "").with("www-authenticate", challenge)
    })
}

#[test]
fn a_token_is_asked_for_once_and_with_the_scope_that_is_needed() {
    let tokens = Faulty::new(|_, _| Answer::new(200, r#"{"token": "good", "expires_in": 300}"#));
    let server = wanting(format!("http://{}/token", tokens.name()));
    let client = World::new().client();
    for _ in 0..3 {
        assert!(client.manifest(&image(&server), None).is_ok());
    }
    assert_eq!(tokens.lines(), ["GET /token?service=here&scope=repository%3Ax%3Apull"]);
    assert!(!tokens.asked()[0].headers.contains_key("authorization"));
    let tokens = Faulty::new(|_, _| Answer::new(200, r#"{"access_token": "good"}"#));
    let server = wanting(format!("http://{}/token", tokens.name()));
    assert!(me(&World::new()).manifest(&image(&server), None).is_ok());
    assert_eq!(tokens.lines(), ["GET /token?service=here&account=me&scope=repository%3Ax%3Apull"]);
    assert_eq!(tokens.asked()[0].headers["authorization"], PROOF);
}

#[test]
fn an_identity_token_is_exchanged() {
    let tokens = Faulty::new(|_, _| Answer::new(200, r#"{"access_token": "good"}"#));
    let server = wanting(format!("http://{}/token", tokens.name()));
    let mut settings = World::new().settings();
    settings.credential = Some(Credential::Identity { user: String::new(), token: Secret::new("a b") });
    assert!(Client::new(settings).manifest(&image(&server), None).is_ok());
    let asked = &tokens.asked()[0];
    let form =
        "grant_type=refresh_token&client_id=coracle&refresh_token=a%20b&service=here&scope=repository%3Ax%3Apull";
    assert_eq!((asked.method.as_str(), String::from_utf8_lossy(&asked.body).as_ref()), ("POST", form));
}

/// CVE-2019-10214: a password went to a realm over http.
#[test]
fn a_realm_elsewhere_gets_no_password_in_the_clear() {
    let tokens = Faulty::new(|_, _| Answer::new(200, r#"{"token": "good"}"#));
    let realm = format!("auth.example:{}", tokens.port);
    let server = wanting(format!("http://{realm}/token"));
    let world = World::new();
    world.file("etc/hosts", "127.0.0.1 auth.example\n");
    let error = me(&world).manifest(&image(&server), None).unwrap_err();
    assert!(matches!(error, Error::Clear { .. }), "{error}");
    assert_eq!(tokens.lines(), [""; 0]);
    // Where http was allowed there, it does.
    world.file("etc/containers/registries.conf", format!("[[registry]]\nlocation = \"{realm}\"\ninsecure = true\n"));
    assert!(me(&world).manifest(&image(&server), None).is_ok());
    for wrong in ["file:///token", "", "/token"] {
        let server = wanting(wrong.to_owned());
        assert!(matches!(me(&World::new()).manifest(&image(&server), None), Err(Error::Answer { .. })));
    }
}

#[test]
fn http_is_spoken_only_where_that_is_allowed() {
    let server = Faulty::new(|_, _| sent(media_type::MANIFEST, manifest()));
    let world = World::new();
    world.file("etc/hosts", "127.0.0.1 registry.example\n");
    let name = format!("registry.example:{}", server.port);
    let image: Reference = format!("{name}/x:1").parse().unwrap();
    assert!(matches!(world.client().resolve(&image), Err(Error::Unreachable { .. })));
    assert_eq!(server.lines(), [""; 0]);
    let mut settings = world.settings();
    settings.tls_verify = Some(false);
    assert!(Client::new(settings).manifest(&image, None).is_ok());
    world.file("etc/containers/registries.conf", format!("[[registry]]\nlocation = \"{name}\"\ninsecure = true\n"));
    assert!(world.client().manifest(&image, None).is_ok());
    let mut settings = world.settings();
    settings.tls_verify = Some(true);
    assert!(Client::new(settings).manifest(&image, None).is_err());
}

#[test]
fn no_error_tells_a_secret() {
    let tokens = Faulty::new(|_, _| Answer::new(200, r#"{"token": 5, "access_token": "topsecret"}"#));
    let server = wanting(format!("http://{}/token?key=topsecret", tokens.name()));
    let mut settings = World::new().settings();
    settings.credential = Some(Credential::basic("me", "topsecret"));
    let client = Client::new(settings.clone());
    let error = client.manifest(&image(&server), None).unwrap_err();
    let told = format!("{error} {error:?} {client:?} {settings:?} {:?}", error.hint());
    assert!(!told.contains("topsecret") && !told.contains("dG9wc2VjcmV0"), "{told}");
}

#[test]
fn an_upload_that_breaks_off_is_gone_on_with() {
    let content = vec![7; 1000];
    let blob = Descriptor::of(media_type::LAYER, &content);
    let server = Faulty::new(|asked, _| match asked.method.as_str() {
        "POST" => Answer::new(202, "").with("location", "/upload/1"),
        "PUT" if !asked.body.is_empty() => Answer::of(Body::Hangup),
        "PUT" => Answer::new(201, ""),
        "GET" => Answer::new(204, "").with("location", "/upload/2").with("range", "0-99"),
        "PATCH" => Answer::new(202, "").with("location", "/upload/3").with("range", "0-999"),
        _ => Answer::new(404, ""),
    });
    World::new().client().push_blob(&image(&server), &blob, &Bytes(&content)).expect("it is sent");
    let patch = server.asked().into_iter().find(|asked| asked.method == "PATCH").expect("it goes on");
    assert_eq!((patch.path.as_str(), patch.headers["content-range"].as_str()), ("/upload/2", "100-999"));
    assert_eq!(patch.body.len(), 900);
    assert!(server.lines().last().unwrap().starts_with("PUT /upload/3?digest="));
}

#[test]
fn a_blob_that_is_too_large_for_one_request_goes_in_pieces() {
    let content = vec![7; 1000];
    let blob = Descriptor::of(media_type::LAYER, &content);
    let server = Faulty::new(|asked, _| match asked.method.as_str() {
        "POST" | "PATCH" => Answer::new(202, "").with("location", "/upload"),
        "PUT" if !asked.body.is_empty() => Answer::new(413, ""),
        "PUT" => Answer::new(201, ""),
        _ => Answer::new(404, ""),
    });
    World::new().client().push_blob(&image(&server), &blob, &Bytes(&content)).expect("it is sent");
    assert!(server.lines().contains(&"PATCH /upload".to_owned()));
}

/// Takes pieces as a server does, and loses the first answer to the second one.
#[test]
fn a_blob_that_is_being_made_is_sent_again_from_where_the_server_is() {
    let content: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let received = Arc::new(Mutex::new(Vec::new()));
    let (kept, lost) = (Arc::clone(&received), AtomicBool::new(false));
    let server = Faulty::new(move |asked, _| {
        let mut kept = kept.lock().unwrap();
        let at = |kept: &[u8]| {
            Answer::new(202, "").with("location", "/upload").with("range", format!("0-{}", kept.len() - 1))
        };
        match asked.method.as_str() {
            "POST" => Answer::new(202, "").with("location", "/upload"),
            "PATCH" => {
                let range = asked.headers["content-range"].split('-').next().unwrap().parse::<usize>().unwrap();
                assert_eq!(range, kept.len());
                let second = !kept.is_empty() && !lost.swap(true, Ordering::Relaxed);
                let taken = if second { &asked.body[..1000] } else { &asked.body[..] };
                kept.extend_from_slice(taken);
                if second { Answer::of(Body::Hangup) } else { at(&kept) }
            }
            "GET" => Answer { status: 204, ..at(&kept) },
            "PUT" => Answer::new(201, ""),
            _ => Answer::new(404, ""),
        }
    });
    let client = World::new().client();
    let (blob, _) = client.stream_blob(&image(&server), media_type::LAYER, content.as_slice()).expect("it is sent");
    assert_eq!(blob, Descriptor::of(media_type::LAYER, &content));
    assert!(*received.lock().unwrap() == content);
    assert!(server.lines().last().unwrap().starts_with("PUT /upload?digest=sha256%3A"));
}

#[test]
fn an_upload_that_was_begun_instead_of_a_mount_is_used() {
    let blob = Descriptor::of(media_type::LAYER, b"blob");
    let server = Faulty::new(|asked, _| match asked.method.as_str() {
        "POST" => Answer::new(202, "").with("location", "/upload"),
        "PUT" => Answer::new(201, ""),
        _ => Answer::new(404, ""),
    });
    let other = format!("{}/other:1", server.name()).parse().unwrap();
    let pushed = World::new().client().push_blob_from(&image(&server), &blob, &Bytes(b"blob"), &[other]);
    assert_eq!(pushed.unwrap(), Pushed::Sent);
    let posts: Vec<String> = server.lines().into_iter().filter(|line| line.starts_with("POST")).collect();
    assert_eq!(posts.len(), 1, "{posts:?}");
    assert!(posts[0].contains("from=other"), "{posts:?}");
}

#[test]
fn a_list_may_have_several_pages_or_be_null() {
    let server = Faulty::new(|asked, _| match asked.path.as_str() {
        "/v2/x/tags/list" => {
            Answer::new(200, r#"{"tags":["a","b"]}"#).with("link", "</v2/x/tags/list?last=b>; rel=\"next\"")
        }
        _ => Answer::new(200, r#"{"tags":["c"]}"#),
    });
    assert_eq!(World::new().client().tags(&image(&server)).unwrap(), ["a", "b", "c"]);
    let server = Faulty::new(|_, _| Answer::new(200, r#"{"name":"x","tags":null}"#));
    assert_eq!(World::new().client().tags(&image(&server)).unwrap(), [""; 0]);
}

/// Its pages were once all kept, however many there were.
#[test]
fn a_list_without_an_end_is_given_up() {
    let server = Faulty::new(|asked, _| {
        let page = format!("{}{{}}", " ".repeat(8 << 20));
        Answer::new(200, page).with("link", format!("<{}>; rel=\"next\"", asked.path))
    });
    let client = World::new().client();
    assert!(matches!(client.tags(&image(&server)), Err(Error::Length { .. })));
    assert!(server.asked().len() < 10);
    assert!(matches!(client.referrers(&image(&server), Digest::of(b"x"), None), Err(Error::Length { .. })));
}

#[test]
fn a_head_that_says_too_little_is_followed_by_the_document() {
    for headless in [405, 200] {
        let server = Faulty::new(move |asked, _| match asked.method.as_str() {
            "HEAD" => Answer::new(headless, ""),
            _ => sent(media_type::MANIFEST, manifest()),
        });
        let descriptor = World::new().client().resolve(&image(&server)).unwrap();
        assert_eq!(descriptor.digest, Digest::of(&manifest()));
    }
}

#[test]
fn a_proxy_is_asked_for_the_way() {
    let proxy = Faulty::new(|_, _| Answer::new(502, ""));
    let world = World::new();
    let mut environment = world.environment();
    environment.proxies.https = Some(format!("http://me:secret@{}", proxy.name()));
    let mut settings = registry::Settings::read(environment).unwrap();
    settings.patience.attempts = 1;
    let error = Client::new(settings).resolve(&"registry.example/x:1".parse().unwrap()).unwrap_err();
    let asked = &proxy.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("CONNECT", "registry.example:443"));
    assert_eq!(asked.headers["proxy-authorization"], PROOF);
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

#[test]
fn a_blocked_registry_is_not_asked() {
    let server = Faulty::new(|_, _| sent(media_type::MANIFEST, manifest()));
    let world = World::new();
    let conf = format!("[[registry]]\nlocation = \"{}\"\nblocked = true\n", server.name());
    world.file("etc/containers/registries.conf", conf);
    assert!(matches!(world.client().resolve(&image(&server)), Err(Error::Blocked(_))));
    assert_eq!(server.lines(), [""; 0]);
}
