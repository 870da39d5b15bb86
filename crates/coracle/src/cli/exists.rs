//! `coracle image exists` and `container exists`: told by the exit code alone.

use super::{Context, Failure, Verb};
use crate::cli::output::help;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["image exists IMAGE"],
    about: "Tell by the exit code whether an image is there",
    more: &["0 where it is, 1 where it is not, 125 where nobody knows."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "image exists", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

const OF_CONTAINERS: Help = Help {
    usage: &["container exists CONTAINER"],
    about: "Tell by the exit code whether a container is there",
    more: HELP.more,
};

/// The same for containers.
pub const CONTAINER: Verb = Verb {
    name: "container exists",
    aliases: &[],
    about: OF_CONTAINERS.about,
    run: |words, context| {
        let engine = context.engine()?;
        answer(words, "container", "container exists", |name| engine.container(name).map(drop))
    },
    help: |width| help(&OF_CONTAINERS, FLAGS, width),
};

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let engine = context.engine()?;
    answer(words, "image", VERB.name, |name| engine.image(name).map(drop))
}

fn answer(words: &[String], what: &str, verb: &str, look: impl Fn(&str) -> engine::Result<()>) -> Result<u8, Failure> {
    let words = parse(FLAGS, words, Order::Anywhere, &mut ())?;
    let [name] = words.as_slice() else {
        return Err(Failure::words(format!("one {what} is needed"), format!("coracle {verb} {}", what.to_uppercase())));
    };
    match look(name) {
        Ok(()) => Ok(0),
        Err(error) if error.is_not_found() => Ok(1),
        // What is not known is no answer.
        Err(error) => Ok(Failure::from(error).tell(verb)),
    }
}
