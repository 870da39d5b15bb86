//! Secrets: small files that containers see and nobody else; one record each, in a directory that is its owner's alone.

use crate::file::{Sync, if_there, read_record, read_records, remove_record, write_record};
use crate::lease::Flock;
use crate::name::{is_plain, random_hex};
use crate::{Error, Result, Store};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::Mode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};

const SECRETS: &str = "secrets";

/// The most bytes that one may have, docker's and podman's.
pub const LARGEST_SECRET: usize = 512_000;

/// A secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// 25 digits, as podman's.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Seconds since 1970 when it was made.
    pub created: u64,
    /// Seconds since 1970 when it got what it is.
    pub updated: u64,
    /// What it is.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub data: Vec<u8>,
}

/// Everything but what is secret.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A secret to be made.
#[derive(Debug)]
pub struct NewSecret<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it is.
    pub data: Vec<u8>,
    /// Seconds since 1970.
    pub now: u64,
    /// One that has the name gives way.
    pub replace: bool,
}

impl Store {
    /// Makes a secret; returns its id.
    pub fn create_secret(&self, new: NewSecret<'_>) -> Result<String> {
        let NewSecret { name, labels, data, now, replace } = new;
        if !is_plain(name) || name.len() > 253 {
            return Err(Error::SecretName(name.chars().take(80).collect()));
        }
        if data.is_empty() || data.len() > LARGEST_SECRET {
            return Err(Error::SecretSize { name: name.to_owned(), size: data.len() });
        }
        sys::fs::ensure_dir(self.root(), SECRETS, Mode::RWXU)?;
        let dir = self.dir(SECRETS)?;
        let _lock = Flock::exclusive(self.dir(SECRETS)?)?;
        let id = match read_record::<Secret>(&dir, name)? {
            Some(_) if !replace => return Err(Error::SecretTaken(name.to_owned())),
            _ => random_hex::<13>()?.split_off(1),
        };
        let secret = Secret { id: id.clone(), name: name.to_owned(), labels, created: now, updated: now, data };
        write_record(dir.as_fd(), name, &secret, Sync::Durable)?;
        Ok(id)
    }

    /// All secrets, by name.
    pub fn secrets(&self) -> Result<Vec<Secret>> {
        read_records(self.secrets_dir()?)
    }

    /// The secret with this name, this id, or an id that starts so.
    pub fn secret(&self, text: &str) -> Result<Secret> {
        let none = || Error::NoSuchSecret(text.to_owned());
        let plain = !text.is_empty() && !text.starts_with('.') && !text.contains('/');
        let dir = self.secrets_dir()?.filter(|_| plain).ok_or_else(none)?;
        if let Some(secret) = read_record(&dir, text)? {
            return Ok(secret);
        }
        let mut found = self.secrets()?.into_iter().filter(|secret| secret.id.starts_with(text));
        match (found.next(), found.next()) {
            (Some(secret), None) => Ok(secret),
            _ => Err(none()),
        }
    }

    /// Removes a secret; returns its id.
    pub fn remove_secret(&self, text: &str) -> Result<String> {
        let secret = self.secret(text)?;
        let dir = self.dir(SECRETS)?;
        let _lock = Flock::exclusive(self.dir(SECRETS)?)?;
        if !remove_record(dir.as_fd(), &secret.name)? {
            return Err(Error::NoSuchSecret(text.to_owned()));
        }
        Ok(secret.id)
    }

    fn secrets_dir(&self) -> Result<Option<OwnedFd>> {
        if_there(self.dir(SECRETS))
    }
}

fn as_text<S: Serializer>(data: &[u8], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(data))
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}
