//! `coracle events`: what happens to containers and images.

use super::filter::{Chosen, EVENTS};
use super::output::{Format, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render;
use engine::events::Event;
use engine::flags::Invalid;
use flag::{Flag, Help, Order, parse, push_word, put};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const HELP: Help = Help {
    usage: &["events [OPTIONS]"],
    about: "Tell what happens to containers and images",
    more: &[
        "Without --since, --until and --stream=false only what happens from now on. What is told goes back to the start \
         of the machine, and some thousand events.",
        "--filter takes container=, image=, volume=, secret=, network=, label=NAME[=VALUE], type=container|image|volume|\
         secret|network and event=create|start|die|stop|kill|pause|\
         unpause|restart|rename|update|oom|health_status|exec_start|exec_die|attach|commit|export|destroy, or pull|push|\
         load|import|save|tag|untag|delete, or prune; podman's died, remove, exec and exec_died mean the same.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "events",
    aliases: &["system events"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug)]
struct Given {
    filters: Vec<String>,
    format: Option<Format>,
    since: Option<u64>,
    until: Option<u64>,
    stream: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("filter", "NAME=VALUE", |g, w| push_word(&mut g.filters, w), "Only those that fit")
        .short('f')
        .under("Options"),
    F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "json or a template").under("Options"),
    F::switch("no-stream", |g, on| g.stream = !on, "Only what has happened so far").under("Options"),
    // podman's, which shortens nothing unless it is asked to.
    F::switch("no-trunc", |_, _| (), ""),
    F::takes("since", "TIME", |g, w| moment(&mut g.since, w), "From then on").under("Options"),
    F::switch("stream", |g, on| g.stream = on, "Go on as it happens (true)").under("Options"),
    F::takes("until", "TIME", |g, w| moment(&mut g.until, w), "Until then").under("Options"),
];

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since 1970: what `render` reads, and of `SECONDS.FRACTION` the fraction as well.
fn moment(slot: &mut Option<u64>, word: &str) -> Result<(), Invalid> {
    let read = render::moment(word, render::now());
    let seconds =
        read.ok_or_else(|| Invalid::new(word, "no moment").hint("10m, 2026-01-31, or 2026-01-31T12:00:00Z"))?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = word.split_once('.').filter(|(whole, fraction)| digits(whole) && digits(fraction));
    let nanos = fraction.and_then(|(_, fraction)| format!("{fraction:0<9}").get(..9)?.parse::<u64>().ok());
    *slot = Some(seconds.saturating_mul(SECOND).saturating_add(nanos.unwrap_or(0)));
    Ok(())
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_nanos().try_into().unwrap_or(u64::MAX)
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given { filters: Vec::new(), format: None, since: None, until: None, stream: true };
    super::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let filters = Chosen::read(&given.filters, &[EVENTS], &())?;
    let past = given.since.is_some() || given.until.is_some() || !given.stream;
    let mut events = context.engine()?.events(past)?;
    let since = given.since.unwrap_or(0);
    let until = given.until.unwrap_or(u64::MAX);
    loop {
        // Looked at before the events are: what happened last is there by then.
        let over = !given.stream || now() >= until;
        while let Some(event) = events.next_event() {
            if (since..until).contains(&event.time) && filters.fits(&event) {
                print(&line(&event, given.format.as_ref())?)?;
            }
        }
        if over {
            return Ok(0);
        }
        events.wait(given.until.map(|until| Duration::from_nanos(until.saturating_sub(now()))));
    }
}

fn line(event: &Event, format: Option<&Format>) -> Result<String, Failure> {
    match format {
        None | Some(Format::Table) => Ok(text(event)),
        Some(Format::Json) => Ok(format!("{}\n", docker(event))),
        Some(Format::Template(layout)) => layout.lines(&[fields(event)], &[]),
    }
}

/// As docker tells it.
fn text(event: &Event) -> String {
    let attributes: Vec<_> = event.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let id = if event.id.is_empty() { String::new() } else { format!(" {}", event.id) };
    let time = oci::image::rfc3339((event.time / SECOND) as i64, (event.time % SECOND) as u32);
    format!("{time} {} {}{id} ({})\n", event.kind.word(), event.action, attributes.join(", "))
}

/// As docker's API tells it.
fn docker(event: &Event) -> Value {
    json!({
        "status": event.action,
        "id": event.id,
        "from": event.attributes.get("image"),
        "Type": event.kind.word(),
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "scope": "local",
        "time": event.time / SECOND,
        "timeNano": event.time,
    })
}

/// What a template can ask for: docker's fields, and podman's.
fn fields(event: &Event) -> Value {
    let attribute = |name: &str| event.attributes.get(name).map_or("", String::as_str);
    json!({
        "Status": event.action,
        "ID": event.id,
        "From": attribute("image"),
        "Type": event.kind.word(),
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "Scope": "local",
        "Time": event.time / SECOND,
        "TimeNano": event.time,
        // podman's.
        "Name": attribute("name"),
        "Image": attribute("image"),
        "Attributes": event.attributes,
        "ContainerExitCode": attribute("exitCode"),
        "HealthStatus": event.action.strip_prefix("health_status: ").unwrap_or_default(),
    })
}
