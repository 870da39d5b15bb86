//! `coracle ps`: containers, those that run or all.

use super::filter::{CONTAINERS, Chosen, networks, status_word};
use super::output::{Format, id, label_list, lines, print};
use super::port::published;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render;
use engine::containers::{Listed, Status};
use engine::flags::Invalid;
use engine::health::{Health, HealthState};
use engine::{End, Engine};
use flag::{Flag, Help, Order, parse, push_word};
use serde_json::{Value, json};
use std::io::Write as _;
use std::str::FromStr;
use std::time::Duration;

const HELP: Help = Help {
    usage: &["ps [OPTIONS]"],
    about: "List containers",
    more: &["--filter takes id=, name= (a part of it), label=NAME[=VALUE], label!=, status=created|running|\
             paused|restarting|exited, exited=CODE, health=starting|healthy|unhealthy|none, restart-policy=, is-task=, ancestor=IMAGE, before=CONTAINER, since=CONTAINER, until=TIME, volume=PATH and \
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
    noheading: bool,
    ns: bool,
    size: bool,
    sort: Option<Sort>,
    watch: Option<u32>,
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
    F::switch("noheading", |g, on| g.noheading = on, "No headings").under("Options"),
    F::switch("ns", |g, on| g.ns = on, "Their namespaces").under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Only ids").short('q').under("Options"),
    F::switch("size", |g, on| g.size = on, "How much they have written").short('s').under("Options"),
    F::takes(
        "sort",
        "FIELD",
        |g, w| flag::put(&mut g.sort, w),
        "command, created, id, image, names, runningfor, size, status",
    )
    .under("Options"),
    // podman's, for what is always done here, or never there.
    F::switch("sync", |_, _| (), ""),
    F::switch("external", |_, _| (), ""),
    F::takes("watch", "SECONDS", watch, "Tell again and again").short('w').under("Options"),
];

fn last(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.last = Some(engine::flags::count(word)?);
    Ok(())
}

fn watch(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.watch = Some(engine::flags::count(word)?);
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    super::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let engine = context.engine()?;
    given.size |= given.format.as_ref().is_some_and(|format| format.asks_for("Size"));
    if given.size {
        // What an ordinary user's containers write belongs to ids of his that only they can look into.
        engine.enter()?;
    }
    let filters = Chosen::read(&given.filters, &[CONTAINERS], &engine)?;
    let Some(seconds) = given.watch else { return show(&given, &filters, &engine, "") };
    loop {
        show(&given, &filters, &engine, "\x1b[H\x1b[2J")?;
        std::io::stdout().flush().map_err(Failure::output)?;
        std::thread::sleep(Duration::from_secs(seconds.max(1).into()));
    }
}

/// Tells once what there is.
fn show(given: &Given, filters: &Chosen<Listed>, engine: &Engine, before: &str) -> Result<u8, Failure> {
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
        listed.retain(|listed| listed.status.is_alive() || matches!(listed.status, Status::Restarting(_)));
    }
    listed.retain(|listed| filters.fits(listed));
    if let Some(newest) = newest {
        listed.truncate(newest as usize);
    }
    let mut listed: Vec<_> = listed.into_iter().map(|listed| Row::new(listed, given, engine)).collect();
    if let Some(sort) = given.sort {
        (sort.by)(&mut listed);
    }
    let text = match &given.format {
        _ if given.quiet => lines(listed.iter().map(|row| id(row.listed.container.id.as_str(), given.no_trunc))),
        Some(Format::Json) => lines(listed.iter().map(|row| object(row, given.no_trunc).to_string())),
        Some(Format::Template(layout)) => {
            let objects: Vec<_> = listed.iter().map(|row| fields(row, given.no_trunc)).collect();
            layout.lines(&objects, if given.noheading { &[] } else { HEADINGS })?
        }
        _ => table(&listed, given),
    };
    print(&format!("{before}{text}"))?;
    for broken in &damaged {
        Failure::warn(&format!("container {} is damaged", broken.id.short()), &broken.error);
    }
    Ok(0)
}

