//! `coracle ps`: containers, those that run or all.

use super::output::{Format, id, label_list, lines, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render::{self, Table};
use engine::config::{ImageRef, NetworkMode};
use engine::containers::{Listed, Status};
use engine::flags::Invalid;
use flag::{Flag, Help, Order, parse, push_word};
use serde_json::json;

const HELP: Help = Help {
    usage: &["ps [OPTIONS]"],
    about: "List containers",
    more: &[
        "--filter takes id=, name= (a part of it), label=NAME[=VALUE], status=created|running|exited, exited=CODE \
             and ancestor=IMAGE; of several with one name any must fit, of several names all.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "ps",
    aliases: &["container ls", "container list", "container ps"],
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
    filters: Vec<String>,
    last: Option<u32>,
    latest: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all", |g, on| g.all = on, "Those that do not run, too").short('a').under("Options"),
    F::takes("filter", "NAME=VALUE", |g, w| push_word(&mut g.filters, w), "Only those that fit")
        .short('f')
        .under("Options"),
    F::takes("format", "FORMAT", |g, w| flag::put(&mut g.format, w), "table, json or a template").under("Options"),
    F::takes("last", "N", last, "Only the N newest, whatever they do").short('n').under("Options"),
    F::switch("latest", |g, on| g.latest = on, "Only the newest, whatever it does").short('l').under("Options"),
    F::switch("no-trunc", |g, on| g.no_trunc = on, "Whole ids and commands").under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Only ids").short('q').under("Options"),
];

fn last(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.last = Some(engine::flags::count(word)?);
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    super::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let filters = given.filters.iter().map(|word| Filter::read(word)).collect::<Result<Vec<_>, _>>()?;
    let engine = context.engine()?;
    let newest = if given.latest { Some(1) } else { given.last };
    let asks_status = filters.iter().any(|filter| matches!(filter.kind, Kind::Status | Kind::Exited));
    let mut damaged = Vec::new();
    let mut listed = Vec::new();
    for container in engine.containers()? {
        match container {
            Ok(container) => listed.push(container),
            Err(broken) => damaged.push(broken),
        }
    }
    listed.sort_by_key(|listed| std::cmp::Reverse(listed.container.config.created));
    if !given.all && newest.is_none() && !asks_status {
        listed.retain(|listed| matches!(listed.status, Status::Running { .. }));
    }
    listed.retain(|listed| Filter::all_fit(&filters, listed));
    if let Some(newest) = newest {
        listed.truncate(newest as usize);
    }
    let text = match given.format.unwrap_or_default() {
        _ if given.quiet => lines(listed.iter().map(|listed| id(listed.container.id.as_str(), given.no_trunc))),
        Format::Json => lines(listed.iter().map(|listed| object(listed, given.no_trunc).to_string())),
        Format::Template(layout) => {
            let objects: Vec<_> = listed.iter().map(|listed| object(listed, given.no_trunc)).collect();
            layout.lines(&objects, HEADINGS)?
        }
        Format::Table => table(&listed, given.no_trunc),
    };
    print(&text)?;
    for broken in &damaged {
        Failure::warn(&format!("container {} is damaged", broken.id.short()), &broken.error);
    }
    Ok(0)
}

fn table(listed: &[Listed], no_trunc: bool) -> String {
    let mut table = Table::new(["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]);
    let now = render::now();
    for Listed { container, status } in listed {
        let record = &container.config;
        table.row([
            id(container.id.as_str(), no_trunc),
            record.image_name.clone(),
            command(&record.command, no_trunc),
            render::ago(now, record.created),
            status_text(*status, record.started, now),
            String::new(),
            container.name.to_string(),
        ]);
    }
    table.to_string()
}

/// In double quotes, to twenty characters, as docker shows it.
fn command(words: &[String], no_trunc: bool) -> String {
    let text = words.join(" ");
    if no_trunc || text.chars().count() <= 20 {
        return format!("\"{text}\"");
    }
    format!("\"{}…\"", text.chars().take(19).collect::<String>())
}

fn status_text(status: Status, started: Option<u64>, now: u64) -> String {
    match status {
        Status::Created => "Created".to_owned(),
        Status::Running { .. } => match started {
            Some(started) => format!("Up {}", render::span(now.saturating_sub(started))),
            None => "Up".to_owned(),
        },
        Status::Exited(end) => match end.code {
            Some(code) => format!("Exited ({code}) {}", render::ago(now, end.at)),
            None => format!("Exited (unknown) {}", render::ago(now, end.at)),
        },
    }
}

fn status_word(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running { .. } => "running",
        Status::Exited(_) => "exited",
    }
}

const HEADINGS: &[(&str, &str)] = &[
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Labels", "LABELS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Mounts", "MOUNTS"),
    ("Names", "NAMES"),
    ("Networks", "NETWORKS"),
    ("Ports", "PORTS"),
    ("RunningFor", "CREATED"),
    ("State", "STATE"),
    ("Status", "STATUS"),
];

/// One line of docker's `--format json`.
fn object(listed: &Listed, no_trunc: bool) -> serde_json::Value {
    let Listed { container, status } = listed;
    let record = &container.config;
    let now = render::now();
    let mounts: Vec<&str> = record.config.files.mounts.iter().map(|mount| mount.destination().as_str()).collect();
    let network = match record.config.view.network {
        None | Some(NetworkMode::None) => "none",
        Some(NetworkMode::Host) => "host",
        Some(NetworkMode::Path(_)) => "ns",
    };
    json!({
        "Command": command(&record.command, no_trunc),
        "CreatedAt": render::date(record.created),
        "ID": id(container.id.as_str(), no_trunc),
        "Image": record.image_name,
        "Labels": label_list(&record.config.labels),
        "LocalVolumes": "0",
        "Mounts": mounts.join(","),
        "Names": container.name.as_str(),
        "Networks": network,
        "Ports": "",
        "RunningFor": render::ago(now, record.created),
        "State": status_word(*status),
        "Status": status_text(*status, record.started, now),
    })
}

/// One `--filter`.
struct Filter {
    kind: Kind,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Id,
    Name,
    Label,
    Status,
    Exited,
    Ancestor,
}

impl Filter {
    const KINDS: [(&str, Kind); 6] = [
        ("id", Kind::Id),
        ("name", Kind::Name),
        ("label", Kind::Label),
        ("status", Kind::Status),
        ("exited", Kind::Exited),
        ("ancestor", Kind::Ancestor),
    ];

    fn read(word: &str) -> Result<Self, Failure> {
        let names = || Self::KINDS.map(|(name, _)| name).join("=, ");
        let Some((name, value)) = word.split_once('=') else {
            return Err(Failure::words(format!("--filter {word:?}: no value"), format!("there are {}=", names())));
        };
        match Self::KINDS.iter().find(|(known, _)| *known == name) {
            Some((_, Kind::Status)) if !["created", "running", "exited"].contains(&value) => {
                Err(Failure::words(format!("--filter {word:?}: no such status"), "created, running or exited"))
            }
            Some((_, kind)) => Ok(Self { kind: *kind, value: value.to_owned() }),
            None => {
                Err(Failure::words(format!("--filter {word:?}: no such filter"), format!("there are {}=", names())))
            }
        }
    }

    /// Any of one kind, and all kinds.
    fn all_fit(filters: &[Self], listed: &Listed) -> bool {
        Self::KINDS.iter().all(|(_, kind)| {
            let mut of_kind = filters.iter().filter(|filter| filter.kind == *kind).peekable();
            of_kind.peek().is_none() || of_kind.any(|filter| filter.fits(listed))
        })
    }

    fn fits(&self, Listed { container, status }: &Listed) -> bool {
        let value = self.value.as_str();
        let record = &container.config;
        match self.kind {
            Kind::Id => container.id.as_str().starts_with(value),
            Kind::Name => container.name.as_str().contains(value),
            Kind::Label => match value.split_once('=') {
                Some((name, value)) => record.config.labels.get(name).is_some_and(|label| label == value),
                None => record.config.labels.contains_key(value),
            },
            Kind::Status => status_word(*status) == value,
            Kind::Exited => {
                matches!(status, Status::Exited(end) if end.code.map(|c| c.to_string()).as_deref() == Some(value))
            }
            Kind::Ancestor => record.image_name == value || (record.config.image == ImageRef::Host && value == "host:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_cut_to_twenty_characters() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(command(&words("sh -c true"), false), "\"sh -c true\"");
        assert_eq!(command(&words("sleep 100000000000000000"), false), "\"sleep 1000000000000…\"");
        assert_eq!(command(&words("sleep 100000000000000000"), true), "\"sleep 100000000000000000\"");
    }

    #[test]
    fn a_filter_that_does_not_exist_is_refused() {
        assert!(Filter::read("name=x").is_ok());
        for word in ["name", "nome=x", "status=up"] {
            assert!(Filter::read(word).is_err(), "{word}");
        }
    }
}
