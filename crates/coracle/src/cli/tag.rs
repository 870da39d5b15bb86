//! `coracle tag`: more names for an image.

use super::{Context, Failure, Verb};
use crate::cli::output::help;
use flag::{Flag, Help, Order, parse};
use oci::reference::Reference;

const HELP: Help = Help {
    usage: &["tag IMAGE NAME..."],
    about: "Give an image more names",
    more: &["Another image that has such a name loses it."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "tag", aliases: &["image tag"], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let words = parse(FLAGS, words, Order::Anywhere, &mut ())?;
    let [image, names @ ..] = words.as_slice() else {
        return Err(Failure::words("an image and a name are needed", "coracle tag IMAGE NAME"));
    };
    super::some_words(names, "a name for the image")?;
    let names: Vec<Reference> =
        names.iter().map(|name| name.parse()).collect::<Result<_, _>>().map_err(|e| Failure::because("NAME", e))?;
    context.engine()?.tag(image, &names)?;
    Ok(0)
}
