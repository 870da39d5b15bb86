//! `coracle load`: images out of a file.

use super::output::{lines, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use flag::{Flag, Help, Order, parse, put_word};
use std::path::Path;

const HELP: Help = Help {
    usage: &["load [OPTIONS]"],
    about: "Load images from an archive",
    more: &["Reads what `docker save`, `podman save` and skopeo write: docker-archive and oci-archive, plain or \
             compressed by gzip or zstd, and OCI layout directories."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "load", aliases: &["image load"], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    input: Option<String>,
    quiet: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("input", "FILE", |g, w| put_word(&mut g.input, w), "Archive or directory, instead of standard input")
        .short('i')
        .under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Say nothing").short('q').under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    super::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let file = given.input.as_deref().filter(|file| *file != "-");
    if file.is_none() {
        super::refuse_terminal("write coracle load -i FILE, or coracle load < FILE")?;
    }
    let engine = context.engine()?;
    super::apart(&engine, VERB.name, || {
        let loaded = match file {
            Some(file) => engine.load(Path::new(file))?,
            None => engine.load_stream(std::io::stdin(), "standard input")?,
        };
        let told = loaded.iter().flat_map(|image| {
            let names = image.names.iter().map(|name| format!("Loaded image: {}", name.familiar()));
            let nameless = image.names.is_empty().then(|| format!("Loaded image ID: {}", image.id));
            names.chain(nameless)
        });
        if !given.quiet {
            print(&lines(told))?;
        }
        Ok(())
    })
}