/// A container, and what was asked for that costs something to know.
struct Row {
    listed: Listed,
    /// Bytes that it has written, and those with its image.
    sizes: Option<(u64, u64)>,
    /// Which of its ports are reached where.
    ports: String,
}

impl Row {
    fn new(listed: Listed, given: &Given, engine: &Engine) -> Self {
        let sizes = given.size.then(|| engine.sizes(&listed.container).ok()).flatten();
        let view = &listed.container.config.config.view;
        // A file is read for it, and most containers have none.
        let has = listed.status.is_alive() && (view.publish_all || !view.ports.is_empty());
        let ports = if has { published(engine, &listed) } else { Vec::new() };
        let ports: Vec<_> = ports.iter().map(|(inside, at)| format!("{at}->{inside}")).collect();
        Self { sizes: sizes.map(|(written, image)| (written, written + image)), ports: ports.join(", "), listed }
    }

    /// As docker tells it.
    fn size(&self) -> String {
        let (written, whole) = self.sizes.unwrap_or_default();
        format!("{} (virtual {})", render::size(written), render::size(whole))
    }

    fn pid(&self) -> Option<i32> {
        match self.listed.status {
            Status::Running { pid, .. } | Status::Paused { pid, .. } => Some(pid),
            _ => None,
        }
    }

    /// The number of a namespace of its first process.
    fn namespace(&self, name: &str) -> String {
        let link = self.pid().and_then(|pid| std::fs::read_link(format!("/proc/{pid}/ns/{name}")).ok());
        let text = link.map(|link| link.to_string_lossy().into_owned()).unwrap_or_default();
        text.split_once('[').map(|(_, number)| number.trim_end_matches(']').to_owned()).unwrap_or_default()
    }
}

/// `--sort`.
#[derive(Debug, Clone, Copy)]
struct Sort {
    by: fn(&mut [Row]),
}

impl FromStr for Sort {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        let by: fn(&mut [Row]) = match word {
            "command" => |rows| rows.sort_by_cached_key(|row| row.listed.container.config.command.join(" ")),
            "created" => |rows| rows.sort_by_key(|row| row.listed.container.config.created),
            "id" => |rows| rows.sort_by_cached_key(|row| row.listed.container.id.as_str().to_owned()),
            "image" => |rows| rows.sort_by_cached_key(|row| row.listed.container.config.image_name.clone()),
            "names" => |rows| rows.sort_by_cached_key(|row| row.listed.container.name.to_string()),
            "runningfor" => |rows| rows.sort_by_key(|row| since(&row.listed)),
            "size" => |rows| rows.sort_by_key(|row| row.sizes),
            "status" => |rows| rows.sort_by_key(|row| status_word(row.listed.status)),
            _ => {
                let hint = "command, created, id, image, names, runningfor, size or status";
                return Err(Invalid::new(word, "nothing to sort by").hint(hint));
            }
        };
        Ok(Self { by })
    }
}

/// When its process started, or did last.
fn since(listed: &Listed) -> Option<u64> {
    match listed.status {
        Status::Running { since, .. } | Status::Paused { since, .. } => since,
        _ => listed.container.config.started,
    }
}

const NAMESPACES: [(&str, &str, &str); 7] = [
    ("CGROUPNS", "Cgroup", "cgroup"),
    ("IPC", "IPC", "ipc"),
    ("MNT", "MNT", "mnt"),
    ("NET", "NET", "net"),
    ("PIDNS", "PIDNS", "pid"),
    ("USERNS", "USERNS", "user"),
    ("UTS", "UTS", "uts"),
];

