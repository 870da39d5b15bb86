//! `pause` and `resume`: all processes of a container stand still, and go on.

use super::{Verb, only_id, read};
use crate::container::{Container, Status};
use crate::error::{Error, Result};
use crate::global::Context;
use flag::{Flag, Help, Order};
use std::time::Duration;

const FLAGS: [Flag<()>; 0] = [];

/// How long the processes may take to stand still.
const FREEZING: Duration = Duration::from_secs(10);

pub const PAUSE: Verb = Verb {
    name: "pause",
    help: Help { usage: &["pause ID"], about: "Make all processes of a container stand still", more: &[] },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run: pause,
    failure: 1,
};

pub const RESUME: Verb = Verb {
    name: "resume",
    help: Help { usage: &["resume ID"], about: "Let all processes of a paused container go on", more: &[] },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run: resume,
    failure: 1,
};

fn find(words: &[String], context: &Context) -> Result<(Container, Status)> {
    let ((), others) = read(&FLAGS, words, Order::Anywhere)?;
    let container = Container::lock(context, only_id(&others)?)?;
    let status = container.status();
    Ok((container, status))
}

fn pause(words: &[String], context: &Context) -> Result<u8> {
    let (container, status) = find(words, context)?;
    match status {
        Status::Running | Status::Created => container.cgroup.freeze(FREEZING)?,
        _ => return Err(Error::State(format!("container not running or created: {status}"))),
    }
    Ok(0)
}

fn resume(words: &[String], context: &Context) -> Result<u8> {
    let (container, status) = find(words, context)?;
    match status {
        Status::Paused => container.cgroup.thaw()?,
        _ => return Err(Error::State("container not paused".to_owned())),
    }
    Ok(0)
}
