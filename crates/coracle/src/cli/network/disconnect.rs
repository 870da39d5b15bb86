//! `coracle network disconnect`.

use crate::cli::output::help;
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["network disconnect [OPTIONS] NETWORK CONTAINER"],
    about: "Part a container from a network",
    more: &["At once where it runs: its device goes, with the connections over it."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "network disconnect", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    force: bool,
}

const FLAGS: &[Flag<Given>] =
    &[Flag::<Given>::switch("force", |g, on| g.force = on, "No word about a container that is not there")
        .short('f')
        .under("Options")];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [network, container] = words.as_slice() else {
        return Err(Failure::words("a network and a container are needed", HELP.usage[0]));
    };
    match context.engine()?.disconnect(network, container) {
        Err(error) if given.force && error.is_not_found() => Ok(0),
        other => other.map(|()| 0).map_err(Failure::from),
    }
}
