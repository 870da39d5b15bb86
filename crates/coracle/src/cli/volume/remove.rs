//! `coracle volume rm`.

use crate::cli::output::{help, print};
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["volume rm [OPTIONS] VOLUME..."],
    about: "Remove volumes",
    more: &["One that a container uses stays, whether the container runs or not."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "volume rm",
    aliases: &["volume remove"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    force: bool,
}

const FLAGS: &[Flag<Given>] =
    &[Flag::<Given>::switch("force", |g, on| g.force = on, "No word about those that are not there")
        .short('f')
        .under("Options")];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    crate::cli::some_words(&names, "a volume")?;
    let engine = context.engine()?;
    crate::cli::each(&names, VERB.name, |name| match engine.remove_volume(name) {
        Ok(()) => print(&format!("{name}\n")),
        Err(error) if given.force && error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    })
}
