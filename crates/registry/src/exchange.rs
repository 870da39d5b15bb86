//! Requests as the rest of this crate makes them: to an endpoint, with whatever it takes to be answered. Redirects are
//! followed, challenges met, passing failures waited out.
//!
//! A credential goes to the origin that it is for and to no other: neither along a redirect nor to an upload's location
//! elsewhere (CVE-2020-15157). And what began over https goes on over https.

use crate::Patience;
use crate::certificates::Tls;
use crate::credential::Secret;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::grant::Grants;
use crate::retry;
use crate::settings::Settings;
use crate::transport::{Load, Request, Transport};
use crate::upload::Source;
use crate::url::{Origin, Scheme, Url};
use serde::Deserialize;
use std::collections::HashMap;
use std::io::Read as _;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use ureq::Body;
use ureq::http::Response;

/// As many as browsers take.
const MOST_REDIRECTS: usize = 10;
/// What a server has to say about a failure is not longer.
const LONGEST_REFUSAL: u64 = 64 << 10;

/// What all requests of a client share.
pub struct Exchange {
    /// What the client goes by.
    pub settings: Settings,
    transport: Transport,
    /// How servers turned out to be spoken to.
    schemes: Mutex<HashMap<String, Scheme>>,
    /// What they gave us.
    pub grants: Grants,
    /// What a token server gave that is to stand for the password from now on, where a login asks for that.
    pub identity: Option<OnceLock<Secret>>,
}

/// A request.
pub struct Call<'a> {
    /// The method.
    pub method: &'static str,
    /// Of what.
    pub target: Target,
    /// Headers that anybody may see.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub payload: Payload<'a>,
    /// What a token has to allow: `repository:x:pull`, several with blanks between them.
    pub scope: String,
}

/// Of what something is asked.
#[derive(Clone)]
pub enum Target {
    /// A path on the endpoint.
    Path(String),
    /// An address that the endpoint gave.
    Url(Url),
}

/// What is sent; it may have to be sent again.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// Nothing.
    None,
    /// This.
    Bytes(&'a [u8]),
    /// A part of a blob.
    Part {
        /// The blob.
        source: &'a dyn Source,
        /// The part's start.
        from: u64,
        /// Its length.
        length: u64,
    },
}

/// An answer.
pub struct Reply {
    /// The answer itself.
    pub response: Response<Body>,
    /// Who gave it in the end.
    pub url: Url,
    method: &'static str,
}

/// How a server is reached, and what it alone is told.
pub struct Route<'a> {
    /// Which server.
    pub home: Origin,
    /// What TLS with it goes by.
    pub tls: &'a Tls,
    /// Who we are to it.
    pub authorization: Option<Secret>,
    /// Headers that it wants.
    pub headers: &'a [(String, String)],
}

impl<'a> Call<'a> {
    /// A request for a document, without anything else.
    pub fn get(target: Target, scope: String) -> Self {
        Self { method: "GET", target, headers: Vec::new(), payload: Payload::None, scope }
    }

    /// The same with another method.
    #[must_use]
    pub fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With something to send.
    #[must_use]
    pub fn payload(self, payload: Payload<'a>) -> Self {
        Self { payload, ..self }
    }
}

impl Exchange {
    /// With nothing known yet.
    pub fn new(settings: Settings) -> Self {
        let (transport, schemes, grants) = (Transport::default(), Mutex::default(), Grants::default());
        Self { settings, transport, schemes, grants, identity: None }
    }

    /// Asks an endpoint. Statuses that pass are waited out; all others are the caller's to judge.
    pub fn call(&self, endpoint: &Endpoint, call: &Call<'_>) -> Result<Reply> {
        // A part of an upload that broke off must not be sent again without asking how much has arrived.
        let attempts = if matches!(call.payload, Payload::Part { .. }) { 1 } else { self.settings.patience.attempts };
        let mut challenged = false;
        self.patiently(attempts, || {
            let reply = self.send(endpoint, call)?;
            let home = endpoint.origin(self.scheme(endpoint).unwrap_or(Scheme::Https))?;
            if reply.status() == 401 && reply.url.origin == home && !challenged {
                challenged = true;
                self.authorize(endpoint, &home, &reply, &call.scope)?;
                return self.send(endpoint, call);
            }
            Ok(reply)
        })
    }