fn table(rows: &[Row], given: &Given) -> String {
    let mut headings = if given.ns {
        ["CONTAINER ID", "NAMES", "PID"].into_iter().chain(NAMESPACES.iter().map(|(heading, ..)| *heading)).collect()
    } else {
        vec!["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    };
    if given.size {
        headings.push("SIZE");
    }
    let headings = (!given.noheading).then(|| headings.iter().map(|heading| (*heading).to_owned()).collect());
    let now = render::now();
    let cells = rows.iter().map(|row| {
        let Listed { container, status, health } = &row.listed;
        let record = &container.config;
        let mut cells = vec![id(container.id.as_str(), given.no_trunc)];
        if given.ns {
            cells.push(container.name.to_string());
            cells.push(row.pid().unwrap_or(0).to_string());
            cells.extend(NAMESPACES.iter().map(|(.., name)| row.namespace(name)));
        } else {
            cells.push(record.image_name.clone());
            cells.push(command(&record.command, given.no_trunc));
            cells.push(render::ago(now, record.created));
            cells.push(status_text(*status, health.as_ref(), now));
            cells.push(row.ports.clone());
            cells.push(container.name.to_string());
        }
        cells.extend(given.size.then(|| row.size()));
        // Control characters could only come from a hostile name.
        let plain = |cell: String| cell.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        cells.into_iter().map(plain).collect::<Vec<String>>()
    });
    render::columns(&headings.into_iter().chain(cells).collect::<Vec<_>>())
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
    ("Size", "SIZE"),
    ("State", "STATE"),
    ("Status", "STATUS"),
];

/// One line of docker's `--format json`.
fn object(row: &Row, no_trunc: bool) -> Value {
    let Listed { container, status, health } = &row.listed;
    let record = &container.config;
    let now = render::now();
    let mounts: Vec<&str> = record.config.files.mounts.iter().map(|mount| mount.destination().as_str()).collect();
    json!({
        "Command": command(&record.command, no_trunc),
        "CreatedAt": render::date(record.created),
        "ID": id(container.id.as_str(), no_trunc),
        "Image": record.image_name,
        "Labels": label_list(&record.config.labels),
        "LocalVolumes": container.volumes.len().to_string(),
        "Mounts": mounts.join(","),
        "Names": container.name.as_str(),
        "Networks": networks(&row.listed).join(","),
        "Ports": row.ports,
        "RunningFor": render::ago(now, record.created),
        "Size": row.sizes.map_or_else(|| "0B".to_owned(), |_| row.size()),
        "State": status_word(*status),
        "Status": status_text(*status, health.as_ref(), now),
    })
}

/// What a template can ask for: docker's fields, and podman's.
fn fields(row: &Row, no_trunc: bool) -> Value {
    let mut all = object(row, no_trunc);
    let Listed { container, status, .. } = &row.listed;
    let record = &container.config;
    let end = match status {
        Status::Exited(end) | Status::Restarting(end) => Some(*end),
        _ => None,
    };
    let Value::Object(fields) = &mut all else { return all };
    let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    add("Label", json!(record.config.labels));
    add("AutoRemove", record.config.remove.into());
    add("CIDFile", json!(record.config.cidfile));
    add("Created", render::ago(render::now(), record.created).into());
    add("CreatedHuman", render::ago(render::now(), record.created).into());
    add("ExitCode", end.and_then(|end| end.code).map_or(Value::Null, Value::from));
    add("Exited", matches!(status, Status::Exited(_)).into());
    add("ExitedAt", end.map_or(Value::Null, |end| end.at.into()));
    add("ImageID", container.image.map(|image| image.to_string()).into());
    add("IsInfra", false.into());
    add("Pid", row.pid().unwrap_or(0).into());
    add("Pod", "".into());
    add("Restarts", record.restarts.into());
    add("StartedAt", since(&row.listed).map_or(Value::Null, Value::from));
    add("Platform", format!("linux/{}", oci::image::Platform::host().architecture).into());
    for (_, field, name) in NAMESPACES {
        add(field, row.namespace(name).into());
    }
    all
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
