//! `coracle volume prune`: volumes that no container uses, away by rule.

use crate::cli::confirm::confirm;
use crate::cli::filter::{Chosen, VOLUMES};
use crate::cli::output::{help, print};
use crate::cli::system::prune::told;
use crate::cli::{Context, Failure, Verb};
use engine::prune::Rules;
use engine::volume::ListedVolume;
use engine::{Image, Volume};
use flag::{Flag, Help, Order, parse, push_word};

const HELP: Help = Help {
    usage: &["volume prune [OPTIONS]"],
    about: "Remove volumes that no container uses",
    more: &[
        "Those without a name, unless --all says otherwise.",
        "--filter takes label=NAME[=VALUE], label!=, name=PART and until=TIME.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "volume prune", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    all: bool,
    filters: Vec<String>,
    force: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all", |g, on| g.all = on, "Those with names, too").short('a').under("Options"),
    F::takes("filter", "NAME=VALUE", |g, w| push_word(&mut g.filters, w), "Only those that fit").under("Options"),
    F::switch("force", |g, on| g.force = on, "Do not ask").short('f').under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    crate::cli::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    // docker has this one for --all.
    let word = |word: &String| matches!(word.as_str(), "all=true" | "all=1");
    let all = given.all || given.filters.iter().any(word);
    given.filters.retain(|filter| !word(filter));
    let filters = Chosen::read(&given.filters, &[VOLUMES], &())?;
    let which = if all { "all volumes" } else { "all volumes without a name" };
    if !given.force && !confirm(&format!("This will remove {which} that no container uses."))? {
        return Ok(0);
    }
    let fits = |volume: &Volume| {
        // None of them has users.
        let listed = ListedVolume { volume: volume.clone(), users: Vec::new() };
        (all || volume.anonymous) && filters.fits(&listed)
    };
    let rules =
        Rules { containers: None, images: &|_: &Image| false, keep: None, partial: false, volumes: Some(&fits) };
    let engine = context.engine()?;
    crate::cli::apart(&engine, VERB.name, || print(&told(&engine.prune(&rules)?, false)))
}
