//! Files into and out of a container, by two processes and a tar between them.
//!
//! ```text
//!   this one: the machine's files ──tar──► or ◄──tar── a child of it: the container's files
//! ```
//!
//! Each resolves paths in one root only, by fds, and so no link of the container, however fast it changes, leads out of
//! it (CVE-2018-15664); nothing that is found there is executed (CVE-2019-14271). The child enters the user namespace of
//! a container that runs, and has its ids; the root is that of its first process, with all that is mounted there. That
//! of one that does not run is mounted for the child alone.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::Maps;
use crate::standing::{Standing, is_absent};
use crate::transfer::{Owners, Sent, receive, send};
use crate::view::{Back, Held};
use layer::Ownership;
use oci::runtime::NamespaceKind;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::OwnedFd;
use sys::fs::RootDir;

/// What is to be copied.
#[derive(Debug, Clone)]
pub struct Copy {
    /// The container.
    pub container: String,
    /// The path in it.
    pub inside: String,
    /// What is outside.
    pub outside: Outside,
    /// Into the container, not out of it.
    pub into: bool,
    /// Owners are kept (`-a`).
    pub archive: bool,
    /// What a link leads to, not the link (`-L`).
    pub follow: bool,
}

/// The other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outside {
    /// An absolute path of the machine.
    Path(String),
    /// A tar on standard input or output.
    Stream,
}

/// A container's files.
struct Inside {
    files: Standing,
    /// Of one that does not run, which nobody starts meanwhile, with its ids on disk.
    held: Option<(Held, Back)>,
}

impl Engine {
    /// Copies. Called with one thread, before the store was opened. `tell` tells of a failure on the container's side, and
    /// says with which code we end.
    pub fn copy(&self, copy: &Copy, tell: impl FnOnce(Error) -> u8) -> Result<u8> {
        let failed = |error: io::Error| {
            let errno = sys::Errno::from_io_error(&error).unwrap_or(sys::Errno::IO);
            Error::System { what: "make a pipe", source: sys::Error::new("pipe2", "", errno) }
        };
        let (reader, writer) = io::pipe().map_err(failed)?;
        let mut ends = Some((File::from(OwnedFd::from(reader)), File::from(OwnedFd::from(writer)), tell));
        let child = sys::process::fork(|| {
            let Some((reader, writer, tell)) = ends.take() else { return 1 };
            let done = if copy.into {
                drop(writer);
                self.put(copy, reader)
            } else {
                drop(reader);
                self.get(copy, writer)
            };
            match done {
                Ok(()) => 0,
                // The other side has failed, and tells why.
                Err(Error::Store(store::Error::Tree(layer::Error::Output(error))))
                    if error.kind() == io::ErrorKind::BrokenPipe =>
                {
                    0
                }
                Err(error) => i32::from(tell(error)),
            }
        })
        .map_err(Error::system("make a process for the container's files"))?;
        let Some((reader, writer, _)) = ends else { return Err(Error::MonitorLost) };
        let here = if copy.into {
            drop(reader);
            outgoing(copy, writer)
        } else {
            drop(writer);
            incoming(copy, reader)
        };
        let exit = sys::process::wait(&child.pidfd).map_err(Error::system("wait for the container's files"))?;
        match exit.code() {
            0 => here.map(|()| 0),
            code => Ok(code),
        }
    }

    fn get(&self, copy: &Copy, out: File) -> Result<()> {
        let inside = self.inside(&copy.container, &copy.inside)?;
        let ownership = inside.held.as_ref().map_or(Ownership::AsRecorded, |(_, back)| back.ownership());
        send(&inside.files.root, &copy.inside, copy.follow, ownership, out)
    }

    fn put(&self, copy: &Copy, tar: File) -> Result<()> {
        let inside = self.inside(&copy.container, &copy.inside)?;
        let maps = inside.held.as_ref().and_then(|(held, _)| held.record.config.maps.as_ref());
        let of_maps = |id: u32, of: fn(&Maps) -> &Vec<oci::runtime::IdMapping>| {
            let Some(maps) = maps else { return id };
            let range = of(maps).iter().find(|range| id >= range.container_id && id - range.container_id < range.size);
            range.map_or(id, |range| range.host_id + (id - range.container_id))
        };
        let owners = Owners::Of {
            kept: copy.archive,
            map: &|uid, gid| (of_maps(uid, |maps| &maps.uids), of_maps(gid, |maps| &maps.gids)),
        };
        let sent = match &copy.outside {
            Outside::Path(path) => Sent::of(path),
            Outside::Stream => Sent::Anything,
        };
        receive(&inside.files.root, &copy.inside, sent, owners, BufReader::with_capacity(1 << 16, tar))
    }

    /// A container's files, for this process, which has no other purpose.
    fn inside(&self, text: &str, path: &str) -> Result<Inside> {
        match self.find_running(text) {
            Ok(running) => {
                let files = Standing::running(running.root()?);
                if runtime::namespaces_of(&running.handle).contains(&NamespaceKind::User) {
                    let failed = || Error::system("enter the container's user namespace");
                    sys::process::setns(&running.handle.pidfd, sys::process::namespace::USER).map_err(failed())?;
                    sys::process::become_root().map_err(failed())?;
                }
                Ok(Inside { files, held: None })
            }
            Err(Error::NotRunning(_)) => {
                self.enter()?;
                let held = self.hold(text)?;
                self.is_there(&held, path)?;
                let back = Back::whole(self, &held.record)?;
                let files = Standing::of(self, &held)?;
                Ok(Inside { files, held: Some((held, back)) })
            }
            Err(error) => Err(error),
        }
    }

    /// Of a mount that is there only while the container runs nothing can be had.
    fn is_there(&self, held: &Held, path: &str) -> Result<()> {
        let Ok(at) = crate::flags::container_path(&format!("/{path}")) else { return Ok(()) };
        let mounts = held.record.config.config.files.mounts.iter();
        let above = mounts.filter(|mount| at.as_path().starts_with(mount.destination().as_path()));
        match above.max_by_key(|mount| mount.destination().as_str().len()).filter(|mount| is_absent(self, mount)) {
            None => Ok(()),
            Some(mount) => Err(Error::Copy {
                path: path.to_owned(),
                problem: format!("{} is mounted only while the container runs", mount.destination()),
            }),
        }
    }
}

/// The machine's side of a copy into a container.
fn outgoing(copy: &Copy, mut out: File) -> Result<()> {
    match &copy.outside {
        Outside::Path(path) => send(&machine()?, path, copy.follow, Ownership::AsRecorded, out),
        Outside::Stream => {
            let copied = io::copy(&mut io::stdin().lock(), &mut out);
            copied.map(drop).map_err(|error| Error::from(store::Error::Tree(layer::Error::Output(error))))
        }
    }
}

/// The machine's side of a copy out of a container.
fn incoming(copy: &Copy, mut tar: File) -> Result<()> {
    match &copy.outside {
        Outside::Path(path) => {
            let owners =
                if copy.archive { Owners::Of { kept: true, map: &|uid, gid| (uid, gid) } } else { Owners::Ours };
            receive(&machine()?, path, Sent::of(&copy.inside), owners, BufReader::with_capacity(1 << 16, tar))
        }
        Outside::Stream => {
            let copied = io::copy(&mut tar, &mut io::stdout().lock());
            copied.map(drop).map_err(|error| Error::from(store::Error::Tree(layer::Error::Output(error))))
        }
    }
}

fn machine() -> Result<RootDir> {
    let root = sys::fs::open("/", OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
    let root = root.map_err(Error::system("open /"))?;
    Ok(RootDir::new(root))
}
