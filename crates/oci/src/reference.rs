//! Image references: `[host[:port]/]path[:tag][@digest]`, with docker's short forms.
//!
//! A [`Reference`] is always in full: `debian` is `docker.io/library/debian:latest`, as docker's users expect. The
//! surprising rule is what makes the first part a host: a dot, a colon, an upper-case letter, or being `localhost`.

use crate::digest::{Digest, DigestError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The registry of a reference that names none.
pub const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_NAMESPACE: &str = "library/";
const DEFAULT_TAG: &str = "latest";
/// The longest repository name, registry included (distribution spec).
const LONGEST_NAME: usize = 255;
const LONGEST_TAG: usize = 128;

/// An image's name in full.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing is there.
    #[error("an image name cannot be empty")]
    Empty,
    /// 64 digits could be an image id.
    #[error("image name {0:?} is 64 hexadecimal digits, which would be taken for an image id")]
    LooksLikeId(String),
    /// Upper case in the repository's path.
    #[error("image name {0:?} has upper-case letters, which only its host and tag may have")]
    UpperCase(String),
    /// The host has a character that a host name has not, or a port that is no number.
    #[error("image name {0:?} has an invalid host {1:?}")]
    Host(String, String),
    /// A part between slashes is empty, or has characters or separators that are not allowed.
    #[error("image name {0:?} has an invalid part {1:?}: only a-z, 0-9 and between them one of . _ __ or dashes")]
    Part(String, String),
    /// A tag that is none.
    #[error("image name {0:?} has an invalid tag {1:?}: up to 128 of A-Z a-z 0-9 _ . -, not starting with . or -")]
    Tag(String, String),
    /// More than 255 characters.
    #[error("image name {0:?} is longer than 255 characters")]
    TooLong(String),
    /// What follows `@` is not a digest.
    #[error("image name {0:?} has an invalid digest")]
    Digest(String, #[source] DigestError),
}

impl Reference {
    /// The registry's host, with its port when it has one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository's path within the registry: `library/debian`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag; none only beside a digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest that the image's manifest must have.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// `registry/path`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    /// The same repository, with a digest in the tag's place.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The short form that docker prints: `debian:latest`, `user/app:1`, `localhost/x:2`.
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        if self.registry != DEFAULT_REGISTRY {
            return full;
        }
        let short = full.strip_prefix("docker.io/").unwrap_or(&full);
        let short = match short.strip_prefix(DEFAULT_NAMESPACE) {
            // Stripping the namespace of `library/a/b` would give `a/b`, which is something else.
            Some(bare) if !self.path[DEFAULT_NAMESPACE.len()..].contains('/') => bare,
            _ => short,
        };
        // `docker.io/quay.io/x` without its registry would be at quay.io.
        if short.parse().is_ok_and(|meant: Self| meant == *self) { short.to_owned() } else { full }
    }

    /// The same repository and tag below another registry, as podman names local images: `localhost/debian:latest`
    /// for `debian`; `None` when the reference was not a short one.
    #[must_use]
    pub fn local(&self) -> Option<Self> {
        let path = self.path.strip_prefix(DEFAULT_NAMESPACE).unwrap_or(&self.path);
        (self.registry == DEFAULT_REGISTRY).then(|| Self {
            registry: "localhost".to_owned(),
            path: path.to_owned(),
            tag: self.tag.clone(),
            digest: self.digest,
        })
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let own = || text.chars().take(300).collect::<String>();
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if Digest::from_hex(text).is_ok() {
            return Err(ReferenceError::LooksLikeId(own()));
        }
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => {
                (named, Some(digest.parse().map_err(|error| ReferenceError::Digest(own(), error))?))
            }
            None => (text, None),
        };
        let (registry, rest) = split_registry(named);
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag(own(), tag.to_owned()));
        }
        if registry.is_some_and(|registry| !is_host(registry)) {
            return Err(ReferenceError::Host(own(), registry.unwrap_or_default().to_owned()));
        }
        if path.chars().any(|c| c.is_ascii_uppercase()) {
            return Err(ReferenceError::UpperCase(own()));
        }
        if let Some(part) = path.split('/').find(|part| !is_component(part)) {
            return Err(ReferenceError::Part(own(), part.to_owned()));
        }
        let registry = match registry {
            None | Some("index.docker.io") => DEFAULT_REGISTRY,
            Some(registry) => registry,
        };
        let bare = registry == DEFAULT_REGISTRY && !path.contains('/');
        let path = if bare { format!("{DEFAULT_NAMESPACE}{path}") } else { path.to_owned() };
        if registry.len() + 1 + path.len() > LONGEST_NAME {
            return Err(ReferenceError::TooLong(own()));
        }
        let tag = tag.or(digest.is_none().then_some(DEFAULT_TAG)).map(str::to_owned);
        Ok(Self { registry: registry.to_owned(), path, tag, digest })
    }
}

/// Whether an image's name says at which registry it is, or leaves that open, as `debian` and `user/app` do.
pub fn names_registry(name: &str) -> bool {
    split_registry(name).0.is_some()
}

