//! `coracle network reload`: the packet filter, made anew.

use crate::cli::output::help;
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["network reload"],
    about: "Make the packet filter of all networks anew",
    more: &[
        "Where somebody has flushed it, as a firewall does that is started. The next start of a container does the same.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "network reload", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given;

const FLAGS: &[Flag<Given>] = &[
    // podman's: here all containers are always meant.
    Flag::<Given>::switch("all", |_, _| (), "All containers, as always").short('a').under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given;
    parse(FLAGS, words, Order::Anywhere, &mut given)?;
    context.engine()?.reload_networks()?;
    Ok(0)
}
