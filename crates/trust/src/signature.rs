//! What cosign signs: a small JSON document that names an image's digest, and the name that it was signed under
//! (containers-signature(5), "simple signing").

use oci::digest::Digest;
use serde::Deserialize;

/// The media type of such a document.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation that holds its signature, in base64.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// What a signer claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The digest of the image's manifest.
    pub digest: Digest,
    /// The name that it was signed under; cosign leaves the tag away.
    pub reference: String,
}

impl Claim {
    /// Reads it; nothing for what is no claim about an image.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Payload {
            critical: Critical,
        }
        #[derive(Deserialize)]
        struct Critical {
            identity: Identity,
            image: Image,
            #[serde(rename = "type")]
            kind: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Identity {
            docker_reference: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Image {
            docker_manifest_digest: Digest,
        }
        let Payload { critical } = serde_json::from_slice(payload).ok()?;
        let known = matches!(critical.kind.as_str(), "cosign container image signature" | "atomic container signature");
        known.then_some(Self {
            digest: critical.image.docker_manifest_digest,
            reference: critical.identity.docker_reference,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_names_a_digest_and_a_name() {
        // The example of containers-signature(5), with cosign's type.
        let digest = Digest::of(b"x");
        let text = |kind: &str| {
            format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"docker.io/library/busybox"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{kind}"}},"optional":null}}"#
            )
        };
        let claim = Claim::parse(text("cosign container image signature").as_bytes()).unwrap();
        assert_eq!((claim.digest, claim.reference.as_str()), (digest, "docker.io/library/busybox"));
        assert_eq!(Claim::parse(text("something else").as_bytes()), None);
        assert_eq!(Claim::parse(b"{}"), None);
    }
}
