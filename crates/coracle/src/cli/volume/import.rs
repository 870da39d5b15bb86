//! `coracle volume import`: a tar into a volume.

use crate::cli::output::help;
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse};
use std::fs::File;

const HELP: Help = Help {
    usage: &["volume import VOLUME TAR|-"],
    about: "Put the files of a tar into a volume",
    more: &["What has the same name gives way, all else stays. The tar may be compressed with gzip or zstd."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "volume import", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let words = parse(FLAGS, words, Order::Anywhere, &mut ())?;
    let [volume, source] = words.as_slice() else {
        return Err(Failure::words(
            "a volume and a tar are needed",
            "coracle volume import VOLUME TAR, or - for input",
        ));
    };
    let engine = context.engine()?;
    engine.volume(volume)?;
    if source == "-" {
        crate::cli::refuse_terminal("give a file, or a pipe")?;
        engine.import_volume(volume, std::io::stdin())?;
    } else {
        let file = File::open(source).map_err(|error| Failure::unreadable("TAR", source, error))?;
        engine.import_volume(volume, file)?;
    }
    Ok(0)
}
