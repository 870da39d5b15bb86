//! `coracle rmi`: images away.

use super::output::{lines, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["rmi [OPTIONS] IMAGE..."],
    about: "Remove images",
    more: &["A name takes that name away, and the image with its last name; an id takes the image."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "rmi",
    aliases: &["image rm", "image remove"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    all: bool,
    force: bool,
    ignore: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all", |g, on| g.all = on, "All images").short('a').under("Options"),
    F::switch(
        "force",
        |g, on| g.force = on,
        "Also an image with several names, or with containers, which keep their layers",
    )
    .short('f')
    .under("Options"),
    F::switch("ignore", |g, on| g.ignore = on, "No word about those that are not there").short('i').under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let mut names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    super::some_words_or_all(&names, given.all, "an image")?;
    let engine = context.engine()?;
    if given.all {
        names = engine.images()?.into_iter().flatten().map(|image| image.id.0.hex()).collect();
    }
    super::each(&names, "rmi", |name| {
        let removed = match engine.remove_image(name, given.force) {
            Err(error) if (given.force || given.ignore) && error.is_not_found() => return Ok(()),
            result => result?,
        };
        let untagged = removed.untagged.iter().map(|name| format!("Untagged: {}", name.familiar()));
        print(&lines(untagged.chain(removed.image.map(|image| format!("Deleted: {image}")))))
    })
}
