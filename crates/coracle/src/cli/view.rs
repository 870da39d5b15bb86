//! `coracle view`: a container from both sides, or where paths come from that it sees.

use super::output::{Format, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render;
use flag::{Flag, Help, Order, parse, push_word, put};

const HELP: Help = Help {
    usage: &["view [OPTIONS] CONTAINER [PATH...]"],
    about: "Show a container from both sides: what was asked, what holds, what is used",
    more: &[
        "One page: what it sees (processes, namespaces, network), what it uses (limits), what its files are (layers, mounts, \
         devices, changes), what it may do (ids, capabilities, system calls). In brackets stands who asked for it: a flag, \
         the image, or default.",
        "With PATHs, where these come from: the layer with the instruction that made it, or the mount, and what they hide.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "view",
    aliases: &["container view"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    format: Option<Format>,
    paths: Vec<String>,
}

const FLAGS: &[Flag<Given>] = &[
    Flag::<Given>::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "json or a template")
        .short('f')
        .under("Options"),
    Flag::<Given>::takes(
        "path",
        "PATH",
        |g, w| push_word(&mut g.paths, w),
        "Where this path comes from, beside the page",
    )
    .under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let Some((container, named)) = words.split_first() else {
        return Err(Failure::words("a container is needed", HELP.usage[0]));
    };
    let paths = [named, &given.paths].concat();
    let sides = context.engine()?.sides(container, &paths)?;
    // Who reads it otherwise than on a terminal can cut it himself.
    let width = if rustix::termios::isatty(rustix::stdio::stdout()) { render::width() } else { usize::MAX };
    print(&match given.format.unwrap_or_default() {
        Format::Json => format!("{:#}\n", explain::sides_value(&sides)),
        Format::Template(layout) => layout.lines(&[explain::sides_value(&sides)], &[])?,
        Format::Table if named.is_empty() => explain::sides_text(&sides, width, render::now()),
        Format::Table => explain::paths_text(&sides, width),
    })?;
    Ok(0)
}
