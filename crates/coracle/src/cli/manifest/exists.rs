//! `coracle manifest exists`: whether there is a list, told by the exit code alone.

use crate::cli::output::help;
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse};

const HELP: Help =
    Help { usage: &["manifest exists LIST"], about: "Whether there is a list: 0 if so, else 1", more: &[] };

/// The verb.
pub const VERB: Verb =
    Verb { name: "manifest exists", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let words = parse(FLAGS, words, Order::Anywhere, &mut ())?;
    let [name] = words.as_slice() else {
        return Err(Failure::words("one name is needed", "--help tells the usage"));
    };
    match context.engine()?.list(name) {
        Ok(_) => Ok(0),
        Err(error) if error.is_not_found() => Ok(1),
        Err(error) => Err(error.into()),
    }
}
