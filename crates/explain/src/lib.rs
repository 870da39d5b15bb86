//! Turns recorded steps into what people read.
//!
//! The engine joins what was done with what it was for; here is only how it is shown.

#![forbid(unsafe_code)]

mod call;
mod columns;
mod denied;
mod form;
mod html;
mod json;
mod script;
mod sides;
mod text;
pub mod timings;
mod trace;

pub use call::call;
pub use denied::denied;
pub use form::Form;
pub use html::html;
pub use json::json;
pub use script::script;
pub use sides::{paths_text, sides_text, sides_value};
pub use text::text;
pub use trace::trace;
