//! `coracle top`: the processes of a container.
//!
//! docker hands its options to the machine's ps(1), podman has words of its own for columns. Here both are columns of our
//! own: options show the machine's ids, as docker does, words the container's, as podman does.

use super::output::print;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render::{columns, now};
use engine::config::CapabilitySet;
use engine::{ProcessInfo, Processes};
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["top CONTAINER [PS-OPTIONS | COLUMN...]"],
    about: "Show the processes of a container",
    more: &[
        "PS-OPTIONS are -ef, which is what comes unasked, aux, and -o COLUMN,...: with the machine's ids. COLUMNs alone, \
         such as pid,user,args, have the container's.",
        "Columns: args, c, capamb, capbnd, capeff, capinh, capprm, comm, etime, group, groups, hgroup, hpid, huser, label, \
         nice, pcpu, pgid, pid, pmem, ppid, rss, seccomp, state, stime, time, tty, uid, user and vsz.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "top", aliases: &["container top"], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

const FLAGS: &[Flag<()>] = &[];

/// Whose ids are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Host,
    Container,
}

/// A heading and what stands below it.
type Column = (&'static str, fn(&ProcessInfo, &Processes, Side) -> String);

const COLUMNS: &[(&str, Column)] = &[
    ("args", ("COMMAND", |p, _, _| p.command.clone())),
    ("c", ("C", |p, _, _| (used(p) / 10).to_string())),
    ("capamb", ("AMBIENT CAPS", |p, _, _| capabilities(p.capabilities[4]))),
    ("capbnd", ("BOUNDING CAPS", |p, _, _| capabilities(p.capabilities[3]))),
    ("capeff", ("EFFECTIVE CAPS", |p, _, _| capabilities(p.capabilities[2]))),
    ("capinh", ("INHERITED CAPS", |p, _, _| capabilities(p.capabilities[0]))),
    ("capprm", ("PERMITTED CAPS", |p, _, _| capabilities(p.capabilities[1]))),
    ("cmd", ("CMD", |p, _, _| p.command.clone())),
    ("comm", ("COMMAND", |p, _, _| p.name.clone())),
    ("etime", ("ELAPSED", |p, _, _| elapsed(p.lived))),
    ("group", ("GROUP", |p, all, side| id(p, all, side, 1))),
    (
        "groups",
        ("GROUPS", |p, all, _| p.groups.iter().map(|gid| name(*gid, &all.names[1])).collect::<Vec<_>>().join(",")),
    ),
    ("hgroup", ("HGROUP", |p, all, _| id(p, all, Side::Host, 1))),
    ("hpid", ("HPID", |p, _, _| p.host[0].to_string())),
    ("huser", ("HUSER", |p, all, _| id(p, all, Side::Host, 0))),
    ("label", ("LABEL", |p, _, _| p.label.clone())),
    ("nice", ("NI", |p, _, _| p.nice.to_string())),
    ("pcpu", ("%CPU", |p, _, _| tenths(used(p)))),
    ("pgid", ("PGID", |p, _, side| pids(p, side)[2].to_string())),
    ("pid", ("PID", |p, _, side| pids(p, side)[0].to_string())),
    ("pmem", ("%MEM", |p, all, _| tenths(p.resident.saturating_mul(1000) / all.memory.max(1)))),
    ("ppid", ("PPID", |p, _, side| pids(p, side)[1].to_string())),
    ("rss", ("RSS", |p, _, _| (p.resident / 1024).to_string())),
    ("seccomp", ("SECCOMP", |p, _, _| ["disabled", "strict", "filter"][usize::from(p.seccomp.min(2))].to_owned())),
    ("start", ("START", |p, _, _| start(p))),
    ("state", ("STATE", |p, _, _| p.state.to_string())),
    ("stime", ("STIME", |p, _, _| start(p))),
    ("time", ("TIME", |p, _, _| clock(p.used / 100))),
    ("tty", ("TTY", |p, _, _| p.tty.clone().unwrap_or_else(|| "?".to_owned()))),
    ("uid", ("UID", |p, all, side| id(p, all, side, 0))),
    ("user", ("USER", |p, all, side| id(p, all, side, 0))),
    ("vsz", ("VSZ", |p, _, _| (p.virtual_size / 1024).to_string())),
];

const FULL: &str = "uid,pid,ppid,c,stime,tty,time,cmd";
const BSD: &str = "user,pid,pcpu,pmem,vsz,rss,tty,state,start,time,args";

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    // Options of ps stand behind the container, and are not ours.
    let words = parse(FLAGS, words, Order::First, &mut ())?;
    let Some((container, asked)) = words.split_first() else {
        return Err(Failure::words("a container is needed", HELP.usage[0]));
    };
    let (list, side) = wanted(asked)?;
    let columns_of: Vec<&Column> = list.split(',').map(column).collect::<Result<_, _>>()?;
    let processes = context.engine()?.processes(container)?;
    let mut rows = vec![columns_of.iter().map(|(heading, _)| (*heading).to_owned()).collect::<Vec<_>>()];
    for process in &processes.list {
        let cell = |(_, text): &&Column| plain(&text(process, &processes, side));
        rows.push(columns_of.iter().map(cell).collect());
    }
    print(&columns(&rows))?;
    Ok(0)
}

