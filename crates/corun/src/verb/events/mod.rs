//! `events`: what a container uses, from time to time, and word of each kill for want of memory; one line of JSON each, in
//! the shape that runc gives it. It ends with the container.

mod stats;

use super::{Verb, only_id, read};
use crate::container::{Container, Status};
use crate::error::{Error, Result, What as _};
use crate::global::Context;
use flag::{Flag, Help, Invalid, Order};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::Serialize;
use stats::Stats;
use std::io::Write as _;
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
struct Given {
    interval: Option<Duration>,
    stats: bool,
}

type F = Flag<Given>;

const FLAGS: [F; 2] = [
    F::takes("interval", "DURATION", interval, "Time between two statistics, such as 500ms; 5s if not given")
        .under("Options"),
    F::switch("stats", |g, on| g.stats = on, "Tell them once, and end").under("Options"),
];

pub const VERB: Verb = Verb {
    name: "events",
    help: Help {
        usage: &["events [OPTIONS] ID"],
        about: "Tell what a container uses, and kills for lack of memory",
        more: &[],
    },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

const INTERVAL: Duration = Duration::from_secs(5);

fn interval(given: &mut Given, word: &str) -> std::result::Result<(), Invalid> {
    let duration = duration(word).ok_or_else(|| Invalid::new(word, "not a duration").hint("give 5s or 500ms, say"))?;
    if duration.is_zero() {
        return Err(Invalid::new(word, "the interval must be greater than 0"));
    }
    given.interval = Some(duration);
    Ok(())
}

/// A duration as Go writes it: numbers with units, `1m30s`, `1.5h`, `100ms`.
fn duration(word: &str) -> Option<Duration> {
    let mut rest = word;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number * unit;
        rest = &rest[end..];
    }
    if word.is_empty() { None } else { Duration::try_from_secs_f64(seconds).ok() }
}

/// One line.
#[derive(Debug, Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Stats>,
}

/// Writes a line; `false` if nobody reads any more.
fn tell(event: &Event<'_>) -> Result<bool> {
    let mut line = serde_json::to_vec(event).map_err(|source| Error::Parse { path: "events".into(), source })?;
    line.push(b'\n');
    match std::io::stdout().write_all(&line) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::file("standard output", error)),
        Ok(()) => Ok(true),
    }
}

fn run(words: &[String], context: &Context) -> Result<u8> {
    let (given, others) = read(&FLAGS, words, Order::Anywhere)?;
    let container = Container::find(context, only_id(&others)?)?;
    let id = container.record.id.as_str();
    let Some(handle) = container.handle.as_ref().filter(|_| container.status() != Status::Stopped) else {
        return Err(Error::State(format!("container with id {id} is not running")));
    };
    if given.stats {
        tell(&Event { kind: "stats", id, data: Some(Stats::of(&container.cgroup)?) })?;
        return Ok(0);
    }
    let mut oom = container.cgroup.watch_oom()?;
    let interval = given.interval.unwrap_or(INTERVAL);
    let mut next = Instant::now() + interval;
    loop {
        let left = next.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs().min(1 << 30) as i64, tv_nsec: left.subsec_nanos().into() };
        let mut fds = vec![PollFd::new(&handle.pidfd, PollFlags::IN)];
        fds.extend(oom.as_ref().map(|oom| PollFd::new(oom, PollFlags::IN | PollFlags::PRI)));
        // v2's file of events is always readable; what is waited for is its change.
        if container.cgroup.version_of(cgroup::Controller::Memory) == Some(cgroup::Version::V2) {
            fds.truncate(1);
            fds.extend(oom.as_ref().map(|oom| PollFd::new(oom, PollFlags::PRI)));
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(sys::Error::new("poll", "the container", errno)).what("wait for events"),
        }
        let ended = fds[0].revents().intersects(PollFlags::IN | PollFlags::HUP);
        if oom.as_mut().is_some_and(cgroup::OomWatch::happened) && !tell(&Event { kind: "oom", id, data: None })? {
            return Ok(0);
        }
        if ended {
            return Ok(0);
        }
        if Instant::now() >= next {
            next += interval;
            // A container that ends just now has no statistics any more.
            let told = Stats::of(&container.cgroup).map(|data| tell(&Event { kind: "stats", id, data: Some(data) }));
            if let Ok(told) = told
                && !told?
            {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn durations_are_those_of_go() {
        // time.ParseDuration's documentation.
        for (word, millis) in [("1h15m30.5s", 4_530_500), ("1m30s", 90_000), ("100ms", 100), ("1.5h", 5_400_000)] {
            assert_eq!(duration(word), Some(Duration::from_millis(millis)), "{word}");
        }
        for word in ["", "5", "-1s", "1x", "s", "1e3s", "99999999999999999999h"] {
            assert_eq!(duration(word), None, "{word}");
        }
    }
}
