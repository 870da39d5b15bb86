//! `coracle pause` and `unpause`: containers that stand still, and go on.

use super::output::print;
use super::which::{self, Which};
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

impl AsMut<Self> for Which {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

const FLAGS: &[Flag<Which>] = &[
    Flag { short: Some('a'), ..which::all("All for which it means something") },
    which::cidfile(),
    Flag { short: Some('f'), ..which::filter() },
    which::latest(),
];

fn each(
    words: &[String],
    context: &Context,
    verb: &str,
    kind: impl Fn(&Status) -> bool,
    act: impl Fn(&engine::Engine, &str) -> engine::Result<ContainerId>,
) -> Result<u8, Failure> {
    let mut which = Which::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut which)?;
    which.needs(&names)?;
    let engine = context.engine()?;
    let names = which.names(names, &engine, kind)?;
    super::each(&names, verb, |name| {
        act(&engine, name)?;
        print(&format!("{name}\n"))
    })
}
