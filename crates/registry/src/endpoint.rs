//! Where a reference leads: the servers to ask, in order, and the repository's name there.

use crate::certificates::Tls;
use crate::error::{Error, Result};
use crate::hosts::{self, Host};
use crate::settings::Settings;
use crate::url::{Origin, Scheme, Url, is_loopback, split_authority};
use oci::reference::{DEFAULT_REGISTRY, Reference};

/// Docker Hub's server.
const HUB: &str = "registry-1.docker.io";

/// A server, and what is asked of it about one repository.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `host[:port]`, as it is reached.
    pub authority: String,
    /// The scheme, where it is given: else https, and http only where that is allowed.
    pub scheme: Option<Scheme>,
    /// Whether http will do.
    pub http: bool,
    /// What stands before the repository.
    pub prefix: String,
    /// The repository.
    pub repository: String,
    /// What credentials are looked up by: registry and repository, under the registry's own name.
    pub name: String,
    /// What TLS goes by.
    pub tls: Tls,
    /// Headers that a hosts.toml asks for.
    pub headers: Vec<(String, String)>,
    /// Whether it stands in for the registry that was named.
    pub mirror: bool,
}

/// What is going to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// What a tag means.
    Resolve,
    /// Content.
    Pull,
    /// Content is sent.
    Push,
}

impl Endpoint {
    /// The servers for a reference.
    pub fn of(settings: &Settings, reference: &Reference, purpose: Purpose) -> Result<Vec<Self>> {
        let mut endpoints = Vec::new();
        let places = settings.registries.places(reference, purpose == Purpose::Push)?;
        let last = places.len() - 1;
        for (at, place) in places.into_iter().enumerate() {
            let (registry, repository) =
                place.location.split_once('/').ok_or_else(|| Error::Registry(place.location.clone()))?;
            match hosts::read(&settings.environment.etc, registry)? {
                None => {
                    let mirror = at < last;
                    endpoints.push(Self { mirror, ..Self::new(settings, registry, repository, place.insecure)? });
                }
                Some(hosts) => {
                    let suited = hosts.into_iter().filter(|host| host.suits(purpose));
                    for host in suited {
                        let endpoint = Self::at(settings, registry, repository, host)?;
                        endpoints.push(Self { mirror: endpoint.mirror || at < last, ..endpoint });
                    }
                }
            }
        }
        Ok(endpoints)
    }

    /// A registry's own server.
    pub fn of_registry(settings: &Settings, registry: &str) -> Result<Self> {
        Self::new(settings, registry, "", settings.registries.is_insecure(registry))
    }

    fn new(settings: &Settings, registry: &str, repository: &str, insecure: bool) -> Result<Self> {
        let (host, _) = split_authority(registry).ok_or_else(|| Error::Registry(registry.to_owned()))?;
        let insecure = settings.tls_verify.map_or(insecure, |verify| !verify);
        let mut tls = Tls::of(settings, registry)?;
        tls.skip_verify = insecure;
        Ok(Self {
            authority: if registry == DEFAULT_REGISTRY { HUB.to_owned() } else { registry.to_owned() },
            scheme: None,
            http: insecure || (settings.tls_verify.is_none() && is_loopback(&host)),
            prefix: "/v2".to_owned(),
            repository: repository.to_owned(),
            name: name(registry, repository),
            tls,
            headers: Vec::new(),
            mirror: false,
        })
    }

    fn at(settings: &Settings, registry: &str, repository: &str, host: Host) -> Result<Self> {
        let origin = host.url.origin;
        let authority = origin.to_string().split_once("://").map_or_else(String::new, |(_, rest)| rest.to_owned());
        // Credentials are those of the registry itself only where it is itself that is asked.
        let own = authority == registry || (registry == DEFAULT_REGISTRY && authority == HUB);
        let mut tls = Tls::of(settings, &authority)?;
        tls.authorities.extend(host.authorities);
        tls.pair = host.pairs.into_iter().next().or(tls.pair);
        tls.skip_verify = settings.tls_verify.map_or(host.skip_verify, |verify| !verify);
        if origin.scheme == Scheme::Http && settings.tls_verify == Some(true) {
            return Err(Error::Clear { doing: "ask", url: Url::new(origin, "/".to_owned()) });
        }
        Ok(Self {
            name: name(if own { registry } else { &authority }, repository),
            authority,
            scheme: Some(origin.scheme),
            http: origin.scheme == Scheme::Http,
            prefix: host.prefix,
            repository: repository.to_owned(),
            tls,
            headers: host.headers,
            mirror: !own,
        })
    }

    /// The server, spoken to in this way.
    pub fn origin(&self, scheme: Scheme) -> Result<Origin> {
        Origin::of(scheme, &self.authority).ok_or_else(|| Error::Registry(self.authority.clone()))
    }

    /// The path of something in the repository: `manifests/latest`.
    pub fn path(&self, tail: &str) -> String {
        format!("{}/{}/{tail}", self.prefix, self.repository)
    }
}

fn name(registry: &str, repository: &str) -> String {
    if repository.is_empty() { registry.to_owned() } else { format!("{registry}/{repository}") }
}

impl Host {
    fn suits(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Resolve => self.resolve,
            Purpose::Pull => self.pull,
            Purpose::Push => self.push,
        }
    }
}
