//! The child that does the work, and the conversation with it.

use crate::log;
use crate::request::{Features, Kind, Options, Request};
use crate::response::{Response, Version};
use crate::{Error, Result};
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "criu";

/// A criu that waits for a request, or is at one.
#[derive(Debug)]
pub struct Swrk {
    child: Child,
    socket: OwnedFd,
}

/// Where the child's standard streams come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// They are ours: a restored process gets them.
    Ours,
    /// There are none.
    None,
}

impl Swrk {
    /// Starts one that inherits some of our fds under their numbers, besides its socket.
    pub fn start(streams: Streams, inherit: &[BorrowedFd<'_>]) -> Result<Self> {
        let (ours, theirs) = sys::socket::pair()?;
        let kept: Vec<sys::fs::Kept<'_>> = inherit
            .iter()
            .copied()
            .chain([std::os::fd::AsFd::as_fd(&theirs)])
            .map(sys::fs::Kept::new)
            .collect::<sys::Result<_>>()?;
        let mut command = Command::new(PROGRAM);
        command.arg("swrk").arg(theirs.as_raw_fd().to_string());
        if streams == Streams::None {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        }
        let child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::Missing,
            _ => Error::Start(error),
        })?;
        drop(kept);
        Ok(Self { child, socket: ours })
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks; what it tells on the way is for `notice`, with the fd that came along, and stops everything if that fails.
    pub fn ask<E: From<Error>>(
        mut self,
        request: &Request<'_>,
        mut notice: impl FnMut(&str, i32, Option<OwnedFd>) -> std::result::Result<(), E>,
    ) -> std::result::Result<Response, E> {
        let answer = self.converse(request, &mut notice);
        // It waits for more requests, or it is in the midst of something that must not go on.
        let Self { child, socket } = &mut self;
        let _ = rustix::net::shutdown(&*socket, rustix::net::Shutdown::Both);
        if answer.is_err() {
            let _ = child.kill();
        }
        let ended = child.wait().map_err(Error::Start)?;
        let Some(response) = answer? else { return Err(unable().unwrap_or(Error::Ended(ended)).into()) };
        // After a pre-dump it would wait for the dump.
        if !ended.success() && request.kind() != Kind::PreDump {
            return Err(Error::Ended(ended).into());
        }
        Ok(response)
    }

    fn converse<E: From<Error>>(
        &self,
        request: &Request<'_>,
        notice: &mut impl FnMut(&str, i32, Option<OwnedFd>) -> std::result::Result<(), E>,
    ) -> std::result::Result<Option<Response>, E> {
        let send = |request: &Request<'_>| match sys::socket::send(&self.socket, &request.encode()) {
            // It has ended; what it said before can still be heard.
            Err(error) if error.errno == sys::Errno::PIPE => Ok(()),
            other => other.map_err(Error::Talk),
        };
        send(request)?;
        loop {
            let Some((bytes, fd)) = sys::socket::receive_any(&self.socket).map_err(Error::Talk)? else {
                return Ok(None);
            };
            let response = Response::decode(&bytes).ok_or(Error::Malformed)?;
            if !response.success {
                let text = if response.text.is_empty() { String::new() } else { format!(": {}", response.text) };
                return Err(Error::Failed { kind: request.kind(), errno: response.errno, text }.into());
            }
            match (&response.notice, response.kind) {
                (Some(what), _) => {
                    notice(&what.script, what.pid, fd)?;
                    send(&Request::Go)?;
                }
                (None, Some(kind)) if kind == request.kind() => return Ok(Some(response)),
                _ => return Err(Error::Malformed.into()),
            }
        }
    }
}

/// Asks whether something can be had that criu calls by this name.
pub fn check(wanted: Features, name: &'static str) -> Result<()> {
    let has = tell(&Request::Can(wanted))?.features;
    let lacks = wanted.mem_track && !has.mem_track || wanted.lazy_pages && !has.lazy_pages;
    if lacks { Err(Error::Lacks(version()?, name)) } else { Ok(()) }
}

/// Asks whether criu is new enough for these options.
pub fn check_version(options: &Options) -> Result<()> {
    let mut needs = options.needs().peekable();
    if needs.peek().is_none() {
        return Ok(());
    }
    let version = version()?;
    match needs.find(|(since, _)| version < *since) {
        Some((since, what)) => Err(Error::Old { version, what, since }),
        None => Ok(()),
    }
}

fn version() -> Result<Version> {
    Ok(tell(&Request::Who)?.version)
}

fn tell(request: &Request<'_>) -> Result<Response> {
    Swrk::start(Streams::None, &[])?.ask(request, |_, _, _| Ok::<(), Error>(()))
}

/// Why criu ends before it answers: on a kernel that it does not know it says so nowhere but on its own command line.
fn unable() -> Option<Error> {
    let output = Command::new(PROGRAM).args(["check", "--no-default-config"]).stdin(Stdio::null()).output().ok()?;
    let said = log::errors(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
    if output.status.success() { None } else { said.map(Error::Unable) }
}
