//! `coracle volume export`: the files of a volume as a tar.

use crate::cli::outgoing::Outgoing;
use crate::cli::output::help;
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse, put_word};

const HELP: Help = Help {
    usage: &["volume export [OPTIONS] VOLUME"],
    about: "Write the files of a volume as a tar",
    more: &["coracle volume import puts them into another."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "volume export", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    output: Option<String>,
}

const FLAGS: &[Flag<Given>] =
    &[Flag::<Given>::takes("output", "FILE", |g, w| put_word(&mut g.output, w), "File, instead of standard output")
        .short('o')
        .under("Options")];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [volume] = words.as_slice() else {
        return Err(Failure::words("one volume is needed", "coracle volume export VOLUME"));
    };
    let engine = context.engine()?;
    engine.volume(volume)?;
    // A file that was opened in another mount namespace cannot be given a name.
    engine.enter()?;
    let mut out = Outgoing::open(given.output.as_deref(), VERB.name)?;
    engine.export_volume(volume, &mut out)?;
    out.finish().map(|()| 0)
}
