//! Content digests: `sha256:` and 64 hexadecimal digits, or `sha512:` and 128.
//!
//! A digest becomes part of a path, so a value of these types is proof that the text was checked: nothing but these
//! algorithms and lower-case digits gets in (CVE-2024-3727 was a digest used unchecked). Three kinds that look
//! alike are kept apart by type: the digest of a blob as it is stored and sent, the [`DiffId`] of a layer's
//! uncompressed tar, and the [`ChainId`] of a layer together with all below it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use std::str::FromStr;

/// How a digest is computed (image spec, "Registered algorithms"). What we make ourselves has the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// Its name in digests and paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The digest of `bytes`.
    pub fn of(self, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::of(self);
        hasher.update(bytes);
        hasher.finish()
    }

    /// How many bytes it gives.
    fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// The digest of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    /// Zero behind the end of a shorter one.
    bytes: [u8; 64],
}

/// How the refusal of an algorithm reads.
pub(crate) const UNSUPPORTED: &str = "is not supported, only sha256 and sha512 are";

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `algorithm:` in front.
    #[error("digest {0:?} has no algorithm, like sha256:")]
    NoAlgorithm(String),
    /// An algorithm that we do not compute.
    #[error("digest algorithm {0:?} {UNSUPPORTED}")]
    Algorithm(String),
    /// What follows is not as many lower-case hexadecimal digits as there have to be.
    #[error("digest {0:?} does not have {1} lower-case hexadecimal digits")]
    Digits(String, usize),
}

impl Digest {
    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Algorithm::Sha256.of(bytes)
    }

    /// How it was computed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digits alone, as they name files.
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        let bytes = &self.bytes[..self.algorithm.length()];
        let mut text = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// Where a blob lies below the `blobs` of an image layout: `sha256/HEX`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.algorithm.name(), self.hex())
    }

    /// Reads the digits alone; how many there are tells the algorithm.
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        let by_length = |algorithm: &Algorithm| 2 * algorithm.length() == hex.len();
        Self::read(Algorithm::ALL.into_iter().find(by_length).unwrap_or_default(), hex)
    }

    fn read(algorithm: Algorithm, hex: &str) -> Result<Self, DigestError> {
        let digits = 2 * algorithm.length();
        let wrong = || DigestError::Digits(shortened(hex), digits);
        if hex.len() != digits {
            return Err(wrong());
        }
        let mut bytes = [0; 64];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().as_chunks::<2>().0) {
            let [high, low] = pair.map(|digit| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            });
            *byte = high.ok_or_else(wrong)? << 4 | low.ok_or_else(wrong)?;
        }
        Ok(Self { algorithm, bytes })
    }

    /// The first twelve digits, as people see image ids.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }
}

/// Enough of a wrong text to recognise it.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (name, hex) = text.split_once(':').ok_or_else(|| DigestError::NoAlgorithm(shortened(text)))?;
        let known = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        Self::read(known.ok_or_else(|| DigestError::Algorithm(shortened(name)))?, hex)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The digest of a layer's tar, uncompressed (image spec, "Layer DiffID").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

/// Names a layer applied on top of all layers below it (image spec, "Layer ChainID").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(pub Digest);

impl ChainId {
    /// The chain of a lowest layer: its diff ID.
    pub fn base(layer: DiffId) -> Self {
        Self(layer.0)
    }

    /// This chain with `layer` on top.
    #[must_use]
    pub fn with(self, layer: DiffId) -> Self {
        Self(Digest::of(format!("{} {}", self.0, layer.0).as_bytes()))
    }

    /// The chain of each layer of an image, lowest first.
    pub fn of_layers(layers: &[DiffId]) -> Vec<Self> {
        let mut chains: Vec<Self> = Vec::with_capacity(layers.len());
        for &layer in layers {
            chains.push(chains.last().map_or_else(|| Self::base(layer), |below| below.with(layer)));
        }
        chains
    }
}

macro_rules! shown_as_digest {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}

shown_as_digest! { DiffId ChainId }

/// Computes a digest piece by piece.
#[derive(Clone)]
pub struct Hasher {
    state: State,
    length: u64,
}

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// By this algorithm.
    pub fn of(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::default()),
            Algorithm::Sha512 => State::Sha512(Sha512::default()),
        };
        Self { state, length: 0 }
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
        self.length += bytes.len() as u64;
    }

    /// How many bytes it took so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The digest of all of them.
    pub fn finish(self) -> Digest {
        let mut bytes = [0; 64];
        let mut keep = |own: &[u8]| bytes[..own.len()].copy_from_slice(own);
        let algorithm = match self.state {
            State::Sha256(state) => {
                keep(&state.finalize());
                Algorithm::Sha256
            }
            State::Sha512(state) => {
                keep(&state.finalize());
                Algorithm::Sha512
            }
        };
        Digest { algorithm, bytes }
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::of(Algorithm::default())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_well_known_one() {
        // FIPS 180-4's empty message, as sha256sum prints it for /dev/null.
        let known = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), known);
        assert_eq!(known.parse(), Ok(Digest::of(b"")));
        let known = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
                     47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
        let digest = Algorithm::Sha512.of(b"");
        assert_eq!((digest.to_string().as_str(), known.parse()), (known, Ok(digest)));
        assert_eq!(Digest::from_hex(&digest.hex()), Ok(digest));
    }

    #[test]
    fn only_checked_text_becomes_a_digest() {
        for wrong in ["", "sha256", "sha256:", "sha256:../../x", "sha512:00", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
        let upper = format!("sha256:{}", "A".repeat(64));
        assert!(matches!(upper.parse::<Digest>(), Err(DigestError::Digits(_, 64))));
        let long = format!("sha256:{}", "a".repeat(65));
        assert!(matches!(long.parse::<Digest>(), Err(DigestError::Digits(_, 64))));
        let other = format!("sha512:{}", "a".repeat(64));
        assert!(matches!(other.parse::<Digest>(), Err(DigestError::Digits(_, 128))));
    }

    #[test]
    fn a_chain_hashes_the_texts_of_the_chain_below_and_the_layer() {
        let (a, b) = (DiffId(Digest::of(b"a")), DiffId(Digest::of(b"b")));
        let chains = ChainId::of_layers(&[a, b]);
        assert_eq!(chains[0].0, a.0);
        assert_eq!(chains[1].0, Digest::of(format!("{a} {b}").as_bytes()));
    }
}
