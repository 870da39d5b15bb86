//! `delete`: removes what is left of a container that has ended, or all of one that has not, by force.

use super::{Verb, only_id, read};
use crate::container::{Container, Dir, Status};
use crate::error::{Error, Result};
use crate::global::Context;
use flag::{Flag, Help, Order};
use std::time::Duration;

#[derive(Debug, Default)]
struct Given {
    force: bool,
    regex: bool,
}

type F = Flag<Given>;

const FLAGS: [F; 2] = [
    F::switch("force", |g, on| g.force = on, "Kill it first if it runs").short('f').under("Options"),
    F::switch("regex", |g, on| g.regex = on, "ID is a regular expression: all whose id it fits")
        .short('r')
        .under("Options"),
];

pub const VERB: Verb = Verb {
    name: "delete",
    help: Help { usage: &["delete [OPTIONS] ID"], about: "Remove a container that has ended", more: &[] },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

/// How long a killed process may take to end.
const ENDING: Duration = Duration::from_secs(10);

fn run(words: &[String], context: &Context) -> Result<u8> {
    let (given, others) = read(&FLAGS, words, Order::Anywhere)?;
    let id = only_id(&others)?;
    if given.regex {
        return super::each(context, id, |id| remove(&given, id, context));
    }
    remove(&given, id, context).map(|()| 0)
}

fn remove(given: &Given, id: &str, context: &Context) -> Result<()> {
    let container = match Container::lock(context, id) {
        Err(Error::NoContainer { .. }) if given.force => return Ok(()),
        // What nobody can read goes by the name of its cgroup, which was written down apart.
        Err(Error::Parse { .. }) if given.force => return Dir::lock(context, id)?.clear(),
        other => other?,
    };
    match container.status() {
        Status::Stopped => {}
        // What waits for its start has run nothing yet.
        Status::Created => end(&container)?,
        _ if given.force => end(&container)?,
        status => return Err(Error::NotStopped { id: container.record.id.clone(), status }),
    }
    container.remove()
}

/// Kills the first process, and waits for its end.
fn end(container: &Container) -> Result<()> {
    const SIGKILL: i32 = 9;
    let Some(handle) = &container.handle else { return Ok(()) };
    handle.signal(SIGKILL)?;
    if container.cgroup.is_frozen().unwrap_or(false) {
        container.cgroup.thaw()?;
    }
    if sys::process::wait_readable(&handle.pidfd, ENDING) {
        return Ok(());
    }
    Err(Error::State(format!("process {} does not end, though it was killed", handle.pid)))
}
