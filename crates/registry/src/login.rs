//! Logging in and out: a credential is tried before it is kept, and kept where podman keeps it, or where the file of
//! credentials says that a helper keeps it. A token server that gives something to stand for the password from then on is
//! taken at its word: then the password is kept nowhere.

use crate::Client;
use crate::auth_file::{self, AuthFile};
use crate::credential::{Credential, Secret};
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::exchange::{Call, Exchange, Target};
use crate::helper::Helper;
use crate::settings::Settings;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// What logging out found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoggedOut {
    /// A credential, which is gone.
    Gone,
    /// Nothing.
    Nothing,
    /// One that another tool keeps in this file, where it stays.
    Elsewhere(PathBuf),
}

/// The registry that the words of `login` and `logout` mean: `HOST[:PORT][/REPOSITORY]`, or an address as docker's users
/// write it.
pub fn registry_of(word: &str) -> Result<String> {
    let bare = word.split_once("://").map_or(word, |(_, rest)| rest).trim_end_matches('/');
    let bare = match bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")) {
        Some(host) if !host.contains('/') => host,
        _ => bare,
    };
    let host = bare.split('/').next().unwrap_or_default();
    if crate::url::split_authority(host).is_none() {
        return Err(Error::Registry(word.to_owned()));
    }
    Ok(match bare {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    })
}

impl Client {
    /// Tries a credential at a registry (or for a repository in it) and keeps it, and returns the file that knows of it.
    pub fn login(&self, name: &str, credential: &Credential) -> Result<PathBuf> {
        let settings = &self.exchange.settings;
        let mut file = login_file(settings)?;
        // Where it goes to has to be known before it goes anywhere (CVE-2021-41092).
        let helper = match file.helper_for(name) {
            Some((program, server)) => Some((Helper::new(program, settings.environment.path.as_deref())?, server)),
            None => None,
        };
        let credential = match (self.try_credential(name, credential)?, credential.user()) {
            (Some(token), user) => &Credential::Identity { user: user.unwrap_or_default().to_owned(), token },
            (None, _) => credential,
        };
        if let Some((helper, server)) = helper {
            helper.store(&server, credential)?;
        } else {
            file.set(name, credential);
            file.write()?;
        }
        Ok(file.path().to_owned())
    }

    /// Returns what stands for the credential from now on, where a token server gave that.
    fn try_credential(&self, name: &str, credential: &Credential) -> Result<Option<Secret>> {
        let settings = Settings { credential: Some(credential.clone()), ..self.exchange.settings.clone() };
        let mut exchange = Exchange::new(settings);
        exchange.identity = Some(OnceLock::new());
        let client = Self { exchange: Arc::new(exchange) };
        let registry = name.split('/').next().unwrap_or_default();
        let endpoint = Endpoint::of_registry(&client.exchange.settings, registry)?;
        let reply = client.call(&endpoint, &Call::get(Target::Path("/v2/".to_owned()), String::new()));
        let reply = match reply {
            Err(Error::Unauthorized { registry, .. }) => {
                return Err(Error::Unauthorized {
                    registry,
                    reason: "it does not take this name and password".to_owned(),
                });
            }
            reply => reply?,
        };
        match reply.status() {
            200 => Ok(client.exchange.identity.as_ref().and_then(OnceLock::get).cloned()),
            401 | 403 => {
                let reason = "it does not take this name and password".to_owned();
                Err(Error::Unauthorized { registry: registry.to_owned(), reason })
            }
            404 => Err(Error::Answer { url: reply.url, reason: "there is no registry there".to_owned() }),
            _ => Err(reply.refusal(registry, "the registry")),
        }
    }

    /// Who is logged in at a registry.
    pub fn logged_in(&self, name: &str) -> Result<Option<Credential>> {
        let endpoint =
            Endpoint { name: name.to_owned(), ..Endpoint::of_registry(&self.exchange.settings, registry(name))? };
        self.exchange.credential(&endpoint)
    }

    /// Forgets the credential for a registry.
    pub fn logout(&self, name: &str) -> Result<LoggedOut> {
        let settings = &self.exchange.settings;
        let path = settings.environment.path.as_deref();
        let mut file = login_file(settings)?;
        if let Some((program, server)) = file.helper_for(name) {
            let helper = Helper::new(program, path)?;
            let known = helper.get(&server)?.is_some();
            helper.erase(&server)?;
            return Ok(if known { LoggedOut::Gone } else { LoggedOut::Nothing });
        }
        if file.remove(name) {
            file.write()?;
            return Ok(LoggedOut::Gone);
        }
        for other in auth_file::paths(settings).into_iter().filter(|other| other != file.path()) {
            if AuthFile::read(other.clone())?.find(name, path)?.is_some() {
                return Ok(LoggedOut::Elsewhere(other));
            }
        }
        Ok(LoggedOut::Nothing)
    }

    /// Forgets the credentials for all registries, and returns their names.
    pub fn logout_all(&self) -> Result<Vec<String>> {
        let names = login_file(&self.exchange.settings)?.names();
        for name in &names {
            self.logout(name)?;
        }
        Ok(names)
    }
}

fn registry(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

/// The file to which logins are written: the first that is read.
fn login_file(settings: &Settings) -> Result<AuthFile> {
    let own = || settings.environment.runtime_auth();
    AuthFile::read(auth_file::paths(settings).into_iter().next().unwrap_or_else(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_found_in_what_people_write() {
        for (word, meant) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
            ("http://localhost:5000/", "localhost:5000"),
            ("r.io/org/image", "r.io/org/image"),
            ("r.io/v2/", "r.io"),
        ] {
            assert_eq!(registry_of(word).unwrap(), meant, "{word}");
        }
        for wrong in ["", "a b", "r.io:port", "me@r.io", "/x"] {
            assert!(registry_of(wrong).is_err(), "{wrong}");
        }
    }
}
