//! `coracle debug`: a shell with tools in the namespaces of a container that has none.

use super::remote::{self, Remote};
use super::run::{From, Surroundings, needs_terminal, provide, variables, workdir};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render::console_size;
use engine::Io;
use engine::config::{ContainerConfig, ImageRef, ProcessConfig, StdinMode, TerminalMode, UserSpec};
use engine::debug::{CONTAINER, Debug};
use flag::{Flag, Help, Order, parse, push_word, put, put_word};
use std::io::IsTerminal;
use std::path::PathBuf;

const HELP: Help = Help {
    usage: &["debug [OPTIONS] CONTAINER [COMMAND [ARG...]]"],
    about: "Open a shell with tools in a container that has none",
    more: &[
        "The tools are this machine's programs and libraries, or those of --image; what is written among them is gone with \
         the shell. Everything else is the container's: its processes, network and users, and at /container its files. \
         The container sees no mount of it. It may trace the container's processes, as strace and gdb do.",
        "One that does not run is shown by its files alone, read-only.",
        "At a terminal it is interactive. The exit code is the command's; 125 if coracle fails, 126 if the command cannot \
         be executed, 127 if it is not found, 128+N if signal N ends it.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "debug",
    aliases: &["container debug"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    env: Vec<String>,
    env_files: Vec<String>,
    image: Option<String>,
    interactive: bool,
    privileged: bool,
    root: bool,
    remote: Remote,
    tty: bool,
    user: Option<UserSpec>,
    workdir: Option<String>,
}

super::parts!(Given { remote: Remote });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("env", "NAME[=VALUE]", |g, w| push_word(&mut g.env, w), "Set a variable; a name alone passes yours on")
        .short('e')
        .under("Options"),
    F::takes("env-file", "FILE", |g, w| push_word(&mut g.env_files, w), "Read variables from a file").under("Options"),
    F::takes("image", "IMAGE", |g, w| put_word(&mut g.image, w), "Take the tools from this image").under("Options"),
    F::switch("interactive", |g, on| g.interactive = on, "Keep standard input open").short('i').under("Options"),
    F::switch("privileged", |g, on| g.privileged = on, "Give it all capabilities, and no filter").under("Options"),
    F::switch("root", |g, on| g.root = on, "Start in the container's root, /container").under("Options"),
    F::switch("tty", |g, on| g.tty = on, "Give the command a terminal").short('t').under("Options"),
    F::takes("user", "USER[:GROUP]", |g, w| put(&mut g.user, w), "Be this user of the container, and not root")
        .short('u')
        .under("Options"),
    F::takes("workdir", "PATH", |g, w| put_word(&mut g.workdir, w), "Directory in which the command starts")
        .short('w')
        .under("Options"),
    remote::tls_verify(),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::First, &mut given)?;
    let Some((name, command)) = words.split_first() else {
        return Err(Failure::words("a container is needed", HELP.usage[0]));
    };
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let around = Surroundings::here("debug")?;
    let start = workdir(given.workdir.as_deref())?;
    let debug = Debug {
        process: ProcessConfig {
            command: command.to_vec(),
            env: variables(&given.env_files, &given.env, &around)?,
            workdir: start.or_else(|| given.root.then(|| PathBuf::from(CONTAINER))),
            user: given.user,
            terminal: if given.tty || terminal { TerminalMode::Pty } else { TerminalMode::Streams },
            stdin: if given.interactive || terminal { StdinMode::Open } else { StdinMode::Closed },
            ..ProcessConfig::default()
        },
        privileged: given.privileged,
        image: given.image,
    };
    needs_terminal(&debug.process)?;
    if let Some(image) = &debug.image
        && let Some(code) = fetched(context, image, given.remote)?
    {
        return Ok(code);
    }
    let io = Io { console_size: console_size() };
    Ok(context.engine()?.debug(name, &debug, io, |error| Failure::from(error).tell("debug"))?)
}

/// Sees to it that the image is there. In a child: an ordinary user's engine that has worked with images is in a user
/// namespace from which it does not reach the container's.
fn fetched(context: &Context, image: &str, remote: Remote) -> Result<Option<u8>, Failure> {
    let get = || -> Result<Option<u8>, Failure> {
        let mut config = ContainerConfig::new(ImageRef::Name(image.to_owned()));
        provide(&context.engine()?, &mut config, &From { remote, ..From::default() })
    };
    let child = sys::process::fork(|| match get() {
        Ok(code) => code.unwrap_or(0).into(),
        Err(failure) => failure.tell("debug").into(),
    });
    let failed = |source| engine::Error::System { what: "fetch the image", source };
    let code = sys::process::wait(&child.map_err(failed)?.pidfd).map_err(failed)?.code();
    Ok((code != 0).then_some(code))
}
