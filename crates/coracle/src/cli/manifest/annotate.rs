//! `coracle manifest annotate`: what a list says of an image.

use super::note;
use crate::cli::output::help;
use crate::cli::remote::{self, Remote};
use crate::cli::{Context, Failure, Verb};
use engine::{Listing, Note};
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["manifest annotate [OPTIONS] LIST IMAGE", "manifest annotate --index --annotation NAME=VALUE LIST"],
    about: "Change what a list says of an image",
    more: &["IMAGE is the digest of its manifest, or its name."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "manifest annotate", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    remote: Remote,
    note: Note,
    index: bool,
}

crate::cli::parts!(Given { remote: Remote, note: Note });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    note::annotation(),
    note::arch(),
    note::features(),
    F::switch("index", |g, on| g.index = on, "Annotate the list itself").under("Options"),
    remote::insecure(),
    note::os(),
    note::os_features(),
    note::os_version(),
    remote::tls_verify(),
    note::variant(),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let engine = context.engine()?;
    match (words.as_slice(), given.index) {
        ([list], true) => engine.list_annotate(list, None, &given.note)?,
        ([list, image], false) => {
            let digest = if let Ok(digest) = image.parse() {
                digest
            } else {
                let client = given.remote.client()?;
                let added = engine.list_find(&client, image, Listing::One, None)?;
                let absent = || Failure::absent(format!("no image {image}"), "name the digest of its manifest");
                added.entries.first().ok_or_else(absent)?.digest
            };
            engine.list_annotate(list, Some(digest), &given.note)?;
        }
        _ => return Err(Failure::words("a list and one image of it are needed", "--help tells the usage")),
    }
    Ok(0)
}
