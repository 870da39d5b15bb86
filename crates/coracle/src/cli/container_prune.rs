//! `coracle container prune`: containers that do not run, away by rule.

use super::confirm::confirm;
use super::filter::{CONTAINERS, Chosen};
use super::output::print;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render;
use engine::Image;
use engine::containers::Listed;
use engine::prune::{Pruned, Rules};
use flag::{Flag, Help, Order, parse, push_word};
use std::fmt::Write as _;

const HELP: Help = Help {
    usage: &["container prune [OPTIONS]"],
    about: "Remove containers that do not run",
    more: &["--filter takes those of ps, until=TIME and label=NAME[=VALUE] among them."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "container prune", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    force: bool,
    filters: Vec<String>,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("filter", "NAME=VALUE", |g, w| push_word(&mut g.filters, w), "Only those that fit").under("Options"),
    F::switch("force", |g, on| g.force = on, "Do not ask").short('f').under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    super::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let engine = context.engine()?;
    let filters = Chosen::read(&given.filters, &[CONTAINERS], &engine)?;
    if !given.force && !confirm("This will remove all containers that do not run.")? {
        return Ok(0);
    }
    let rules = Rules {
        containers: Some(&|listed: &Listed| filters.fits(listed)),
        images: &|_: &Image| false,
        keep: None,
        partial: false,
    };
    super::apart(&engine, VERB.name, || told(&engine.prune(&rules)?))
}

fn told(pruned: &Pruned) -> Result<(), Failure> {
    let mut text = String::new();
    if !pruned.containers.is_empty() {
        text.push_str("Deleted Containers:\n");
        for id in &pruned.containers {
            _ = writeln!(text, "{id}");
        }
        text.push('\n');
    }
    _ = writeln!(text, "Total reclaimed space: {}", render::size(pruned.bytes));
    print(&text)
}
