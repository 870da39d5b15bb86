//! `coracle system prune`: what nobody uses goes.

use crate::cli::confirm::confirm;
use crate::cli::filter::{CONTAINERS, Chosen, PRUNED_IMAGES, VOLUMES};
use crate::cli::output::{help, lines, print};
use crate::cli::{Context, Failure, Verb};
use crate::render;
use engine::config::Bytes;
use engine::containers::Listed;
use engine::prune::{Pruned, Rules};
use engine::volume::ListedVolume;
use engine::{Engine, Image, Volume};
use flag::{Flag, Help, Order, parse, push_word, put};
use oci::reference::Reference;

const HELP: Help = Help {
    usage: &["system prune [OPTIONS]"],
    about: "Remove what is not used",
    more: &[
        "Containers that have ended go, images without a name that no container was made from, and what came of pulls \
         that were cut off. With --all every image goes that no container was made from; with --keep-storage those that \
         came first go first, and only until all images take up no more than SIZE.",
        "--filter takes until=TIME, label=NAME[=VALUE] and label!=NAME[=VALUE], for containers, images and volumes.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "system prune", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    all: bool,
    dry_run: bool,
    filters: Vec<String>,
    force: bool,
    keep: Option<Bytes>,
    volumes: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all", |g, on| g.all = on, "All images that no container was made from").short('a').under("Options"),
    F::switch("dry-run", |g, on| g.dry_run = on, "Only tell what would go").under("Options"),
    F::takes("filter", "NAME=VALUE", |g, w| push_word(&mut g.filters, w), "Only what fits").under("Options"),
    F::switch("force", |g, on| g.force = on, "Do not ask").short('f').under("Options"),
    F::takes("keep-storage", "SIZE", |g, w| put(&mut g.keep, w), "How much all images may take up and stay")
        .under("Options"),
    F::switch("volumes", |g, on| g.volumes = on, "And volumes without a name that no container uses").under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    crate::cli::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    if let Some(word) = given
        .filters
        .iter()
        .find(|word| !["until", "label", "label!"].iter().any(|name| word.split('=').next() == Some(name)))
    {
        return Err(Failure::words(
            format!("--filter {word:?}: no such filter"),
            "there are until=, label= and label!=",
        ));
    }
    let engine = context.engine()?;
    let containers: Chosen<Listed> = Chosen::read(&given.filters, &[CONTAINERS], &engine)?;
    let images: Chosen<Image> = Chosen::read(&given.filters, &[PRUNED_IMAGES], &engine)?;
    let volumes: Chosen<ListedVolume> = Chosen::read(&given.filters, &[VOLUMES], &())?;
    let goes = |volume: &Volume| {
        // None of them has users.
        let listed = ListedVolume { volume: volume.clone(), users: Vec::new() };
        volume.anonymous && volumes.fits(&listed)
    };
    let rules = Rules {
        containers: Some(&|listed: &Listed| containers.fits(listed)),
        images: &|image: &Image| (given.all || image.names.is_empty()) && images.fits(image),
        keep: given.keep.map(|bytes| bytes.get().unsigned_abs()),
        partial: given.filters.is_empty(),
        volumes: given.volumes.then_some(&goes),
    };
    if given.dry_run {
        print(&told(&engine.prunable(&rules)?, true))?;
        return Ok(0);
    }
    if !given.force && !agreed(given.all, given.volumes)? {
        return Ok(0);
    }
    crate::cli::apart(&engine, VERB.name, || prune(&engine, &rules))
}

fn prune(engine: &Engine, rules: &Rules<'_>) -> Result<(), Failure> {
    print(&told(&engine.prune(rules)?, false))
}

fn agreed(all: bool, volumes: bool) -> Result<bool, Failure> {
    let images = if all { "all images that no container was made from" } else { "all images without a name" };
    let volumes = if volumes { "\n  - all volumes without a name that no container uses" } else { "" };
    confirm(&format!(
        "This will remove:\n  - all containers that have ended\n  - {images}{volumes}\n  - what came of pulls that were cut off\n"
    ))
}

/// What has gone, or would go.
pub(in crate::cli) fn told(pruned: &Pruned, would: bool) -> String {
    let mut text = Vec::new();
    let (heading, sum) = if would { ("Would delete", "Would reclaim") } else { ("Deleted", "Total reclaimed space:") };
    if !pruned.containers.is_empty() {
        text.push(format!("{heading} Containers:"));
        text.extend(pruned.containers.iter().map(ToString::to_string));
        text.push(String::new());
    }
    if !pruned.images.is_empty() {
        text.push(format!("{heading} Images:"));
        for (id, names) in &pruned.images {
            text.extend(names.iter().map(Reference::familiar).map(|name| format!("untagged: {name}")));
            text.push(format!("deleted: {id}"));
        }
        text.push(String::new());
    }
    if !pruned.volumes.is_empty() {
        text.push(format!("{heading} Volumes:"));
        text.extend(pruned.volumes.iter().map(ToString::to_string));
        text.push(String::new());
    }
    if pruned.partial > 0 {
        text.push(format!("{heading} Partial Pulls: {}", pruned.partial));
        text.push(String::new());
    }
    text.push(format!("{sum} {}", render::size(pruned.bytes)));
    lines(text)
}
