//! The client against a real registry, Debian's docker-registry, and against one that does everything wrong.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "servers of the tests' own listen on addresses of this machine")]

mod client;
mod docker;
mod faulty;
mod hostile;
mod logins;
mod real;
mod referrers;
