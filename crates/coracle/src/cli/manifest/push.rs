//! `coracle manifest push`: a list to a registry, with the images that it names.

use crate::cli::output::{help, print};
use crate::cli::push::{DigestFile, compression_format, compression_level, destination, digest_file, format};
use crate::cli::remote::{self, Remote};
use crate::cli::{Context, Failure, Verb};
use crate::render::Progress;
use engine::Repacking;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["manifest push [OPTIONS] LIST [DESTINATION]"],
    about: "Push a list, and the images that it names",
    more: &["Prints the list's digest. Images that are not here are copied from where they were when they were added."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "manifest push", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    remote: Remote,
    repacking: Repacking,
    all: Option<bool>,
    purge: bool,
    digest_file: DigestFile,
    quiet: bool,
}

crate::cli::parts!(Given { remote: Remote, repacking: Repacking, digest_file: DigestFile });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all", |g, on| g.all = Some(on), "With =false only the list, whose images are there").under("Options"),
    remote::auth_file(),
    remote::cert_dir(),
    compression_format(),
    compression_level(),
    remote::creds(),
    digest_file(),
    format(),
    remote::insecure(),
    F::switch("purge", |g, on| g.purge = on, "Remove the list here when it is there")
        .short('p')
        .alias("rm")
        .under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Say nothing of how far it is").short('q').under("Options"),
    F::switch("remove-signatures", |_, _| (), ""),
    remote::retry(),
    remote::retry_delay(),
    remote::tls_verify(),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let (name, to) = match words.as_slice() {
        [name] => (name, None),
        [name, to] => (name, Some(destination(to)?)),
        _ => return Err(Failure::words("a list and maybe a destination are needed", "--help tells the usage")),
    };
    let engine = context.engine()?;
    let list = engine.list(name)?;
    let to = to.unwrap_or_else(|| list.name.clone());
    let client = given.remote.client()?;
    let progress = Progress::new(given.quiet);
    let pushed = engine.list_push(&client, &list, &to, given.all.unwrap_or(true), given.repacking, &progress);
    progress.end();
    let digest = pushed?.digest;
    given.digest_file.write(&digest)?;
    if given.purge {
        engine.list_delete(name)?;
    }
    print(&format!("{digest}\n"))?;
    Ok(0)
}
