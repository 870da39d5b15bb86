//! `coracle network prune`: networks that no container is in, away.

use crate::cli::confirm::confirm;
use crate::cli::filter::{Chosen, NETWORKS};
use crate::cli::output::{help, print};
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse, push_word};

const HELP: Help = Help {
    usage: &["network prune [OPTIONS]"],
    about: "Remove networks that no container is in",
    more: &["The one that containers get which ask for none stays. --filter takes label=, label!= and until=TIME."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "network prune", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    filters: Vec<String>,
    force: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("filter", "NAME=VALUE", |g, w| push_word(&mut g.filters, w), "Only those that fit").under("Options"),
    F::switch("force", |g, on| g.force = on, "Do not ask").short('f').under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    crate::cli::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let filters = Chosen::read(&given.filters, &[NETWORKS], &())?;
    if !given.force && !confirm("This will remove all networks that no container is in.")? {
        return Ok(0);
    }
    let engine = context.engine()?;
    for listed in engine.all_networks()? {
        if listed.users.is_empty() && listed.network.name != engine::DEFAULT_NETWORK && filters.fits(&listed) {
            print(&format!("{}\n", engine.remove_network(&listed.network.name, false)?))?;
        }
    }
    Ok(0)
}
