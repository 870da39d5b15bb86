//! Turns recorded steps into what people read.
//!
//! The engine joins what was done with what it was for; here is only how it is shown.

#![forbid(unsafe_code)]

mod text;

pub use text::text;
