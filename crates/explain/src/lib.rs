//! Turns recorded steps into what people read.
//!
//! The engine joins what was done with what it was for; here is only how it is shown.

#![forbid(unsafe_code)]

mod call;
mod form;
mod json;
mod text;
pub mod timings;
mod trace;

pub use call::call;
pub use form::Form;
pub use json::json;
pub use text::text;
pub use trace::trace;
