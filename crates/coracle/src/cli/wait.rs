//! `coracle wait`: the exit codes of containers, when they have ended.

use super::output::print;
use super::which::{self, Which};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::Condition;
use engine::flags::Invalid;
use flag::{Flag, Help, Order, parse};
use std::time::Duration;

const HELP: Help = Help {
    usage: &["wait [OPTIONS] CONTAINER..."],
    about: "Wait until containers end, and print their exit codes",
    more: &[
        "A container that runs no more is not waited for. -1 is printed where nobody knows the code, or there is none.",
        "--condition takes not-running, next-exit and removed, docker's; created, running, paused, stopping, stopped, exited, \
         healthy and unhealthy, podman's.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "wait",
    aliases: &["container wait"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    conditions: Vec<Condition>,
    ignore: bool,
    interval: Option<Duration>,
    which: Which,
}

super::parts!(Given { which: Which });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("condition", "CONDITION", condition, "What to wait for; any of several").under("Options"),
    which::cidfile(),
    F::switch("ignore", |g, on| g.ignore = on, "No word about those that are not there").under("Options"),
    F::takes("interval", "TIME", interval, "How often to look at what nobody tells of (250ms)")
        .short('i')
        .under("Options"),
    which::latest(),
];

fn condition(given: &mut Given, word: &str) -> Result<(), Invalid> {
    for word in word.split(',') {
        given.conditions.push(word.parse()?);
    }
    Ok(())
}

/// As Go writes it, or podman's milliseconds.
fn interval(given: &mut Given, word: &str) -> Result<(), Invalid> {
    let millis = word.parse().ok().map(Duration::from_millis);
    given.interval = Some(millis.map_or_else(|| engine::flags::duration(word), Ok)?);
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    given.which.needs(&names)?;
    let engine = context.engine()?;
    let names = given.which.names(names, &engine, |_| true)?;
    let interval = given.interval.unwrap_or(Duration::from_millis(250));
    super::each(&names, VERB.name, |name| {
        let waited = if given.conditions.is_empty() {
            engine.wait(name)
        } else {
            engine.wait_for(name, &given.conditions, interval)
        };
        match waited {
            Ok(code) => print(&format!("{}\n", code.map_or(-1, i32::from))),
            // podman's.
            Err(error) if given.ignore && error.is_not_found() => print("-1\n"),
            Err(error) => Err(error.into()),
        }
    })
}
