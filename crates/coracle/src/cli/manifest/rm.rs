//! `coracle manifest rm`: lists away.

use crate::cli::output::{help, lines, print};
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse};

const HELP: Help =
    Help { usage: &["manifest rm LIST..."], about: "Remove lists", more: &["Images with names of their own stay."] };

/// The verb.
pub const VERB: Verb =
    Verb { name: "manifest rm", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

const FLAGS: &[Flag<()>] = &[];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let names = parse(FLAGS, words, Order::Anywhere, &mut ())?;
    crate::cli::some_words(&names, "a list")?;
    let engine = context.engine()?;
    crate::cli::each(&names, VERB.name, |name| {
        let removed = engine.list_delete(name)?;
        print(&lines(removed.untagged.iter().map(|name| format!("Untagged: {}", name.familiar()))))
    })
}
