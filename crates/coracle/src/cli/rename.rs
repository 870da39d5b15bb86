//! `coracle rename`: another name for a container.

use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::config::ContainerName;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help { usage: &["rename CONTAINER NAME"], about: "Give a container another name", more: &[] };

/// The verb.
pub const VERB: Verb = Verb {
    name: "rename",
    aliases: &["container rename"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let words = parse(FLAGS, words, Order::Anywhere, &mut ())?;
    let [container, name] = words.as_slice() else {
        return Err(Failure::words("a container and a name are needed", "coracle rename CONTAINER NAME"));
    };
    let name: ContainerName = name.parse().map_err(|error| Failure::because("NAME", error))?;
    context.engine()?.rename(container, &name)?;
    Ok(0)
}
