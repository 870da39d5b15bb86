//! `coracle rm`: containers away.

use super::output::print;
use super::which::{self, Which};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::containers::Volumes;
use engine::flags::Invalid;
use flag::{Flag, Help, Order, parse};

const HELP: Help =
    Help { usage: &["rm [OPTIONS] CONTAINER...", "rm [OPTIONS] --all"], about: "Remove containers", more: &[] };

/// The verb.
pub const VERB: Verb = Verb {
    name: "rm",
    aliases: &["container rm", "container remove"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    force: bool,
    ignore: bool,
    which: Which,
    time: Option<i32>,
    volumes: bool,
}

super::parts!(Given { which: Which });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F { short: Some('a'), ..which::all("All containers") },
    which::cidfile(),
    // podman's, for containers that others depend on, of which there are none.
    F::switch("depend", |_, _| (), ""),
    which::filter(),
    F::switch("force", |g, on| g.force = on, "Kill those that run; no word about those that are gone")
        .short('f')
        .under("Options"),
    F::switch("ignore", |g, on| g.ignore = on, "No word about those that are not there").short('i').under("Options"),
    which::latest(),
    F::takes("time", "SECONDS", time, "With --force: ask it to end first, and kill it after that time")
        .short('t')
        .under("Options"),
    F::switch("volumes", |g, on| g.volumes = on, "And their volumes that have no name and nobody else uses")
        .short('v')
        .under("Options"),
];

fn time(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.time = Some(engine::flags::stop_timeout(word)?);
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    given.which.needs(&names)?;
    let engine = context.engine()?;
    let mut names = given.which.names(names, &engine, |_| true)?;
    if given.which.is_all() {
        // One whose record is damaged goes as well, by its id.
        names
            .extend(engine.containers()?.into_iter().filter_map(|each| each.err().map(|broken| broken.id.to_string())));
    }
    // What cannot be killed the removal tells.
    let end = |name: &str| match given.time {
        _ if !given.force => None,
        None => engine.doom(name).ok(),
        time => engine.ask_to_end(name, None, time).ok(),
    };
    let volumes = if given.volumes { Volumes::Anonymous } else { Volumes::Kept };
    super::each_begun(&names, "rm", end, |name, ending| {
        if given.time.is_some()
            && let Some(ending) = ending
        {
            ending.wait()?;
        }
        match engine.remove_container(name, given.force, volumes) {
            Ok(_) => print(&format!("{name}\n")),
            // docker and podman: with force, what is not there is no failure.
            Err(error) if (given.force || given.ignore) && error.is_not_found() => Ok(()),
            Err(error) => Err(error.into()),
        }
    })
}
