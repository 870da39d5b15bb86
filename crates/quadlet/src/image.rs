//! `.image`: a service that pulls an image, once.

use crate::keys::Becomes::{Bare, Elsewhere, Truth, Value};
use crate::keys::{Table, flags, words};
use crate::service::{Setting, command, once};
use crate::{Error, Unit};

pub(crate) const SECTION: &str = "Image";

const KEYS: Table = &[
    ("AllTags", Truth("--all-tags")),
    ("Arch", Value("--arch")),
    ("AuthFile", Value("--authfile")),
    ("CertDir", Value("--cert-dir")),
    ("Creds", Value("--creds")),
    ("OS", Value("--os")),
    ("Policy", Value("--policy")),
    ("Retry", Value("--retry")),
    ("RetryDelay", Value("--retry-delay")),
    ("TLSVerify", Truth("--tls-verify")),
    ("Variant", Value("--variant")),
    ("Image", Elsewhere),
    ("ImageTag", Elsewhere),
    ("ServiceName", Elsewhere),
    ("GlobalArgs", Elsewhere),
    ("PodmanArgs", Bare),
];

pub(crate) fn write(unit: &mut Unit, setting: &Setting<'_>) -> Result<(), Error> {
    let image = unit.last(SECTION, "Image").ok_or(Error::NoKey { section: SECTION, keys: "Image=" })?.to_owned();
    let mut pull = ["image", "pull"].map(str::to_owned).to_vec();
    pull.extend(flags(unit, SECTION, KEYS)?);
    pull.push(image);
    let global = words(unit, SECTION, "GlobalArgs")?;
    once(unit, command(setting, &global, &pull));
    Ok(())
}

/// The service that pulls for a file.
pub(crate) fn service_of(file: &str) -> String {
    format!("{}-image.service", file.strip_suffix(".image").unwrap_or(file))
}
