//! `kill`: a signal for a container's first process, or for all of a container that shares its PID namespace.

use super::{Verb, read};
use crate::container::{Container, Status};
use crate::error::{Error, Result};
use crate::global::Context;
use crate::signal;
use flag::{Flag, Help, Order};
use oci::runtime::NamespaceKind;

#[derive(Debug, Default)]
struct Given {
    all: bool,
    regex: bool,
}

type F = Flag<Given>;

const FLAGS: [F; 2] = [
    F::switch("all", |g, on| g.all = on, "Signal every process of the container").short('a').under("Options"),
    F::switch("regex", |g, on| g.regex = on, "ID is a regular expression: all whose id it fits")
        .short('r')
        .under("Options"),
];

pub const VERB: Verb = Verb {
    name: "kill",
    help: Help {
        usage: &["kill [OPTIONS] ID [SIGNAL]"],
        about: "Send a signal to a container; SIGTERM if none is given",
        more: &[],
    },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

fn run(words: &[String], context: &Context) -> Result<u8> {
    let (given, others) = read(&FLAGS, words, Order::Anywhere)?;
    let (id, number) = match others.as_slice() {
        [id] => (id, signal::number("TERM")?),
        [id, word] => (id, signal::number(word)?),
        [] => return Err(Error::Arguments("the container's id is missing".to_owned())),
        [_, _, more, ..] => return Err(Error::Arguments(format!("one word too many: {more}"))),
    };
    if given.regex {
        return super::each(context, id, |id| signal_one(&given, id, number, context));
    }
    signal_one(&given, id, number, context).map(|()| 0)
}

fn signal_one(given: &Given, id: &str, number: i32, context: &Context) -> Result<()> {
    const SIGKILL: i32 = 9;
    let container = Container::find(context, id)?;
    let shares_pids = !container.record.corun.namespaces.contains(&NamespaceKind::Pid);
    // Without a PID namespace of its own nobody else ends the container's other processes.
    if given.all || shares_pids && number == SIGKILL {
        let pids = container.cgroup.procs()?;
        if pids.is_empty() && container.status() == Status::Stopped {
            return if given.all { Ok(()) } else { Err(Error::NotRunning) };
        }
        container.cgroup.signal(number)?;
        return Ok(());
    }
    let handle = container.running()?;
    handle.signal(number)?;
    // A frozen process dies of nothing but on v2.
    if number == SIGKILL && container.status() == Status::Paused {
        container.cgroup.thaw()?;
    }
    Ok(())
}
