//! `coracle image exists`: told by the exit code alone.

use super::{Context, Failure, Verb};
use crate::cli::output::help;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["image exists IMAGE"],
    about: "Tell by the exit code whether an image is there",
    more: &["0 where it is, 1 where it is not, 125 where nobody knows."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "image exists", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let words = parse(FLAGS, words, Order::Anywhere, &mut ())?;
    let [name] = words.as_slice() else {
        return Err(Failure::words("one image is needed", "coracle image exists IMAGE"));
    };
    match context.engine()?.image(name) {
        Ok(_) => Ok(0),
        Err(error) if error.is_not_found() => Ok(1),
        // What is not known is no answer.
        Err(error) => Ok(Failure::from(error).tell(VERB.name)),
    }
}
