//! `coracle images`: what was loaded.

use super::output::{Format, id, lines, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render::{self, Table};
use flag::{Flag, Help, Order, parse, put};
use serde_json::json;

const HELP: Help =
    Help { usage: &["images [OPTIONS] [NAME]"], about: "List images", more: &["NAME shows only images of that name."] };

/// The verb.
pub const VERB: Verb = Verb {
    name: "images",
    aliases: &["image ls", "image list"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    all: bool,
    quiet: bool,
    no_trunc: bool,
    format: Option<Format>,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    // There are no intermediate images to hide.
    F::switch("all", |g, on| g.all = on, "").short('a'),
    F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "table, json or a template").under("Options"),
    F::switch("no-trunc", |g, on| g.no_trunc = on, "Whole ids").under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Only ids").short('q').under("Options"),
];

/// One name of one image.
struct Row {
    repository: String,
    tag: String,
    id: String,
    created: Option<String>,
    size: u64,
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    if names.len() > 1 {
        return Err(Failure::words("more than one name", "coracle images --help"));
    }
    let engine = context.engine()?;
    let mut rows = Vec::new();
    for image in engine.images()? {
        let image = match image {
            Ok(image) => image,
            Err(broken) => {
                Failure::warn(&format!("image {} is damaged", broken.digest.short()), &broken.error);
                continue;
            }
        };
        let row = |repository: String, tag: &str| Row {
            repository,
            tag: tag.to_owned(),
            id: image.id.to_string(),
            created: image.config.created.clone(),
            size: image.size(),
        };
        if image.names.is_empty() && names.is_empty() {
            rows.push(row("<none>".to_owned(), "<none>"));
        }
        for name in &image.names {
            let familiar = name.familiar();
            let tag = name.tag().unwrap_or("<none>");
            let repository = familiar.strip_suffix(&format!(":{tag}")).unwrap_or(&familiar).to_owned();
            let wanted = names.first().is_none_or(|wanted| *wanted == repository || *wanted == familiar);
            if wanted {
                rows.push(row(repository, tag));
            }
        }
    }
    let shown = |row: &Row| {
        if given.no_trunc { row.id.clone() } else { id(row.id.trim_start_matches("sha256:"), false) }
    };
    let object = |row: &Row| {
        json!({
            "Repository": row.repository,
            "Tag": row.tag,
            "ID": shown(row),
            "CreatedAt": row.created.as_deref().unwrap_or("N/A"),
            "CreatedSince": created(row),
            "Size": render::size(row.size),
        })
    };
    let text = match given.format.unwrap_or_default() {
        _ if given.quiet => {
            let mut ids: Vec<String> = rows.iter().map(shown).collect();
            ids.dedup();
            lines(ids)
        }
        Format::Json => lines(rows.iter().map(|row| object(row).to_string())),
        Format::Template(layout) => layout.lines(&rows.iter().map(object).collect::<Vec<_>>(), HEADINGS)?,
        Format::Table => {
            let mut table = Table::new(["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
            for row in &rows {
                let size = render::size(row.size);
                table.row([row.repository.clone(), row.tag.clone(), shown(row), created(row), size]);
            }
            table.to_string()
        }
    };
    print(&text)?;
    Ok(0)
}

const HEADINGS: &[(&str, &str)] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("ID", "IMAGE ID"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("Size", "SIZE"),
];

fn created(row: &Row) -> String {
    let seconds = row.created.as_deref().and_then(render::seconds);
    seconds.map_or_else(|| "N/A".to_owned(), |seconds| render::ago(render::now(), seconds))
}
