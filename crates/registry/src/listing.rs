//! Lists: tags, what refers to a manifest, and what a registry has.

use crate::client::{reading, writing};
use crate::endpoint::{Endpoint, Purpose};
use crate::error::{Error, Result};
use crate::exchange::{Call, Payload, Reply, Target};
use crate::url::{Url, escape};
use crate::{Client, Patience};
use oci::digest::Digest;
use oci::image::{Descriptor, Index, media_type};
use oci::reference::{DEFAULT_REGISTRY, Reference};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One page of a list is not longer.
const LONGEST_PAGE: u64 = 16 << 20;
/// Nor has a list more pages, or all of them together more bytes.
const MOST_PAGES: usize = 10_000;
const LONGEST_LIST: u64 = 64 << 20;
/// Where Docker Hub is searched.
const HUB: &str = "index.docker.io";

/// What `search` is about.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The registry.
    pub registry: String,
    /// What the names or descriptions have in them.
    pub term: String,
    /// At most so many.
    pub limit: usize,
}

/// A repository that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Found {
    /// Its name, as it is pulled.
    pub name: String,
    /// What its owner says about it.
    pub description: String,
    /// How many people marked it.
    #[serde(rename = "star_count")]
    pub stars: u64,
    /// It is one of docker's own.
    #[serde(rename = "is_official")]
    pub official: bool,
    /// Docker builds it.
    #[serde(rename = "is_automated")]
    pub automated: bool,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Catalog {
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    results: Option<Vec<Found>>,
}

impl Client {
    /// All tags of a repository, in order.
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>> {
        self.ask(reference, Purpose::Pull, |endpoint| {
            let mut all = Vec::new();
            let what = reference.repository();
            self.pages(endpoint, endpoint.path("tags/list"), &reading(endpoint), &what, |page: Tags| {
                all.extend(page.tags.unwrap_or_default());
                true
            })?;
            // Which is what the specification asks for, and not all registries do.
            all.sort();
            Ok(all)
        })
    }

    /// What refers to a manifest: signatures, attestations, lists of parts. Of one kind, where one is named.
    pub fn referrers(
        &self,
        reference: &Reference,
        digest: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        self.ask(reference, Purpose::Pull, |endpoint| {
            let query = artifact_type.map_or_else(String::new, |kind| format!("?artifactType={}", escape(kind)));
            let path = endpoint.path(&format!("referrers/{digest}{query}"));
            let mut all = Vec::new();
            let listed = self.pages(endpoint, path, &reading(endpoint), &digest.to_string(), |page: Index| {
                all.extend(page.manifests);
                true
            });
            match listed {
                Ok(()) => {}
                // A registry of before version 1.1 of the specification keeps the list under a tag.
                Err(Error::NotFound { .. } | Error::Status { status: 400 | 405, .. } | Error::Answer { .. }) => {
                    all = self.listed(endpoint, reference, digest)?.manifests;
                }
                Err(error) => return Err(error),
            }
            all.retain(|entry| {
                artifact_type.is_none_or(|kind| entry.other.get("artifactType").is_some_and(|own| own == kind))
            });
            Ok(all)
        })
    }

    /// Repositories whose name, or description, has something in it.
    pub fn search(&self, search: &Search) -> Result<Vec<Found>> {
        let hub = search.registry == DEFAULT_REGISTRY;
        let mut endpoint = Endpoint::of_registry(&self.exchange.settings, &search.registry)?;
        if hub {
            HUB.clone_into(&mut endpoint.authority);
        }
        let (limit, term) = (search.limit, &search.term);
        let path = format!("/v1/search?q={}&n={limit}", escape(term));
        let reply = self.call(&endpoint, &Call::get(Target::Path(path), String::new()))?;
        let named = |name: &str| if hub { format!("docker.io/{name}") } else { format!("{}/{name}", search.registry) };
        if hub || reply.status() == 200 {
            let reply = reply.expect(&[200], &search.registry, "its search")?;
            let page: Results = parse(body(reply, LONGEST_LIST, &self.exchange.settings.patience)?)?;
            let results = page.results.unwrap_or_default().into_iter().take(limit);
            return Ok(results.map(|found| Found { name: named(&found.name), ..found }).collect());
        }
        let mut found = Vec::new();
        let scope = "registry:catalog:*";
        self.pages(&endpoint, "/v2/_catalog?n=1000".to_owned(), scope, "its catalog", |page: Catalog| {
            let names = page.repositories.unwrap_or_default();
            let fitting = names.iter().filter(|name| name.contains(term.as_str()));
            found.extend(fitting.map(|name| Found { name: named(name), ..Found::default() }));
            found.len() < limit
        })?;
        found.truncate(limit);
        Ok(found)
    }

