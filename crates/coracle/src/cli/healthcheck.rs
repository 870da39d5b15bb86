//! `coracle healthcheck run`: whether a container is well, asked now.

use super::output::print;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["healthcheck run CONTAINER"],
    about: "Check now whether a container is well",
    more: &["The exit code is 0 if it is, and 1 if not. What its monitor knows of it stays as it is."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "healthcheck run", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let names = parse(FLAGS, words, Order::Anywhere, &mut ())?;
    let [name] = names.as_slice() else {
        return Err(Failure::words("one container is needed", "coracle healthcheck run CONTAINER"));
    };
    if context.engine()?.check_health(name, |error| Failure::from(error).tell(VERB.name))? {
        return Ok(0);
    }
    // podman's word.
    print("unhealthy\n")?;
    Ok(1)
}
