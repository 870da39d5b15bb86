//! `coracle container prune`: containers that do not run, away by rule.

use super::confirm::confirm;
use super::filter::{CONTAINERS, Chosen};
use super::output::print;
use super::system::prune::told;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::Image;
use engine::containers::Listed;
use engine::prune::Rules;
use flag::{Flag, Help, Order, parse, push_word};

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
        volumes: None,
    };
    super::apart(&engine, VERB.name, || print(&told(&engine.prune(&rules)?, false)))
}
