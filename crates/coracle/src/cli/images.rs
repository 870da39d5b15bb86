//! `coracle images`: what is there.

use super::filter::{Chosen, IMAGES, PRUNED_IMAGES, created};
use super::output::{Format, id, lines, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render;
use engine::flags::Invalid;
use engine::{Engine, Image};
use flag::{Flag, Help, Order, parse, push_word, put};
use oci::reference::Reference;
use serde_json::json;
use std::cmp::Reverse;
use std::str::FromStr;

const HELP: Help = Help {
    usage: &["images [OPTIONS] [NAME]"],
    about: "List images",
    more: &[
        "NAME shows only images of that name; * ? and [a-z] in it stand for what may differ.",
        "--filter takes dangling=true|false, label=NAME[=VALUE], label!=, before=IMAGE, since=IMAGE, until=TIME, \
             reference=PATTERN, id= and digest=; of several with one name any must fit, but of labels and of several \
             names all.",
    ],
};

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
    no_heading: bool,
    digests: bool,
    filters: Vec<String>,
    sort: Option<Sort>,
    format: Option<Format>,
}

/// `--sort`.
#[derive(Debug, Default, Clone, Copy)]
enum Sort {
    #[default]
    Created,
    Id,
    Repository,
    Size,
    Tag,
}

impl FromStr for Sort {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        Ok(match word {
            "created" => Self::Created,
            "id" => Self::Id,
            "repository" => Self::Repository,
            "size" => Self::Size,
            "tag" => Self::Tag,
            _ => return Err(Invalid::new(word, "no order").hint("created, id, repository, size or tag")),
        })
    }
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    // There are no intermediate images to hide.
    F::switch("all", |g, on| g.all = on, "").short('a'),
    F::switch("digests", |g, on| g.digests = on, "The digests of their content, too").under("Options"),
    F::takes("filter", "NAME=VALUE", |g, w| push_word(&mut g.filters, w), "Only those that fit")
        .short('f')
        .under("Options"),
    F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "table, json or a template").under("Options"),
    F::switch("no-trunc", |g, on| g.no_trunc = on, "Whole ids").under("Options"),
    F::switch("noheading", |g, on| g.no_heading = on, "No headings").short('n').under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Only ids").short('q').under("Options"),
    F::takes("sort", "ORDER", |g, w| put(&mut g.sort, w), "created (the newest first), id, repository, size or tag")
        .under("Options"),
];

/// One name of one image.
struct Row {
    repository: String,
    tag: String,
    digest: String,
    id: String,
    created: u64,
    size: u64,
    containers: usize,
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    if names.len() > 1 {
        return Err(Failure::words("more than one name", "coracle images --help"));
    }
    let engine = context.engine()?;
    given.filters.extend(names.iter().map(|name| format!("reference={name}")));
    let filters = Chosen::read(&given.filters, &[PRUNED_IMAGES, IMAGES], &engine)?;
    let mut rows = rows(&engine, &filters)?;
    match given.sort.unwrap_or_default() {
        Sort::Created => rows.sort_by_key(|row| Reverse(row.created)),
        Sort::Id => rows.sort_by(|a, b| a.id.cmp(&b.id)),
        Sort::Repository => rows.sort_by(|a, b| a.repository.cmp(&b.repository)),
        Sort::Size => rows.sort_by_key(|row| row.size),
        Sort::Tag => rows.sort_by(|a, b| a.tag.cmp(&b.tag)),
    }
    let shown = |row: &Row| {
        if given.no_trunc { row.id.clone() } else { id(row.id.trim_start_matches("sha256:"), false) }
    };
    let object = |row: &Row| {
        json!({
            "Containers": row.containers.to_string(),
            "CreatedAt": if row.created == 0 { "N/A".to_owned() } else { render::date(row.created) },
            "CreatedSince": created_since(row),
            "Digest": row.digest,
            "ID": shown(row),
            "Repository": row.repository,
            // What docker leaves to `docker system df`.
            "SharedSize": "N/A",
            "Size": render::size(row.size),
            "Tag": row.tag,
            "UniqueSize": "N/A",
            "VirtualSize": render::size(row.size),
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
            let mut table = vec![["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"].map(str::to_owned)];
            let row = |row: &Row| {
                let size = render::size(row.size);
                let (repository, tag, digest) = (row.repository.clone(), row.tag.clone(), row.digest.clone());
                [repository, tag, digest, shown(row), created_since(row), size]
            };
            table.extend(rows.iter().map(row));
            if given.no_heading {
                table.remove(0);
            }
            let mut table: Vec<Vec<String>> = table.into_iter().map(Vec::from).collect();
            if !given.digests {
                for row in &mut table {
                    row.remove(2);
                }
            }
            render::columns(&table)
        }
    };
    print(&text)?;
    Ok(0)
}

/// A row for each name of the images that fit. A pattern for names shows only those of an image that it means.
fn rows(engine: &Engine, filters: &Chosen<Image>) -> Result<Vec<Row>, Failure> {
    let by_name = filters.has("reference");
    let containers: Vec<_> = engine.containers()?.into_iter().flatten().filter_map(|l| l.container.image).collect();
    let mut rows = Vec::new();
    for image in engine.images()? {
        let image = match image {
            Ok(image) => image,
            Err(broken) => {
                Failure::warn(&format!("image {} is damaged", broken.digest.short()), &broken.error);
                continue;
            }
        };
        if !filters.fits(&image) {
            continue;
        }
        let row = |repository: String, tag: &str| Row {
            repository,
            tag: tag.to_owned(),
            digest: image.entry.digest.to_string(),
            id: image.id.to_string(),
            created: created(&image),
            size: engine.unpacked_size(&image),
            containers: containers.iter().filter(|id| **id == image.id).count(),
        };
        if image.names.is_empty() {
            rows.push(row("<none>".to_owned(), "<none>"));
        }
        let meant = |name: &&Reference| {
            let alone = Image { names: vec![(*name).clone()], ..image.clone() };
            !by_name || filters.fits(&alone)
        };
        for name in image.names.iter().filter(meant) {
            let familiar = name.familiar();
            let tag = name.tag().unwrap_or("<none>");
            let repository = familiar.strip_suffix(&format!(":{tag}")).unwrap_or(&familiar).to_owned();
            rows.push(row(repository, tag));
        }
    }
    Ok(rows)
}

const HEADINGS: &[(&str, &str)] = &[
    ("Containers", "CONTAINERS"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("SharedSize", "SHARED SIZE"),
    ("Size", "SIZE"),
    ("Tag", "TAG"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("VirtualSize", "SIZE"),
];

fn created_since(row: &Row) -> String {
    if row.created == 0 { "N/A".to_owned() } else { render::ago(render::now(), row.created) }
}
