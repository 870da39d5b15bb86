//! `coracle tour`: the lesson that a container is a process with a restricted view, in seven steps that really run.

mod stop;
mod words;

use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::flags::Invalid;
use engine::tour::Stop;
use flag::{Flag, Help, Order, parse};
use std::io::IsTerminal;

const HELP: Help = Help {
    usage: &["tour [OPTIONS]"],
    about: "See in seven steps what a container is made of",
    more: &[
        "Each step starts a process with one restriction more than the one before, as coracle run does it; tells which \
         system calls did that, as they were recorded; and shows what is different inside and outside. Enter goes on, s \
         opens a shell there to look around, q ends.",
        "No image is needed: the files are this machine's own, under a layer that is thrown away. Until the fourth step \
         they are this machine's own without one: what a shell changes there is changed.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "tour", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    step: Option<Stop>,
    yes: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("step", "N", step, "Show this step alone, 1 to 7").under("Options"),
    F::switch("yes", |g, on| g.yes = on, "Go through without asking").short('y').under("Options"),
];

fn step(given: &mut Given, word: &str) -> Result<(), Invalid> {
    let number: Option<usize> = word.parse().ok();
    let found = Stop::ALL.into_iter().find(|stop| Some(stop.number()) == number);
    given.step = Some(found.ok_or_else(|| Invalid::new(word, "not a number from 1 to 7"))?);
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    if let Some(word) = words.first() {
        return Err(Failure::words(format!("{word}: one word too many"), HELP.usage[0]));
    }
    if !given.yes && !std::io::stdin().is_terminal() {
        return Err(Failure::words("standard input is not a terminal", "--yes goes through without asking"));
    }
    let all = Stop::ALL.into_iter().filter(|stop| given.step.is_none_or(|only| only == *stop));
    for stop in all {
        // An ordinary user's first steps are in a user namespace, which nobody leaves again.
        let child = sys::process::fork(|| {
            stop::go_with_our_parent();
            stop::show(stop, context, given.yes).unwrap_or_else(|failure| failure.tell("tour")).into()
        });
        let failed = |source| engine::Error::System { what: "take a step", source };
        match sys::process::wait(&child.map_err(failed)?.pidfd).map_err(failed)?.code() {
            0 => {}
            stop::ENOUGH => return Ok(0),
            code => return Ok(code),
        }
    }
    Ok(0)
}
