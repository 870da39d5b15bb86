//! What servers take for proof of who asks: the header of a name and password, or a token that another server gave. Each is
//! kept for the origin and the scope that it was got for, and is sent to no other.
//!
//! The realm of a token is named by the registry, so it may be anywhere. A password goes there over https, or over http
//! where http was allowed in the first place (CVE-2019-10214).

use crate::challenge::{self, Challenge};
use crate::credential::{Credential, Secret};
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::exchange::{Call, Exchange, Payload, Reply, Route, Target};
use crate::helper::Helper;
use crate::url::{Origin, Scheme, Url, escape};
use crate::{auth_file, auth_file::AuthFile};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What we call ourselves.
const CLIENT: &str = "coracle";
/// How long a token holds that does not say (distribution spec, token authentication).
const SHORTEST: u64 = 60;
/// A token is asked for anew while there is still so much of its time left.
const MARGIN: Duration = Duration::from_secs(5);
/// No answer of a token server is longer.
const LONGEST_ANSWER: u64 = 1 << 20;
/// The name of a helper that means the files (containers-registries.conf(5)).
const FILES: &str = "containers-auth.json";

/// What servers gave.
#[derive(Default)]
pub struct Grants {
    held: Mutex<HashMap<(Origin, String), Grant>>,
}

struct Grant {
    header: Secret,
    until: Option<Instant>,
}

impl Grants {
    /// The header for a request of this scope.
    pub fn get(&self, origin: &Origin, scope: &str) -> Option<Secret> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let grant = held.get(&(origin.clone(), scope.to_owned()))?;
        let valid = grant.until.is_none_or(|until| Instant::now() + MARGIN < until);
        valid.then(|| grant.header.clone())
    }

    fn set(&self, origin: &Origin, scope: &str, grant: Grant) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert((origin.clone(), scope.to_owned()), grant);
    }
}

#[derive(Deserialize)]
struct Token {
    #[serde(default, rename = "token")]
    given: Option<String>,
    #[serde(default, rename = "access_token")]
    access: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default, rename = "refresh_token")]
    identity: Option<String>,
}

impl Exchange {
    /// Meets the challenge of an answer, so that the same request can be made again.
    pub fn authorize(&self, endpoint: &Endpoint, home: &Origin, reply: &Reply, scope: &str) -> Result<()> {
        let values = reply.response.headers().get_all("www-authenticate");
        let challenges: Vec<Challenge> =
            values.iter().filter_map(|value| value.to_str().ok()).flat_map(challenge::parse).collect();
        let bearer = challenges.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
        let credential = self.credential(endpoint)?;
        let grant = match bearer.or(challenges.first()) {
            Some(Challenge::Bearer { realm, service, scope: wanted }) => {
                let scopes = all_scopes(scope, wanted.as_deref());
                self.token(endpoint, home, realm, service.as_deref(), &scopes, credential.as_ref())?
            }
            Some(Challenge::Basic) => match credential.as_ref().and_then(Credential::header) {
                Some(header) => Grant { header, until: None },
                None => return Err(unauthorized(endpoint, "it wants a login")),
            },
            None => return Err(unauthorized(endpoint, "it wants to be told who asks in a way that is not known here")),
        };
        self.grants.set(home, scope, grant);
        Ok(())
    }

