//! One stop: its process is started, what did it and what came of it is shown, and somebody may look around.

use super::words::{self, Side};
use crate::cli::{Context, Failure};
use crate::render::{console_size, width};
use engine::config::{ProcessConfig, StdinMode, TerminalMode};
use engine::containers::Volumes;
use engine::explanation::Explanation;
use engine::supervised::{Attached, Ears};
use engine::tour::{Bare, Looked, Stop};
use engine::{Exec, Io};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use sys::process::Child;

/// The exit code of a child whose user has seen enough.
pub const ENOUGH: u8 = 3;

const SIGKILL: i32 = 9;

/// How many calls of one step are shown.
const CALLS: usize = 3;

/// A container in the background, which goes with us, however we end.
struct Guarded {
    name: String,
    guard: Option<(OwnedFd, Child)>,
}

/// A process that stays outside, whatever becomes of us, and runs what is to be run there.
struct Outsider(OwnedFd);

impl Outsider {
    fn new() -> Result<Self, Failure> {
        let serve = |socket: OwnedFd| {
            while let Ok(Some(command)) = sys::socket::receive_text(&socket) {
                let status = Command::new("sh").args(["-c", &command]).status();
                if sys::socket::send(&socket, &[u8::from(status.is_err())]).is_err() {
                    break;
                }
            }
            0
        };
        let forked = sys::process::fork_connected(serve);
        let (socket, _) = forked.map_err(|source| engine::Error::System { what: "keep somebody outside", source })?;
        Ok(Self(socket))
    }

    fn run(&self, command: &str) -> Result<(), Failure> {
        let failed = |source| engine::Error::System { what: "run a command outside", source };
        sys::socket::send(&self.0, command.as_bytes()).map_err(failed)?;
        sys::socket::receive::<1>(&self.0).map_err(failed)?;
        Ok(())
    }
}

/// What a stop shows.
enum Shown<'a> {
    Plain(Child),
    Bare(Box<Bare>),
    Container(&'a Context, Guarded, Box<Looked>),
}

/// Shows it.
pub fn show(stop: Stop, context: &Context, yes: bool) -> Result<u8, Failure> {
    say(&format!("\n{}. {}\n\n", stop.number(), words::title(stop)))?;
    paragraph(words::lesson(stop))?;
    let outsider = Outsider::new()?;
    let engine = context.engine()?;
    if !engine.caller().is_root()
        && let Some(more) = words::for_ordinary_users(stop)
    {
        paragraph(more)?;
    }
    if stop == Stop::Limits && !engine.gives_limits()? {
        paragraph(words::NO_CGROUP)?;
    }
    let shown = match stop {
        Stop::Plain => Shown::Plain(plain()?),
        Stop::Name | Stop::Pids => Shown::Bare(Box::new(engine.bare(stop)?)),
        _ => match container(stop, context)? {
            Ok((guarded, looked)) => Shown::Container(context, guarded, Box::new(looked)),
            Err(code) => return Ok(code),
        },
    };
    // Who has become root of a user namespace has lost it.
    go_with_our_parent();
    let done = visit(stop, &shown, &outsider, yes);
    shown.end();
    done
}

/// We end when the tour does, however.
pub fn go_with_our_parent() {
    const PR_SET_PDEATHSIG: usize = 1;
    let _ = sys::process::prctl(PR_SET_PDEATHSIG, SIGKILL as usize, 0);
}

/// A process like any other.
fn plain() -> Result<Child, Failure> {
    let child = sys::process::fork(|| {
        go_with_our_parent();
        // It comes back only where there is no such program.
        let _ = Command::new("sleep").arg("infinity").exec();
        127
    });
    Ok(child.map_err(|source| engine::Error::System { what: "start a process", source })?)
}

/// Starts the container of a stop in the background.
fn container(stop: Stop, context: &Context) -> Result<Result<(Guarded, Looked), u8>, Failure> {
    let name = format!("tour-{}", std::process::id());
    let guarded = Guarded::new(name.clone(), context)?;
    let engine = context.engine()?;
    let parsed = name.parse().map_err(|invalid| Failure::words(format!("{invalid}"), ""))?;
    let config = engine.tour_config(stop, parsed)?;
    let begun = engine.supervised(Attached { streams: false, input: false }, |starter| {
        let ears = Ears { begun: &mut |_, _| (), explained: &mut drop };
        match engine.run(starter, &config, Io::default(), ears) {
            Ok(()) => 0,
            Err(error) => Failure::from(error).tell("tour"),
        }
    })?;
    if let Err(code) = begun.runs()? {
        return Ok(Err(code));
    }
    let looked = context.engine()?.tour_look(&name)?;
    Ok(Ok((guarded, looked)))
}

/// Tells what happened, looks, and asks.
fn visit(stop: Stop, shown: &Shown<'_>, outsider: &Outsider, yes: bool) -> Result<u8, Failure> {
    say(&format!("Its process is {} outside.\n", shown.pid()))?;
    if let Some(explanation) = shown.explanation() {
        say("What did it:\n")?;
        steps(stop, explanation)?;
    }
    say("\n")?;
    for (side, command) in words::looks(stop) {
        let Some(command) = filled(command, shown) else { continue };
        let name = if *side == Side::Inside { "inside " } else { "outside" };
        say(&format!("  {name} $ {command}\n"))?;
        if *side == Side::Outside {
            outsider.run(&command)?;
        } else {
            shown.inside(&["sh", "-c", &command].map(str::to_owned), TerminalMode::Streams)?;
        }
    }
    if yes { Ok(0) } else { ask(stop, shown) }
}