/// The columns that options of ps(1), or words, stand for.
fn wanted(words: &[String]) -> Result<(String, Side), Failure> {
    let Some(first) = words.first() else { return Ok((FULL.to_owned(), Side::Host)) };
    let of_ps = |word: &str| {
        let letters = word.trim_start_matches('-');
        match (word.strip_prefix("-o"), letters) {
            (Some(rest), _) => Some(rest.to_owned()),
            (_, "ef" | "f" | "e" | "A" | "eF" | "F") if word.starts_with('-') => Some(FULL.to_owned()),
            (_, "aux" | "u" | "au" | "ux" | "auxw" | "auxww") => Some(BSD.to_owned()),
            _ => None,
        }
    };
    match of_ps(first) {
        Some(list) => {
            let rest: Vec<&str> = std::iter::once(list.as_str()).chain(words[1..].iter().map(String::as_str)).collect();
            let list = rest.join(",").trim_start_matches([',', '=']).to_owned();
            Ok((list, Side::Host))
        }
        None if first.starts_with('-') => Err(Failure::words(
            format!("{first} is no option of ps that is known here"),
            "write -ef, aux, -o COLUMN,..., or columns alone",
        )),
        None => Ok((words.join(","), Side::Container)),
    }
}

fn column(word: &str) -> Result<&'static Column, Failure> {
    let known = COLUMNS.iter().find(|(name, _)| *name == word.trim());
    let near = || engine::flags::nearest(word, COLUMNS.iter().map(|(name, _)| *name));
    known.map(|(_, column)| column).ok_or_else(|| {
        let hint = near().map_or("coracle top --help lists them".to_owned(), |near| format!("did you mean {near}?"));
        Failure::words(format!("{word:?} is no column"), hint)
    })
}

fn pids(process: &ProcessInfo, side: Side) -> [i32; 3] {
    if side == Side::Host { process.host } else { process.inside }
}

/// A user (0) or group (1).
fn id(process: &ProcessInfo, all: &Processes, side: Side, which: usize) -> String {
    let (ids, names) = if side == Side::Host { (process.host_ids, &all.host_names) } else { (process.ids, &all.names) };
    name(ids[which], &names[which])
}

fn name(id: u32, names: &std::collections::BTreeMap<u32, String>) -> String {
    names.get(&id).cloned().unwrap_or_else(|| id.to_string())
}

fn capabilities(set: CapabilitySet) -> String {
    if set.is_empty() {
        return "none".to_owned();
    }
    if set == CapabilitySet::from_bits(u64::MAX) {
        return "full".to_owned();
    }
    set.names().iter().map(|name| name.trim_start_matches("CAP_")).collect::<Vec<_>>().join(",")
}

/// How much of one processor it has had while it lived, in tenths of a percent.
fn used(process: &ProcessInfo) -> u64 {
    process.used * 10 / process.lived.max(1)
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

/// When it began: the hour on its first day, else the day.
fn start(process: &ProcessInfo) -> String {
    let text = oci::image::rfc3339(process.began as i64, 0);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
    if now().saturating_sub(process.began) < 86_400 { part(11..16) } else { part(5..10) }
}

fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// As Go writes a duration, which podman does.
fn elapsed(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

/// A process may call itself anything: it stays on its line, and out of the terminal's controls.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
