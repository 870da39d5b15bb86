//! `create`: a container that waits for `start`; and the making that `run` has in common with it.

use super::{Verb, only_id, read};
use crate::bundle::Bundle;
use crate::container::{Dir, Record, check_id};
use crate::crun;
use crate::error::Result;
use crate::filters;
use crate::global::{Context, Manager};
use crate::hand_over::HandOver;
use crate::manager;
use flag::{Flag, Help, Invalid, Order, put_word};
use oci::runtime::{ConsoleSize, NamespaceKind, Process, Spec};
use runtime::rdt::Groups;
use runtime::{Bus, Driver, Group, Holding, Layout, Newlines, Request, rootfs::Rootfs};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// `create` and `run`: their flags, as given.
#[derive(Debug, Default)]
pub struct Given {
    pub bundle: Option<String>,
    pub config: Option<String>,
    pub hand_over: HandOver,
    pub no_pivot: bool,
    pub no_new_keyring: bool,
    pub preserve_fds: u32,
    pub detach: bool,
    pub keep: bool,
}

type F = Flag<Given>;

/// The flags that both have.
pub const FLAGS: [F; 8] = [
    F::takes("bundle", "DIR", |g, w| put_word(&mut g.bundle, w), "The bundle; the working directory if not given")
        .short('b')
        .under("Options"),
    F::takes("config", "FILE", |g, w| put_word(&mut g.config, w), "The specification, instead of config.json")
        .short('f')
        .under("Options"),
    F::takes(
        "console-socket",
        "PATH",
        |g, w| put_word(&mut g.hand_over.console_socket, w),
        "Unix socket that gets the terminal's master",
    )
    .under("Options"),
    F::takes(
        "pidfd-socket",
        "PATH",
        |g, w| put_word(&mut g.hand_over.pidfd_socket, w),
        "Unix socket that gets a pidfd of the container's first process",
    )
    .under("Options"),
    F::takes("pid-file", "FILE", |g, w| put_word(&mut g.hand_over.pid_file, w), "File that gets its pid")
        .under("Options"),
    F::switch("no-pivot", |g, on| g.no_pivot = on, "Accepted: the root changes without pivot_root where it has to")
        .under("Options"),
    F::switch("no-new-keyring", |g, on| g.no_new_keyring = on, "No session keyring of its own").under("Options"),
    F::takes(
        "preserve-fds",
        "N",
        |g, w| count(&mut g.preserve_fds, w),
        "File descriptors that it gets, besides the first three",
    )
    .under("Options"),
];

/// A number of file descriptors.
pub fn count(slot: &mut u32, word: &str) -> std::result::Result<(), Invalid> {
    *slot = word.parse().map_err(|_| Invalid::new(word, "not a number of file descriptors"))?;
    Ok(())
}

pub const VERB: Verb = Verb {
    name: "create",
    help: Help {
        usage: &["create [OPTIONS] ID"],
        about: "Make a container from a bundle, that waits for start",
        more: &[],
    },
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
    given.hand_over.check(terminal(&bundle.spec), true)?;
    let dir = Dir::create(context, id)?;
    let gate = dir.make_gate().map(Some);
    let made = gate.and_then(|gate| make(&dir, &mut bundle, &given, context, Holding::default(), gate));
    let mut made = match made {
        Ok(made) => made,
        Err(error) => {
            // The first error is the one to tell.
            let _ = dir.remove();
            return Err(error);
        }
    };
    context.log.made(made.container.handle.pid);
    let done = made.settle(&dir, &bundle, &given, false).and_then(|_| Ok(made.container.park()?));
    if let Err(error) = done {
        made.undo(dir);
        return Err(error);
    }
    context.log.left();
    Ok(0)
}

impl Given {
    /// The bundle that is meant.
    pub fn read_bundle(&mut self) -> Result<Bundle> {
        let dir = self.bundle.as_deref().filter(|dir| !dir.is_empty()).unwrap_or(".");
        let mut bundle = Bundle::read(Path::new(dir), self.config.as_deref().unwrap_or("config.json"))?;
        crun::heed(&mut bundle.spec, &mut self.hand_over);
        Ok(bundle)
    }
}

/// Its process wants a terminal.
pub fn terminal(spec: &Spec) -> bool {
    spec.process.as_ref().is_some_and(|process| process.terminal)
}

/// A terminal that stays here has the size of ours from the start. Later it follows that anyway; the command may look at
/// it before.
pub fn take_window_size(process: &mut Process) {
    let ours = [rustix::stdio::stdin(), rustix::stdio::stdout()].map(rustix::termios::tcgetwinsize);
    if let Some(size) = ours.into_iter().find_map(std::result::Result::ok).filter(|_| process.terminal) {
        process.console_size = Some(ConsoleSize { height: size.ws_row, width: size.ws_col });
    }
}