    /// Tries again what may work a moment later.
    pub fn patiently(&self, attempts: u32, mut act: impl FnMut() -> Result<Reply>) -> Result<Reply> {
        let patience = &self.settings.patience;
        let mut attempt = 0;
        loop {
            let result = act();
            attempt += 1;
            let pause = match &result {
                Ok(reply) if retry::is_transient(reply.status()) => {
                    let asked =
                        reply.header("retry-after").and_then(|value| retry::retry_after(value, SystemTime::now()));
                    match asked {
                        Some(pause) if pause > patience.longest_pause => {
                            let (url, status) = (reply.url.clone(), reply.status());
                            return Err(Error::Later { url, status, seconds: pause.as_secs() });
                        }
                        // Nobody means to be asked again in the same instant.
                        Some(pause) => pause.max(Duration::from_millis(10)),
                        None => patience.pause(attempt - 1),
                    }
                }
                Err(error) if error.is_transient() => patience.pause(attempt - 1),
                _ => return result,
            };
            if attempt >= attempts {
                return result;
            }
            std::thread::sleep(pause);
        }
    }

    /// How an endpoint is spoken to, as far as that is known.
    pub fn scheme(&self, endpoint: &Endpoint) -> Option<Scheme> {
        let known = || self.schemes.lock().unwrap_or_else(PoisonError::into_inner).get(&endpoint.authority).copied();
        endpoint.scheme.or_else(known)
    }

    fn send(&self, endpoint: &Endpoint, call: &Call<'_>) -> Result<Reply> {
        let via = |scheme: Scheme| {
            let home = endpoint.origin(scheme)?;
            let url = match &call.target {
                Target::Path(path) => Url::new(home.clone(), path.clone()),
                Target::Url(url) => url.clone(),
            };
            let authorization = self.grants.get(&home, &call.scope);
            let route = Route { home, tls: &endpoint.tls, authorization, headers: &endpoint.headers };
            self.follow(&route, call, url)
        };
        let found = |scheme: Scheme| {
            self.schemes.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint.authority.clone(), scheme);
        };
        if let Some(scheme) = self.scheme(endpoint) {
            return via(scheme);
        }
        match via(Scheme::Https) {
            Err(error) if endpoint.http && speaks_no_tls(&error) => {
                let reply = via(Scheme::Http)?;
                found(Scheme::Http);
                Ok(reply)
            }
            Err(error) => Err(error),
            Ok(reply) => {
                found(Scheme::Https);
                Ok(reply)
            }
        }
    }

    /// One request, and those to which its answer redirects.
    pub fn follow(&self, route: &Route<'_>, call: &Call<'_>, mut url: Url) -> Result<Reply> {
        let other;
        let mut tls = route.tls;
        if !same_server(&url.origin, &route.home) {
            other = self.tls_for(&url)?;
            tls = &other;
        }
        let mut response = self.once(route, call, &url, tls)?;
        for _ in 0..MOST_REDIRECTS {
            let status = response.status().as_u16();
            let safe = matches!(call.method, "GET" | "HEAD");
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                return Ok(Reply { response, url, method: call.method });
            }
            if !safe && !matches!(status, 307 | 308) {
                return Err(Error::Redirect { url, reason: "what only a read may be redirected by" });
            }
            let location = response.headers().get("location").and_then(|value| value.to_str().ok());
            let Some(next) = location.and_then(|location| url.join(location)) else {
                return Err(Error::Redirect { url, reason: "to what is no address of http or https" });
            };
            let tls = if same_server(&next.origin, &route.home) { route.tls.clone() } else { self.tls_for(&next)? };
            response = self.once(route, call, &next, &tls)?;
            url = next;
        }
        Err(Error::Redirect { url, reason: "too often" })
    }

    fn once(&self, route: &Route<'_>, call: &Call<'_>, url: &Url, tls: &Tls) -> Result<Response<Body>> {
        let own = url.origin == route.home;
        if url.origin.scheme == Scheme::Http && !own && !self.may_go_clear(&route.home, &url.origin) {
            return Err(Error::Clear { doing: "go on", url: url.clone() });
        }
        let mut headers: Vec<(&str, &str)> = call.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if own {
            headers.extend(route.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            headers.extend(route.authorization.as_ref().map(|secret| ("authorization", secret.reveal())));
        }
        let load = match call.payload {
            Payload::None => Load::None,
            Payload::Bytes(bytes) => Load::Bytes(bytes),
            Payload::Part { source, from, length } => {
                let failed = |source| Error::Source { what: "what is to be sent".to_owned(), source };
                Load::Stream(length, Box::new(source.open(from).map_err(failed)?.take(length)))
            }
        };
        self.transport.exchange(&self.settings, Request { method: call.method, url, tls, headers, load })
    }

    /// Whether what began at one server may go on over http at another.
    pub fn may_go_clear(&self, home: &Origin, other: &Origin) -> bool {
        let near =
            |host: &str| host == home.host || (crate::url::is_loopback(&home.host) && crate::url::is_loopback(host));
        match self.settings.tls_verify {
            Some(verify) => !verify,
            None => {
                (home.scheme == Scheme::Http && near(&other.host))
                    || self.settings.registries.is_insecure(&authority(other))
            }
        }
    }

    /// What TLS with a server goes by that is no endpoint of ours.
    pub fn tls_for(&self, url: &Url) -> Result<Tls> {
        let authority = authority(&url.origin);
        let mut tls = Tls::of(&self.settings, &authority)?;
        tls.skip_verify =
            self.settings.tls_verify.map_or_else(|| self.settings.registries.is_insecure(&authority), |verify| !verify);
        Ok(tls)
    }
}

