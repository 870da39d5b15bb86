//! `coracle start` and `restart`: containers that are there and do not run.

use super::output::print;
use super::which::{self, Which};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::attach::{How, attach, signals};
use engine::config::{StdinMode, TerminalMode};
use engine::supervised::{Attached, Begun};
use engine::{Io, Keys};
use flag::{Flag, Help, Order, parse, put};

const HELP: Help = Help {
    usage: &["start [OPTIONS] CONTAINER...", "start --attach [--interactive] CONTAINER"],
    about: "Start containers that do not run",
    more: &[],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "start",
    aliases: &["container start"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    attach: bool,
    interactive: bool,
    keys: Option<Keys>,
    sig_proxy: Option<bool>,
    which: Which,
}

super::parts!(Given { which: Which });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    which::all("All containers that do not run"),
    F::switch("attach", |g, on| g.attach = on, "Attach to it").short('a').under("Options"),
    F::takes("detach-keys", "KEYS", |g, w| put(&mut g.keys, w), "Keys that leave it running (ctrl-p,ctrl-q)")
        .under("Options"),
    F { short: Some('f'), ..which::filter() },
    F::switch("interactive", |g, on| g.interactive = on, "Its input is ours").short('i').under("Options"),
    which::latest(),
    F::switch("sig-proxy", |g, on| g.sig_proxy = Some(on), "Pass signals on to it (true, with --attach)")
        .under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    given.which.needs(&names)?;
    let names = given.which.names(names, &context.engine()?, |status| !status.is_alive())?;
    if given.attach || given.interactive {
        let [name] = names.as_slice() else {
            return Err(Failure::words("one container is needed to attach to", "leave out --attach and --interactive"));
        };
        return attached(name, given, context);
    }
    let mut last = 0;
    for name in &names {
        match begin(name, context, Attached::default())?.runs()? {
            Ok(()) | Err(0) => print(&format!("{name}\n"))?,
            Err(code) => last = code,
        }
    }
    Ok(last)
}

/// Starts it, and stays with it.
fn attached(name: &str, given: Given, context: &Context) -> Result<u8, Failure> {
    let asked = context.engine()?.container(name)?.container.config.config;
    let input = given.interactive && asked.process.stdin == StdinMode::Open;
    let how = How {
        input,
        signals: given.sig_proxy.unwrap_or(given.attach),
        terminal: asked.process.terminal == TerminalMode::Pty,
        keys: given.keys.unwrap_or_default(),
        ..How::default()
    };
    let begun = begin(name, context, Attached { streams: true, input })?;
    let signals = signals()?;
    if let Err(code) = begun.runs()? {
        return Ok(code);
    }
    context.engine()?.tell(name, "attach", &[]);
    super::attach::code(attach(&begun.into_socket(), &how, &signals)?, VERB.name)
}

/// Starts it by a new monitor. What is wrong is told by who finds it.
pub(super) fn begin(name: &str, context: &Context, attached: Attached) -> Result<Begun, Failure> {
    let engine = context.engine()?;
    let io = Io { console_size: crate::render::console_size() };
    let begun = engine.supervised(attached, |starter| match engine.start(starter, name, io) {
        Ok(_) => 0,
        // docker and podman: no failure, there is nothing to be done.
        Err(engine::Error::Runs(_)) if !attached.streams => 0,
        Err(error) => {
            let failure = Failure::from(error);
            let code = failure.code();
            _ = failure.report(VERB.name);
            code
        }
    })?;
    Ok(begun)
}
