//! `coracle history`: how an image came about, step by step, the newest first.

use super::output::{Format, id, lines, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render::{self, Table};
use engine::Image;
use flag::{Flag, Help, Order, parse, put};
use serde_json::json;

const HELP: Help = Help {
    usage: &["history [OPTIONS] IMAGE"],
    about: "Tell how an image came about",
    more: &[
        "Sizes are those of the layers unpacked. Only the newest step is an image of its own; others are <missing>.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "history",
    aliases: &["image history"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug)]
struct Given {
    format: Option<Format>,
    human: bool,
    no_trunc: bool,
    quiet: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "table, json or a template").under("Options"),
    F::switch("human", |g, on| g.human = on, "Sizes and times for people (true)").short('H').under("Options"),
    F::switch("no-trunc", |g, on| g.no_trunc = on, "Whole ids and commands").under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Only ids").short('q').under("Options"),
];

/// One step.
struct Step {
    id: String,
    created: Option<u64>,
    by: String,
    size: u64,
    comment: String,
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given { format: None, human: true, no_trunc: false, quiet: false };
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [name] = words.as_slice() else {
        return Err(Failure::words("one image is needed", "coracle history IMAGE"));
    };
    let engine = context.engine()?;
    let image = engine.image(name)?;
    let sizes = engine.layers_of(&image).into_iter().map(|(size, _)| size);
    let steps = steps(&image, sizes, given.no_trunc);
    let now = render::now();
    let since = |step: &Step| step.created.map_or_else(|| "N/A".to_owned(), |created| render::ago(now, created));
    let at = |step: &Step| step.created.map_or_else(String::new, |created| oci::image::rfc3339(created as i64, 0));
    let size = |step: &Step| if given.human { render::size(step.size) } else { step.size.to_string() };
    let object = |step: &Step| {
        json!({
            "Comment": step.comment,
            "CreatedAt": at(step),
            "CreatedBy": step.by,
            "CreatedSince": since(step),
            "ID": step.id,
            "Size": size(step),
        })
    };
    print(&match given.format.unwrap_or_default() {
        _ if given.quiet => lines(steps.into_iter().map(|step| step.id)),
        Format::Json => lines(steps.iter().map(|step| object(step).to_string())),
        Format::Template(layout) => layout.lines(&steps.iter().map(object).collect::<Vec<_>>(), HEADINGS)?,
        Format::Table => {
            let created = if given.human { "CREATED" } else { "CREATED AT" };
            let mut table = Table::new(["IMAGE", created, "CREATED BY", "SIZE", "COMMENT"]);
            for step in &steps {
                let created = if given.human { since(step) } else { at(step) };
                table.row([step.id.clone(), created, step.by.clone(), size(step), step.comment.clone()]);
            }
            table.to_string()
        }
    })?;
    Ok(0)
}

const HEADINGS: &[(&str, &str)] = &[
    ("Comment", "COMMENT"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("CreatedSince", "CREATED"),
    ("ID", "IMAGE"),
    ("Size", "SIZE"),
];

/// The steps that the configuration tells of, with the sizes of the layers that they made. A layer of which nothing is
/// told is a step of which nothing is known.
fn steps(image: &Image, mut sizes: impl Iterator<Item = u64>, whole: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    for told in &image.config.history {
        let by = told.created_by.clone().unwrap_or_default().replace('\t', " ");
        steps.push(Step {
            id: "<missing>".to_owned(),
            created: told.created.as_deref().and_then(render::seconds),
            by: if whole { by } else { cut(&by) },
            size: if told.empty_layer { 0 } else { sizes.next().unwrap_or(0) },
            comment: told.comment.clone().unwrap_or_default(),
        });
    }
    let untold =
        |size| Step { id: "<missing>".to_owned(), created: None, by: String::new(), size, comment: String::new() };
    steps.extend(sizes.map(untold));
    steps.reverse();
    if let Some(newest) = steps.first_mut() {
        newest.id = if whole { image.id.to_string() } else { id(&image.id.0.hex(), false) };
    }
    steps
}

/// To 45 characters, as docker shows it.
fn cut(text: &str) -> String {
    if text.chars().count() <= 45 {
        return text.to_owned();
    }
    text.chars().take(44).chain(['…']).collect()
}
