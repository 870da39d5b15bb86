//! Why a registry cannot be used. No variant holds a secret: addresses are shown without their query, headers not at all.

use crate::url::Url;
use std::path::PathBuf;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What to do about what passes.
const AGAIN: &str = "try again later";
/// What to do about what a server should not have sent.
pub const AT_FAULT: &str = "it is the server's fault, or a proxy's before it: tell whoever runs it";

/// Why a registry cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that is none.
    #[error(transparent)]
    Reference(#[from] oci::reference::ReferenceError),
    /// A file of settings or credentials that cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// To read or to write.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not what it has to be.
    #[error("{}: {reason}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong, with its line where that is known.
        reason: String,
    },
    /// A credential helper that failed.
    #[error("credential helper {program}: {reason}")]
    Helper {
        /// The program.
        program: String,
        /// What it said, or what became of it.
        reason: String,
    },
    /// `blocked = true` in registries.conf.
    #[error("{0} is blocked by registries.conf")]
    Blocked(String),
    /// A registry's name that no server can have.
    #[error("{0:?} is not the name of a registry: HOST[:PORT]")]
    Registry(String),
    /// The server cannot be reached, or breaks off.
    #[error("cannot reach {url}")]
    Unreachable {
        /// Where.
        url: Url,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// A transfer that broke off or came too slowly, as often as it was begun.
    #[error("the connection with {registry} is lost")]
    Lost {
        /// Whose server.
        registry: String,
        /// Why.
        source: std::io::Error,
    },
    /// A certificate that no authority known to us has signed.
    #[error("the certificate of {origin} is not trusted: {reason}")]
    Certificate {
        /// Whose.
        origin: String,
        /// Why.
        reason: String,
    },
    /// Something that would go over the network in the clear.
    #[error("refused to {doing} over http at {url}")]
    Clear {
        /// What.
        doing: &'static str,
        /// Where.
        url: Url,
    },
    /// A redirect to something that is no address, or to too many.
    #[error("{url} redirects {reason}")]
    Redirect {
        /// Who does.
        url: Url,
        /// What is wrong.
        reason: &'static str,
    },
    /// The server asks who it is, and there is no credential, or it does not take the one there is.
    #[error("{registry}: {reason}")]
    Unauthorized {
        /// Whose server.
        registry: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no such thing.
    #[error("{what} is not in the registry")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The server's answer is another refusal.
    #[error("{method} {url}: {status}{detail}")]
    Status {
        /// What was asked.
        method: &'static str,
        /// Where.
        url: Url,
        /// The answer's code.
        status: u16,
        /// What the server says about it, with a colon in front; empty when it says nothing.
        detail: String,
    },
    /// The server wants to be left alone for longer than we wait.
    #[error("{url}: {status}, to be asked again in {seconds} s")]
    Later {
        /// Where.
        url: Url,
        /// The answer's code.
        status: u16,
        /// When.
        seconds: u64,
    },
    /// The server's answer is none that the specification knows.
    #[error("{url} answers against the specification: {reason}")]
    Answer {
        /// Where.
        url: Url,
        /// How.
        reason: String,
    },
    /// A manifest that is refused.
    #[error("the manifest of {reference} is refused")]
    Manifest {
        /// Whose.
        reference: String,
        /// Why.
        source: oci::image::DocumentError,
    },
    /// Content that is not what its name says.
    #[error("{what} has the digest {found}, not {wanted}")]
    Digest {
        /// What.
        what: String,
        /// What it has.
        found: Box<oci::digest::Digest>,
        /// What it should have.
        wanted: Box<oci::digest::Digest>,
    },
    /// Content that is longer or shorter than said.
    #[error("{what} {reason}")]
    Length {
        /// What.
        what: String,
        /// How.
        reason: String,
    },
    /// What is to be sent cannot be read.
    #[error("cannot read {what}")]
    Source {
        /// What.
        what: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }

    /// Whether there simply is no such image.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether a login would help.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Unauthorized { .. })
    }

    /// What is wrong where a blob could not be read to its end.
    pub fn within(error: &std::io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Whether the same may work a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !matches!(
                **source,
                ureq::Error::HostNotFound
                    | ureq::Error::BadUri(_)
                    | ureq::Error::Http(_)
                    | ureq::Error::InvalidProxyUrl
                    | ureq::Error::LargeResponseHeader(..)
                    // All the time that a document has was given to it.
                    | ureq::Error::Timeout(ureq::Timeout::RecvBody)
            ),
            Self::Status { status, .. } => crate::retry::is_transient(*status),
            _ => false,
        }
    }

    /// What the user can do about it, where we know.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unauthorized { registry, .. } => format!("coracle login {registry}"),
            Self::Certificate { origin, .. } => {
                let host = origin.split("://").last().unwrap_or_default();
                format!("put the authority's certificate into /etc/containers/certs.d/{host}/ca.crt")
            }
            Self::Clear { .. } => "give --tls-verify=false, or say insecure = true in registries.conf".to_owned(),
            Self::Status { status: 429, .. } => "try again later; who is logged in may ask more often".to_owned(),
            Self::Lost { .. } | Self::Later { .. } => AGAIN.to_owned(),
            Self::Status { status, .. } if crate::retry::is_transient(*status) => AGAIN.to_owned(),
            Self::Unreachable { .. } if self.is_transient() => AGAIN.to_owned(),
            Self::Manifest { source, .. } if source.is_unsupported() => {
                "ask its publisher for one of schema 2 with digests of sha256 or sha512".to_owned()
            }
            Self::Digest { .. } | Self::Length { .. } | Self::Answer { .. } | Self::Manifest { .. } => {
                AT_FAULT.to_owned()
            }
            Self::Source { source, .. } => return Self::within(source)?.hint(),
            _ => return None,
        })
    }
}
