//! Single exchanges of HTTP: one request to one server, one answer, no redirect followed. An agent for each way of doing
//! TLS keeps its connections open for the next request.

use crate::certificates::Tls;
use crate::error::{Error, Result};
use crate::resolver::Names;
use crate::settings::Settings;
use crate::url::{Scheme, Url};
use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, RustlsConnector, TcpConnector};
use ureq::{Agent, Body, Proxy, SendBody};

/// Who we say we are.
const USER_AGENT: &str = concat!("coracle/", env!("CARGO_PKG_VERSION"));

/// The agents.
#[derive(Default)]
pub struct Transport {
    agents: Mutex<HashMap<Way, Agent>>,
}

/// How a server is reached: by which TLS, where any, and through which proxy.
type Way = (Option<Tls>, Option<String>);

/// What is sent along with a request.
pub enum Load<'a> {
    /// Nothing.
    None,
    /// This.
    Bytes(&'a [u8]),
    /// So many bytes.
    Stream(u64, Box<dyn Read + Send + 'a>),
}

/// A request to one server.
pub struct Request<'a> {
    /// The method.
    pub method: &'static str,
    /// Of what.
    pub url: &'a Url,
    /// What TLS with the server goes by.
    pub tls: &'a Tls,
    /// Headers.
    pub headers: Vec<(&'a str, &'a str)>,
    /// What is sent.
    pub load: Load<'a>,
}

impl Transport {
    /// Sends a request and returns the answer, whatever its status.
    pub fn exchange(&self, settings: &Settings, request: Request<'_>) -> Result<Response<Body>> {
        let Request { method, url, tls, headers, load } = request;
        let agent = self.agent(settings, tls, url)?;
        let mut request = ureq::http::Request::builder().method(method).uri(url.to_send());
        for (name, value) in headers.into_iter().chain([("user-agent", USER_AGENT)]) {
            request = request.header(name, value);
        }
        let invalid = |error: ureq::http::Error| unreachable(url, ureq::Error::Http(error));
        let answer = match load {
            // A length of 0 is said too.
            Load::None if matches!(method, "POST" | "PUT" | "PATCH") => {
                agent.run(request.body([].as_slice()).map_err(invalid)?)
            }
            Load::None => agent.run(request.body(()).map_err(invalid)?),
            Load::Bytes(bytes) => agent.run(request.body(bytes).map_err(invalid)?),
            Load::Stream(length, mut stream) => {
                let request = request.header("content-length", length.to_string());
                agent.run(request.body(SendBody::from_reader(&mut stream)).map_err(invalid)?)
            }
        };
        answer.map_err(|error| unreachable(url, error))
    }

    fn agent(&self, settings: &Settings, tls: &Tls, url: &Url) -> Result<Agent> {
        let secure = url.origin.scheme == Scheme::Https;
        let proxy = settings.environment.proxies.to(&url.origin).map(str::to_owned);
        let key = (secure.then(|| tls.clone()), proxy);
        // Making an agent twice does no harm, and reading certificates under the lock would hold up all others.
        let known = self.agents.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(agent) = known {
            return Ok(agent);
        }
        let agent = make(settings, key.0.as_ref(), key.1.as_deref()).map_err(|error| match error {
            Failure::Ours(error) => error,
            Failure::Proxy(error) => unreachable(url, error),
        })?;
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).insert(key, agent.clone());
        Ok(agent)
    }
}

enum Failure {
    Ours(Error),
    Proxy(ureq::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

fn make(settings: &Settings, tls: Option<&Tls>, proxy: Option<&str>) -> Result<Agent, Failure> {
    let mut own = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&[]));
    if let Some(tls) = tls {
        own = own.disable_verification(tls.skip_verify).client_cert(tls.own()?);
        if !tls.skip_verify {
            own = own.root_certs(RootCerts::new_with_certs(&tls.roots(settings)?));
        }
    }
    let patience = &settings.patience;
    let config = Agent::config_builder()
        .tls_config(own.build())
        .proxy(proxy.map(Proxy::new).transpose().map_err(Failure::Proxy)?)
        .http_status_as_error(false)
        // Redirects are ours to follow: what may go along depends on where they lead.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_resolve(Some(patience.connect))
        .timeout_connect(Some(patience.connect))
        .timeout_recv_response(Some(patience.answer))
        .timeout_per_read(Some(patience.idle))
        .timeout_per_write(Some(patience.idle))
        .input_buffer_size(256 << 10)
        .output_buffer_size(128 << 10)
        .max_idle_connections_per_host(16)
        .build();
    let connector =
        ().chain(ConnectProxyConnector::default()).chain(TcpConnector::default()).chain(RustlsConnector::default());
    Ok(Agent::with_parts(config, connector, Names::new(&settings.environment.etc)))
}

fn unreachable(url: &Url, error: ureq::Error) -> Error {
    match certificate_error(&error) {
        Some(reason) => Error::Certificate { origin: url.origin.to_string(), reason },
        None => Error::Unreachable { url: url.clone(), source: Box::new(error) },
    }
}

/// What is wrong with a server's certificate, where that is what failed.
fn certificate_error(error: &ureq::Error) -> Option<String> {
    let own = match error {
        ureq::Error::Rustls(error) => error,
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref::<rustls::Error>()?,
        _ => return None,
    };
    match own {
        rustls::Error::InvalidCertificate(reason) => Some(match reason {
            rustls::CertificateError::UnknownIssuer => "no authority that is known here has signed it".to_owned(),
            other => format!("{other}"),
        }),
        _ => None,
    }
}
