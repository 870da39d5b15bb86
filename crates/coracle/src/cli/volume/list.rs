//! `coracle volume ls`.

use super::labels;
use crate::cli::filter::{Chosen, VOLUMES};
use crate::cli::output::{Format, help, label_list, lines, print};
use crate::cli::{Context, Failure, Verb};
use crate::render::Table;
use engine::Engine;
use engine::volume::ListedVolume;
use flag::{Flag, Help, Order, parse, push_word, put};
use serde_json::{Value, json};

const HELP: Help = Help {
    usage: &["volume ls [OPTIONS]"],
    about: "List volumes",
    more: &["--filter takes dangling=true|false, name=PART, label=NAME[=VALUE], label!=, driver= and until=TIME."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "volume ls",
    aliases: &["volume list"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    filters: Vec<String>,
    format: Option<Format>,
    quiet: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("filter", "NAME=VALUE", |g, w| push_word(&mut g.filters, w), "Only those that fit")
        .short('f')
        .under("Options"),
    F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "table, json or a template").under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Only names").short('q').under("Options"),
];

const HEADINGS: &[(&str, &str)] = &[
    ("Driver", "DRIVER"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Name", "VOLUME NAME"),
    ("Scope", "SCOPE"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    crate::cli::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let filters = Chosen::read(&given.filters, &[VOLUMES], &())?;
    let engine = context.engine()?;
    let mut volumes = Vec::new();
    for volume in engine.volumes()? {
        match volume {
            Ok(listed) if filters.fits(&listed) => volumes.push(listed),
            Ok(_) => {}
            Err(broken) => Failure::warn(&format!("volume {} is damaged", broken.name), &broken.error),
        }
    }
    print(&match given.format.unwrap_or_default() {
        _ if given.quiet => lines(volumes.iter().map(|listed| listed.volume.name.to_string())),
        Format::Json => lines(volumes.iter().map(|listed| object(&engine, listed).to_string())),
        Format::Template(layout) => {
            layout.lines(&volumes.iter().map(|listed| object(&engine, listed)).collect::<Vec<_>>(), HEADINGS)?
        }
        Format::Table => {
            let mut table = Table::new(["DRIVER", "VOLUME NAME"]);
            for listed in &volumes {
                table.row(["local".to_owned(), listed.volume.name.to_string()]);
            }
            table.to_string()
        }
    })?;
    Ok(0)
}

/// One line of docker's `--format json`.
fn object(engine: &Engine, ListedVolume { volume, users }: &ListedVolume) -> Value {
    json!({
        "Availability": "N/A",
        "Driver": "local",
        "Group": "N/A",
        "Labels": label_list(&labels(volume)),
        "Links": users.len().to_string(),
        "Mountpoint": engine.volume_path(&volume.name),
        "Name": volume.name,
        "Scope": "local",
        // What docker leaves to `docker system df`.
        "Size": "N/A",
        "Status": "N/A",
    })
}
