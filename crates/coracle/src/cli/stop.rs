//! `coracle stop`: containers asked to end.

use super::output::print;
use super::which::{self, Which};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::config::Signal;
use engine::containers::Status;
use flag::{Flag, Help, Order, parse, put};

const HELP: Help = Help {
    usage: &["stop [OPTIONS] CONTAINER...", "stop [OPTIONS] --all"],
    about: "Ask containers to end, and kill those that do not",
    more: &[
        "A container is sent the signal that it was made for (--stop-signal, or what its image says; SIGTERM), and killed after --time. One that does not run is left as it is.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "stop",
    aliases: &["container stop"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

/// How it is asked.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub which: Which,
    pub running: bool,
    pub ignore: bool,
    pub signal: Option<Signal>,
    pub time: Option<i32>,
}

super::parts!(Given { which: Which });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F { short: Some('a'), ..which::all("All containers that run") },
    which::cidfile(),
    F { short: Some('f'), ..which::filter() },
    F::switch("ignore", |g, on| g.ignore = on, "No word about those that are not there").short('i').under("Options"),
    which::latest(),
    SIGNAL,
    TIME,
    Flag { long: "timeout", heading: None, ..TIME },
];

/// `--signal`.
pub(super) const SIGNAL: F =
    F::takes("signal", "SIGNAL", |g, w| put(&mut g.signal, w), "The signal that asks it").short('s').under("Options");

/// `--time`.
pub(super) const TIME: F = F::takes(
    "time",
    "SECONDS",
    |g, w| {
        g.time = Some(engine::flags::stop_timeout(w)?);
        Ok(())
    },
    "How long it may take, -1 for ever (10)",
)
.short('t')
.under("Options");

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    given.which.needs(&names)?;
    let engine = context.engine()?;
    let names = given.which.names(names, &engine, Status::is_alive)?;
    let ask = |name: &str| match engine.ask_to_end(name, given.signal, given.time) {
        Ok(asked) => Ok(Some(asked)),
        Err(error) if given.ignore && error.is_not_found() => Ok(None),
        Err(error) => Err(Failure::from(error)),
    };
    super::each_begun(&names, VERB.name, ask, |name, asked| match asked? {
        Some(asked) => {
            asked.wait()?;
            print(&format!("{name}\n"))
        }
        None => Ok(()),
    })
}