fn authority(origin: &Origin) -> String {
    origin.to_string().split_once("://").map_or_else(String::new, |(_, rest)| rest.to_owned())
}

fn same_server(one: &Origin, other: &Origin) -> bool {
    one.host == other.host && one.port == other.port
}

/// Whether a server that was asked over https may be one that knows http alone.
fn speaks_no_tls(error: &Error) -> bool {
    let Error::Unreachable { source, .. } = error else { return false };
    matches!(
        **source,
        ureq::Error::Io(_) | ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::ConnectionFailed
    )
}

impl Reply {
    /// The status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// A header's value as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    /// All of a body of at most so many bytes, which has to be there within the time for a document.
    pub fn bytes(&mut self, most: u64, patience: &Patience) -> Result<Vec<u8>> {
        let too_long =
            |url: &Url| Error::Length { what: url.to_string(), reason: format!("answers with more than {most} bytes") };
        if self.number("content-length").is_some_and(|length| length > most) {
            return Err(too_long(&self.url));
        }
        let mut reader = self.response.body_mut().as_reader();
        let failed = |error| Error::Unreachable { url: self.url.clone(), source: Box::new(error) };
        let end = Instant::now() + patience.document;
        let (mut bytes, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(bytes),
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
                Err(error) => return Err(failed(ureq::Error::from(error))),
            }
            if bytes.len() as u64 > most {
                return Err(too_long(&self.url));
            }
            if Instant::now() > end {
                return Err(failed(ureq::Error::Timeout(ureq::Timeout::RecvBody)));
            }
        }
    }

    /// The answer where it has this status, else why it has not. `what` is what was asked for.
    pub fn expect(self, statuses: &[u16], registry: &str, what: &str) -> Result<Self> {
        if statuses.contains(&self.status()) { Ok(self) } else { Err(self.refusal(registry, what)) }
    }

    /// What a status that was not hoped for means.
    pub fn refusal(mut self, registry: &str, what: &str) -> Error {
        let status = self.status();
        let detail = if self.method == "HEAD" { String::new() } else { self.detail() };
        let registry = registry.to_owned();
        match status {
            404 => Error::NotFound { what: what.to_owned() },
            401 => Error::Unauthorized {
                registry,
                reason: format!("access to {what} needs a login, or another one{detail}"),
            },
            403 => Error::Unauthorized { registry, reason: format!("access to {what} is denied{detail}") },
            _ => Error::Status { method: self.method, url: self.url, status, detail },
        }
    }

    /// What the server says about a failure, fit to be shown on a terminal.
    fn detail(&mut self) -> String {
        #[derive(Deserialize)]
        struct Errors {
            errors: Vec<One>,
        }
        #[derive(Deserialize)]
        struct One {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        let bytes = self.bytes(LONGEST_REFUSAL, &Patience::default()).unwrap_or_default();
        let Ok(Errors { errors }) = serde_json::from_slice(&bytes) else { return String::new() };
        let said =
            errors.iter().map(|one| if one.message.is_empty() { one.code.as_str() } else { one.message.as_str() });
        let said: String = said.collect::<Vec<_>>().join(", ").chars().filter(|c| !c.is_control()).take(300).collect();
        if said.is_empty() { said } else { format!(": {said}") }
    }
}
