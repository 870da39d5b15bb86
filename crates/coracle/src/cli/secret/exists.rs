//! `coracle secret exists`: told by the exit code alone.

use crate::cli::Verb;
use crate::cli::exists::{answer, found};
use crate::cli::output::help;
use flag::{Flag, Help};

const HELP: Help = Help {
    usage: &["secret exists SECRET"],
    about: "Tell by the exit code whether a secret is there",
    more: &["0 where it is, 1 where it is not, 125 where nobody knows."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "secret exists",
    aliases: &[],
    about: HELP.about,
    run: |words, context| {
        let engine = context.engine()?;
        answer(words, "secret", "secret exists", |name| found(engine.secret(name)))
    },
    help: |width| help(&HELP, FLAGS, width),
};

const FLAGS: &[Flag<()>] = &[];
