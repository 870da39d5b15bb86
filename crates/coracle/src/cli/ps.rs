//! `coracle ps`: containers, those that run or all.

use super::filter::{CONTAINERS, Chosen, network, status_word};
use super::output::{Format, id, label_list, lines, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render::{self, Table};
use engine::End;
use engine::containers::{Listed, Status};
use engine::flags::Invalid;
use engine::health::{Health, HealthState};
use flag::{Flag, Help, Order, parse, push_word};
use serde_json::json;

const HELP: Help = Help {
    usage: &["ps [OPTIONS]"],
    about: "List containers",
    more: &["--filter takes id=, name= (a part of it), label=NAME[=VALUE], label!=, status=created|running|exited, \
             exited=CODE, ancestor=IMAGE, before=CONTAINER, since=CONTAINER, until=TIME, volume=PATH and \
             network=none|host; of several with one name any must fit, but of labels and of several names all."],
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
    let engine = context.engine()?;
    let filters = Chosen::read(&given.filters, &[CONTAINERS], &engine)?;
    let newest = if given.latest { Some(1) } else { given.last };
    let asks_status = filters.has("status") || filters.has("exited");
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
        listed.retain(|listed| listed.status.is_alive());
    }
    listed.retain(|listed| filters.fits(listed));
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
    for Listed { container, status, health } in listed {
        let record = &container.config;
        table.row([
            id(container.id.as_str(), no_trunc),
            record.image_name.clone(),
            command(&record.command, no_trunc),
            render::ago(now, record.created),
            status_text(*status, health.as_ref(), now),
            String::new(),
            container.name.to_string(),
        ]);
    }
    table.to_string()
}

/// In double quotes, to twenty characters, as docker shows it.
pub fn command(words: &[String], no_trunc: bool) -> String {
    let text = words.join(" ");
    if no_trunc || text.chars().count() <= 20 {
        return format!("\"{text}\"");
    }
    format!("\"{}…\"", text.chars().take(19).collect::<String>())
}

pub fn status_text(status: Status, health: Option<&HealthState>, now: u64) -> String {
    let up = |since: Option<u64>| match since {
        Some(since) => format!("Up {}", render::span(now.saturating_sub(since))),
        None => "Up".to_owned(),
    };
    let ended = |end: End| {
        let code = end.code.map_or("unknown".to_owned(), |code| code.to_string());
        format!("({code}) {}", render::ago(now, end.at))
    };
    match status {
        Status::Created => "Created".to_owned(),
        Status::Running { since, .. } => match health.map(|state| state.health) {
            None => up(since),
            Some(Health::Starting) => format!("{} (health: starting)", up(since)),
            Some(health) => format!("{} ({})", up(since), health.word()),
        },
        Status::Paused { since, .. } => format!("{} (Paused)", up(since)),
        Status::Stopping => "Stopping".to_owned(),
        Status::Restarting(end) => format!("Restarting {}", ended(end)),
        Status::Exited(end) => format!("Exited {}", ended(end)),
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
    let Listed { container, status, health } = listed;
    let record = &container.config;
    let now = render::now();
    let mounts: Vec<&str> = record.config.files.mounts.iter().map(|mount| mount.destination().as_str()).collect();
    json!({
        "Command": command(&record.command, no_trunc),
        "CreatedAt": render::date(record.created),
        "ID": id(container.id.as_str(), no_trunc),
        "Image": record.image_name,
        "Labels": label_list(&record.config.labels),
        "LocalVolumes": "0",
        "Mounts": mounts.join(","),
        "Names": container.name.as_str(),
        "Networks": network(listed),
        "Ports": "",
        "RunningFor": render::ago(now, record.created),
        "State": status_word(*status),
        "Status": status_text(*status, health.as_ref(), now),
    })
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
}
