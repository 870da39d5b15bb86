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
        answer(words, "container", "container exists", |name| found(engine.container(name)))
    },
    help: |width| help(&OF_CONTAINERS, FLAGS, width),
};

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let engine = context.engine()?;
    answer(words, "image", VERB.name, |name| found(engine.image(name)))
}

/// Whether it is there. What is not known is no answer.
pub fn found<T>(looked: engine::Result<T>) -> Result<bool, Failure> {
    match looked {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The answer for the one word that is asked for.
pub fn answer(
    words: &[String],
    what: &str,
    verb: &str,
    look: impl Fn(&str) -> Result<bool, Failure>,
) -> Result<u8, Failure> {
    let words = parse(FLAGS, words, Order::Anywhere, &mut ())?;
    let [name] = words.as_slice() else {
        return Err(Failure::words(format!("one {what} is needed"), format!("coracle {verb} {}", what.to_uppercase())));
    };
    match look(name) {
        Ok(there) => Ok(u8::from(!there)),
        Err(failure) => Ok(failure.tell(verb)),
    }
}
