//! `coracle import`: an image out of a root file system's tar.

use super::output::print;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::Import;
use flag::{Flag, Help, Order, parse, push_word, put_word};

const HELP: Help = Help {
    usage: &["import [OPTIONS] TAR|- [NAME[:TAG]]"],
    about: "Make an image of a root file system",
    more: &["TAR is a file, plain or compressed by gzip or zstd, or - for standard input."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "import",
    aliases: &["image import"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    changes: Vec<String>,
    message: Option<String>,
    quiet: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes(
        "change",
        "INSTRUCTION",
        |g, w| push_word(&mut g.changes, w),
        "Apply CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR",
    )
    .short('c')
    .under("Options"),
    F::takes("message", "TEXT", |g, w| put_word(&mut g.message, w), "Comment in the image's history")
        .short('m')
        .under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Say nothing").short('q').under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let (source, name) = match words.as_slice() {
        [source] => (source, None),
        [source, name] => (source, Some(name)),
        _ => return Err(Failure::words("a tar, and perhaps a name, are needed", "coracle import TAR|- [NAME]")),
    };
    let name = name.map(|name| name.parse()).transpose().map_err(|error| Failure::because("NAME", error))?;
    let import =
        |source: &str| Import { name, changes: given.changes, message: given.message, source: source.to_owned() };
    let file = if source == "-" {
        super::refuse_terminal("write coracle import FILE NAME, or coracle import - NAME < FILE")?;
        None
    } else {
        Some(std::fs::File::open(source).map_err(|error| Failure::unreadable("TAR", source, error))?)
    };
    let engine = context.engine()?;
    super::apart(&engine, VERB.name, || {
        let image = match file {
            None => engine.import(std::io::stdin(), &import("standard input"))?,
            Some(file) => engine.import(file, &import(source))?,
        };
        if !given.quiet {
            print(&format!("{}\n", image.id))?;
        }
        Ok(())
    })
}
