//! `coracle pause`: containers that stand still.

use super::output::print;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::containers::Status;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["pause CONTAINER...", "pause --all"],
    about: "Stop all processes of containers where they are",
    more: &[],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "pause",
    aliases: &["container pause"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    all: bool,
}

const FLAGS: &[Flag<Given>] =
    &[Flag::<Given>::switch("all", |g, on| g.all = on, "All containers that run").short('a').under("Options")];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let engine = context.engine()?;
    let names = super::chosen(names, given.all, &engine, |status| matches!(status, Status::Running { .. }))?;
    super::each(&names, VERB.name, |name| {
        engine.pause(name)?;
        print(&format!("{name}\n"))
    })
}
