//! `coracle stats`: what containers use, once or again and again.

use super::output::{Format, id, lines, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render::{self, Table};
use engine::containers::Listed;
use engine::{Engine, Sample};
use flag::{Flag, Help, Invalid, Order, parse};
use serde_json::json;
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

const HELP: Help = Help {
    usage: &["stats [OPTIONS] [CONTAINER...]"],
    about: "Show what containers use",
    more: &["Without a name, all that run. CPU % is that of one processor since the look before."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "stats",
    aliases: &["container stats"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug)]
struct Given {
    all: bool,
    format: Option<Format>,
    interval: u32,
    no_reset: bool,
    no_stream: bool,
    no_trunc: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all", |g, on| g.all = on, "Those that do not run, too").short('a').under("Options"),
    F::takes("format", "FORMAT", |g, w| flag::put(&mut g.format, w), "table, json or a template").under("Options"),
    F::takes("interval", "SECONDS", interval, "Time between two looks (1)").short('i').under("Options"),
    F::switch("no-reset", |g, on| g.no_reset = on, "Each look below the one before").under("Options"),
    F::switch("no-stream", |g, on| g.no_stream = on, "Once").under("Options"),
    F::switch("no-trunc", |g, on| g.no_trunc = on, "Whole ids").under("Options"),
];

fn interval(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.interval = engine::flags::count(word)?.max(1);
    Ok(())
}

/// How long a look is that nobody follows.
const ONCE: Duration = Duration::from_millis(200);

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given { all: false, format: None, interval: 1, no_reset: false, no_stream: false, no_trunc: false };
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let engine = context.engine()?;
    let format = given.format.take().unwrap_or_default();
    let pause = if given.no_stream { ONCE } else { Duration::from_secs(given.interval.into()) };
    let redraw = matches!(format, Format::Table) && !given.no_reset && !given.no_stream;
    let redraw = redraw && rustix::termios::isatty(rustix::stdio::stdout());
    let mut before = samples(&engine, &listed(&engine, &names, given.all)?);
    sleep(pause.min(Duration::from_secs(1)));
    loop {
        let listed = listed(&engine, &names, given.all)?;
        let now = samples(&engine, &listed);
        let row = |listed: &Listed| {
            let id = listed.container.id.as_str();
            Row::new(listed, now.get(id), before.get(id), given.no_trunc)
        };
        let rows: Vec<Row> = listed.iter().map(row).collect();
        let text = match &format {
            Format::Table => table(&rows),
            Format::Json => lines(rows.iter().map(|row| row.object().to_string())),
            Format::Template(layout) => layout.lines(&rows.iter().map(Row::object).collect::<Vec<_>>(), HEADINGS)?,
        };
        // Home, the text, and nothing of the one before below it.
        print(&if redraw { format!("\x1b[H\x1b[J{text}") } else { text })?;
        if given.no_stream {
            return Ok(0);
        }
        before = now;
        sleep(pause);
    }
}

/// The containers that are looked at, in the order in which they were named or made.
fn listed(engine: &Engine, names: &[String], all: bool) -> Result<Vec<Listed>, Failure> {
    if !names.is_empty() {
        return names.iter().map(|name| Ok(engine.container(name)?)).collect();
    }
    let mut listed: Vec<Listed> = engine.containers()?.into_iter().flatten().collect();
    listed.retain(|listed| all || listed.status.is_alive());
    listed.sort_by_key(|listed| std::cmp::Reverse(listed.container.config.created));
    Ok(listed)
}

/// One may end while it is looked at: then it has nothing to show.
fn samples(engine: &Engine, listed: &[Listed]) -> BTreeMap<String, Sample> {
    let alive = listed.iter().filter(|listed| listed.status.is_alive());
    let ids = alive.map(|listed| listed.container.id.to_string());
    ids.filter_map(|id| engine.sample(&id).ok().map(|sample| (id, sample))).collect()
}

struct Row {
    id: String,
    whole_id: String,
    name: String,
    cpu: String,
    memory: String,
    memory_percent: String,
    network: String,
    io: String,
    pids: String,
}

impl Row {
    fn new(listed: &Listed, now: Option<&Sample>, before: Option<&Sample>, no_trunc: bool) -> Self {
        let container = &listed.container;
        let text = |of: &dyn Fn(&Sample) -> String| now.map_or_else(|| "--".to_owned(), of);
        let pair = |[a, b]: [u64; 2]| format!("{} / {}", render::size(a), render::size(b));
        Self {
            id: id(container.id.as_str(), no_trunc),
            whole_id: container.id.to_string(),
            name: container.name.to_string(),
            cpu: text(&|now| percent(before.map_or(0, |before| now.cpu_share(before)))),
            memory: match now {
                Some(now) => format!("{} / {}", binary(now.memory), binary(now.memory_limit)),
                None => "-- / --".to_owned(),
            },
            memory_percent: text(&|now| percent(now.memory_share())),
            network: text(&|now| now.network.map_or_else(|| "-- / --".to_owned(), pair)),
            io: text(&|now| pair(now.io)),
            pids: text(&|now| now.pids.to_string()),
        }
    }

    /// docker's fields.
    fn object(&self) -> serde_json::Value {
        json!({
            "BlockIO": self.io,
            "CPUPerc": self.cpu,
            "Container": self.id,
            "ID": if self.id.len() < self.whole_id.len() { &self.id } else { &self.whole_id },
            "MemPerc": self.memory_percent,
            "MemUsage": self.memory,
            "Name": self.name,
            "NetIO": self.network,
            "PIDs": self.pids,
        })
    }
}

const HEADINGS: &[(&str, &str)] = &[
    ("BlockIO", "BLOCK I/O"),
    ("CPUPerc", "CPU %"),
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("MemPerc", "MEM %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("Name", "NAME"),
    ("NetIO", "NET I/O"),
    ("PIDs", "PIDS"),
];

fn table(rows: &[Row]) -> String {
    let headings = ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"];
    let mut table = Table::new(headings);
    for row in rows {
        let cells = [&row.id, &row.name, &row.cpu, &row.memory, &row.memory_percent, &row.network, &row.io, &row.pids];
        table.row(cells.map(Clone::clone));
    }
    table.to_string()
}

fn percent(hundredths: u64) -> String {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// By 1024, four digits, as docker tells memory.
fn binary(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut unit, mut divisor) = (0, 1_u128);
    while u128::from(bytes) >= divisor * 1024 && unit + 1 < UNITS.len() {
        divisor *= 1024;
        unit += 1;
    }
    // In thousandths of the unit, rounded once.
    let thousandths = u128::from(bytes) * 1000;
    let step = match thousandths / divisor {
        ..10_000 => 1,
        10_000..100_000 => 10,
        100_000..1_000_000 => 100,
        _ => 1000,
    };
    let thousandths = (thousandths / step + divisor / 2) / divisor * step;
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    format!("{}{}", text.trim_end_matches('0').trim_end_matches('.'), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_four_digits_by_1024() {
        // As `docker stats` shows them.
        for (bytes, told) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1KiB"),
            (1_458_176, "1.391MiB"),
            (16_544_563_200, "15.41GiB"),
            (536_870_912, "512MiB"),
        ] {
            assert_eq!(binary(bytes), told, "{bytes}");
        }
    }
}
