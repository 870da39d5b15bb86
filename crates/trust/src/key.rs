//! Public keys as cosign and openssl write them: SubjectPublicKeyInfo (RFC 5280, section 4.1) in PEM.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

/// A key that signatures are checked with.
pub struct Key {
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: Vec<u8>,
}

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It has no PEM block of a public key, or a damaged one.
    #[error("there is no public key in it: it has to begin with -----BEGIN PUBLIC KEY-----")]
    Pem,
    /// What is in the block is no key.
    #[error("its public key is damaged")]
    Damaged,
    /// A key of a kind that is not known.
    #[error("its public key is of a kind that is not known: ECDSA (P-256, P-384), Ed25519 and RSA are")]
    Unknown,
}

const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const SEQUENCE: u8 = 0x30;
const OBJECT: u8 = 0x06;
const BITS: u8 = 0x03;

impl Key {
    /// Reads the first public key of a text.
    pub fn parse(pem: &str) -> Result<Self, KeyError> {
        let (_, rest) = pem.split_once("-----BEGIN PUBLIC KEY-----").ok_or(KeyError::Pem)?;
        let (body, _) = rest.split_once("-----END PUBLIC KEY-----").ok_or(KeyError::Pem)?;
        let body: String = body.split_whitespace().collect();
        let der = BASE64_STANDARD.decode(body).map_err(|_| KeyError::Pem)?;
        let (info, _) = value(&der, SEQUENCE)?;
        let (algorithm, rest) = value(info, SEQUENCE)?;
        let (kind, parameters) = value(algorithm, OBJECT)?;
        let (bits, _) = value(rest, BITS)?;
        // The first byte says how many bits of the last one are unused: none.
        let bytes = bits.strip_prefix(&[0]).ok_or(KeyError::Damaged)?.to_vec();
        // Whatever the curve, cosign signs the SHA-256 of what it signs.
        let algorithm: &dyn VerificationAlgorithm = match kind {
            EC => match value(parameters, OBJECT)?.0 {
                P256 => &signature::ECDSA_P256_SHA256_ASN1,
                P384 => &signature::ECDSA_P384_SHA256_ASN1,
                _ => return Err(KeyError::Unknown),
            },
            ED25519 => &signature::ED25519,
            RSA => &signature::RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(KeyError::Unknown),
        };
        Ok(Self { algorithm, bytes })
    }

    /// Whether the holder of the private key has signed this.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// The content of a value of this type at the start of some DER (ITU-T X.690, section 8.1), and what follows.
fn value(der: &[u8], wanted: u8) -> Result<(&[u8], &[u8]), KeyError> {
    let (&tag, rest) = der.split_first().ok_or(KeyError::Damaged)?;
    let (&first, rest) = rest.split_first().ok_or(KeyError::Damaged)?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let digits = rest.get(..count).filter(|_| (1..=3).contains(&count)).ok_or(KeyError::Damaged)?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), &rest[count..])
    };
    if tag != wanted || rest.len() < length {
        return Err(KeyError::Damaged);
    }
    Ok(rest.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use testkit::{Invocation, requires};

    /// A key pair that openssl has made, and its signature of a text.
    fn signed(dir: &Path, kind: &[&str], raw: bool) -> (String, Vec<u8>) {
        let openssl = |words: &[&str]| drop(Invocation::new("openssl").args(words).current_dir(dir).ok());
        openssl(&[&["genpkey", "-out", "key"], kind].concat());
        openssl(&["pkey", "-in", "key", "-pubout", "-out", "key.pub"]);
        std::fs::write(dir.join("text"), "a text").unwrap();
        if raw {
            openssl(&["pkeyutl", "-sign", "-inkey", "key", "-rawin", "-in", "text", "-out", "signature"]);
        } else {
            openssl(&["dgst", "-sha256", "-sign", "key", "-out", "signature", "text"]);
        }
        let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
        (String::from_utf8(read("key.pub")).unwrap(), read("signature"))
    }

    #[test]
    fn what_openssl_signs_is_signed_and_nothing_else() {
        requires!(package = "openssl");
        let dir = tempfile::tempdir().unwrap();
        for (kind, raw) in [
            (&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..], false),
            (&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], false),
            (&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], false),
            (&["-algorithm", "ED25519"], true),
        ] {
            let (pem, signature) = signed(dir.path(), kind, raw);
            let key = Key::parse(&pem).unwrap();
            assert!(key.has_signed(b"a text", &signature), "{kind:?}");
            assert!(!key.has_signed(b"b text", &signature), "{kind:?}");
            assert!(!key.has_signed(b"a text", &signature[..signature.len() - 1]), "{kind:?}");
            let (other, _) = signed(dir.path(), kind, raw);
            assert!(!Key::parse(&other).unwrap().has_signed(b"a text", &signature), "{kind:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_an_error() {
        let pem = |body: &str| format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        assert_eq!(Key::parse("").err(), Some(KeyError::Pem));
        assert_eq!(Key::parse(&pem("!")).err(), Some(KeyError::Pem));
        for body in ["", "MA==", "MIQ=", "MAAA", "MP////8="] {
            assert_eq!(Key::parse(&pem(body)).err(), Some(KeyError::Damaged), "{body}");
        }
    }
}
