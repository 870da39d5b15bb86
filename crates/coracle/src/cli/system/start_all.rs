//! `coracle system start-all`: containers that come back after the machine was down.

use crate::cli::output::{help, print};
use crate::cli::start::begin;
use crate::cli::{Context, Failure, Verb, no_words};
use engine::supervised::Attached;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["system start-all"],
    about: "Start the containers that come back by themselves",
    more: &[
        "Run it once after each boot; docs/engine.md has a unit for systemd, and what other systems need.",
        "Those with --restart always come back; with unless-stopped, unless they were stopped; with on-failure, if they \
         failed or were cut off.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "system start-all", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    no_words(&parse(FLAGS, words, Order::Anywhere, &mut ())?)?;
    let mut last = 0;
    for id in context.engine()?.returning()? {
        match begin(id.as_str(), context, Attached::default())?.runs()? {
            Ok(()) => print(&format!("{id}\n"))?,
            // Why, its starter has told; the others are to come back nevertheless.
            Err(code) => last = code,
        }
    }
    Ok(last)
}