    /// Who we are to an endpoint.
    pub fn credential(&self, endpoint: &Endpoint) -> Result<Option<Credential>> {
        if let Some(given) = self.settings.credential.as_ref().filter(|_| !endpoint.mirror) {
            return Ok(Some(given.clone()));
        }
        let path = self.settings.environment.path.as_deref();
        let helpers = &self.settings.registries.credential_helpers;
        let files = [FILES.to_owned()];
        let order = if helpers.is_empty() || self.settings.auth_file.is_some() { &files[..] } else { helpers };
        for helper in order {
            if helper == FILES {
                for file in auth_file::paths(&self.settings) {
                    if let Some(found) = AuthFile::read(file)?.find(&endpoint.name, path)? {
                        return Ok(Some(found));
                    }
                }
            } else if let Some(found) = Helper::new(helper, path)?.get(registry(endpoint))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn token(
        &self,
        endpoint: &Endpoint,
        home: &Origin,
        realm: &str,
        service: Option<&str>,
        scopes: &[&str],
        credential: Option<&Credential>,
    ) -> Result<Grant> {
        let answer =
            |reason: &str| Error::Answer { url: Url::new(home.clone(), "/v2/".to_owned()), reason: reason.to_owned() };
        let url = Url::parse(realm).ok_or_else(|| answer("its token realm is no address of http or https"))?;
        if url.origin.scheme == Scheme::Http && url.origin != *home && !self.may_go_clear(home, &url.origin) {
            return Err(Error::Clear { doing: "ask for a token", url });
        }
        let same = url.origin.host == home.host && url.origin.port == home.port;
        let tls = if same { endpoint.tls.clone() } else { self.tls_for(&url)? };
        let form;
        let (call, url) = if let Some(Credential::Identity { token, .. }) = credential {
            form = identity_form(token, service, scopes);
            let call = Call::get(Target::Url(url.clone()), String::new()).method("POST");
            let call = call.header("content-type", "application/x-www-form-urlencoded");
            (call.payload(Payload::Bytes(form.as_bytes())), url)
        } else {
            let mut url = url;
            let offline = self.identity.is_some();
            for (name, value) in [
                ("service", service),
                ("account", credential.and_then(Credential::user)),
                ("client_id", offline.then_some(CLIENT)),
                ("offline_token", offline.then_some("true")),
            ] {
                if let Some(value) = value {
                    url = url.with(name, value);
                }
            }
            url = scopes.iter().fold(url, |url, scope| url.with("scope", scope));
            (Call::get(Target::Url(url.clone()), String::new()), url)
        };
        let authorization = credential.and_then(Credential::header);
        let route = Route { home: url.origin.clone(), tls: &tls, authorization, headers: &[] };
        let mut reply = self.patiently(self.settings.patience.attempts, || self.follow(&route, &call, url.clone()))?;
        match reply.status() {
            200 => {}
            400 | 401 | 403 if credential.is_some() => {
                return Err(unauthorized(endpoint, "it does not take the credential that is kept for it"));
            }
            401 | 403 => return Err(unauthorized(endpoint, "it wants a login")),
            _ => return Err(reply.refusal(registry(endpoint), "a token")),
        }
        let url = reply.url.clone();
        let wrong = |reason: &str| Error::Answer { url: url.clone(), reason: reason.to_owned() };
        // A parser's words about a token would quote it.
        let token: Token = serde_json::from_slice(&reply.bytes(LONGEST_ANSWER, &self.settings.patience)?)
            .map_err(|_| wrong("this is no token"))?;
        let given = token.given.or(token.access).filter(|token| !token.is_empty());
        let given = given.ok_or_else(|| wrong("there is no token in it"))?;
        if let (Some(wanted), Some(identity)) = (&self.identity, token.identity.filter(|token| !token.is_empty())) {
            _ = wanted.set(Secret::new(identity));
        }
        let until = Instant::now().checked_add(Duration::from_secs(token.expires_in.unwrap_or(0).max(SHORTEST)));
        Ok(Grant { header: Secret::new(format!("Bearer {given}")), until })
    }
}

/// What is asked of an OAuth2 token server with what it gave before.
fn identity_form(token: &Secret, service: Option<&str>, scopes: &[&str]) -> String {
    let scopes = Some(scopes.join(" ")).filter(|scopes| !scopes.is_empty());
    let pairs = [
        ("grant_type", Some("refresh_token")),
        ("client_id", Some(CLIENT)),
        ("refresh_token", Some(token.reveal())),
        ("service", service),
        ("scope", scopes.as_deref()),
    ];
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", escape(value?))));
    pairs.collect::<Vec<_>>().join("&")
}

/// What we need and what the server says we need, each once.
fn all_scopes<'a>(own: &'a str, wanted: Option<&'a str>) -> Vec<&'a str> {
    let mut scopes: Vec<&str> = own.split(' ').filter(|scope| !scope.is_empty()).collect();
    for scope in wanted.unwrap_or_default().split(' ').filter(|scope| !scope.is_empty()) {
        let covered = scopes
            .iter()
            .any(|own| own.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with(',')));
        if !covered {
            scopes.push(scope);
        }
    }
    scopes
}

fn registry(endpoint: &Endpoint) -> &str {
    endpoint.name.split('/').next().unwrap_or_default()
}

fn unauthorized(endpoint: &Endpoint, reason: &str) -> Error {
    Error::Unauthorized { registry: registry(endpoint).to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_asked_for_once() {
        assert_eq!(all_scopes("repository:a:pull", Some("repository:a:pull")), ["repository:a:pull"]);
        assert_eq!(all_scopes("repository:a:pull,push", Some("repository:a:pull")), ["repository:a:pull,push"]);
        assert_eq!(all_scopes("", Some("registry:catalog:*")), ["registry:catalog:*"]);
        assert_eq!(all_scopes("repository:a:pull repository:b:pull", None).len(), 2);
    }

    #[test]
    fn a_grant_is_for_one_origin_and_scope_and_for_its_time() {
        let grants = Grants::default();
        let origin = |scheme, host| Origin::of(scheme, host).unwrap();
        let home = origin(Scheme::Https, "r.io");
        let grant =
            |seconds| Grant { header: Secret::new("x"), until: Some(Instant::now() + Duration::from_secs(seconds)) };
        grants.set(&home, "s", grant(60));
        assert!(grants.get(&home, "s").is_some());
        assert!(grants.get(&home, "t").is_none());
        assert!(grants.get(&origin(Scheme::Http, "r.io"), "s").is_none());
        assert!(grants.get(&origin(Scheme::Https, "r.io:444"), "s").is_none());
        grants.set(&home, "s", grant(2));
        assert!(grants.get(&home, "s").is_none());
    }
}
