//! What the kernel refuses, in its own words where it has some.

use sys::Errno;

/// What this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A request that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket failed.
    #[error("netlink")]
    Socket(#[from] sys::Error),
    /// The kernel refused the request.
    #[error("{request} = {}{}", sys::Named(*.errno), explained(.reason.as_ref()))]
    Refused {
        /// Name of the request.
        request: &'static str,
        /// Why.
        errno: Errno,
        /// What the kernel says about it (`NLMSGERR_ATTR_MSG`).
        reason: Option<String>,
    },
    /// An answer is not what the protocol says.
    #[error("{request}: the kernel's answer cannot be read")]
    Malformed {
        /// Name of the request.
        request: &'static str,
    },
}

fn explained(reason: Option<&String>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

impl Error {
    /// The error number of a refusal.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::Socket(error) => Some(error.errno),
            Self::Malformed { .. } => None,
        }
    }
}