/// Asks what is wanted next, as often as it is a shell.
fn ask(stop: Stop, shown: &Shown<'_>) -> Result<u8, Failure> {
    let last = stop == Stop::Network;
    let question =
        if last { "Enter ends, s opens a shell in it: " } else { "Enter goes on, s opens a shell in it, q ends: " };
    loop {
        say(&format!("\n{question}"))?;
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        match (read.map_err(|error| Failure::unreadable("standard input", "", error))?, answer.trim()) {
            (0, _) | (_, "q") => return Ok(ENOUGH),
            (_, "s") => drop(shown.inside(&["sh".to_owned()], TerminalMode::Pty)?),
            _ => return Ok(0),
        }
    }
}

impl Shown<'_> {
    fn pid(&self) -> i32 {
        match self {
            Self::Plain(child) => child.pid,
            Self::Bare(bare) => bare.pid(),
            Self::Container(_, _, looked) => looked.pid,
        }
    }

    fn explanation(&self) -> Option<&Explanation> {
        match self {
            Self::Plain(_) => None,
            Self::Bare(bare) => Some(&bare.explanation),
            Self::Container(_, _, looked) => Some(&looked.explanation),
        }
    }

    fn cgroup(&self) -> Option<&BTreeMap<String, String>> {
        match self {
            Self::Container(_, _, looked) => Some(&looked.cgroup),
            _ => None,
        }
    }

    fn inside(&self, command: &[String], terminal: TerminalMode) -> Result<u8, Failure> {
        let io = Io { console_size: console_size() };
        match self {
            Self::Plain(_) => outside(command),
            Self::Bare(bare) => Ok(bare.exec(command, terminal, io, |error| Failure::from(error).tell("tour"))?),
            Self::Container(context, guarded, _) => {
                let stdin = if terminal == TerminalMode::Pty { StdinMode::Open } else { StdinMode::Closed };
                let process = ProcessConfig { command: command.to_vec(), terminal, stdin, ..ProcessConfig::default() };
                let exec = Exec { process, ..Exec::default() };
                let engine = context.engine()?;
                Ok(engine.exec(&guarded.name, &exec, io, |error| Failure::from(error).tell("tour"))?)
            }
        }
    }

    fn end(self) {
        if let Self::Plain(child) = self {
            let _ = sys::process::pidfd_send_signal(&child.pidfd, SIGKILL);
            let _ = sys::process::wait(&child.pidfd);
        }
    }
}

fn outside(command: &[String]) -> Result<u8, Failure> {
    let status = Command::new(&command[0]).args(&command[1..]).status();
    let status = status.map_err(|error| Failure::unreadable("run", &command[0], error))?;
    Ok(status.code().and_then(|code| code.try_into().ok()).unwrap_or(1))
}

impl Guarded {
    /// Watches over a container that is about to be made.
    fn new(name: String, context: &Context) -> Result<Self, Failure> {
        let container = name.clone();
        let guard = sys::process::fork_connected(|socket| {
            if sys::detached::apart(&[socket.as_fd()]).is_err() {
                return 1;
            }
            while matches!(sys::socket::receive::<1>(&socket), Ok(Some(_))) {}
            if let Ok(engine) = context.engine() {
                let _ = engine.remove_container(&container, true, Volumes::Anonymous);
            }
            0
        });
        let guard = guard.map_err(|source| engine::Error::System { what: "watch over the container", source })?;
        Ok(Self { name, guard: Some(guard) })
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some((socket, child)) = self.guard.take() {
            drop(socket);
            let _ = sys::process::wait(&child.pidfd);
        }
    }
}

/// The steps that the stop is about, and of each the calls that did it.
fn steps(stop: Stop, explanation: &Explanation) -> Result<(), Failure> {
    let mut told = "";
    for step in &explanation.steps {
        let calls = step.calls.iter().map(|call| (call, explain::call(call)));
        let of_it: Vec<_> = calls.filter(|(call, text)| words::is_about(stop, step, call.name(), text)).collect();
        // One of the kind is enough: there are as many hierarchies of cgroups of the first version as controllers.
        let kind = step.intent.split(" (").next().unwrap_or_default();
        if of_it.is_empty() || kind == told {
            continue;
        }
        told = kind;
        say(&format!("  {kind}\n"))?;
        for (call, text) in of_it.iter().take(CALLS) {
            let result = call.error().map_or_else(|| call.result.to_string(), |error| error.to_string());
            say(&format!("    {:<7} {text} = {result}\n", step.side()))?;
        }
        if of_it.len() > CALLS {
            say(&format!("            … and {} more\n", of_it.len() - CALLS))?;
        }
    }
    Ok(())
}

/// A command with what stands in it for what is only known now; `None` where there is nothing of the kind.
fn filled(command: &str, shown: &Shown<'_>) -> Option<String> {
    let mut command = command.replace("{pid}", &shown.pid().to_string());
    if command.contains("{memory}") {
        let directory = shown.cgroup()?.get("memory").or_else(|| shown.cgroup()?.get(""))?;
        let file = ["memory.limit_in_bytes", "memory.max"].into_iter().map(|name| format!("{directory}/{name}"));
        let file = file.into_iter().find(|file| std::path::Path::new(file).exists())?;
        command = command.replace("{memory}", &file);
    }
    Some(command)
}

/// A paragraph, in lines as long as the terminal's.
fn paragraph(text: &str) -> Result<(), Failure> {
    let width = width().clamp(40, 100);
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            say(&format!("{line}\n"))?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    say(&format!("{line}\n\n"))
}

/// At once: what the commands of a stop write comes in between.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::output)
}
