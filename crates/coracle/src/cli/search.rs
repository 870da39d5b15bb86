//! `coracle search`: which images a registry has.

use super::output::{Format, lines, print};
use super::remote::{self, Remote, refused};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render::Table;
use engine::flags::Invalid;
use engine::registry::{Found, Search};
use flag::{Flag, Help, Order, parse, push, put};
use serde_json::json;
use std::str::FromStr;

const HELP: Help = Help {
    usage: &["search [OPTIONS] [REGISTRY/]TERM"],
    about: "Search a registry for images",
    more: &[
        "Without REGISTRY the registries that registries.conf searches are asked, or docker.io. A registry that knows no \
             search is asked for the list of all that it has.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "search",
    aliases: &["image search"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

/// docker's and podman's limit.
const USUAL: usize = 25;
/// As much of a description as a table shows.
const SHORT: usize = 45;

#[derive(Debug, Default)]
struct Given {
    remote: Remote,
    filters: Vec<Filter>,
    format: Option<Format>,
    limit: Option<Limit>,
    list_tags: bool,
    no_trunc: bool,
}

crate::cli::parts!(Given { remote: Remote });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    remote::auth_file(),
    remote::cert_dir(),
    F::takes("filter", "FILTER", |g, w| push(&mut g.filters, w), "stars=N, is-official=BOOL or is-automated=BOOL")
        .short('f')
        .under("Options"),
    F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "table, json or a template").under("Options"),
    F::takes("limit", "N", |g, w| put(&mut g.limit, w), "At most so many of each registry (25)").under("Options"),
    F::switch("list-tags", |g, on| g.list_tags = on, "List the tags of the image that TERM names").under("Options"),
    F::switch("no-trunc", |g, on| g.no_trunc = on, "Whole descriptions").under("Options"),
    remote::tls_verify(),
];

/// `--limit`.
#[derive(Debug, Clone, Copy)]
struct Limit(usize);

impl FromStr for Limit {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        let number = word.parse().ok().filter(|number| (1..=100_000).contains(number));
        number.map(Self).ok_or_else(|| Invalid::new(word, "not a number of at least 1"))
    }
}

/// `--filter`.
#[derive(Debug, Clone, Copy)]
enum Filter {
    Stars(u64),
    Official(bool),
    Automated(bool),
}

impl FromStr for Filter {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new(word, "not a filter").hint("give stars=N, is-official=BOOL or is-automated=BOOL");
        let (name, value) = word.split_once('=').unwrap_or((word, "true"));
        let truth = || value.parse().map_err(|_| invalid());
        match name {
            "stars" => value.parse().map(Self::Stars).map_err(|_| invalid()),
            "is-official" => truth().map(Self::Official),
            "is-automated" => truth().map(Self::Automated),
            _ => Err(invalid()),
        }
    }
}

impl Filter {
    fn passes(self, found: &Found) -> bool {
        match self {
            Self::Stars(least) => found.stars >= least,
            Self::Official(wanted) => found.official == wanted,
            Self::Automated(wanted) => found.automated == wanted,
        }
    }
}

fn run(words: &[String], _: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let terms = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [term] = terms.as_slice() else {
        return Err(Failure::words("one term is needed", "coracle search [REGISTRY/]TERM"));
    };
    let client = given.remote.client()?;
    let limit = given.limit.map_or(USUAL, |limit| limit.0);
    if given.list_tags {
        return tags(&client, term, limit, &given);
    }
    let (registries, term) = match term.split_once('/') {
        Some((registry, rest)) if oci::reference::names_registry(term) => (vec![registry.to_owned()], rest),
        _ => (client.searched(), term.as_str()),
    };
    let (mut found, mut failed) = (Vec::new(), None);
    for registry in registries {
        let search = Search { registry, term: term.to_owned(), limit };
        match client.search(&search) {
            Ok(more) => found.extend(more),
            // One registry that is down does not hide what the others have.
            Err(error) => {
                if let Some(before) = failed.replace(refused(error)) {
                    _ = before.report(VERB.name);
                }
            }
        }
    }
    found.retain(|found| given.filters.iter().all(|filter| filter.passes(found)));
    print(&shown(&found, &given)?)?;
    failed.map_or(Ok(0), Err)
}

fn shown(found: &[Found], given: &Given) -> Result<String, Failure> {
    let object = |found: &Found| {
        let yes = |value: bool| value.to_string();
        let (official, automated) = (yes(found.official), yes(found.automated));
        json!({
            "Name": found.name, "Description": found.description, "StarCount": found.stars.to_string(),
            "IsOfficial": official, "IsAutomated": automated,
        })
    };
    match &given.format {
        Some(Format::Json) => return Ok(lines(found.iter().map(|found| object(found).to_string()))),
        Some(Format::Template(layout)) => {
            return layout.lines(&found.iter().map(object).collect::<Vec<_>>(), HEADINGS);
        }
        _ => {}
    }
    let mut table = Table::new(["NAME", "DESCRIPTION", "STARS", "OFFICIAL"]);
    for found in found {
        let mut description = found.description.split_whitespace().collect::<Vec<_>>().join(" ");
        if !given.no_trunc && description.chars().count() > SHORT {
            description = description.chars().take(SHORT - 1).chain(['…']).collect();
        }
        let official = if found.official { "[OK]" } else { "" };
        table.row([found.name.clone(), description, found.stars.to_string(), official.to_owned()]);
    }
    Ok(table.to_string())
}

const HEADINGS: &[(&str, &str)] = &[
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("StarCount", "STARS"),
    ("IsOfficial", "OFFICIAL"),
    ("IsAutomated", "AUTOMATED"),
    ("Tag", "TAG"),
];

/// `--list-tags`.
fn tags(client: &engine::registry::Client, name: &str, limit: usize, given: &Given) -> Result<u8, Failure> {
    let candidates = client.candidates(name).map_err(refused)?;
    let mut last = Err(Failure::absent(format!("no image {name}"), "coracle search looks for one"));
    for image in candidates {
        match client.tags(&image) {
            Ok(tags) => {
                last = Ok((image.repository(), tags));
                break;
            }
            Err(error) => last = Err(refused(error)),
        }
    }
    let (repository, mut tags) = last?;
    tags.truncate(limit);
    let text = match &given.format {
        Some(Format::Json) => lines([json!({"Name": repository, "Tags": tags}).to_string()]),
        Some(Format::Template(layout)) => {
            let object = |tag: &String| json!({ "Name": repository, "Tag": tag });
            layout.lines(&tags.iter().map(object).collect::<Vec<_>>(), HEADINGS)?
        }
        _ => {
            let mut table = Table::new(["NAME", "TAG"]);
            for tag in tags {
                table.row([repository.clone(), tag]);
            }
            table.to_string()
        }
    };
    print(&text)?;
    Ok(0)
}
