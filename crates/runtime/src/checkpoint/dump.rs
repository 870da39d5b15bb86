//! Checkpoint: a running container is written down.

use super::external::Outside;
use super::{Archive, Choices, DESCRIPTORS, explained};
use crate::error::{Error, Result, What};
use crate::handle::Handle;
use cgroup::Layout;
use criu::{Features, Kind, Request, Streams, Swrk};
use oci::runtime::{NamespaceKind, Spec};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use sys::fs::RootDir;

const LOG: &str = "dump.log";

/// How long what was paused may take to stand still again.
const FREEZING: Duration = Duration::from_secs(10);

/// What is to be written down, and where.
#[derive(Debug)]
pub struct Dump<'a> {
    /// The container.
    pub handle: &'a Handle,
    /// Its specification.
    pub spec: &'a Spec,
    /// Its bundle.
    pub bundle: &'a Path,
    /// What [`super::streams`] told when it began.
    pub streams: &'a [String],
    /// Where the cgroups are.
    pub layout: &'a Layout,
    /// Where it goes.
    pub archive: &'a Archive,
    /// How.
    pub choices: &'a Choices,
}

/// Writes a container down. Unless it is to go on, its processes are gone afterwards.
pub fn dump(request: &Dump<'_>) -> Result<()> {
    let Dump { handle, spec, bundle, streams, layout, archive, choices } = *request;
    if choices.pre_dump {
        criu::check(Features { mem_track: true, ..Features::default() }, "mem_dirty_track")?;
    }
    if choices.lazy_pages {
        criu::check(Features { lazy_pages: true, ..Features::default() }, "uffd-noncoop")?;
    }
    let outside = Outside { spec, bundle, layout, cgroup: &handle.cgroup };
    if outside.has(NamespaceKind::User) {
        // Better now than when its processes are gone: who is in one can neither read root's images nor make nodes.
        return Err(Error::spec("criu cannot restore a container with a user namespace, so it is not checkpointed"));
    }
    let mut options = choices.options(archive, LOG);
    options.pid = Some(handle.pid);
    let root = spec.root.as_ref().map(|root| bundle.join(&root.path)).unwrap_or_default();
    options.root = root.to_string_lossy().into_owned();
    options.freeze_cgroup = freezer(handle);
    for (kind, name) in [(NamespaceKind::Network, "net"), (NamespaceKind::Pid, "pid")] {
        if let Some(path) = outside.joined(kind) {
            let stat = rustix::fs::stat(path).map_err(|errno| sys::Error::new("stat", path, errno));
            let inode = stat.map_err(|source| Error::Namespace { kind, source })?.st_ino;
            options.external.push(format!("{name}[{inode}]:{}", super::external::key(kind)));
        }
    }
    if !choices.pre_dump {
        let root = format!("/proc/{}/root", handle.pid);
        let root = sys::fs::open(root, OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
        options.ext_mnt = outside.dumped(&RootDir::new(root.what("look at the container's root")?));
        options.external.extend(streams.iter().filter(|name| name.starts_with("file[")).cloned());
        archive.write(DESCRIPTORS, &serde_json::to_vec(streams).unwrap_or_default())?;
    }
    criu::check_version(&options)?;
    let kind = if choices.pre_dump { Kind::PreDump } else { Kind::Dump };
    let mut status = choices.status_fd.map(writable).transpose()?;
    let notice = |script: &str, _, _| {
        if script == "status-ready"
            && let Some(fd) = status.take()
        {
            sys::fs::write_once(fd.as_fd(), &[0]).what("tell that pages can be had")?;
        }
        Ok::<(), Error>(())
    };
    // criu stops them by its own choice of freezer, and what stands still by another never does what it wants of it.
    let paused = handle.cgroup.is_frozen()?;
    if paused {
        handle.cgroup.thaw()?;
    }
    let asked = Swrk::start(Streams::None, &[]).map_err(Error::Criu);
    let asked = asked.and_then(|criu| criu.ask(&Request::Do(kind, &options), notice));
    if paused && (asked.is_err() || choices.leave_running || choices.pre_dump) {
        handle.cgroup.freeze(FREEZING)?;
    }
    explained(asked, archive, LOG).map(drop)
}

/// Somebody's fd that we have inherited, to write to.
fn writable(number: i32) -> Result<OwnedFd> {
    sys::fs::open(format!("/proc/self/fd/{number}"), OFlags::WRONLY, Mode::empty()).what("use the fd of --status-fd")
}

/// The directory of the cgroup that stops its processes all at once; one by one otherwise.
fn freezer(handle: &Handle) -> Option<String> {
    let paths = handle.cgroup.paths();
    paths.get("freezer").or_else(|| paths.get("")).cloned()
}
