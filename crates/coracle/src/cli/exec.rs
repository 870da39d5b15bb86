//! `coracle exec`: one more process in a container that runs.

use super::run::{Surroundings, needs_terminal, variables, workdir};
use super::which::{self, Which};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render::console_size;
use engine::config::{ProcessConfig, StdinMode, TerminalMode, UserSpec};
use engine::flags::{self, Invalid};
use engine::{Exec, Io, Keys};
use flag::{Flag, Help, Order, parse, push_word, put, put_word};

const HELP: Help = Help {
    usage: &["exec [OPTIONS] CONTAINER COMMAND [ARG...]"],
    about: "Run a command in a container that runs",
    more: &[
        "It has the variables, the directory, the user and the rights of the container's own command.",
        "The exit code is the command's; 125 if coracle fails, 126 if the command cannot be executed, 127 if it or the \
         directory is not found, 128+N if signal N ends it.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "exec",
    aliases: &["container exec"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    detach: bool,
    keys: Option<Keys>,
    env: Vec<String>,
    env_files: Vec<String>,
    interactive: bool,
    preserve_fds: u32,
    privileged: bool,
    tty: bool,
    user: Option<UserSpec>,
    which: Which,
    workdir: Option<String>,
}

super::parts!(Given { which: Which });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    which::cidfile(),
    F::switch("detach", |g, on| g.detach = on, "Leave it running").short('d').under("Options"),
    F::takes("detach-keys", "KEYS", |g, w| put(&mut g.keys, w), "Keys that leave it running (ctrl-p,ctrl-q)")
        .under("Options"),
    F::takes("env", "NAME[=VALUE]", |g, w| push_word(&mut g.env, w), "Set a variable; a name alone passes yours on")
        .short('e')
        .under("Options"),
    F::takes("env-file", "FILE", |g, w| push_word(&mut g.env_files, w), "Read variables from a file").under("Options"),
    F::switch("interactive", |g, on| g.interactive = on, "Keep standard input open").short('i').under("Options"),
    which::latest(),
    F::takes("preserve-fds", "N", preserve_fds, "Hand N further descriptors to the command").under("Options"),
    F::switch("privileged", |g, on| g.privileged = on, "Give it all capabilities, and no filter").under("Options"),
    F::switch("tty", |g, on| g.tty = on, "Give the command a terminal").short('t').under("Options"),
    F::takes("user", "USER[:GROUP]", |g, w| put(&mut g.user, w), "Run as this user, by name or number")
        .short('u')
        .under("Options"),
    F::takes("workdir", "PATH", |g, w| put_word(&mut g.workdir, w), "Directory in which the command starts")
        .short('w')
        .under("Options"),
];

fn preserve_fds(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.preserve_fds = flags::count(word)?;
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::First, &mut given)?;
    let needed = || Failure::words("a container and a command are needed", HELP.usage[0]);
    let chosen = if given.which.is_named() { None } else { given.which.one(&words, &context.engine()?)? };
    let (name, command) = match (&chosen, words.split_first()) {
        (Some(name), Some(_)) => (name, words.as_slice()),
        (None, Some((name, command))) if !command.is_empty() => (name, command),
        _ => return Err(needed()),
    };
    let around = Surroundings::here("exec")?;
    let exec = Exec {
        process: ProcessConfig {
            command: command.to_vec(),
            env: variables(&given.env_files, &given.env, &around)?,
            workdir: workdir(given.workdir.as_deref())?,
            user: given.user,
            terminal: if given.tty { TerminalMode::Pty } else { TerminalMode::Streams },
            stdin: if given.interactive && !given.detach { StdinMode::Open } else { StdinMode::Closed },
            preserve_fds: given.preserve_fds,
            ..ProcessConfig::default()
        },
        dies_with_us: false,
        timeout: None,
        privileged: given.privileged,
        detach: given.detach,
        keys: given.keys.unwrap_or_default(),
    };
    if !exec.detach {
        needs_terminal(&exec.process)?;
    }
    let io = Io { console_size: console_size() };
    Ok(context.engine()?.exec(name, &exec, io, |error| Failure::from(error).tell("exec"))?)
}
