//! Signatures of images, and which are asked for: the keys and payloads of cosign, and `policy.json` of
//! containers-policy.json(5). Asks nobody and reads no file: whoever has the bytes hands them in.
//!
//! A signature is worth what is done with it: one counts only with a key that the caller named, for the digest that the
//! caller holds, and where a policy says so for the name under which the image was asked for.

#![forbid(unsafe_code)]

mod key;
mod policy;
mod signature;

pub use key::{Key, KeyError};
pub use policy::{Identity, Policy, PolicyError, Requirement, SigstoreSigned};
pub use signature::{Claim, SIGNATURE, SIMPLE_SIGNING};
