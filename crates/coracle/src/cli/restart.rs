//! `coracle restart`: containers ended and started once more.

use super::output::print;
use super::start::begin;
use super::stop::{Given, SIGNAL, TIME};
use super::which;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::supervised::Attached;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["restart [OPTIONS] CONTAINER...", "restart [OPTIONS] --all"],
    about: "Stop containers and start them again",
    more: &[],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "restart",
    aliases: &["container restart"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

const FLAGS: &[Flag<Given>] = &[
    Flag { short: Some('a'), ..which::all("All containers") },
    which::cidfile(),
    Flag { short: Some('f'), ..which::filter() },
    which::latest(),
    Flag::<Given>::switch("running", |g, on| g.running = on, "Only those that run").under("Options"),
    SIGNAL,
    TIME,
    Flag { long: "timeout", heading: None, ..TIME },
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    given.which.needs(&names)?;
    let names = given.which.names(names, &context.engine()?, |status| !given.running || status.is_alive())?;
    let mut last = 0;
    for name in &names {
        context.engine()?.stop(name, given.signal, given.time)?;
        match begin(name, context, Attached::default())?.runs()? {
            Ok(()) => {
                context.engine()?.tell(name, "restart", &[]);
                print(&format!("{name}\n"))?;
            }
            Err(code) => last = code,
        }
    }
    Ok(last)
}
