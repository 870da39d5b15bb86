//! `coracle manifest add`: images into a list.

use super::note;
use crate::cli::output::{help, print};
use crate::cli::remote::{self, Machine, Remote};
use crate::cli::{Context, Failure, Verb};
use engine::{Listing, Note};
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["manifest add [OPTIONS] LIST IMAGE..."],
    about: "Add images to a list",
    more: &[
        "Prints the list's id. Of an IMAGE that is itself a list, the one for --os and --arch is added, or for this \
             machine.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "manifest add", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    remote: Remote,
    note: Note,
    all: bool,
}

crate::cli::parts!(Given { remote: Remote, note: Note });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all", |g, on| g.all = on, "Of an IMAGE that is a list, all that it lists").under("Options"),
    note::annotation(),
    note::arch(),
    remote::auth_file(),
    remote::cert_dir(),
    remote::creds(),
    note::features(),
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
    let [list, images @ ..] = words.as_slice() else { return Err(missing()) };
    if images.is_empty() {
        return Err(missing());
    }
    let (engine, client) = (context.engine()?, given.remote.client()?);
    engine.list(list)?;
    let which = if given.all { Listing::All } else { Listing::One };
    let Note { arch, os, variant, .. } = given.note.clone();
    let wanted = Machine { platform: None, arch, os, variant }.platform();
    let mut id = None;
    for image in images {
        // What is no list may be said to be for another machine than it says of itself.
        let found = engine.list_find(&client, image, which, wanted.as_ref());
        let mut added = match found {
            Err(_) if wanted.is_some() => engine.list_find(&client, image, which, None)?,
            found => found?,
        };
        if !given.all {
            added.entries.iter_mut().for_each(|entry| given.note.put(entry));
        }
        id = Some(engine.list_add(list, &added)?);
    }
    print(&id.map_or_else(String::new, |id| format!("{}\n", id.hex())))?;
    Ok(0)
}

fn missing() -> Failure {
    Failure::words("a list and an image are needed", "--help tells the usage")
}
