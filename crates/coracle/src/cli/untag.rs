//! `coracle untag`: names away, while the image stays.

use super::{Context, Failure, Verb};
use crate::cli::output::help;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["untag IMAGE [NAME...]"],
    about: "Take names from an image, which stays",
    more: &["Without NAME all that it has. rmi takes the image with its last name."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "untag", aliases: &["image untag"], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let words = parse(FLAGS, words, Order::Anywhere, &mut ())?;
    let [image, names @ ..] = words.as_slice() else {
        return Err(Failure::words("an image is needed", "coracle untag IMAGE [NAME...]"));
    };
    context.engine()?.untag(image, names)?;
    Ok(0)
}
