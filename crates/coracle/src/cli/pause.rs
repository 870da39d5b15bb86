//! `coracle pause` and `unpause`: containers that stand still, and go on.

use super::output::print;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::ContainerId;
use engine::containers::Status;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["pause CONTAINER...", "pause --all"],
    about: "Stop all processes of containers where they are",
    more: &[],
};

const GOING_ON: Help = Help {
    usage: &["unpause CONTAINER...", "unpause --all"],
    about: "Let the processes of paused containers go on",
    more: &[],
};

/// `coracle pause`.
pub const VERB: Verb = Verb {
    name: "pause",
    aliases: &["container pause"],
    about: HELP.about,
    run: |words, context| {
        let runs = |status: &Status| matches!(status, Status::Running { .. });
        each(words, context, "pause", runs, engine::Engine::pause)
    },
    help: |width| help(&HELP, FLAGS, width),
};

/// `coracle unpause`.
pub const UNPAUSE: Verb = Verb {
    name: "unpause",
    aliases: &["container unpause"],
    about: GOING_ON.about,
    run: |words, context| {
        let paused = |status: &Status| matches!(status, Status::Paused { .. });
        each(words, context, "unpause", paused, engine::Engine::unpause)
    },
    help: |width| help(&GOING_ON, FLAGS, width),
};

const FLAGS: &[Flag<bool>] =
    &[Flag::<bool>::switch("all", |all, on| *all = on, "All for which it means something").short('a').under("Options")];

fn each(
    words: &[String],
    context: &Context,
    verb: &str,
    kind: impl Fn(&Status) -> bool,
    act: impl Fn(&engine::Engine, &str) -> engine::Result<ContainerId>,
) -> Result<u8, Failure> {
    let mut all = false;
    let names = parse(FLAGS, words, Order::Anywhere, &mut all)?;
    let engine = context.engine()?;
    let names = super::chosen(names, all, &engine, kind)?;
    super::each(&names, verb, |name| {
        act(&engine, name)?;
        print(&format!("{name}\n"))
    })
}
