//! `coracle unpause`: containers that go on.

use super::output::print;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::containers::Status;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["unpause CONTAINER...", "unpause --all"],
    about: "Let the processes of paused containers go on",
    more: &[],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "unpause",
    aliases: &["container unpause"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    all: bool,
}

const FLAGS: &[Flag<Given>] =
    &[Flag::<Given>::switch("all", |g, on| g.all = on, "All containers that are paused").short('a').under("Options")];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let engine = context.engine()?;
    let names = super::chosen(names, given.all, &engine, |status| matches!(status, Status::Paused { .. }))?;
    super::each(&names, VERB.name, |name| {
        engine.unpause(name)?;
        print(&format!("{name}\n"))
    })
}
