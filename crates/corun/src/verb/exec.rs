//! `exec`: one more process in a container that runs.

use super::create::{count, take_window_size};
use super::{Verb, read};
use crate::container::{Container, Status};
use crate::crun;
use crate::error::{Error, Result, What};
use crate::global::Context;
use crate::hand_over::HandOver;
use flag::{Flag, Help, Invalid, Order, push_word, put_word};
use oci::runtime::{Capabilities, Linux, Process, Spec};
use runtime::affinity::Affinity;
use runtime::listener::{Agent, Server};
use runtime::{Exec, Foreground, Holding, Layout, Newlines};
use std::path::Path;
use sys::signal::Signals;

#[derive(Debug, Default)]
struct Given {
    hand_over: HandOver,
    process: Option<String>,
    cwd: Option<String>,
    env: Vec<String>,
    tty: bool,
    user: Option<(u32, Option<u32>)>,
    gids: Vec<u32>,
    detach: bool,
    label: Option<String>,
    apparmor: Option<String>,
    no_new_privs: Option<bool>,
    capabilities: Vec<String>,
    preserve_fds: u32,
    cgroup: Vec<String>,
    ignore_paused: bool,
}

type F = Flag<Given>;

const FLAGS: [F; 18] = [
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
        "Unix socket that gets a pidfd of the process",
    )
    .under("Options"),
    F::takes("pid-file", "FILE", |g, w| put_word(&mut g.hand_over.pid_file, w), "File that gets its pid")
        .under("Options"),
    F::takes("process", "FILE", |g, w| put_word(&mut g.process, w), "The process, as JSON; no command is given then")
        .short('p')
        .under("Options"),
    F::takes("cwd", "DIR", |g, w| put_word(&mut g.cwd, w), "Its working directory").under("Options"),
    F::takes("env", "NAME=VALUE", |g, w| push_word(&mut g.env, w), "A variable of its environment")
        .short('e')
        .under("Options"),
    F::switch("tty", |g, on| g.tty = on, "Give it a terminal").short('t').under("Options"),
    F::takes("user", "UID[:GID]", user, "Whom it runs as, by numbers").short('u').under("Options"),
    F::takes("additional-gids", "GID", group, "A group more").short('g').under("Options"),
    F::switch("detach", |g, on| g.detach = on, "Leave it running").short('d').under("Options"),
    F::takes("process-label", "LABEL", |g, w| put_word(&mut g.label, w), "Its SELinux label").under("Options"),
    F::takes("apparmor", "PROFILE", |g, w| put_word(&mut g.apparmor, w), "Its AppArmor profile").under("Options"),
    F::switch("no-new-privs", |g, on| g.no_new_privs = Some(on), "It never gains privileges by exec").under("Options"),
    F::takes("cap", "CAPABILITY", |g, w| push_word(&mut g.capabilities, w), "A capability more")
        .short('c')
        .under("Options"),
    F::takes(
        "preserve-fds",
        "N",
        |g, w| count(&mut g.preserve_fds, w),
        "File descriptors that it gets, besides the first three",
    )
    .under("Options"),
    F::takes(
        "cgroup",
        "[CONTROLLER:]PATH",
        |g, w| push_word(&mut g.cgroup, w),
        "A cgroup below the container's, `/` for that one; else its first process's",
    )
    .under("Options"),
    F::switch("ignore-paused", |g, on| g.ignore_paused = on, "In a paused container, too: it runs when that goes on")
        .under("Options"),
    F::switch("no-subreaper", |_, _| {}, "Accepted"),
];

pub const VERB: Verb = Verb {
    name: "exec",
    help: Help {
        usage: &["exec [OPTIONS] ID COMMAND [ARG...]", "exec [OPTIONS] --process FILE ID"],
        about: "Run a process in a running container",
        more: &[],
    },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    // How callers tell that the command did not run from the command's own code.
    failure: 255,
};

/// `UID[:GID]`, strictly: what is no id must never become root (CVE-2026-30892).
fn user(given: &mut Given, word: &str) -> std::result::Result<(), Invalid> {
    let wrong = || Invalid::new(word, "not a user").hint("give ids: UID or UID:GID, from 0 to 4294967294");
    let (uid, gid) = word.split_once(':').map_or((word, None), |(uid, gid)| (uid, Some(gid)));
    let uid = id(uid).ok_or_else(wrong)?;
    let gid = gid.map(|gid| id(gid).ok_or_else(wrong)).transpose()?;
    given.user = Some((uid, gid));
    Ok(())
}

fn group(given: &mut Given, word: &str) -> std::result::Result<(), Invalid> {
    for part in word.split(',') {
        given.gids.push(id(part).ok_or_else(|| Invalid::new(part, "not a group").hint("give its id"))?);
    }
    Ok(())
}

/// An id: digits only, and not the one that means "none".
fn id(word: &str) -> Option<u32> {
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|id| digits && *id != u32::MAX)
}

