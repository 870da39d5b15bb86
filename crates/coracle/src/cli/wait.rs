//! `coracle wait`: the exit codes of containers, when they have ended.

use super::output::print;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["wait CONTAINER..."],
    about: "Wait until containers end, and print their exit codes",
    more: &["A container that runs no more is not waited for. -1 is printed where nobody knows the code."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "wait",
    aliases: &["container wait"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let names = parse(FLAGS, words, Order::Anywhere, &mut ())?;
    super::some_words(&names, "a container")?;
    let engine = context.engine()?;
    super::each(&names, VERB.name, |name| {
        let code = engine.wait(name)?.map_or(-1, i32::from);
        print(&format!("{code}\n"))
    })
}
