//! `mounts add` and `mounts remove`: what a running container sees of the host changes, as crun has it.

use super::{Verb, read};
use crate::container::{Added, Container, Status};
use crate::error::{Error, Result};
use crate::global::Context;
use flag::{Flag, Help, Order};
use oci::runtime::Mount;
use runtime::{Layout, MountId, Target};
use std::path::Path;

const FLAGS: [Flag<()>; 0] = [];

pub const VERB: Verb = Verb {
    name: "mounts",
    help: Help {
        usage: &["mounts add ID FILE", "mounts remove ID FILE"],
        about: "Mount into a running container, or remove mounts from it",
        more: &[
            "FILE has a list of mounts, in the form of the specification's; - is standard input. A relative source is \
             relative to the working directory. Either all of them are added or none.",
        ],
    },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

fn run(words: &[String], context: &Context) -> Result<u8> {
    let ((), others) = read(&FLAGS, words, Order::Anywhere)?;
    let [what, id, file] = others.as_slice() else {
        return Err(Error::Arguments("mounts takes add or remove, a container's id and a file".to_owned()));
    };
    let change = match what.as_str() {
        "add" => add,
        "remove" => remove,
        other => return Err(Error::Arguments(format!("unknown command mounts {other}: give add or remove"))),
    };
    let mounts = list(file)?;
    let mut container = Container::lock(context, id)?;
    if container.status() == Status::Stopped {
        return Err(Error::NotRunning);
    }
    change(&mut container, &mounts)?;
    container.record.write(&container.dir)?;
    Ok(0)
}

/// The mounts that a file lists.
fn list(file: &str) -> Result<Vec<Mount>> {
    let bytes = if file == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let bytes = bytes.map_err(|source| Error::file(file, source))?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Parse { path: file.into(), source })
}

/// Calls with the container as the runtime sees it.
fn with<T>(container: &Container, change: impl FnOnce(&Target<'_>) -> runtime::Result<T>) -> Result<T> {
    let layout = Layout::detect().map_err(runtime::Error::from)?;
    let dir = std::env::current_dir().map_err(|source| Error::file(".", source))?;
    let target = Target {
        handle: container.running()?,
        namespaces: &container.record.corun.namespaces,
        dir: &dir,
        layout: &layout,
    };
    Ok(change(&target)?)
}

fn add(container: &mut Container, mounts: &[Mount]) -> Result<()> {
    let ids = with(container, |target| runtime::add_mounts(target, mounts))?;
    let added = mounts.iter().zip(ids).filter_map(|(mount, id)| {
        id.map(|MountId { id, unique }| Added { destination: mount.destination.clone(), id, unique })
    });
    container.record.corun.mounts.extend(added);
    Ok(())
}

/// What was added to a place last goes first; what belongs to the container's start goes if nothing was added there.
fn remove(container: &mut Container, mounts: &[Mount]) -> Result<()> {
    let mut left = container.record.corun.mounts.clone();
    let mut known = |mount: &Mount| {
        let same = |added: &Added| Path::new(&added.destination) == Path::new(&mount.destination);
        let added = left.iter().rposition(same).map(|at| left.remove(at));
        (mount.destination.clone(), added.map(|Added { id, unique, .. }| MountId { id, unique }))
    };
    let gone: Vec<_> = mounts.iter().map(&mut known).collect();
    with(container, |target| runtime::remove_mounts(target, &gone))?;
    container.record.corun.mounts = left;
    Ok(())
}
