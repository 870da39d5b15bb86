//! Whom to believe, and how to prove who we are: the machine's bundle of authorities, and `certs.d` of docker, containers
//! and the user, where each registry has a directory with `*.crt` (authorities), `*.cert` and `*.key` (our own).

use crate::conf;
use crate::error::{Error, Result};
use crate::settings::Settings;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::{Path, PathBuf};
use ureq::tls::{Certificate, ClientCert, PrivateKey};

/// Where distributions keep the authorities that the machine trusts.
const BUNDLES: [&str; 5] = [
    "ssl/certs/ca-certificates.crt",
    "pki/tls/certs/ca-bundle.crt",
    "ssl/ca-bundle.pem",
    "pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "ssl/cert.pem",
];

/// What TLS with a server goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// The server's certificate is not looked at.
    pub skip_verify: bool,
    /// Authorities beside the machine's.
    pub authorities: Vec<PathBuf>,
    /// Our own certificate and its key.
    pub pair: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// What `certs.d` says about `host[:port]`.
    pub fn of(settings: &Settings, registry: &str) -> Result<Self> {
        let environment = &settings.environment;
        let mut dirs = Vec::from_iter(settings.cert_dir.clone());
        let places = [
            environment.config().map(|dir| dir.join("containers/certs.d")),
            Some(environment.etc.join("containers/certs.d")),
            Some(environment.etc.join("docker/certs.d")),
        ];
        dirs.extend(places.into_iter().flatten().map(|dir| dir.join(registry)));
        let mut tls = Self::default();
        for dir in dirs {
            tls.authorities.extend(conf::files(&dir, "crt")?);
            for certificate in conf::files(&dir, "cert")? {
                let key = certificate.with_extension("key");
                if !key.exists() {
                    let reason = format!("its key {} is missing", key.display());
                    return Err(Error::Content { path: certificate, reason });
                }
                tls.pair.get_or_insert((certificate, key));
            }
        }
        Ok(tls)
    }

    /// All authorities to believe.
    pub fn roots(&self, settings: &Settings) -> Result<Vec<Certificate<'static>>> {
        let environment = &settings.environment;
        let bundle = environment
            .certificates
            .clone()
            .or_else(|| BUNDLES.iter().map(|name| environment.etc.join(name)).find(|path| path.exists()));
        let mut roots = Vec::new();
        for path in bundle.iter().chain(&self.authorities) {
            roots.extend(certificates(path)?);
        }
        Ok(roots)
    }

    /// Our own certificate.
    pub fn own(&self) -> Result<Option<ClientCert>> {
        let Some((certificate, key)) = &self.pair else { return Ok(None) };
        let chain = certificates(certificate)?;
        let text = std::fs::read(key).map_err(Error::file("read", key))?;
        let wrong = |reason: &str| Error::Content { path: key.clone(), reason: reason.to_owned() };
        let key = PrivateKey::from_pem(&text).map_err(|_| wrong("no private key in PEM form"))?;
        Ok(Some(ClientCert::new_with_certs(&chain, key)))
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let text = std::fs::read(path).map_err(Error::file("read", path))?;
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let wrong =
            |error| Error::Content { path: path.to_owned(), reason: format!("no certificate in PEM form: {error}") };
        certificates.push(Certificate::from_der(&certificate.map_err(wrong)?).to_owned());
    }
    Ok(certificates)
}
