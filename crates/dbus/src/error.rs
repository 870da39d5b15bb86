//! What can go wrong between us and a bus.

use std::time::Duration;

/// What this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of a bus, or of whom we called over it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address that leads to no unix socket.
    #[error("bus address {address:?} {problem}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Nobody there.
    #[error("cannot reach the bus at {address}")]
    Connect {
        /// The socket.
        address: String,
        /// Why.
        source: sys::Error,
    },
    /// The bus does not want us.
    #[error("the bus at {address} does not let this user in: it said {said:?}")]
    Authentication {
        /// The socket.
        address: String,
        /// Its answer.
        said: String,
    },
    /// Nothing came in time.
    #[error("no answer to {what} within {} s: the bus hangs", limit.as_secs_f32())]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long it was given.
        limit: Duration,
    },
    /// The other end hung up.
    #[error("the bus closed the connection")]
    Closed,
    /// A read or write on the socket failed.
    #[error("cannot talk to the bus")]
    Socket(#[source] sys::Error),
    /// What came is no D-Bus.
    #[error("the bus sent what is no D-Bus message: {0}")]
    Protocol(&'static str),
    /// What was to be sent breaks a rule of the protocol.
    #[error("cannot send {what}: {problem}")]
    Message {
        /// The method.
        what: String,
        /// The rule.
        problem: &'static str,
    },
    /// Whom we called says no.
    #[error("{call} failed: {text} ({name})")]
    Failed {
        /// The method.
        call: String,
        /// The error's name.
        name: String,
        /// Its text.
        text: String,
    },
}

impl Error {
    /// Did whom we called answer with the error of this name?
    pub fn is(&self, error: &str) -> bool {
        matches!(self, Self::Failed { name, .. } if name == error)
    }
}