fn split_registry(named: &str) -> (Option<&str>, &str) {
    match named.split_once('/') {
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':', '['])
                || first.chars().any(|c| c.is_ascii_uppercase()) =>
        {
            (Some(first), rest)
        }
        _ => (None, named),
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= LONGEST_TAG && tag.starts_with(word) && tag.chars().all(|c| word(c) || c == '.' || c == '-')
}

/// Letters and digits in runs, and between two runs one of `.`, `_`, `__` or any number of dashes.
fn is_component(part: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator = |run: &str| matches!(run, "" | "." | "_" | "__") || run.chars().all(|c| c == '-');
    part.starts_with(letter) && part.ends_with(letter) && part.split(letter).all(separator)
}

fn is_host(registry: &str) -> bool {
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                if address.parse::<std::net::Ipv6Addr>().is_err() {
                    return false;
                }
                match port.strip_prefix(':') {
                    Some(port) => (None, Some(port)),
                    None if port.is_empty() => (None, None),
                    None => return false,
                }
            }
            None => return false,
        },
        None => match registry.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(registry), None),
        },
    };
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(inner)
    };
    host.is_none_or(|host| host.split('.').all(label)) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> String {
        text.parse::<Reference>().unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
    }

    #[test]
    fn short_names_become_full_ones() {
        // The expected names are those of docker's own table of normalised names (distribution/reference).
        assert_eq!(full("debian"), "docker.io/library/debian:latest");
        assert_eq!(full("debian:12"), "docker.io/library/debian:12");
        assert_eq!(full("user/app"), "docker.io/user/app:latest");
        assert_eq!(full("docker.io/debian"), "docker.io/library/debian:latest");
        assert_eq!(full("index.docker.io/debian"), "docker.io/library/debian:latest");
        assert_eq!(full("localhost/x"), "localhost/x:latest");
        assert_eq!(full("localhost:5000/x:1"), "localhost:5000/x:1");
        assert_eq!(full("quay.io/a/b/c"), "quay.io/a/b/c:latest");
        assert_eq!(full("UPPER/x"), "UPPER/x:latest");
        assert_eq!(full("[::1]:5000/x"), "[::1]:5000/x:latest");
        assert_eq!(full("a__b/c-----d.e"), "docker.io/a__b/c-----d.e:latest");
    }

    #[test]
    fn a_short_name_leaves_the_registry_open() {
        assert!(["debian", "debian:12", "user/app"].iter().all(|name| !names_registry(name)));
        assert!(["docker.io/debian", "localhost/x", "host:5000/x"].iter().all(|name| names_registry(name)));
    }

    #[test]
    fn a_digest_stands_without_a_tag_or_beside_one() {
        let digest = Digest::of(b"x");
        assert_eq!(full(&format!("debian@{digest}")), format!("docker.io/library/debian@{digest}"));
        assert_eq!(full(&format!("debian:12@{digest}")), format!("docker.io/library/debian:12@{digest}"));
    }

    #[test]
    fn the_familiar_form_is_what_people_type() {
        let familiar = |text: &str| text.parse::<Reference>().map(|reference| reference.familiar());
        assert_eq!(familiar("docker.io/library/debian").as_deref(), Ok("debian:latest"));
        assert_eq!(familiar("user/app:1").as_deref(), Ok("user/app:1"));
        assert_eq!(familiar("localhost/x").as_deref(), Ok("localhost/x:latest"));
        assert_eq!(familiar("docker.io/quay.io/x").as_deref(), Ok("docker.io/quay.io/x:latest"));
        assert_eq!(familiar("library/a/b").as_deref(), Ok("library/a/b:latest"));
    }

    #[test]
    fn wrong_names_say_what_is_wrong() {
        let error = |text: &str| text.parse::<Reference>().err();
        assert_eq!(error(""), Some(ReferenceError::Empty));
        assert!(matches!(error(&"a".repeat(64)), Some(ReferenceError::LooksLikeId(_))));
        assert!(matches!(error("Debian"), Some(ReferenceError::UpperCase(_))));
        assert!(matches!(error("a//b"), Some(ReferenceError::Part(_, part)) if part.is_empty()));
        assert!(matches!(error("../../etc"), Some(ReferenceError::Host(_, host)) if host == ".."));
        assert!(matches!(error("a/../b"), Some(ReferenceError::Part(_, part)) if part == ".."));
        assert!(matches!(error("-x"), Some(ReferenceError::Part(..))));
        assert!(matches!(error("a___b"), Some(ReferenceError::Part(..))));
        assert!(matches!(error("debian:-x"), Some(ReferenceError::Tag(..))));
        assert!(matches!(error("debian:"), Some(ReferenceError::Tag(..))));
        assert!(matches!(error("host:port/x"), Some(ReferenceError::Host(..))));
        assert!(matches!(error("debian@sha256:1"), Some(ReferenceError::Digest(..))));
        assert!(matches!(error(&format!("a.b/{}", "a".repeat(300))), Some(ReferenceError::TooLong(_))));
        assert!(matches!(error("a b"), Some(ReferenceError::Part(..))));
        assert!(matches!(error("a\0"), Some(ReferenceError::Part(..))));
    }
}
