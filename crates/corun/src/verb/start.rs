//! `start`: lets a created container run its command, and tells what becomes of the attempt.

use super::{Verb, only_id, read};
use crate::container::{Container, Status};
use crate::error::{Error, Result};
use crate::global::Context;
use crate::manager;
use flag::{Flag, Help, Order};

const FLAGS: [Flag<()>; 0] = [];

pub const VERB: Verb = Verb {
    name: "start",
    help: Help { usage: &["start ID"], about: "Let a created container run its command", more: &[] },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

fn run(words: &[String], context: &Context) -> Result<u8> {
    let ((), others) = read(&FLAGS, words, Order::Anywhere)?;
    let container = Container::lock(context, only_id(&others)?)?;
    match container.status() {
        Status::Created => {}
        Status::Stopped => return Err(Error::State("cannot start a container that has stopped".to_owned())),
        Status::Paused => return Err(Error::State("cannot start a container in the paused state".to_owned())),
        Status::Running => return Err(Error::State("cannot start an already running container".to_owned())),
    }
    let notify = manager::listen(&container.dir)?;
    let gate = container.dir.pass_gate()?;
    let handle = container.running()?;
    let spec = container.record.spec();
    runtime::begin(&gate, handle, &spec)?;
    container.started(&spec)?;
    if let (Some(notify), Container { dir, handle: Some(handle), .. }) = (notify, container) {
        // Others may change it meanwhile.
        drop(dir);
        notify.hold(&handle)?;
    }
    Ok(0)
}
