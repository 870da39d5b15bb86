//! What a client goes by: the machine's and the user's files, and what the command line says.

use crate::credential::Credential;
use crate::proxy::Proxies;
use crate::registries::Registries;
use crate::{Patience, Result};
use std::ffi::OsString;
use std::path::PathBuf;

/// What of the environment matters. This crate reads none itself.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// `XDG_CACHE_HOME`.
    pub cache_home: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`.
    pub auth_file: Option<PathBuf>,
    /// `DOCKER_CONFIG`, a directory.
    pub docker_config: Option<PathBuf>,
    /// `CONTAINERS_REGISTRIES_CONF`.
    pub registries_conf: Option<PathBuf>,
    /// `SSL_CERT_FILE`.
    pub certificates: Option<PathBuf>,
    /// `PATH`, where credential helpers are looked for.
    pub path: Option<OsString>,
    /// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, in lower case first.
    pub proxies: Proxies,
    /// The user's id.
    pub uid: u32,
    /// Where the machine's settings lie: `/etc`.
    pub etc: PathBuf,
}

impl Environment {
    /// Asks for each variable.
    pub fn new(variable: impl Fn(&str) -> Option<OsString>, uid: u32) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let path = |name: &str| set(name).map(PathBuf::from);
        let text = |name: &str| {
            let value = set(&name.to_ascii_lowercase()).or_else(|| set(name));
            value.and_then(|value| value.into_string().ok())
        };
        Self {
            home: path("HOME"),
            runtime_dir: path("XDG_RUNTIME_DIR"),
            config_home: path("XDG_CONFIG_HOME"),
            cache_home: path("XDG_CACHE_HOME"),
            auth_file: path("REGISTRY_AUTH_FILE"),
            docker_config: path("DOCKER_CONFIG"),
            registries_conf: path("CONTAINERS_REGISTRIES_CONF"),
            certificates: path("SSL_CERT_FILE"),
            path: set("PATH"),
            proxies: Proxies {
                // HTTP_PROXY alone is not asked for in upper case by programs that may be CGI scripts; we are none.
                http: text("HTTP_PROXY"),
                https: text("HTTPS_PROXY"),
                all: text("ALL_PROXY"),
                none: text("NO_PROXY"),
            },
            uid,
            etc: "/etc".into(),
        }
    }

    /// The user's settings: `$XDG_CONFIG_HOME`, or `~/.config`.
    pub(crate) fn config(&self) -> Option<PathBuf> {
        self.config_home.clone().or_else(|| Some(self.home.as_ref()?.join(".config")))
    }

    /// docker's own file.
    pub(crate) fn docker(&self) -> Option<PathBuf> {
        let dir = self.docker_config.clone().or_else(|| Some(self.home.as_ref()?.join(".docker")));
        dir.map(|dir| dir.join("config.json"))
    }

    /// Where podman keeps what a login gave, until the next boot.
    pub(crate) fn runtime_auth(&self) -> PathBuf {
        let own = || PathBuf::from(format!("/run/containers/{}", self.uid));
        self.runtime_dir.as_ref().map_or_else(own, |dir| dir.join("containers")).join("auth.json")
    }
}

/// What a client goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `--authfile`: the only auth file then.
    pub auth_file: Option<PathBuf>,
    /// `--creds`: instead of what auth files say.
    pub credential: Option<Credential>,
    /// `--tls-verify`: false allows http and unknown certificates everywhere, true forbids them everywhere.
    pub tls_verify: Option<bool>,
    /// `--cert-dir`: certificates for all registries, before those of certs.d.
    pub cert_dir: Option<PathBuf>,
    /// `--signature-policy`: the policy.json, instead of the user's or the machine's.
    pub policy: Option<PathBuf>,
    /// How long to wait.
    pub patience: Patience,
    /// Blobs are sent in pieces of this many bytes instead of in one.
    pub chunk: Option<u64>,
    pub(crate) environment: Environment,
    pub(crate) registries: Registries,
}

impl Settings {
    /// Reads the machine's and the user's files.
    pub fn read(environment: Environment) -> Result<Self> {
        Ok(Self {
            auth_file: None,
            credential: None,
            tls_verify: None,
            cert_dir: None,
            policy: None,
            patience: Patience::default(),
            chunk: None,
            registries: Registries::read(&environment)?,
            environment,
        })
    }
}
