//! `coracle run`: a container in the foreground.

mod explained;
pub mod flags;
pub mod given;
mod learn;
mod provide;
mod request;
mod words;

use self::explained::Explained;
use self::flags::{FLAGS, LATER};
use self::given::{Given, Stream};
pub use self::learn::VERB as LEARN;
pub use self::provide::{From, provide};
use self::request::request;
pub use self::request::{Surroundings, variables, workdir};
use super::{Context, Failure, Verb};
use crate::cli::openness;
use crate::cli::output::{help, print};
use crate::render::console_size;
use engine::attach::{How, attach_and_hear};
use engine::config::{ContainerConfig, LogDriver, NetworkMode, ProcessConfig, Ready, StdinMode, TerminalMode};
use engine::containers::Volumes;
use engine::denied::{Report, pointless};
use engine::explanation::Explanation;
use engine::supervised::{Attached, Ears};
use engine::timings::Timings;
use engine::{ContainerId, Engine, Io, Keys, image_name};
use flag::{Help, Order, Usage, parse};
use std::io::Write;
use std::path::PathBuf;

const HELP: Help = Help {
    usage: &["run [OPTIONS] IMAGE [COMMAND [ARG...]]", "run [OPTIONS] --rootfs PATH[:O] [COMMAND [ARG...]]"],
    about: "Run a command in a new container",
    more: &[
        "IMAGE is host: for this machine's own files under a throw-away overlay, or an image, which is \
         pulled where it is missing. What stands behind IMAGE belongs to the command.",
        "The exit code is the command's; 125 if coracle fails, 126 if the command cannot be executed, 127 if it is not \
         found, 128+N if signal N ends it.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "run", aliases: &["container run"], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

const CREATING: Help = Help {
    usage: &["create [OPTIONS] IMAGE [COMMAND [ARG...]]", "create [OPTIONS] --rootfs PATH[:O] [COMMAND [ARG...]]"],
    about: "Make a container that does not run yet",
    more: &["Its id is printed; coracle start starts it. IMAGE and options are those of coracle run."],
};

/// `coracle create`.
pub const CREATE: Verb = Verb {
    name: "create",
    aliases: &["container create"],
    about: CREATING.about,
    run: create,
    help: |width| help(&CREATING, FLAGS, width),
};

/// What the words ask for.
struct Asked {
    config: ContainerConfig,
    /// Where its image comes from.
    from: From,
    /// It is left running.
    detach: bool,
    /// The keys that leave it.
    keys: Keys,
    /// One that has its name makes room.
    replace: bool,
    /// Its image goes with it.
    remove_image: bool,
    /// The only streams that it is attached to; none for all.
    attach: Vec<Stream>,
    /// Where its start is explained; none is standard error.
    explain_file: Option<PathBuf>,
    /// How long its start took is told.
    timings: bool,
    /// What `learn` was told beside.
    out: Option<PathBuf>,
    /// The run is made once more under what was learnt.
    replay: bool,
}

fn read(words: &[String]) -> Result<Asked, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::First, &mut given).map_err(not_yet)?;
    let around = Surroundings::here("run")?;
    let from = From {
        remote: std::mem::take(&mut given.remote),
        machine: std::mem::take(&mut given.machine),
        quiet: given.quiet,
    };
    let (detach, replace, remove_image) = (given.detach, given.replace, given.remove_image);
    if remove_image && detach {
        return Err(Failure::words("--rmi and --detach exclude each other", "remove the image when it has ended: rmi"));
    }
    let attach = std::mem::take(&mut given.attach);
    if detach && !attach.is_empty() {
        return Err(Failure::words("--attach and --detach exclude each other", "leave out either of them"));
    }
    let (out, replay) = (given.out.take().map(PathBuf::from), given.replay);
    let explain_file = given.explain_file.clone().map(PathBuf::from);
    let timings = given.timings;
    let keys = given.detach_keys.take().unwrap_or_default();
    if replace && given.name.is_none() {
        return Err(Failure::words("--replace: no name was given", "add --name"));
    }
    let config = request(given, words, &around)?;
    if let Some(why) = pointless(&config.privileges).filter(|_| config.privileges.report_denied) {
        Failure::warn("--report-denied has nothing to report", &why);
    }
    engine::spec::sources(&config.files.mounts).map_err(engine::Error::from)?;
    Ok(Asked { config, from, detach, keys, replace, remove_image, attach, explain_file, timings, out, replay })
}

