//! `restore`: a container that was written down runs again.

use super::create::{make_cgroup, terminal};
use super::{Verb, only_id, read};
use crate::bundle::Bundle;
use crate::container::{Container, Dir, Record};
use crate::criu::{self, HasGiven};
use crate::error::{Error, Result, What};
use crate::filters;
use crate::global::Context;
use crate::hand_over::HandOver;
use flag::{Flag, Help, Order, put_word};
use runtime::checkpoint::{Archive, Restore};
use runtime::{Foreground, Handle, Layout, Newlines};
use std::os::fd::OwnedFd;
use std::path::Path;
use sys::signal::Signals;

#[derive(Debug, Default)]
struct Given {
    criu: criu::Given,
    bundle: Option<String>,
    hand_over: HandOver,
    detach: bool,
}

impl HasGiven for Given {
    fn criu(&mut self) -> &mut criu::Given {
        &mut self.criu
    }
}

type F = Flag<Given>;

const FLAGS: [F; 20] = {
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
        F::takes("bundle", "DIR", |g, w| put_word(&mut g.bundle, w), "The bundle; the working directory if not given")
            .short('b')
            .under("Options"),
        F::switch("detach", |g, on| g.detach = on, "Leave it running").short('d').under("Options"),
        F::takes("pid-file", "FILE", |g, w| put_word(&mut g.hand_over.pid_file, w), "File that gets its pid")
            .under("Options"),
        F::takes(
            "console-socket",
            "PATH",
            |g, w| put_word(&mut g.hand_over.console_socket, w),
            "Unix socket that gets the terminal's master",
        )
        .under("Options"),
        F::switch("tcp-close", |g, on| g.criu.choices.tcp_close = on, "Connections are closed").under("Options"),
        F::takes("empty-ns", "NAMESPACE", criu::empty, "A namespace that is left empty: network").under("Options"),
        F::takes(
            "lsm-profile",
            "TYPE:NAME",
            |g, w| put_word(&mut g.criu.choices.lsm_profile, w),
            "Its AppArmor profile or SELinux label",
        )
        .under("Options"),
        F::takes(
            "lsm-mount-context",
            "LABEL",
            |g, w| put_word(&mut g.criu.choices.lsm_mount_context, w),
            "The SELinux label of its mounts",
        )
        .under("Options"),
        F::switch("no-pivot", |_, _| {}, "Accepted"),
        F::switch("no-subreaper", |_, _| {}, "Accepted"),
    ]
};

pub const VERB: Verb = Verb {
    name: "restore",
    help: Help {
        usage: &["restore [OPTIONS] ID"],
        about: "Let a container run again that was written down",
        more: &[
            "The work is criu's, of the package criu; as root. Images say what runs: restore none that you do not trust.",
        ],
    },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

fn run(words: &[String], context: &Context) -> Result<u8> {
    let (given, others) = read(&FLAGS, words, Order::Anywhere)?;
    let id = only_id(&others)?;
    let bundle =
        Bundle::read(Path::new(given.bundle.as_deref().filter(|dir| !dir.is_empty()).unwrap_or(".")), "config.json")?;
    given.hand_over.check(terminal(&bundle.spec), given.detach)?;
    let signals = if given.detach { None } else { Some(Signals::block().what("take over the signals")?) };
    let dir = Dir::create(context, id)?;
    let (handle, terminal) = match again(&dir, &bundle, &given, context) {
        Ok(made) => made,
        Err(error) => {
            // The first error is the one to tell.
            let _ = dir.remove();
            return Err(error);
        }
    };
    let handed = given.hand_over.sockets(&handle.pidfd, terminal).and_then(|terminal| {
        given.hand_over.pid(handle.pid)?;
        Ok(terminal)
    });
    let terminal = match handed {
        Ok(terminal) => terminal,
        Err(error) => {
            const SIGKILL: i32 = 9;
            let _ = handle.signal(SIGKILL);
            let _ = handle.wait();
            let _ = handle.delete();
            let _ = dir.remove();
            return Err(error);
        }
    };
    let Some(signals) = signals else { return Ok(0) };
    drop(dir);
    let how = Foreground { pass_signals: true, input: true, timeout: None, newlines: Newlines::AsWritten };
    let exit = runtime::hold(&handle, terminal, &signals, how);
    match Container::lock(context, id) {
        Ok(container) => container.remove()?,
        // Somebody has deleted it already.
        Err(Error::NoContainer { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(exit?.code())
}

fn again(dir: &Dir, bundle: &Bundle, given: &Given, context: &Context) -> Result<(Handle, Option<OwnedFd>)> {
    let choices = given.criu.choices(context, &bundle.spec.annotations)?;
    let archive = Archive::open(&given.criu.images(), given.criu.work())?;
    let layout = Layout::detect().map_err(runtime::Error::from)?;
    let profile = bundle.spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    // For processes that come later.
    profile.map(|profile| filters::filter(&context.root, dir, profile)).transpose()?;
    let group = make_cgroup(dir, &bundle.spec, &layout, context)?;
    let cgroup = group.map(|group| group.made(&layout)).transpose()?.unwrap_or_default();
    let place = std::fs::canonicalize(dir.path()).map_err(|source| Error::file(dir.path(), source))?;
    let request = Restore {
        id: dir.id(),
        spec: &bundle.spec,
        bundle: &bundle.dir,
        dir: &place,
        layout: &layout,
        cgroup,
        archive: &archive,
        choices: &choices,
    };
    let mut unwritten = None;
    let restored = runtime::checkpoint::restore(request, |handle| {
        let written = Record::new(dir.id(), bundle, handle).and_then(|mut record| {
            record.corun.held = !given.detach;
            // criu makes a time namespace, whatever the specification says.
            record.corun.namespaces = runtime::namespaces_of(handle);
            record.write(dir)
        });
        unwritten = written.err();
        Ok(())
    });
    match (restored?, unwritten) {
        (made, None) => Ok(made),
        ((handle, _), Some(error)) => {
            const SIGKILL: i32 = 9;
            let _ = handle.signal(SIGKILL);
            let _ = handle.wait();
            let _ = handle.delete();
            Err(error)
        }
    }
}