    /// Goes through the pages of a list until it ends or enough is there.
    fn pages<T: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        path: String,
        scope: &str,
        what: &str,
        mut take: impl FnMut(T) -> bool,
    ) -> Result<()> {
        let mut target = Target::Path(path);
        let registry = endpoint.name.split('/').next().unwrap_or_default().to_owned();
        let mut left = LONGEST_LIST;
        for _ in 0..MOST_PAGES {
            let reply = self.call(endpoint, &Call::get(target, scope.to_owned()))?.expect(&[200], &registry, what)?;
            let (next, page) = (next_page(&reply), body(reply, left, &self.exchange.settings.patience)?);
            left -= page.1.len() as u64;
            if !take(parse(page)?) {
                return Ok(());
            }
            match next {
                Some(url) => target = Target::Url(url),
                None => return Ok(()),
            }
        }
        Err(Error::Length { what: what.to_owned(), reason: format!("is a list of more than {MOST_PAGES} pages") })
    }

    /// The list of what refers to a manifest that is kept under a tag; empty where there is none.
    fn listed(&self, endpoint: &Endpoint, reference: &Reference, digest: Digest) -> Result<Index> {
        let tail = format!("manifests/{}", list_tag(digest));
        match self.document(endpoint, reference, &tail, None) {
            Ok((descriptor, bytes)) if media_type::is_index(&descriptor.media_type) => {
                Index::parse(&bytes).map_err(|source| Error::Manifest { reference: reference.to_string(), source })
            }
            Ok(_) | Err(Error::NotFound { .. }) => Ok(Index::default()),
            Err(error) => Err(error),
        }
    }

    /// Enters a manifest that was sent into the list of what refers to its subject, for a registry that does not do so
    /// itself (distribution spec, "Pushing Manifests with Subject").
    pub(crate) fn list_referrer(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
        kind: &str,
        bytes: &[u8],
    ) -> Result<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Own {
            #[serde(default)]
            subject: Option<Descriptor>,
            #[serde(default)]
            artifact_type: Option<String>,
            #[serde(default)]
            config: Option<Descriptor>,
            #[serde(default)]
            annotations: Option<std::collections::BTreeMap<String, String>>,
        }
        let Ok(Own { subject: Some(subject), artifact_type, config, annotations }) = serde_json::from_slice(bytes)
        else {
            return Ok(());
        };
        let mut entry = Descriptor::of(kind, bytes);
        let artifact_type = artifact_type.or_else(|| config.map(|config| config.media_type));
        entry.other.extend(artifact_type.map(|own| ("artifactType".to_owned(), own.into())));
        entry.annotations = annotations.unwrap_or_default();
        let mut index = self.listed(endpoint, reference, subject.digest)?;
        if index.manifests.iter().any(|own| own.digest == entry.digest) {
            return Ok(());
        }
        index.manifests.push(entry);
        let text = serde_json::to_vec(&index).unwrap_or_default();
        let path = endpoint.path(&format!("manifests/{}", list_tag(subject.digest)));
        let call = Call::get(Target::Path(path), writing(endpoint)).method("PUT");
        let call = call.header("content-type", media_type::INDEX).payload(Payload::Bytes(&text));
        self.call(endpoint, &call)?.expect(&[200, 201, 202], reference.registry(), "the list of what refers to it")?;
        Ok(())
    }
}

/// Under which tag what refers to a digest is listed (distribution spec, "Referrers Tag Schema").
fn list_tag(digest: Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), &digest.hex()[..64])
}

/// A page, of at most so many bytes, and whose it is.
fn body(mut reply: Reply, left: u64, patience: &Patience) -> Result<(Url, Vec<u8>)> {
    let bytes = reply.bytes(LONGEST_PAGE.min(left), patience)?;
    Ok((reply.url, bytes))
}

fn parse<T: DeserializeOwned>((url, bytes): (Url, Vec<u8>)) -> Result<T> {
    serde_json::from_slice(&bytes).map_err(|error| Error::Answer { url, reason: error.to_string() })
}

/// `Link: </v2/x/tags/list?n=2&last=b>; rel="next"` (RFC 8288).
fn next_page(reply: &Reply) -> Option<Url> {
    let link = reply.header("link")?;
    let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| reply.url.join(address)).flatten()
}
