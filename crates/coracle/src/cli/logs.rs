//! `coracle logs`: what a container has written.

use super::which::{self, Which};
use super::{Context, Failure, Verb};
use crate::cli::output::{help, print};
use crate::render;
use engine::Engine;
use engine::flags::Invalid;
use engine::logs::{Line, Stream, rfc3339};
use flag::{Flag, Help, Order, parse, put};
use std::collections::VecDeque;
use std::io::Write as _;
use std::str::FromStr;

const HELP: Help = Help {
    usage: &["logs [OPTIONS] CONTAINER"],
    about: "Show what a container has written",
    more: &[
        "--since and --until take a span before now (10m, 1h30m), a date, a moment (RFC 3339), or seconds since 1970.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "logs",
    aliases: &["container logs"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    follow: bool,
    since: Option<u64>,
    until: Option<u64>,
    tail: Option<usize>,
    timestamps: bool,
    denied: bool,
    format: Option<Form>,
    which: Which,
}

super::parts!(Given { which: Which });

type F = Flag<Given>;

/// How what was refused is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

impl FromStr for Form {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        match word {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(Invalid::new(word, "no form").hint("text, or json")),
        }
    }
}

const FLAGS: &[F] = &[
    F::switch("denied", |g, on| g.denied = on, "What it was refused, instead (run --report-denied)").under("Options"),
    F::switch("follow", |g, on| g.follow = on, "Go on while it writes").short('f').under("Options"),
    F::takes("format", "FORM", |g, w| put(&mut g.format, w), "How --denied tells it: text, json (text)")
        .under("Options"),
    which::latest(),
    F::takes("since", "TIME", |g, w| moment(&mut g.since, w), "Nothing from before").under("Options"),
    F::takes("tail", "LINES", tail, "The last lines alone (all)").short('n').under("Options"),
    F::switch("timestamps", |g, on| g.timestamps = on, "When each line was written").short('t').under("Options"),
    F::takes("until", "TIME", |g, w| moment(&mut g.until, w), "Nothing from after").under("Options"),
];

fn moment(slot: &mut Option<u64>, word: &str) -> Result<(), Invalid> {
    let read = render::moment(word, render::now());
    *slot = Some(read.ok_or_else(|| Invalid::new(word, "no moment").hint("10m, 2026-01-31, or 2026-01-31T12:00:00Z"))?);
    Ok(())
}

fn tail(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.tail = match word {
        "all" | "-1" => None,
        _ => Some(word.parse().map_err(|_| Invalid::new(word, "no number of lines").hint("a number, or all"))?),
    };
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let (engine, name) = given.which.only(&words, context, "coracle logs CONTAINER")?;
    if given.denied {
        return denied(&engine, &name, given.format.unwrap_or(Form::Text));
    }
    if given.format.is_some() {
        return Err(Failure::words("--format needs --denied", "a log is told as it was written: leave out --format"));
    }
    let mut log = engine.log(&name)?;
    let wanted = |line: &Line| {
        given.since.is_none_or(|since| line.time.as_secs() >= since)
            && given.until.is_none_or(|until| line.time.as_secs() < until)
    };
    if let Some(lines) = given.tail {
        let mut last = VecDeque::new();
        while let Some(line) = log.next_line() {
            if wanted(&line) {
                last.push_back(line);
                if last.len() > lines {
                    last.pop_front();
                }
            }
        }
        for line in &last {
            show(line, given.timestamps)?;
        }
    }
    loop {
        // Looked at before the log is: what it wrote last is there by then.
        let over = !given.follow || !log.grows();
        while let Some(line) = log.next_line() {
            if wanted(&line) {
                show(&line, given.timestamps)?;
            }
        }
        if over || given.until.is_some_and(|until| render::now() >= until) {
            return Ok(0);
        }
        log.wait();
    }
}

/// What it was refused.
fn denied(engine: &Engine, name: &str, form: Form) -> Result<u8, Failure> {
    let Some(report) = engine.denied(name)? else {
        let problem = format!("nobody has noted what {name} was refused");
        return Err(Failure::words(problem, "run it with --report-denied"));
    };
    let text = match form {
        Form::Text => explain::denied(&report),
        Form::Json => format!("{}\n", serde_json::to_string(&report).unwrap_or_default()),
    };
    print(&text).map(|()| 0)
}

/// Each stream goes where it came from.
fn show(line: &Line, timestamps: bool) -> Result<(), Failure> {
    let mut bytes = if timestamps { format!("{} ", rfc3339(line.time)).into_bytes() } else { Vec::new() };
    bytes.extend_from_slice(&line.text);
    if line.whole {
        bytes.push(b'\n');
    }
    match line.stream {
        Stream::Output => std::io::stdout().write_all(&bytes),
        Stream::Error => std::io::stderr().write_all(&bytes),
    }
    .map_err(Failure::output)
}
