//! `coracle image prune`: images that nobody needs, away by rule.

use super::confirm::confirm;
use super::filter::{Chosen, PRUNED_IMAGES};
use super::output::print;
use super::system::prune::told;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::Image;
use engine::prune::Rules;
use flag::{Flag, Help, Order, parse, push_word};

const HELP: Help = Help {
    usage: &["image prune [OPTIONS]"],
    about: "Remove images that nobody needs",
    more: &[
        "Those without a name, unless --all or a filter says otherwise, and never one that a container was made from.",
        "--filter takes until=TIME, label=NAME[=VALUE], label!= and dangling=true|false.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "image prune", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    all: bool,
    force: bool,
    filters: Vec<String>,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all", |g, on| g.all = on, "Those with names, too").short('a').under("Options"),
    F::takes("filter", "NAME=VALUE", |g, w| push_word(&mut g.filters, w), "Only those that fit").under("Options"),
    F::switch("force", |g, on| g.force = on, "Do not ask").short('f').under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    super::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let engine = context.engine()?;
    let filters = Chosen::read(&given.filters, &[PRUNED_IMAGES], &engine)?;
    let which = if given.all { "all images that no container was made from" } else { "all images without a name" };
    if !given.force && !confirm(&format!("This will remove {which}."))? {
        return Ok(0);
    }
    let named = given.all || filters.has("dangling");
    let rules = Rules {
        containers: None,
        images: &|image: &Image| (named || image.names.is_empty()) && filters.fits(image),
        keep: None,
        partial: false,
        volumes: None,
    };
    super::apart(&engine, VERB.name, || print(&told(&engine.prune(&rules)?, false)))
}
