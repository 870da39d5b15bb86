//! What refers to a manifest, at a registry of the distribution specification 1.1; `real` has one of before that.

use crate::client::World;
use crate::faulty::{Answer, Asked, Faulty};
use oci::digest::Digest;
use oci::image::{Descriptor, Index, media_type};
use oci::reference::Reference;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// A registry that keeps manifests, and lists those that refer to a subject two a page.
struct Registry {
    server: Faulty,
    kept: Arc<Mutex<Vec<Descriptor>>>,
}

/// Whether it leaves out the kinds that were not asked for.
#[derive(Clone, Copy, PartialEq)]
enum Filters {
    Yes,
    No,
}

impl Registry {
    fn new(filters: Filters) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&kept);
        let server = Faulty::new(move |asked, _| {
            let mut kept = shared.lock().expect("no test fails while it holds this");
            match asked.method.as_str() {
                "PUT" => take(asked, &mut kept),
                _ if asked.path.contains("/referrers/") => list(asked, &kept, filters),
                _ => Answer::new(404, ""),
            }
        });
        Self { server, kept }
    }

    fn image(&self) -> Reference {
        format!("{}/x:1", self.server.name()).parse().expect("a reference")
    }
}

/// A manifest that refers to another is entered, and the answer says to which it refers.
fn take(asked: &Asked, kept: &mut Vec<Descriptor>) -> Answer {
    let manifest: serde_json::Value = serde_json::from_slice(&asked.body).expect("JSON");
    let mut entry = Descriptor::of(media_type::MANIFEST, &asked.body);
    entry.other.insert("artifactType".to_owned(), manifest["artifactType"].clone());
    kept.push(entry);
    Answer::new(201, "").with("oci-subject", manifest["subject"]["digest"].as_str().unwrap_or_default())
}

fn list(asked: &Asked, kept: &[Descriptor], filters: Filters) -> Answer {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let kind = value("artifactType").filter(|_| filters == Filters::Yes).map(|kind| kind.replace("%2F", "/"));
    let fits = |entry: &&Descriptor| kind.as_ref().is_none_or(|kind| entry.other["artifactType"] == kind.as_str());
    let from: usize = value("from").and_then(|from| from.parse().ok()).unwrap_or(0);
    let all: Vec<Descriptor> = kept.iter().filter(fits).cloned().collect();
    let page = all.iter().skip(from).take(2).cloned().collect();
    let page = serde_json::to_string(&Index { manifests: page, ..Index::default() }).expect("JSON");
    let mut answer = Answer::new(200, page).with("content-type", media_type::INDEX);
    if from + 2 < all.len() {
        let kind = value("artifactType").map_or_else(String::new, |kind| format!("&artifactType={kind}"));
        answer = answer.with("link", format!("<{path}?from={}{kind}>; rel=\"next\"", from + 2));
    }
    if kind.is_some() { answer.with("oci-filters-applied", "artifactType") } else { answer }
}

#[test]
fn a_registry_that_lists_what_refers_is_asked_for_all_pages_and_needs_no_tag() {
    for filters in [Filters::Yes, Filters::No] {
        let registry = Registry::new(filters);
        let (client, image) = (World::new().client(), registry.image());
        let subject = Descriptor::of(media_type::MANIFEST, b"subject");
        for (number, kind) in ["application/a", "application/b", "application/a", "application/a", "application/b"]
            .into_iter()
            .enumerate()
        {
            let manifest = json!({
                "schemaVersion": 2, "mediaType": media_type::MANIFEST, "artifactType": kind, "subject": subject,
                "config": Descriptor::of("application/vnd.oci.empty.v1+json", b"{}"), "layers": [],
                "annotations": {"number": number.to_string()},
            });
            let bytes = manifest.to_string().into_bytes();
            let by_digest: Reference = format!("{}@{}", image.repository(), Digest::of(&bytes)).parse().unwrap();
            client.push_manifest(&by_digest, media_type::MANIFEST, &bytes).expect("it is sent");
        }
        let kept = registry.kept.lock().unwrap().clone();
        assert_eq!(client.referrers(&image, subject.digest, None).unwrap(), kept);
        let of =
            |kind: &str| kept.iter().filter(|entry| entry.other["artifactType"] == kind).cloned().collect::<Vec<_>>();
        for kind in ["application/a", "application/b", "application/c"] {
            assert_eq!(client.referrers(&image, subject.digest, Some(kind)).unwrap(), of(kind), "{kind}");
        }
        // What the registry lists is entered under no tag, and looked for under none.
        assert!(!registry.server.lines().iter().any(|line| line.contains("/sha256-")), "{:?}", registry.server.lines());
        let asked = registry.server.lines();
        assert!(asked.iter().any(|line| line.ends_with("?artifactType=application%2Fa")), "{asked:?}");
    }
}
