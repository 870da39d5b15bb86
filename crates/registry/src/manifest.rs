//! Manifests and indexes: what a reference means, and the document itself, checked before it is believed.

use crate::Client;
use crate::client::{reading, writing};
use crate::endpoint::{Endpoint, Purpose};
use crate::error::{Error, Result};
use crate::exchange::{Call, Payload, Reply, Target};
use oci::digest::{Algorithm, Digest};
use oci::image::{Descriptor, DocumentError, Index, Kind, LARGEST_DOCUMENT, Manifest, media_type};
use oci::reference::Reference;
use serde::Deserialize;

/// All that we understand, OCI's and docker's.
const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                        application/vnd.docker.distribution.manifest.v2+json, \
                        application/vnd.docker.distribution.manifest.list.v2+json";
const DIGEST: &str = "docker-content-digest";

impl Client {
    /// What a reference means now. The server is asked for the document's head alone, and for the document only where the
    /// head does not say it all.
    pub fn resolve(&self, reference: &Reference) -> Result<Descriptor> {
        let (tail, wanted) = (format!("manifests/{}", version(reference, None)), reference.digest());
        self.ask(reference, Purpose::Resolve, |endpoint| {
            let call = accepting(endpoint, &tail).method("HEAD");
            let reply = self.call(endpoint, &call)?;
            match reply.status() {
                200 => {}
                // Some servers know no HEAD; of all others the refusal is believed.
                405 | 501 => return Ok(self.document(endpoint, reference, &tail, wanted)?.0),
                _ => return Err(reply.refusal(reference.registry(), &reference.to_string())),
            }
            let digest = told_digest(&reply)?;
            let kind = content_type(&reply);
            let known = media_type::is_manifest(&kind) || media_type::is_index(&kind);
            match (digest, reply.number("content-length")) {
                // One of another algorithm than was asked for is no lie, and says nothing.
                (Some(digest), Some(size))
                    if known && wanted.is_none_or(|own| own.algorithm() == digest.algorithm()) =>
                {
                    check_digest(reference, wanted, digest)?;
                    Ok(Descriptor::new(&kind, digest, size))
                }
                _ => Ok(self.document(endpoint, reference, &tail, wanted)?.0),
            }
        })
    }

    /// The document that a reference means, or that of a digest in its repository, with what it is. It is at most 4 MiB
    /// long, has the digest that it was asked for by, and is clearly a manifest or clearly an index.
    pub fn manifest(&self, reference: &Reference, digest: Option<Digest>) -> Result<(Descriptor, Vec<u8>)> {
        let tail = format!("manifests/{}", version(reference, digest));
        let wanted = digest.or(reference.digest());
        self.ask(reference, Purpose::Pull, |endpoint| {
            let (descriptor, bytes) = self.document(endpoint, reference, &tail, wanted)?;
            check_digest(reference, wanted, descriptor.digest)?;
            Ok((descriptor, bytes))
        })
    }

    /// Sends a document under the reference's tag, or under its own digest where it has none, and returns its digest.
    pub fn push_manifest(&self, reference: &Reference, media_type: &str, bytes: &[u8]) -> Result<Digest> {
        let digest = reference.digest().map_or_else(Algorithm::default, |digest| digest.algorithm()).of(bytes);
        check_digest(reference, reference.digest(), digest)?;
        let tail = format!("manifests/{}", reference.tag().map_or_else(|| digest.to_string(), str::to_owned));
        self.ask(reference, Purpose::Push, |endpoint| {
            let call = Call::get(Target::Path(endpoint.path(&tail)), writing(endpoint)).method("PUT");
            let call = call.header("content-type", media_type).payload(Payload::Bytes(bytes));
            let reply =
                self.call(endpoint, &call)?.expect(&[200, 201, 202], reference.registry(), &reference.to_string())?;
            if let Some(told) = told_digest(&reply)? {
                check_digest(reference, Some(told.algorithm().of(bytes)), told)?;
            }
            if reply.header("oci-subject").is_none() {
                self.list_referrer(endpoint, reference, media_type, bytes)?;
            }
            Ok(digest)
        })
    }

