//! `checkpoint`: a running container is written down by criu, and unless it is to go on, it is gone.

use super::{Verb, only_id, read};
use crate::bundle::Bundle;
use crate::container::{Container, Status};
use crate::criu::{self, HasGiven};
use crate::error::{Error, Result};
use crate::global::Context;
use flag::{Flag, Help, Order};
use runtime::Layout;
use runtime::checkpoint::{Archive, Dump};
use std::path::Path;

#[derive(Debug, Default)]
struct Given {
    criu: criu::Given,
}

impl HasGiven for Given {
    fn criu(&mut self) -> &mut criu::Given {
        &mut self.criu
    }
}

type F = Flag<Given>;

const FLAGS: [F; 18] = {
    let [a, b, c, d, e, f, g, h, i, j] = criu::flags();
    [
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        j,
        F::takes(
            "parent-path",
            "DIR",
            |g, w| {
                g.criu.parent(w);
                Ok(())
            },
            "The images of the pre-dump before, relative to these",
        )
        .under("Options"),
        F::switch("leave-running", |g, on| g.criu.choices.leave_running = on, "Let it go on").under("Options"),
        F::switch(
            "tcp-skip-in-flight",
            |g, on| g.criu.choices.tcp_skip_in_flight = on,
            "Without connections that are being made",
        )
        .under("Options"),
        F::switch("link-remap", |g, on| g.criu.choices.link_remap = on, "Files without a name get one")
            .under("Options"),
        F::takes(
            "status-fd",
            "FD",
            |g, w| criu::status_fd(&mut g.criu, w),
            "Where a byte is written when lazy pages can be had",
        )
        .under("Options"),
        F::takes(
            "page-server",
            "ADDRESS:PORT",
            |g, w| criu::page_server(&mut g.criu, w),
            "Where memory goes, in the place of files",
        )
        .under("Options"),
        F::switch("pre-dump", |g, on| g.criu.choices.pre_dump = on, "Only its memory so far; it goes on")
            .under("Options"),
        F::takes("empty-ns", "NAMESPACE", criu::empty, "A namespace that is left empty: network").under("Options"),
    ]
};

pub const VERB: Verb = Verb {
    name: "checkpoint",
    help: Help {
        usage: &["checkpoint [OPTIONS] ID"],
        about: "Write a running container down, to be restored later or elsewhere",
        more: &["The work is criu's, of the package criu; as root."],
    },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

fn run(words: &[String], context: &Context) -> Result<u8> {
    let (given, others) = read(&FLAGS, words, Order::Anywhere)?;
    let container = Container::lock(context, only_id(&others)?)?;
    match container.status() {
        Status::Running | Status::Paused => {}
        status => return Err(Error::State(format!("Container cannot be checkpointed in {status} state"))),
    }
    let ours = &container.record.corun;
    if let Some(mount) = ours.mounts.first() {
        // A restore knows what the bundle says, and no more.
        let at = &mount.destination;
        return Err(Error::State(format!("{at} was mounted while the container ran: corun mounts remove it first")));
    }
    let bundle = Bundle::read(Path::new(&ours.bundle), &ours.config_file)?;
    // The parent's path leads through the images' directory.
    let archive = Archive::create(&given.criu.images(), given.criu.work())?;
    let choices = given.criu.choices(context, &ours.annotations)?;
    let dump = Dump {
        handle: container.running()?,
        spec: &bundle.spec,
        bundle: &bundle.dir,
        streams: &ours.streams,
        layout: &Layout::detect().map_err(runtime::Error::from)?,
        archive: &archive,
        choices: &choices,
    };
    runtime::checkpoint::dump(&dump)?;
    if !choices.leave_running && !choices.pre_dump {
        container.remove()?;
    }
    Ok(0)
}
