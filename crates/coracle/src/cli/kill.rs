//! `coracle kill`: a signal for containers.

use super::output::print;
use super::which::{self, Which};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::config::Signal;
use engine::containers::Status;
use flag::{Flag, Help, Order, parse, put};

const HELP: Help = Help {
    usage: &["kill [OPTIONS] CONTAINER...", "kill [OPTIONS] --all"],
    about: "Send a signal to containers",
    more: &["The signal goes to the first process. Without --signal it is SIGKILL, which ends the container."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "kill",
    aliases: &["container kill"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

super::parts!(Given { which: Which });

#[derive(Debug, Default)]
struct Given {
    which: Which,
    signal: Option<Signal>,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F { short: Some('a'), ..which::all("All containers that run") },
    which::cidfile(),
    which::filter(),
    which::latest(),
    F::takes("signal", "SIGNAL", |g, w| put(&mut g.signal, w), "The signal (KILL)").short('s').under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    given.which.needs(&names)?;
    let engine = context.engine()?;
    let names = given.which.names(names, &engine, Status::is_alive)?;
    super::each(&names, VERB.name, |name| {
        engine.kill(name, given.signal.unwrap_or(Signal::KILL))?;
        print(&format!("{name}\n"))
    })
}
