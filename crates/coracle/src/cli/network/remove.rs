//! `coracle network rm`.

use crate::cli::output::{help, print};
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["network rm [OPTIONS] NETWORK..."],
    about: "Remove networks",
    more: &[
        "One that a container is in stays, whether the container runs or not; with --force the container goes, too.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "network rm",
    aliases: &["network remove"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    force: bool,
}

const FLAGS: &[Flag<Given>] =
    &[Flag::<Given>::switch("force", |g, on| g.force = on, "With its containers; no word about what is not there")
        .short('f')
        .under("Options")];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    crate::cli::some_words(&names, "a network")?;
    let engine = context.engine()?;
    crate::cli::each(&names, VERB.name, |name| match engine.remove_network(name, given.force) {
        Ok(name) => print(&format!("{name}\n")),
        Err(error) if given.force && error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    })
}