/// A container whose process exists and waits.
pub struct Made {
    pub container: runtime::Container,
    rdt: Vec<PathBuf>,
}

/// Makes a container in its directory. On failure nothing is left but the directory.
pub fn make(
    dir: &Dir,
    bundle: &mut Bundle,
    given: &Given,
    context: &Context,
    holding: Holding,
    gate: Option<OwnedFd>,
) -> Result<Made> {
    let mut holding = Holding {
        preserve_fds: given.preserve_fds,
        newlines: Newlines::AsWritten,
        no_setgroups: crun::keeps_groups(&bundle.spec.annotations),
        ..holding
    };
    manager::prepare(dir, &mut bundle.spec, &mut holding)?;
    let layout = Layout::detect().map_err(runtime::Error::from)?;
    let profile = bundle.spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    let filter = profile.map(|profile| filters::filter(&context.root, dir, profile)).transpose()?;
    context.log.making(bundle.spec.process.as_ref(), filter.as_ref());
    let rdt = make_rdt(dir, &bundle.spec)?;
    let cgroup = make_cgroup(dir, &bundle.spec, &layout, context)?;
    let container = runtime::create(Request {
        id: dir.id(),
        spec: &bundle.spec,
        bundle: &bundle.dir,
        rootfs: Rootfs::Spec,
        filter,
        server: None,
        layout: &layout,
        cgroup,
        rdt: rdt.clone(),
        holding,
        gate,
        no_new_keyring: given.no_new_keyring,
        recording: None,
    })?;
    let linux = bundle.spec.linux.iter().flat_map(|linux| &linux.namespaces);
    if container.handle.cgroup.is_empty() && !linux.map(|namespace| namespace.kind).any(|k| k == NamespaceKind::Pid) {
        context
            .log
            .warning("the container has neither a cgroup nor a pid namespace: not all of its processes can be killed");
    }
    Ok(Made { container, rdt })
}

/// Its groups of the resctrl file system; what goes with the container is written down before.
fn make_rdt(dir: &Dir, spec: &Spec) -> Result<Vec<PathBuf>> {
    let Some(groups) = Groups::of(spec, dir.id())? else { return Ok(Vec::new()) };
    let own = groups.own();
    own.map_or(Ok(()), |own| dir.note_rdt(own))?;
    if let Err(error) = groups.make() {
        // Perhaps it is somebody else's.
        own.map_or(Ok(()), |_| dir.forget_rdt())?;
        return Err(error.into());
    }
    Ok(groups.all())
}

/// Its cgroup, by whom it is to be made; written down before.
pub fn make_cgroup(dir: &Dir, spec: &Spec, layout: &Layout, context: &Context) -> Result<Option<Group>> {
    match context.manager {
        Manager::Disabled => Ok(Some(runtime::make_cgroup_with(&Driver::Disabled, dir.id(), spec, layout)?)),
        // Nothing is written down of it: a scope that nothing is in any more systemd removes by itself.
        Manager::Systemd => Ok(Some(runtime::make_cgroup_with(&Driver::Systemd(bus()), dir.id(), spec, layout)?)),
        Manager::Cgroupfs => {
            dir.note_cgroup(&runtime::cgroup_path(dir.id(), spec, layout))?;
            Ok(Some(runtime::make_cgroup(dir.id(), spec, layout)?))
        }
    }
}

/// The machine's systemd, or that of the user who we are. Who is root of a user namespace only sees the directory of the
/// machine's as somebody else's; in a container that has a systemd of its own, that is the machine's.
fn bus() -> Bus {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let owner = rustix::fs::stat("/run/systemd").map_or(0, |stat| stat.st_uid);
    if rustix::process::geteuid().is_root() && owner == 0 {
        return Bus::System;
    }
    Bus::User { runtime: variable("XDG_RUNTIME_DIR"), address: variable("DBUS_SESSION_BUS_ADDRESS") }
}

impl Made {
    /// Writes the container down and hands over what the caller gets of it; a terminal that stays here comes back.
    pub fn settle(&mut self, dir: &Dir, bundle: &Bundle, given: &Given, held: bool) -> Result<Option<OwnedFd>> {
        let handle = &self.container.handle;
        let mut record = Record::new(dir.id(), bundle, handle)?;
        record.corun.held = held;
        record.corun.rdt.clone_from(&self.rdt);
        record.write(dir)?;
        let terminal = given.hand_over.sockets(&handle.pidfd, self.container.terminal.take())?;
        given.hand_over.pid(handle.pid)?;
        Ok(terminal)
    }

    /// Ends it, after a failure that was not its own.
    pub fn undo(self, dir: Dir) {
        const SIGKILL: i32 = 9;
        // The failure is what is told; what this finds comes from it.
        let _ = self.container.handle.signal(SIGKILL);
        let _ = self.container.handle.wait();
        let _ = self.container.handle.delete();
        let _ = dir.remove();
    }
}
