//! Who a registry is told we are. What is secret is shown nowhere.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::fmt;

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be sent.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Who we are to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A name and a password, or what stands for one.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// What a token server gave for a password once, to be exchanged for tokens (docker's `identitytoken`).
    Identity {
        /// Whose password it was; empty where nobody knows.
        user: String,
        /// What it gave.
        token: Secret,
    },
}

impl Credential {
    /// A name and a password.
    pub fn basic(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Basic { user: user.into(), password: Secret::new(password) }
    }

    /// `USER[:PASSWORD]`, as `--creds` has it.
    pub fn parse(text: &str) -> Self {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Self::basic(user, password)
    }

    /// The name, where there is one.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Basic { user, .. } | Self::Identity { user, .. } => {
                Some(user.as_str()).filter(|user| !user.is_empty())
            }
        }
    }

    /// The header's value for basic authentication (RFC 7617).
    pub(crate) fn header(&self) -> Option<Secret> {
        match self {
            Self::Basic { .. } => Some(Secret(format!("Basic {}", self.encode()))),
            Self::Identity { .. } => None,
        }
    }

    /// An auth file's `auth`: name and password in base64. An identity token stands beside it instead of the password,
    /// and podman looks for one only where the name is.
    pub(crate) fn encode(&self) -> String {
        let (user, password) = match self {
            Self::Basic { user, password } => (user, password.reveal()),
            Self::Identity { user, .. } => (user, ""),
        };
        BASE64_STANDARD.encode(format!("{user}:{password}"))
    }

    /// Reads an auth file's `auth`.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(text.trim()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (user, password) = text.split_once(':')?;
        // docker pads what it writes with zero bytes.
        Some(Self::basic(user, password.trim_matches('\0')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_that_of_rfc_7617() {
        // The example of its section 2.
        let header = Credential::basic("Aladdin", "open sesame").header().unwrap();
        assert_eq!(header.reveal(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn a_password_may_hold_colons_and_is_never_shown() {
        let credential = Credential::parse("me:a:b");
        assert_eq!(Credential::decode(&credential.encode()), Some(Credential::basic("me", "a:b")));
        let identity = Credential::Identity { user: "me".to_owned(), token: Secret::new("a:b") };
        assert!(!format!("{credential:?} {identity:?}").contains("a:b"));
    }
}
