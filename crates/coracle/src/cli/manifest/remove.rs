//! `coracle manifest remove`: an image out of a list.

use crate::cli::output::help;
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["manifest remove LIST DIGEST..."],
    about: "Take images out of a list",
    more: &["DIGEST is that of the image's manifest, as manifest inspect tells it."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "manifest remove", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let words = parse(FLAGS, words, Order::Anywhere, &mut ())?;
    let [list, digests @ ..] = words.as_slice() else {
        return Err(Failure::words("a list and a digest are needed", "--help tells the usage"));
    };
    crate::cli::some_words(digests, "a digest")?;
    let engine = context.engine()?;
    crate::cli::each(digests, VERB.name, |digest| {
        let digest = digest.parse().map_err(|error| Failure::because("DIGEST", error))?;
        Ok(engine.list_remove(list, digest)?)
    })
}