    /// Gets and checks a document. Its digest is computed as that which is wanted, or else told, was.
    pub(crate) fn document(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
        tail: &str,
        wanted: Option<Digest>,
    ) -> Result<(Descriptor, Vec<u8>)> {
        let what = reference.to_string();
        let call = accepting(endpoint, tail);
        let (reply, bytes) = self.read(endpoint, &call, reference.registry(), &what, LARGEST_DOCUMENT as u64)?;
        let told = told_digest(&reply)?;
        if let Some(told) = told {
            check_digest(reference, Some(told), told.algorithm().of(&bytes))?;
        }
        let digest = wanted.or(told).map_or_else(Algorithm::default, |digest| digest.algorithm()).of(&bytes);
        let refused = |source| Error::Manifest { reference: reference.to_string(), source };
        let media_type = checked_type(&content_type(&reply), &bytes).map_err(refused)?;
        Ok((Descriptor::new(&media_type, digest, bytes.len() as u64), bytes))
    }
}

/// What stands behind `manifests/`: the digest before the tag, for it says more.
fn version(reference: &Reference, digest: Option<Digest>) -> String {
    match digest.or(reference.digest()) {
        Some(digest) => digest.to_string(),
        None => reference.tag().unwrap_or("latest").to_owned(),
    }
}

fn accepting(endpoint: &Endpoint, tail: &str) -> Call<'static> {
    Call::get(Target::Path(endpoint.path(tail)), reading(endpoint)).header("accept", ACCEPTED)
}

/// The digest that the server tells, which is checked text from here on (CVE-2024-3727).
fn told_digest(reply: &Reply) -> Result<Option<Digest>> {
    let Some(value) = reply.response.headers().get(DIGEST) else { return Ok(None) };
    let wrong = |reason: String| Error::Answer { url: reply.url.clone(), reason };
    let text = value.to_str().map_err(|_| wrong("its digest is no text".to_owned()))?;
    text.parse().map(Some).map_err(|error: oci::digest::DigestError| wrong(error.to_string()))
}

pub(crate) fn content_type(reply: &Reply) -> String {
    let value = reply.header("content-type").unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn check_digest(reference: &Reference, wanted: Option<Digest>, found: Digest) -> Result<()> {
    match wanted {
        Some(wanted) if wanted != found => {
            Err(Error::Digest { what: reference.to_string(), found: found.into(), wanted: wanted.into() })
        }
        _ => Ok(()),
    }
}

/// What a document is, where the server, the document itself and its shape do not contradict each other (CVE-2021-41190).
fn checked_type(told: &str, bytes: &[u8]) -> Result<String, DocumentError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Own {
        #[serde(default)]
        media_type: Option<String>,
        #[serde(default)]
        manifests: Option<serde::de::IgnoredAny>,
    }
    let own: Own = serde_json::from_slice(bytes).map_err(|error| DocumentError::Json(Kind::Manifest, error))?;
    let own_type = own.media_type.filter(|own| !own.is_empty());
    let known = |media_type: &str| media_type::is_manifest(media_type) || media_type::is_index(media_type);
    // A server that does not say what it sends leaves it to the document to say.
    let told = Some(told.to_owned()).filter(|told| known(told));
    let shape = || if own.manifests.is_some() { media_type::INDEX } else { media_type::MANIFEST }.to_owned();
    let media_type = told.or_else(|| own_type.clone()).unwrap_or_else(shape);
    let kind = if media_type::is_index(&media_type) { Kind::Index } else { Kind::Manifest };
    if let Some(own_type) = own_type.filter(|own| *own != media_type) {
        return Err(DocumentError::MediaType(kind, own_type));
    }
    match kind {
        Kind::Index => Index::parse(bytes).map(drop)?,
        Kind::Manifest => Manifest::parse(bytes).map(drop)?,
    }
    Ok(media_type)
}
