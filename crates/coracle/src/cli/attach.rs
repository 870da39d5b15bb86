//! `coracle attach`: our terminal for a container that runs.

use super::which::{self, Which};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::Keys;
use engine::attach::{How, Left, attach, greet, signals};
use engine::config::{StdinMode, TerminalMode};
use flag::{Flag, Help, Order, parse, put};

const HELP: Help = Help {
    usage: &["attach [OPTIONS] CONTAINER"],
    about: "Attach to a container that runs",
    more: &["The exit code is that of the container. --detach-keys leave it running."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "attach",
    aliases: &["container attach"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    keys: Option<Keys>,
    no_stdin: bool,
    sig_proxy: Option<bool>,
    which: Which,
}

super::parts!(Given { which: Which });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("detach-keys", "KEYS", |g, w| put(&mut g.keys, w), "Keys that leave it running (ctrl-p,ctrl-q)")
        .under("Options"),
    which::latest(),
    F::switch("no-stdin", |g, on| g.no_stdin = on, "Do not read standard input").under("Options"),
    F::switch("sig-proxy", |g, on| g.sig_proxy = Some(on), "Pass signals on to it (true)").under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let (engine, name) = given.which.only(&words, context, "coracle attach CONTAINER")?;
    let asked = engine.container(&name)?.container.config.config;
    let signals = signals()?;
    let socket = engine.monitor(&name)?;
    let how = How {
        input: !given.no_stdin && asked.process.stdin == StdinMode::Open,
        signals: given.sig_proxy.unwrap_or(true),
        terminal: asked.process.terminal == TerminalMode::Pty,
        keys: given.keys.unwrap_or_default(),
        ..How::default()
    };
    greet(&socket, &how)?;
    engine.tell(&name, "attach", &[]);
    code(attach(&socket, &how, &signals)?, VERB.name)
}

/// The exit code of who was attached. An end by violence is told.
pub(super) fn code(left: Left, verb: &str) -> Result<u8, Failure> {
    let Left::Ended(code, why) = left else { return Ok(0) };
    if !why.is_empty() {
        super::run::tell(&format!("coracle: {verb}: {why}\n"));
    }
    code.ok_or_else(|| engine::Error::MonitorLost.into())
}
