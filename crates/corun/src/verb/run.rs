//! `run`: create, start, and unless it is detached hold and delete, as one walk.

use super::create::{self, Given, make, take_window_size, terminal};
use super::{Verb, only_id, read};
use crate::container::{Container, Dir, check_id};
use crate::error::{Result, What};
use crate::global::Context;
use crate::manager;
use flag::{Flag, Help, Order};
use runtime::hooks::{self, Identity, Point};
use runtime::{Foreground, Holding, Newlines};
use sys::signal::Signals;

type F = Flag<Given>;

const FLAGS: [F; 11] = {
    let [a, b, c, d, e, f, g, h] = create::FLAGS;
    [
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        F::switch("detach", |g, on| g.detach = on, "Leave it running").short('d').under("Options"),
        F::switch("keep", |g, on| g.keep = on, "Do not delete it when it ends").under("Options"),
        F::switch("no-subreaper", |_, _| {}, "Accepted: orphans go to the container's first process or to the host's"),
    ]
};

pub const VERB: Verb = Verb {
    name: "run",
    help: Help { usage: &["run [OPTIONS] ID"], about: "Make a container from a bundle and start it", more: &[] },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

fn run(words: &[String], context: &Context) -> Result<u8> {
    let (mut given, others) = read(&FLAGS, words, Order::Anywhere)?;
    let id = only_id(&others)?;
    check_id(id)?;
    let mut bundle = given.read_bundle()?;
    bundle.settle_destinations(&context.log);
    given.hand_over.check(terminal(&bundle.spec), given.detach)?;
    if !given.detach {
        bundle.spec.process.iter_mut().for_each(take_window_size);
    }
    let signals = if given.detach { None } else { Some(Signals::block().what("take over the signals")?) };
    let dir = Dir::create(context, id)?;
    let holding = Holding { die_with_parent: !given.detach, wait: true, ..Holding::default() };
    let mut made = match make(&dir, &mut bundle, &given, context, holding, None) {
        Ok(made) => made,
        Err(error) => {
            let _ = dir.remove();
            return Err(error);
        }
    };
    context.log.made(made.container.handle.pid);
    let settled = made.settle(&dir, &bundle, &given, !given.detach && !given.keep);
    let notify = settled.and_then(|terminal| Ok((terminal, manager::listen(&dir)?)));
    let started = notify.and_then(|held| made.container.start(&bundle.spec).map(|()| held).map_err(Into::into));
    let identity = Identity { id, bundle: &bundle.dir, spec: &bundle.spec };
    let pid = made.container.handle.pid;
    let started =
        started.and_then(|held| hooks::run(Point::Poststart, identity, Some(pid)).map(|()| held).map_err(Into::into));
    let (terminal, notify) = match started {
        Ok(held) => held,
        Err(error) => {
            made.undo(dir);
            return Err(error);
        }
    };
    context.log.left();
    // While it runs it is everybody's: others may pause it, kill it, look at it.
    drop(dir);
    let Some(signals) = signals else {
        notify.map_or(Ok(()), |notify| notify.hold(&made.container.handle))?;
        return Ok(0);
    };
    let how = Foreground { pass_signals: true, input: true, timeout: None, newlines: Newlines::AsWritten };
    let exit = runtime::hold_notifying(&made.container.handle, terminal, &signals, how, notify);
    if !given.keep {
        match Container::lock(context, id) {
            Ok(container) => container.remove()?,
            // Somebody has deleted it already.
            Err(crate::error::Error::NoContainer { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(exit?.code())
}
