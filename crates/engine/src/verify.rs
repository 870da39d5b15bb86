//! Whether an image may be used: the signatures that its registry keeps beside it, and what policy.json asks for.
//!
//! A signature stands under a tag that is made of the digest that it is about (`sha256-HEX.sig`), or refers to it. That of a
//! list is one for all that the list names by digest.

use crate::engine::Engine;
use crate::error::{Error, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use oci::digest::Digest;
use oci::image::{Index, Manifest, Platform, media_type};
use oci::reference::Reference;
use registry::Client;
use std::path::{Path, PathBuf};
use trust::{Claim, Key, Policy, Requirement, SIGNATURE, SIMPLE_SIGNING, SigstoreSigned};

/// No payload is longer, and no image has more signatures that anybody looks at.
const LONGEST_PAYLOAD: u64 = 64 << 10;
const MOST_SIGNATURES: usize = 64;

/// An image that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its name, with the digest that was looked at.
    pub name: Reference,
    /// Why it may.
    pub because: String,
}

/// What somebody has signed, and the signature.
struct Signed {
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Engine {
    /// Whether the image of this name at its registry may be used: signed with the key of this file, or as policy.json
    /// asks for.
    pub fn verify(&self, client: &Client, name: &str, key: Option<&Path>) -> Result<Verified> {
        let mut refused = None;
        for reference in client.candidates(name)? {
            match client.manifest(&reference, None) {
                Ok((descriptor, bytes)) => {
                    let mut digests = vec![descriptor.digest];
                    if media_type::is_index(&descriptor.media_type)
                        && let Ok(index) = Index::parse(&bytes)
                        && let Some(own) = index.for_platform(&Platform::host())
                    {
                        digests.push(own.digest);
                    }
                    let because = match key {
                        Some(path) => by_key(client, &reference, &digests, path)?,
                        None => by_policy(client, &reference, &digests)?.ok_or(Error::NoPolicy)?,
                    };
                    return Ok(Verified { name: reference.with_digest(descriptor.digest), because });
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.map_or_else(|| store::Error::NoSuchImage(name.to_owned()).into(), Error::from))
    }
}

fn by_key(client: &Client, name: &Reference, digests: &[Digest], path: &Path) -> Result<String> {
    let key = read_key(path)?;
    let is_right = |claim: &Claim| claim.reference.parse::<Reference>().is_ok();
    if signed_by(client, name, digests, &[key], is_right)? {
        return Ok(format!("signed with {}", path.display()));
    }
    Err(Error::Refused { name: name.to_string(), reason: format!("no signature of it is by {}", path.display()) })
}

/// Why policy.json lets an image of these digests (its list's and its own) be used; nothing where there is no such file.
pub(crate) fn by_policy(client: &Client, name: &Reference, digests: &[Digest]) -> Result<Option<String>> {
    let Some(path) = client.policy_file() else { return Ok(None) };
    let text =
        std::fs::read(&path).map_err(|source| Error::PolicyFile { path: path.clone(), source: source.into() })?;
    let policy =
        Policy::parse(&text).map_err(|source| Error::PolicyFile { path: path.clone(), source: source.into() })?;
    let refused =
        |reason: String| Err(Error::Refused { name: name.to_string(), reason: format!("{} {reason}", path.display()) });
    let mut reasons = Vec::new();
    for requirement in policy.of(name) {
        match requirement {
            Requirement::Accept => reasons.push("accepts anything".to_owned()),
            Requirement::Reject => return refused("rejects it".to_owned()),
            Requirement::Unknown(kind) => {
                return refused(format!("asks for {kind}, which is not supported: sigstoreSigned with a key is"));
            }
            Requirement::Sigstore(wanted) if wanted.services => {
                return refused("asks for Fulcio or Rekor, which are not asked: keyPath is supported".to_owned());
            }
            Requirement::Sigstore(wanted) => {
                let keys = keys(wanted)?;
                let fits = |claim: &Claim| wanted.identity.fits(&claim.reference, name);
                if !signed_by(client, name, digests, &keys, fits)? {
                    return refused("asks for a signature, and none that is there is right".to_owned());
                }
                reasons.push("asks for a signature, and it has one".to_owned());
            }
        }
    }
    Ok(Some(format!("{} {}", path.display(), reasons.join(" and "))))
}

fn keys(wanted: &SigstoreSigned) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    for path in &wanted.key_paths {
        keys.push(read_key(Path::new(path))?);
    }
    for data in &wanted.key_data {
        let wrong = |reason: &str| Error::Key { path: PathBuf::from("keyData"), reason: reason.to_owned() };
        let bytes = BASE64_STANDARD.decode(data).map_err(|_| wrong("it is no base64"))?;
        let key = Key::parse(&String::from_utf8_lossy(&bytes));
        keys.push(key.map_err(|error| wrong(&error.to_string()))?);
    }
    Ok(keys)
}

fn read_key(path: &Path) -> Result<Key> {
    let wrong = |reason: String| Error::Key { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    Key::parse(&text).map_err(|error| wrong(error.to_string()))
}

/// Whether one of the keys has signed a claim about one of the digests that is right otherwise, too.
fn signed_by(
    client: &Client,
    name: &Reference,
    digests: &[Digest],
    keys: &[Key],
    is_right: impl Fn(&Claim) -> bool,
) -> Result<bool> {
    for &digest in digests {
        for Signed { payload, signature } in signatures(client, name, digest)? {
            let claim = Claim::parse(&payload).filter(|claim| claim.digest == digest && is_right(claim));
            // Nothing of a claim is believed before its signature is.
            if claim.is_some() && keys.iter().any(|key| key.has_signed(&payload, &signature)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The signatures that a registry has for a digest.
fn signatures(client: &Client, name: &Reference, digest: Digest) -> Result<Vec<Signed>> {
    let mut documents = Vec::new();
    let tag = format!("{}:{}-{}.sig", name.repository(), digest.algorithm().name(), digest.hex());
    // That of a longer digest is too long for a tag.
    if let Ok(tag) = tag.parse() {
        match client.manifest(&tag, None) {
            Ok((_, bytes)) => documents.push(bytes),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Where a registry cannot say what refers to it, there is one place less to look at, and no reason to believe more.
    for entry in client.referrers(name, digest, None).unwrap_or_default().into_iter().take(MOST_SIGNATURES) {
        documents.extend(client.manifest(name, Some(entry.digest)).ok().map(|(_, bytes)| bytes));
    }
    let mut found = Vec::new();
    for manifest in documents.iter().filter_map(|bytes| Manifest::parse(bytes).ok()) {
        for layer in manifest.layers.iter().filter(|layer| layer.media_type == SIMPLE_SIGNING) {
            let signature = layer.annotations.get(SIGNATURE).and_then(|text| BASE64_STANDARD.decode(text).ok());
            if let Some(signature) = signature.filter(|_| found.len() < MOST_SIGNATURES) {
                found.push(Signed { payload: client.content(name, layer, LONGEST_PAYLOAD)?, signature });
            }
        }
    }
    Ok(found)
}
