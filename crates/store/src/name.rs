//! Ids and names of containers, and names of volumes.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// A container's id: 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ContainerId(String);

impl ContainerId {
    /// A new id of 256 random bits.
    pub fn random() -> Result<Self, Error> {
        Ok(Self(random_hex::<32>()?))
    }

    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, as people see them.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

/// `2 * BYTES` hexadecimal digits of randomness.
pub(crate) fn random_hex<const BYTES: usize>() -> Result<String, Error> {
    let mut bytes = [0; BYTES];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if got.map_err(Error::errno("cannot get random bytes"))? != BYTES {
        return Err(Error::errno("cannot get random bytes")(rustix::io::Errno::IO));
    }
    let mut text = String::with_capacity(2 * BYTES);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

impl FromStr for ContainerId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let valid = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if valid { Ok(Self(text.to_owned())) } else { Err(Error::ContainerId(text.chars().take(80).collect())) }
    }
}

impl TryFrom<String> for ContainerId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container's name, by docker's rule: a letter or digit, then letters, digits, `_`, `.` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ContainerName(String);

impl ContainerName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContainerName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if is_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::ContainerName(text.chars().take(80).collect()))
        }
    }
}

/// A name is a file's name in the store, hence the length.
fn is_name(text: &str) -> bool {
    (2..=255).contains(&text.len()) && is_plain(text)
}

/// A letter or digit, then letters, digits, `_`, `.` and `-`.
pub(crate) fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

impl TryFrom<String> for ContainerName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A volume's name, by the same rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct VolumeName(String);

impl VolumeName {
    /// A new one for a volume that nobody has named: 64 digits, as docker has it.
    pub fn random() -> Result<Self, Error> {
        Ok(Self(random_hex::<32>()?))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VolumeName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if is_name(text) { Ok(Self(text.to_owned())) } else { Err(Error::VolumeName(text.chars().take(80).collect())) }
    }
}

impl TryFrom<String> for VolumeName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_random_and_reads_back() {
        let (one, two) = (ContainerId::random().expect("an id"), ContainerId::random().expect("an id"));
        assert_ne!(one, two);
        assert_eq!(one.as_str().parse::<ContainerId>().expect("an id"), one);
    }

    #[test]
    fn what_could_leave_the_directory_is_no_name() {
        for wrong in ["", "a", ".", "..", "../x", "a/b", "-x", "a b", "a\0b", "é1"] {
            assert!(wrong.parse::<ContainerName>().is_err(), "{wrong:?}");
            assert!(wrong.parse::<ContainerId>().is_err(), "{wrong:?}");
        }
        assert!("web_1.x-y".parse::<ContainerName>().is_ok());
    }
}
