//! `coracle manifest create`: a list under a name.

use crate::cli::output::{help, print};
use crate::cli::remote::{self, Remote};
use crate::cli::{Context, Failure, Verb, some_words};
use engine::{Listing, Note};
use flag::{Flag, Help, Order, parse};
use oci::reference::Reference;

const HELP: Help = Help {
    usage: &["manifest create [OPTIONS] LIST [IMAGE...]"],
    about: "Make a list of images for several machines",
    more: &[
        "IMAGE is an image that is here, or one at a registry, which stays there until the list is pushed elsewhere.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "manifest create", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    remote: Remote,
    note: Note,
    all: bool,
    amend: bool,
}

crate::cli::parts!(Given { remote: Remote, note: Note });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all", |g, on| g.all = on, "Of an IMAGE that is a list, all that it lists").under("Options"),
    F::switch("amend", |g, on| g.amend = on, "Add to a list that is there already").short('a').under("Options"),
    super::note::annotation(),
    remote::auth_file(),
    remote::cert_dir(),
    remote::creds(),
    remote::insecure(),
    remote::tls_verify(),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    some_words(&words, "a list's name")?;
    let name: Reference = words[0].parse().map_err(|error| Failure::because("LIST", error))?;
    let (engine, client) = (context.engine()?, given.remote.client()?);
    let which = if given.all { Listing::All } else { Listing::One };
    let mut found = Vec::new();
    for image in &words[1..] {
        found.push(engine.list_find(&client, image, which, None)?);
    }
    engine.list_create(&name, given.amend)?;
    for added in &found {
        engine.list_add(&words[0], added)?;
    }
    if !given.note.annotations.is_empty() {
        engine.list_annotate(&words[0], None, &given.note)?;
    }
    print(&format!("Created manifest list {name}\n"))?;
    Ok(0)
}
