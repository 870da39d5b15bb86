//! The client: what all its parts share, and the names that it asks about.

use crate::endpoint::{Endpoint, Purpose};
use crate::error::{Error, Result};
use crate::exchange::{Call, Exchange, Reply};
use crate::settings::Settings;
use oci::reference::Reference;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A client of registries. Cheap to clone, and made for one command: what it learns (tokens, how servers are spoken to) it
/// knows until it is dropped.
#[derive(Clone)]
pub struct Client {
    pub(crate) exchange: Arc<Exchange>,
}

/// Nothing of what it knows is to be shown.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// A client that goes by these settings.
    pub fn new(settings: Settings) -> Self {
        Self { exchange: Arc::new(Exchange::new(settings)) }
    }

    /// The images that a name may mean, the likeliest first: itself where it names a registry; else its alias, or the name
    /// at each registry that is searched; else docker's hub.
    pub fn candidates(&self, name: &str) -> Result<Vec<Reference>> {
        let plain: Reference = name.parse()?;
        if oci::reference::names_registry(name) {
            return Ok(vec![plain]);
        }
        let registries = &self.exchange.settings.registries;
        let end = name.find([':', '@']).unwrap_or(name.len());
        let (bare, rest) = name.split_at(end);
        if let Some(full) = registries.alias(bare) {
            return Ok(vec![format!("{full}{rest}").parse()?]);
        }
        if registries.search.is_empty() {
            return Ok(vec![plain]);
        }
        registries.search.iter().map(|registry| Ok(format!("{registry}/{name}").parse()?)).collect()
    }

    /// The file that says what is asked of images, if there is one: the user's before the machine's
    /// (containers-policy.json(5)).
    pub fn policy_file(&self) -> Option<PathBuf> {
        let settings = &self.exchange.settings;
        if settings.policy.is_some() {
            return settings.policy.clone();
        }
        let places = [settings.environment.config(), Some(settings.environment.etc.clone())];
        places.into_iter().flatten().map(|dir| dir.join("containers/policy.json")).find(|path| path.exists())
    }

    /// The registries that are searched where none is named.
    pub fn searched(&self) -> Vec<String> {
        let search = &self.exchange.settings.registries.search;
        if search.is_empty() { vec![oci::reference::DEFAULT_REGISTRY.to_owned()] } else { search.clone() }
    }

    /// Asks the servers for a reference in turn; the first that answers as hoped ends it. The last one's failure is told,
    /// for that is the registry itself.
    pub(crate) fn ask<T>(
        &self,
        reference: &Reference,
        purpose: Purpose,
        mut ask: impl FnMut(&Endpoint) -> Result<T>,
    ) -> Result<T> {
        let mut last = Err(Error::NotFound { what: reference.to_string() });
        for endpoint in Endpoint::of(&self.exchange.settings, reference, purpose)? {
            last = ask(&endpoint);
            if last.is_ok() {
                break;
            }
        }
        last
    }

    pub(crate) fn call(&self, endpoint: &Endpoint, call: &Call<'_>) -> Result<Reply> {
        self.exchange.call(endpoint, call)
    }

    /// Asks for a small document and reads all of it, once more where it breaks off.
    pub(crate) fn read(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        registry: &str,
        what: &str,
        most: u64,
    ) -> Result<(Reply, Vec<u8>)> {
        let patience = &self.exchange.settings.patience;
        let mut attempt = 0;
        loop {
            let mut reply = self.call(endpoint, call)?.expect(&[200], registry, what)?;
            attempt += 1;
            match reply.bytes(most, patience) {
                Ok(bytes) => return Ok((reply, bytes)),
                Err(error) if error.is_transient() && attempt < patience.attempts => {
                    std::thread::sleep(patience.pause(attempt - 1));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// What a token for reading a repository has to allow.
pub(crate) fn reading(endpoint: &Endpoint) -> String {
    format!("repository:{}:pull", endpoint.repository)
}

/// What a token for writing to one has to allow.
pub(crate) fn writing(endpoint: &Endpoint) -> String {
    format!("repository:{}:pull,push", endpoint.repository)
}
