//! What the verbs that talk to registries have in common: whose credentials, which certificates, and what the environment
//! says.

use super::Failure;
use engine::registry::{Client, Credential, Environment, Settings};
use flag::{Flag, put_word};
use std::path::PathBuf;

/// What their flags say.
#[derive(Debug, Default)]
pub struct Remote {
    /// `--authfile`.
    pub auth_file: Option<String>,
    /// `--cert-dir`.
    pub cert_dir: Option<String>,
    /// `--creds`.
    pub credential: Option<String>,
    /// `--tls-verify`.
    pub tls_verify: Option<bool>,
}

impl Remote {
    /// A client that goes by them.
    pub fn client(&self) -> Result<Client, Failure> {
        let uid = rustix::process::geteuid().as_raw();
        let mut settings = Settings::read(Environment::new(|name| std::env::var_os(name), uid)).map_err(refused)?;
        settings.auth_file = self.auth_file.as_ref().map(PathBuf::from);
        settings.cert_dir = self.cert_dir.as_ref().map(PathBuf::from);
        settings.credential = self.credential.as_deref().map(Credential::parse);
        settings.tls_verify = self.tls_verify;
        Ok(Client::new(settings))
    }
}

/// `--authfile`, of a verb whose flags have a [`Remote`] among them.
pub const fn auth_file<G: AsMut<Remote>>() -> Flag<G> {
    Flag::takes("authfile", "FILE", |g: &mut G, w| put_word(&mut g.as_mut().auth_file, w), "Where credentials are kept")
        .under("Options")
}

/// `--cert-dir`.
pub const fn cert_dir<G: AsMut<Remote>>() -> Flag<G> {
    let about = "Certificates: *.crt, *.cert, *.key";
    Flag::takes("cert-dir", "DIR", |g: &mut G, w| put_word(&mut g.as_mut().cert_dir, w), about).under("Options")
}

/// `--tls-verify`.
pub const fn tls_verify<G: AsMut<Remote>>() -> Flag<G> {
    let about = "With =false, also over http or with any certificate";
    Flag::switch("tls-verify", |g: &mut G, on| g.as_mut().tls_verify = Some(on), about).under("Options")
}

/// A registry's refusal, as the engine tells it.
pub fn refused(error: engine::registry::Error) -> Failure {
    Failure::from(engine::Error::from(error))
}