fn run(words: &[String], context: &Context) -> Result<u8> {
    let (given, others) = read(&FLAGS, words, Order::First)?;
    let Some((id, command)) = others.split_first() else {
        return Err(Error::Arguments("the container's id is missing".to_owned()));
    };
    let container = Container::find(context, id)?;
    match container.status() {
        Status::Stopped => return Err(Error::State("cannot exec in a stopped container".to_owned())),
        Status::Paused if !given.ignore_paused => {
            let text = "cannot exec in a paused container (use --ignore-paused to override)";
            return Err(Error::State(text.to_owned()));
        }
        _ => {}
    }
    let mut process = given.read_process(&container, command)?;
    given.hand_over.check(process.terminal, given.detach)?;
    if !given.detach {
        take_window_size(&mut process);
    }
    let signals = if given.detach { None } else { Some(Signals::block().what("take over the signals")?) };
    let handle = container.running()?;
    let layout = Layout::detect().map_err(runtime::Error::from)?;
    let cgroup = match given.cgroup.as_slice() {
        [] => container.cgroup.follow(&layout, handle.pid as u32)?,
        choices => container.cgroup.sub(choices)?,
    };
    let ours = &container.record.corun;
    let filter = ours.filter.as_ref().map(|_| container.dir.filter()).transpose()?;
    let profile = ours.filter.as_ref().map(crate::container::Listener::profile);
    let served = Spec {
        annotations: ours.annotations.clone(),
        linux: Some(Linux { seccomp: profile.clone(), ..Linux::default() }),
        ..Spec::default()
    };
    let agent = Agent::new(&served, id, Path::new(&ours.bundle)).map(|agent| agent.of_running(handle.pid));
    context.log.making(Some(&process), filter.as_ref());
    if context.log.debug
        && let Some(initial) =
            process.exec_cpu_affinity.as_ref().map(Affinity::parse).transpose()?.and_then(|a| a.initial)
    {
        context.log.debug(|| format!("nsexec: affinity: {initial:#x}"));
    }
    let mut made = runtime::exec(&Exec {
        id,
        handle,
        namespaces: &ours.namespaces,
        process: &process,
        personality: ours.personality.as_ref(),
        memory_policy: ours.memory_policy.as_ref(),
        filter: filter.as_ref(),
        profile: profile.as_ref(),
        server: agent.as_ref().map(Server::Agent),
        cgroup: Some(&cgroup),
        rdt: &ours.rdt,
        layout: &layout,
        holding: Holding {
            wait: true,
            preserve_fds: given.preserve_fds,
            newlines: Newlines::AsWritten,
            no_setgroups: crun::keeps_groups(&ours.annotations),
            ..Holding::default()
        },
        no_new_keyring: false,
    })?;
    context.log.made(made.handle.pid);
    context.log.debug(|| "setns_init: about to exec".to_owned());
    let terminal = made.terminal.take();
    let spec = Spec { process: Some(process), ..Spec::default() };
    let started = given.hand_over.sockets(&made.handle.pidfd, terminal).and_then(|terminal| {
        made.start(&spec)?;
        given.hand_over.pid(made.handle.pid)?;
        Ok(terminal)
    });
    let terminal = match started {
        Ok(terminal) => terminal,
        Err(error) => {
            const SIGKILL: i32 = 9;
            let _ = made.handle.signal(SIGKILL);
            let _ = made.handle.wait();
            return Err(error);
        }
    };
    context.log.left();
    let Some(signals) = signals else { return Ok(0) };
    let how = Foreground { pass_signals: true, input: true, timeout: None, newlines: Newlines::AsWritten };
    Ok(runtime::hold(&made.handle, terminal, &signals, how)?.code())
}

impl Given {
    /// The process: all of it from a file, or the container's own with what the flags change.
    fn read_process(&self, container: &Container, command: &[String]) -> Result<Process> {
        if let Some(path) = &self.process {
            let bytes = std::fs::read(path).map_err(|source| Error::file(path, source))?;
            return oci::runtime::read(&bytes).map_err(|source| Error::Parse { path: path.into(), source });
        }
        if command.is_empty() {
            return Err(Error::Arguments("exec args cannot be empty: the command is missing".to_owned()));
        }
        let mut process = container.record.corun.process.clone();
        process.args = command.to_vec();
        process.terminal = self.tty;
        process.env.extend(self.env.iter().cloned());
        if let Some(cwd) = self.cwd.as_ref().filter(|cwd| !cwd.is_empty()) {
            process.cwd.clone_from(cwd);
        }
        if let Some(profile) = &self.apparmor {
            process.apparmor_profile = Some(profile.clone());
        }
        if let Some(label) = &self.label {
            process.selinux_label = Some(label.clone());
        }
        if let Some(on) = self.no_new_privs {
            process.no_new_privileges = on;
        }
        if let Some((uid, gid)) = self.user {
            process.user.uid = uid;
            process.user.gid = gid.unwrap_or(process.user.gid);
        }
        process.user.additional_gids.extend(&self.gids);
        if !self.capabilities.is_empty() {
            add(process.capabilities.get_or_insert_default(), &self.capabilities);
        }
        Ok(process)
    }
}

/// Adds capabilities to the sets that count. The inheritable set stays as it is (CVE-2022-29162), and so does the ambient
/// one without it, which could not be raised.
fn add(sets: &mut Capabilities, names: &[String]) {
    let Capabilities { bounding, effective, inheritable, permitted, ambient } = sets;
    let inherits = !inheritable.is_empty();
    for set in [bounding, effective, permitted].into_iter().chain(Some(ambient).filter(|_| inherits)) {
        set.extend(names.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_ids_and_nothing_else() {
        for (word, expected) in [
            ("1", Some((1, None))),
            ("1:2", Some((1, Some(2)))),
            ("0:5", Some((0, Some(5)))),
            ("4294967295", None),
            ("4294967296", None),
            ("-1", None),
            ("1x", None),
            ("+1", None),
            ("", None),
            (":3", None),
            ("1:", None),
            ("root", None),
        ] {
            let mut given = Given::default();
            let read = user(&mut given, word);
            assert_eq!(read.is_ok().then_some(given.user).flatten(), expected, "{word}");
        }
    }
}