/// As [`read`], for what is to be run and not only learnt.
fn read_run(words: &[String]) -> Result<Asked, Failure> {
    let asked = read(words)?;
    if asked.out.is_some() || asked.replay {
        return Err(Failure::words("--out and --replay are for coracle learn", "leave them out"));
    }
    Ok(asked)
}

/// Sees to what has to be there, or not to be there, before the container is made.
fn prepare(engine: &Engine, asked: &mut Asked) -> Result<Option<u8>, Failure> {
    let code = provide(engine, &mut asked.config, &asked.from)?;
    if let (None, true, Some(name)) = (code, asked.replace, &asked.config.name) {
        match engine.remove_container(name.as_str(), true, Volumes::Kept) {
            Err(error) if error.is_not_found() => {}
            removed => drop(removed?),
        }
    }
    Ok(code)
}

fn create(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut asked = read_run(words)?;
    let engine = context.engine()?;
    match prepare(&engine, &mut asked)? {
        Some(code) => Ok(code),
        None => print(&format!("{}\n", engine.create(&asked.config)?)).map(|()| 0),
    }
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let asked = read_run(words)?;
    if !asked.detach {
        needs_terminal(&asked.config.process)?;
    }
    let engine = context.engine()?;
    let view = &asked.config.view;
    if let Some(missing) = engine.lacks_network(&asked.config) {
        Failure::warn("the container has no network", &missing);
    } else if !asked.from.quiet && matches!(view.network, None | Some(NetworkMode::Networks(_) | NetworkMode::Pasta)) {
        openness::tell(&view.ports, view.pass_ports);
    }
    if let Some(missing) = engine.lacks_world(&asked.config) {
        Failure::warn("the container's networks reach no other machine", &missing);
    }
    for obstacle in engine.obstacles(&asked.config) {
        Failure::warn("another firewall stands in the way", &obstacle);
    }
    let image = image_name(&asked.config.image);
    let remove_image = asked.remove_image;
    let code = if asked.detach || !asked.attach.is_empty() || !is_ours_alone(&asked.config) {
        supervised(&engine, asked)?
    } else {
        alone(&engine, asked)?
    };
    if remove_image {
        // Others may have containers of it.
        let _ = engine.remove_image(&image, false);
    }
    Ok(code)
}

/// One that lives and dies with us.
fn alone(engine: &Engine, mut asked: Asked) -> Result<u8, Failure> {
    if let Some(code) = prepare(engine, &mut asked)? {
        return Ok(code);
    }
    let mut explained = Explained::open(asked.explain_file.as_deref())?;
    let mut told = Ok(());
    let io = Io { console_size: console_size() };
    let outcome = engine::run::run(engine, &asked.config, io, &mut |steps| told = explained.tell(&steps))?;
    told?;
    if asked.timings {
        tell(&explain::timings::timings(&outcome.timings));
    }
    tell_denied(outcome.denied.as_ref());
    if let Some(death) = outcome.death {
        tell(&format!("coracle: run: {}\n", death.told()));
    }
    Ok(outcome.code)
}

/// A container that nobody looks for later, and whose streams can be ours as they are: it lives and dies with us, and no
/// byte of it is copied.
fn is_ours_alone(config: &ContainerConfig) -> bool {
    let streams = config.process.terminal == TerminalMode::Streams;
    let told = config.pidfile.is_some() || config.monitor_pidfile.is_some();
    (config.remove && streams && !told) || config.foreground.explain == Some(true) || config.process.preserve_fds > 0
}

