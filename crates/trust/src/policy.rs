//! `policy.json`: what is asked of an image before it is believed (containers-policy.json(5)).

use oci::reference::Reference;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is asked of images.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    default: Vec<Requirement>,
    /// By what names begin with; only of the transport `docker`.
    scopes: BTreeMap<String, Vec<Requirement>>,
}

/// One thing that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing is.
    Accept,
    /// No image will do.
    Reject,
    /// A signature by cosign.
    Sigstore(SigstoreSigned),
    /// Something else, of this name.
    Unknown(String),
}

/// Which signature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SigstoreSigned {
    /// Files with keys; one of them must have signed.
    pub key_paths: Vec<String>,
    /// Keys, in base64.
    pub key_data: Vec<String>,
    /// Fulcio or Rekor is asked for, which are services on the network.
    pub services: bool,
    /// Under which name.
    pub identity: Identity,
}

/// Under which name an image has to be signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Identity {
    /// The one that it was asked for by; its repository alone where that was by digest.
    #[default]
    RepositoryWithDigestOrExact,
    /// The one that it was asked for by.
    Exact,
    /// Its repository.
    Repository,
    /// This name.
    ExactReference(String),
    /// This repository.
    ExactRepository(String),
    /// Another prefix than that of its name: from, to.
    Remap(String, String),
}

/// Why a text is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It is no JSON of the shape that it should have.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A requirement lacks something.
    #[error("{0}")]
    Requirement(String),
}

impl Policy {
    /// Reads it.
    pub fn parse(text: &[u8]) -> Result<Self, PolicyError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Whole {
            default: Vec<Value>,
            #[serde(default)]
            transports: BTreeMap<String, BTreeMap<String, Vec<Value>>>,
        }
        let mut whole: Whole = serde_json::from_slice(text)?;
        let all = |list: Vec<Value>| -> Result<Vec<Requirement>, PolicyError> {
            if list.is_empty() {
                return Err(PolicyError::Requirement("a list of requirements is empty".to_owned()));
            }
            list.iter().map(requirement).collect()
        };
        let scopes = whole.transports.remove("docker").unwrap_or_default();
        let scopes: Result<_, PolicyError> = scopes.into_iter().map(|(scope, list)| Ok((scope, all(list)?))).collect();
        Ok(Self { default: all(whole.default)?, scopes: scopes? })
    }

    /// What is asked of an image of this name: what stands for the longest part of it.
    pub fn of(&self, name: &Reference) -> &[Requirement] {
        let mut scopes = vec![name.to_string(), name.repository()];
        let mut rest = name.repository();
        while let Some((before, _)) = rest.rsplit_once('/') {
            rest = before.to_owned();
            scopes.push(rest.clone());
        }
        // `*.example.com` stands for all hosts below.
        let mut host = name.registry();
        while let Some((_, domain)) = host.split_once('.') {
            scopes.push(format!("*.{domain}"));
            host = domain;
        }
        scopes.push(String::new());
        scopes.iter().find_map(|scope| self.scopes.get(scope)).unwrap_or(&self.default)
    }
}

fn requirement(value: &Value) -> Result<Requirement, PolicyError> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let texts = |one: &str, many: &str| -> Vec<String> {
        let many = value.get(many).and_then(Value::as_array).into_iter().flatten();
        text(one).into_iter().chain(many.filter_map(|word| word.as_str().map(str::to_owned))).collect()
    };
    let kind = text("type").ok_or_else(|| PolicyError::Requirement("a requirement has no type".to_owned()))?;
    Ok(match kind.as_str() {
        "insecureAcceptAnything" => Requirement::Accept,
        "reject" => Requirement::Reject,
        "sigstoreSigned" => {
            let services = ["fulcio", "rekorPublicKeyPath", "rekorPublicKeyData", "rekorPublicKeyPaths", "pki"];
            let signed = SigstoreSigned {
                key_paths: texts("keyPath", "keyPaths"),
                key_data: texts("keyData", "keyDatas"),
                services: services.iter().any(|key| value.get(key).is_some()),
                identity: value.get("signedIdentity").map_or(Ok(Identity::default()), identity)?,
            };
            if signed.key_paths.is_empty() && signed.key_data.is_empty() && !signed.services {
                return Err(PolicyError::Requirement("sigstoreSigned names no key: keyPath or keyData".to_owned()));
            }
            Requirement::Sigstore(signed)
        }
        _ => Requirement::Unknown(kind),
    })
}

