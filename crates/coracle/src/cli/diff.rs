//! `coracle diff`: what a container has changed of its image, and what an image has otherwise than another.

use super::output::{lines, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::flags::Invalid;
use engine::{Change, Changed};
use flag::{Flag, Help, Order, parse, put};
use serde_json::json;
use std::str::FromStr;

const HELP: Help = Help {
    usage: &["diff [OPTIONS] CONTAINER"],
    about: "Tell what a container has changed of its image",
    more: &["A is new, C has changed, D is gone. Of an image, what its topmost layer changes of those below."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "diff",
    aliases: &["container diff"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

const IMAGE_HELP: Help = Help {
    usage: &["image diff [OPTIONS] IMAGE [OTHER]"],
    about: "Tell what an image has otherwise than another",
    more: &[
        "A is new, C has changed, D is gone. Without OTHER, what the topmost layer changes of those below.",
        "Files are the same when size, times, owner and mode are.",
    ],
};

/// `coracle image diff`.
pub const IMAGE: Verb = Verb {
    name: "image diff",
    aliases: &[],
    about: IMAGE_HELP.about,
    run: of_images,
    help: |width| help(&IMAGE_HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    format: Option<Json>,
}

/// `--format`.
#[derive(Debug)]
struct Json;

impl FromStr for Json {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        if word == "json" { Ok(Self) } else { Err(Invalid::new(word, "no such format").hint("give json")) }
    }
}

const FLAGS: &[Flag<Given>] =
    &[Flag::<Given>::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "json").under("Options")];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [name] = words.as_slice() else {
        return Err(Failure::words("one container is needed", "coracle diff CONTAINER"));
    };
    let engine = context.engine()?;
    let changes = match engine.container_changes(name) {
        Err(error) if error.is_not_found() => match engine.image_changes(name) {
            // A container is what was meant.
            Err(other) if other.is_not_found() => return Err(error.into()),
            changes => changes?,
        },
        changes => changes?,
    };
    tell(&changes, given.format.is_some())
}

fn of_images(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let engine = context.engine()?;
    let changes = match words.as_slice() {
        [image] => engine.image_changes(image)?,
        [image, other] => engine.image_differences(image, other)?,
        _ => return Err(Failure::words("one image is needed, or two", "coracle image diff IMAGE [OTHER]")),
    };
    tell(&changes, given.format.is_some())
}

fn tell(changes: &[Changed], as_json: bool) -> Result<u8, Failure> {
    let path = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    if as_json {
        // Podman's shape: a kind of which there is nothing is left out.
        let mut object = serde_json::Map::new();
        for (name, kind) in [("changed", Change::Changed), ("added", Change::Added), ("deleted", Change::Deleted)] {
            let of_kind = changes.iter().filter(|(_, change)| *change == kind);
            let paths: Vec<_> = of_kind.map(|(of, _)| path(of)).collect();
            if !paths.is_empty() {
                object.insert(name.to_owned(), json!(paths));
            }
        }
        let text = serde_json::to_string_pretty(&object).map_err(|error| Failure::because("JSON", error))?;
        print(&format!("{text}\n"))?;
        return Ok(0);
    }
    let letter = |change: Change| match change {
        Change::Added => 'A',
        Change::Changed => 'C',
        Change::Deleted => 'D',
    };
    // A name that a container chose is no line of its own, and nothing for the terminal.
    let plain = |path: String| path.chars().map(|c| if c.is_control() { '?' } else { c }).collect::<String>();
    print(&lines(changes.iter().map(|(of, change)| format!("{} {}", letter(*change), plain(path(of))))))?;
    Ok(0)
}