/// One with a monitor: it may be left, and found again.
fn supervised(engine: &Engine, mut asked: Asked) -> Result<u8, Failure> {
    let Asked { ref config, detach, timings, .. } = asked;
    let passes = config.log.driver == LogDriver::Passthrough;
    let attached = |stream| asked.attach.is_empty() || asked.attach.contains(&stream);
    let input = !detach && !passes && config.process.stdin == StdinMode::Open && attached(Stream::Input);
    let how = How {
        input,
        no_output: !attached(Stream::Output),
        no_error: !attached(Stream::Error),
        signals: config.foreground.proxy_signals,
        terminal: config.process.terminal == TerminalMode::Pty,
        keys: std::mem::take(&mut asked.keys),
    };
    let io = Io { console_size: console_size() };
    let notify = asked.config.foreground.notify.take();
    if notify.as_ref().is_some_and(|notify| notify.ready == Ready::Said) {
        let hint = "add --rm, and leave out -d and -t: only then is there somebody to listen to it";
        return Err(Failure::words("--sdnotify=container needs a container that lives and ends with us", hint));
    }
    let begun = engine.supervised(Attached { streams: !detach, input }, |starter| {
        let started = prepare(engine, &mut asked).and_then(|code| {
            if let Some(code) = code {
                return Ok(code);
            }
            let mut explained = Explained::open(asked.explain_file.as_deref())?;
            let mut begun = |id: &ContainerId, times: &Timings| {
                // It runs, whether anybody takes its id or not.
                if detach && let Err(failure) = print(&format!("{id}\n")) {
                    _ = failure.report("run");
                }
                if timings {
                    tell(&explain::timings::timings(times));
                }
            };
            let mut steps = |steps: Explanation| {
                // What could not be written of it is no reason to end it.
                if let Err(failure) = explained.tell(&steps) {
                    _ = failure.tell("run");
                }
            };
            engine.run(starter, &asked.config, io, Ears { begun: &mut begun, explained: &mut steps })?;
            Ok(0)
        });
        started.unwrap_or_else(|failure| {
            let code = failure.code();
            _ = failure.report("run");
            code
        })
    })?;
    let signals = engine::attach::signals()?;
    if let Err(code) = begun.runs()? {
        return Ok(code);
    }
    if let Some(notify) = notify {
        begun.tell(&notify.manager)?;
    }
    if detach {
        return Ok(0);
    }
    let (left, denied) = attach_and_hear(&begun.into_socket(), &how, &signals)?;
    tell_denied(denied.as_ref());
    crate::cli::attach::code(left, VERB.name)
}

/// Standard output is the container's; what is to be said of it goes beside.
pub fn tell(text: &str) {
    // If nobody hears it, nobody can be told.
    _ = std::io::stderr().write_all(text.as_bytes());
}

/// The same, a line at a time.
fn tell_lines(verb: &str, text: &str) {
    for line in text.lines() {
        tell(&format!("coracle: {verb}: {line}\n"));
    }
}

/// What it was refused, on a line each.
fn tell_denied(report: Option<&Report>) {
    if let Some(report) = report {
        tell_lines("run", &explain::denied(report));
    }
}

/// A flag that docker or podman know is not a slip of the finger.
fn not_yet(usage: Usage) -> Failure {
    if let Usage::Unknown { word, .. } = &usage {
        let known = |(long, short, _): &&(&str, Option<char>, &str)| {
            word.strip_prefix("--") == Some(long)
                || short.is_some_and(|short| word.split(' ').next() == Some(&format!("-{short}")))
        };
        if let Some((_, _, what)) = LATER.iter().find(known) {
            return later(word, what);
        }
    }
    usage.into()
}

fn later(word: &str, what: &str) -> Failure {
    Failure::words(format!("{word} is not there yet"), format!("it needs {what}; leave it out"))
}

/// docker's rule: a terminal for the container and the caller's input need a terminal on this side.
pub fn needs_terminal(process: &ProcessConfig) -> Result<(), Failure> {
    let wanted = process.terminal == TerminalMode::Pty && process.stdin == StdinMode::Open;
    if wanted && !rustix::termios::isatty(rustix::stdio::stdin()) {
        return Err(Failure::words("-t: standard input is not a terminal", "leave out -t, or -i"));
    }
    Ok(())
}
