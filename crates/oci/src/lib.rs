//! The formats of the Open Container Initiative, parsed and printed: the runtime specification, the image
//! specification, digests and references. No I/O happens here, and nothing here decides policy: a field that the
//! specification leaves open is an `Option`, and what an absent field means is said by the room that acts on it.

#![forbid(unsafe_code)]

pub mod digest;
pub mod image;
pub mod reference;
pub mod runtime;