fn identity(value: &Value) -> Result<Identity, PolicyError> {
    let text = |key: &str| {
        let found = value.get(key).and_then(Value::as_str).map(str::to_owned);
        found.ok_or_else(|| PolicyError::Requirement(format!("signedIdentity has no {key}")))
    };
    Ok(match text("type")?.as_str() {
        "matchRepoDigestOrExact" => Identity::RepositoryWithDigestOrExact,
        "matchExact" => Identity::Exact,
        "matchRepository" => Identity::Repository,
        "exactReference" => Identity::ExactReference(text("dockerReference")?),
        "exactRepository" => Identity::ExactRepository(text("dockerRepository")?),
        "remapIdentity" => Identity::Remap(text("prefix")?, text("signedPrefix")?),
        other => return Err(PolicyError::Requirement(format!("signedIdentity {other:?} is not known"))),
    })
}

impl Identity {
    /// Whether a claim's name is right for an image that was asked for by `name`.
    pub fn fits(&self, claimed: &str, name: &Reference) -> bool {
        let Ok(own) = claimed.parse::<Reference>() else { return false };
        // A name without a tag means a repository here, not its `latest`.
        let tagged = claimed.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
        let exact = |name: &Reference| tagged && own == *name;
        match self {
            Self::RepositoryWithDigestOrExact if name.digest().is_some() => own.repository() == name.repository(),
            Self::Exact | Self::RepositoryWithDigestOrExact => exact(name),
            Self::Repository => own.repository() == name.repository(),
            Self::ExactReference(wanted) => wanted.parse().is_ok_and(|wanted| exact(&wanted)),
            Self::ExactRepository(wanted) => {
                wanted.parse().is_ok_and(|wanted: Reference| own.repository() == wanted.repository())
            }
            Self::Remap(from, to) => {
                let text = name.to_string();
                let rest = text
                    .strip_prefix(from.as_str())
                    .filter(|rest| rest.is_empty() || rest.starts_with(['/', ':', '@']));
                let mapped = rest.map_or_else(|| Ok(name.clone()), |rest| format!("{to}{rest}").parse());
                mapped.is_ok_and(|mapped| Self::RepositoryWithDigestOrExact.fits(claimed, &mapped))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_scope_counts() {
        let policy = Policy::parse(
            br#"{"default": [{"type": "reject"}], "transports": {"docker": {
                "": [{"type": "a"}], "r.io": [{"type": "b"}], "r.io/x": [{"type": "c"}], "r.io/x/y:1": [{"type": "d"}],
                "*.example.com": [{"type": "e"}]}, "dir": {"": [{"type": "f"}]}}}"#,
        )
        .unwrap();
        for (text, kind) in [
            ("r.io/x/y:1", "d"),
            ("r.io/x/y:2", "c"),
            ("r.io/xy", "b"),
            ("q.io/x", "a"),
            ("debian", "a"),
            ("a.b.example.com/x", "e"),
        ] {
            assert_eq!(policy.of(&name(text)), [Requirement::Unknown(kind.to_owned())], "{text}");
        }
        let bare = Policy::parse(br#"{"default": [{"type": "reject"}]}"#).unwrap();
        assert_eq!(bare.of(&name("x")), [Requirement::Reject]);
    }

    #[test]
    fn a_name_fits_as_the_policy_says() {
        let image = name("r.io/a/b:1");
        let exact = Identity::default();
        assert!(exact.fits("r.io/a/b:1", &image));
        assert!(["r.io/a/b", "r.io/a/b:2", "r.io/a/c:1", ""].iter().all(|claimed| !exact.fits(claimed, &image)));
        assert!(Identity::Repository.fits("r.io/a/b", &image) && !Identity::Repository.fits("r.io/a", &image));
        let remap = Identity::Remap("r.io/a".to_owned(), "origin.io".to_owned());
        assert!(remap.fits("origin.io/b:1", &image) && !remap.fits("r.io/a/b:1", &image));
        assert!(Identity::ExactRepository("o.io/x".to_owned()).fits("o.io/x:7", &image));
        let by_digest = name(&format!("r.io/a/b@{}", oci::digest::Digest::of(b"")));
        assert!(exact.fits("r.io/a/b:9", &by_digest));
    }

    #[test]
    fn what_is_no_policy_is_an_error() {
        for text in [
            "",
            "{}",
            r#"{"default": []}"#,
            r#"{"default": [{}]}"#,
            r#"{"default": [{"type": "sigstoreSigned"}]}"#,
            r#"{"default": [{"type": "reject"}], "other": 1}"#,
            r#"{"default": [{"type": "sigstoreSigned", "keyPath": "/k", "signedIdentity": {"type": "x"}}]}"#,
        ] {
            assert!(Policy::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
