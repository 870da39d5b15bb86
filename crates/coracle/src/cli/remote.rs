//! What the verbs that talk to registries have in common: whose credentials, which certificates, and what the environment
//! says.

use super::Failure;
use engine::flags::{self, Invalid};
use engine::registry::{Client, Credential, Environment, Settings};
use flag::{Flag, put_word};
use oci::image::Platform;
use std::path::PathBuf;
use std::time::Duration;

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
    /// `--signature-policy`.
    pub policy: Option<String>,
    /// `--retry`: how often a failure is tried again.
    pub retry: Option<u32>,
    /// `--retry-delay`: the pause before that.
    pub retry_delay: Option<Duration>,
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
        settings.policy = self.policy.as_ref().map(PathBuf::from);
        let patience = &mut settings.patience;
        patience.attempts = self.retry.map_or(patience.attempts, |retry| retry.saturating_add(1));
        patience.first_pause = self.retry_delay.unwrap_or(patience.first_pause);
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

/// `--signature-policy`.
pub const fn signature_policy<G: AsMut<Remote>>() -> Flag<G> {
    let about = "The policy.json that says what is asked of images";
    Flag::takes("signature-policy", "FILE", |g: &mut G, w| put_word(&mut g.as_mut().policy, w), about).under("Options")
}

/// `--insecure`: docker's word for `--tls-verify=false`.
pub const fn insecure<G: AsMut<Remote>>() -> Flag<G> {
    Flag::switch("insecure", |g: &mut G, on| g.as_mut().tls_verify = Some(!on), "")
}

/// `--creds`.
pub const fn creds<G: AsMut<Remote>>() -> Flag<G> {
    let about = "Instead of kept credentials";
    Flag::takes("creds", "USER:PASSWORD", |g: &mut G, w| put_word(&mut g.as_mut().credential, w), about)
        .under("Options")
}

/// `--retry`.
pub const fn retry<G: AsMut<Remote>>() -> Flag<G> {
    let about = "How often a failure that may pass is tried again (4)";
    let put = |g: &mut G, word: &str| {
        let number = word.parse().map_err(|_| Invalid::new(word, "not a number"))?;
        g.as_mut().retry = Some(number);
        Ok(())
    };
    Flag::takes("retry", "N", put, about).under("Options")
}

/// `--retry-delay`.
pub const fn retry_delay<G: AsMut<Remote>>() -> Flag<G> {
    let about = "The pause before that: 2s, 500ms";
    let put = |g: &mut G, word: &str| {
        let wrong = || Invalid::new(word, "not a span of time").hint("give it as 2s or 500ms");
        let (digits, unit) = word.split_at(word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len()));
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        g.as_mut().retry_delay = Some(match unit {
            "ms" => Duration::from_millis(number),
            "s" | "" => Duration::from_secs(number),
            "m" => Duration::from_mins(number),
            _ => return Err(wrong()),
        });
        Ok(())
    };
    Flag::takes("retry-delay", "TIME", put, about).under("Options")
}

/// For which machine: `--platform`, or podman's three words for its parts.
#[derive(Debug, Default)]
pub struct Machine {
    /// `--platform`.
    pub platform: Option<Platform>,
    /// `--arch`.
    pub arch: Option<String>,
    /// `--os`.
    pub os: Option<String>,
    /// `--variant`.
    pub variant: Option<String>,
}

impl Machine {
    /// The platform that they make; none where none of them was given.
    pub fn platform(&self) -> Option<Platform> {
        if self.platform.is_some() || (self.arch.is_none() && self.os.is_none() && self.variant.is_none()) {
            return self.platform.clone();
        }
        let host = Platform::host();
        let own = self.arch.is_none();
        Some(Platform {
            os: self.os.clone().unwrap_or(host.os),
            architecture: self.arch.clone().unwrap_or(host.architecture),
            variant: self.variant.clone().or(host.variant.filter(|_| own)),
            ..Platform::default()
        })
    }
}

/// `--platform`, of a verb whose flags have a [`Machine`] among them.
pub const fn platform<G: AsMut<Machine>>(heading: &'static str) -> Flag<G> {
    let put = |g: &mut G, word: &str| {
        g.as_mut().platform = Some(flags::platform(word)?);
        Ok(())
    };
    Flag::takes("platform", "OS/ARCH", put, "Of an image for several, the one for this: linux/arm64").under(heading)
}

/// `--arch`.
pub const fn arch<G: AsMut<Machine>>() -> Flag<G> {
    Flag::takes("arch", "ARCH", |g: &mut G, w| put_word(&mut g.as_mut().arch, w), "The architecture alone")
        .under("Options")
}

/// `--os`.
pub const fn os<G: AsMut<Machine>>() -> Flag<G> {
    Flag::takes("os", "OS", |g: &mut G, w| put_word(&mut g.as_mut().os, w), "The operating system alone")
        .under("Options")
}

/// `--variant`.
pub const fn variant<G: AsMut<Machine>>() -> Flag<G> {
    let about = "The architecture's variant alone";
    Flag::takes("variant", "VARIANT", |g: &mut G, w| put_word(&mut g.as_mut().variant, w), about).under("Options")
}

/// A registry's refusal, as the engine tells it.
pub fn refused(error: engine::registry::Error) -> Failure {
    Failure::from(engine::Error::from(error))
}
