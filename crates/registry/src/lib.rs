//! A client of the distribution specification: from an image's name to its manifest and blobs, and back.
//!
//! A [`Client`] is made of [`Settings`], which are read from the files of docker, podman and containerd: whom to ask for
//! a name (short names, mirrors, rewrites), how to reach them (http or https, own authorities, proxies), and what to
//! show them (credentials). It blocks, and may be used by many threads at once.
//!
//! Three rules hold wherever bytes come from a server. A digest is checked text before it is anything else. A
//! credential belongs to one scheme, host and port: a redirect elsewhere carries none. And nothing is read without a
//! limit in bytes and in time.

#![forbid(unsafe_code)]

mod auth_file;
mod blob;
mod certificates;
mod challenge;
mod client;
mod conf;
mod credential;
mod dns;
mod endpoint;
mod error;
mod exchange;
mod grant;
mod helper;
mod hosts;
mod listing;
mod login;
mod manifest;
mod proxy;
mod registries;
mod resolver;
mod retry;
mod settings;
mod transport;
mod upload;
mod url;

pub use blob::Blob;
pub use client::Client;
pub use credential::{Credential, Secret};
pub use error::{AT_FAULT, Error, Result};
pub use listing::{Found, Search};
pub use login::{LoggedOut, registry_of};
pub use retry::Patience;
pub use settings::{Environment, Settings};
pub use upload::{Bytes, Pushed, Source};
