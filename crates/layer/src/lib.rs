//! Layer tars in: applied inside their directory, verified, hostile or not.

#![forbid(unsafe_code)]

mod error;

pub use error::Error;
