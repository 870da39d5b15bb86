//! `coracle secret rm`.

use crate::cli::output::{help, print};
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["secret rm [OPTIONS] SECRET...", "secret rm --all"],
    about: "Remove secrets",
    more: &["A container that has one keeps what it sees, and cannot be started again without it."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "secret rm",
    aliases: &["secret remove"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    all: bool,
    ignore: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all", |g, on| g.all = on, "All of them").short('a').under("Options"),
    F::switch("ignore", |g, on| g.ignore = on, "No word about those that are not there").short('i').under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let mut names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    crate::cli::some_words_or_all(&names, given.all, "a secret")?;
    let engine = context.engine()?;
    if given.all {
        names = engine.secrets()?.into_iter().map(|secret| secret.name).collect();
    }
    crate::cli::each(&names, VERB.name, |name| match engine.remove_secret(name) {
        Ok(id) => print(&format!("{id}\n")),
        Err(error) if given.ignore && error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    })
}
