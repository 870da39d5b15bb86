//! `coracle network exists`: told by the exit code alone.

use crate::cli::Verb;
use crate::cli::exists::{answer, found};
use crate::cli::output::help;
use flag::{Flag, Help};

const HELP: Help = Help {
    usage: &["network exists NETWORK"],
    about: "Tell by the exit code whether a network is there",
    more: &["0 where it is, 1 where it is not, 125 where nobody knows."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "network exists",
    aliases: &[],
    about: HELP.about,
    run: |words, context| {
        let engine = context.engine()?;
        answer(words, "network", VERB.name, |name| found(engine.find_network(name)))
    },
    help: |width| help(&HELP, FLAGS, width),
};

const FLAGS: &[Flag<()>] = &[];
