//! `inspect` of one kind of things: each that is named, as JSON or by a template.

use super::output::{Format, objects, print};
use super::{Context, Failure};
use engine::Engine;
use flag::{Flag, Order, parse, put};
use serde_json::Value;

/// How.
pub const FLAGS: &[Flag<Option<Format>>] =
    &[Flag::<Option<Format>>::takes("format", "FORMAT", put, "json or a template").short('f').under("Options")];

/// Shows them. `what` is one of them, and `look` finds one by its name.
pub fn shown(
    words: &[String],
    context: &Context,
    verb: &str,
    what: &str,
    look: impl Fn(&Engine, &str) -> Result<Value, Failure>,
) -> Result<u8, Failure> {
    let mut format = None;
    let names = parse(FLAGS, words, Order::Anywhere, &mut format)?;
    super::some_words(&names, what)?;
    let engine = context.engine()?;
    let mut found = Vec::new();
    let code = super::each(&names, verb, |name| {
        found.push(look(&engine, name)?);
        Ok(())
    });
    print(&objects(format, found)?)?;
    code
}
