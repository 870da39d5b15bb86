//! Who calls, and which ids a container gets of his.

use crate::config::{ContainerConfig, UsernsMode};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::joined;
use crate::spec::{IdMaps, UserNamespace, idmap};
use oci::runtime::IdMapping;
use rustix::fs::{CWD, Mode};
use std::path::{Path, PathBuf};

/// The user that the engine works for.
#[derive(Debug, Clone)]
pub struct Caller {
    ids: idmap::Caller,
}

impl Caller {
    /// Looks who it is, and which subordinate ids he has (subuid(5)). Only ever read from files: a name service may
    /// not be asked by a static program.
    pub fn look() -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        if uid == 0 {
            return Self { ids: idmap::Caller { uid, gid, subuids: Vec::new(), subgids: Vec::new() } };
        }
        let name = user_name(uid);
        let ids = |path: &str| idmap::sub_ids(&std::fs::read(path).unwrap_or_default(), uid, name.as_deref());
        let (mut subuids, mut subgids) = (ids("/etc/subuid"), ids("/etc/subgid"));
        if !is_installed("newuidmap") || !is_installed("newgidmap") {
            // Without the helpers one id is what there is.
            (subuids, subgids) = (Vec::new(), Vec::new());
        }
        Self { ids: idmap::Caller { uid, gid, subuids, subgids } }
    }

    /// Root of the machine, or of the user namespace that the engine was started in.
    pub fn is_root(&self) -> bool {
        self.ids.uid == 0
    }

    /// His ids.
    pub fn ids(&self) -> (u32, u32) {
        (self.ids.uid, self.ids.gid)
    }

    /// His name, or his number where nobody says it.
    pub fn name(&self) -> String {
        user_name(self.ids.uid).unwrap_or_else(|| self.ids.uid.to_string())
    }

    /// The id that this process has outside of all user namespaces of ours: what their map says of its root.
    pub fn outside() -> u32 {
        let own = rustix::process::geteuid().as_raw();
        let (uids, _) = runtime::idmap::of_process(rustix::process::getpid().as_raw_nonzero().get());
        let range = uids.iter().find(|map| own >= map.container_id && own - map.container_id < map.size);
        range.map_or(own, |map| map.host_id + (own - map.container_id))
    }

    /// He has subordinate ids, and the helpers to map them.
    pub fn has_sub_ids(&self) -> bool {
        !self.ids.subuids.is_empty() && !self.ids.subgids.is_empty()
    }

    /// The maps of the namespace that the engine itself enters: he is root, his subordinate ids are the rest.
    pub fn base_maps(&self) -> IdMaps {
        idmap::rootless(&UsernsMode::Host, &self.ids).unwrap_or_default()
    }
}

fn user_name(uid: u32) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let of = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    };
    passwd.lines().find_map(of)
}

fn is_installed(program: &str) -> bool {
    ["/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/sbin"].iter().any(|dir| Path::new(dir).join(program).exists())
}

/// Ids of a container's user namespace, and what is to be given back when it ends.
#[derive(Debug)]
pub struct Ids {
    /// The namespace.
    pub namespace: UserNamespace,
    /// The range of the machine's ids that is its own.
    pub range: Option<Range>,
}

impl Ids {
    /// Gives back what is the container's own.
    pub fn release(&self) {
        if let Some(range) = &self.range {
            range.release();
        }
    }
}

/// A range of ids that one container has to itself, held by a link below the run root whose text is the container's id.
#[derive(Debug)]
pub struct Range {
    path: PathBuf,
}

impl Range {
    /// Gives it back.
    pub fn release(&self) {
        let _ = sys::fs::unlinkat(CWD, &self.path, rustix::fs::AtFlags::empty());
    }
}

/// Gives back the range of a container whose holder was killed.
pub fn release(engine: &Engine, id: &str) {
    let links = std::fs::read_dir(engine.locations().runroot.join(RANGES_DIR)).into_iter().flatten().flatten();
    for link in links.filter(|link| std::fs::read_link(link.path()).is_ok_and(|owner| owner == Path::new(id))) {
        Range { path: link.path() }.release();
    }
}

/// The directory of taken ranges below the run root.
const RANGES_DIR: &str = "ids";

/// Ids in one range: as many as a distribution's own users need.
const RANGE: u32 = 65_536;
/// Where ranges begin where no line of /etc/subuid says so: above what distributions give to users.
const FIRST: u32 = 0x2000_0000;
/// How many ranges there are.
const RANGES: u32 = 8192;

/// Chooses a container's user namespace.
pub fn choose(engine: &Engine, config: &ContainerConfig, id: &str) -> Result<Ids> {
    let plain = |namespace| Ok(Ids { namespace, range: None });
    let mode = config.view.userns.clone().unwrap_or(UsernsMode::Host);
    if let UsernsMode::Path(path) = &mode {
        return plain(joined::namespace(path, !engine.caller().is_root())?);
    }
    if !engine.caller().is_root() {
        return plain(UserNamespace::New(rootless(engine, &mode)?));
    }
    match mode {
        UsernsMode::Auto { size } => {
            let (range, first) = take_range(engine, id)?;
            let one = vec![IdMapping { container_id: 0, host_id: first, size: size.unwrap_or(RANGE).min(RANGE) }];
            let maps = IdMaps { uids: one.clone(), gids: one };
            Ok(Ids { namespace: UserNamespace::New(maps), range: Some(range) })
        }
        UsernsMode::Host => plain(UserNamespace::Host),
        UsernsMode::KeepId { .. } => Err(Error::Userns {
            mode: "keep-id",
            problem: "root keeps its id without it; it is for ordinary users".to_owned(),
        }),
        UsernsMode::NoMap | UsernsMode::Path(_) => Err(Error::Userns {
            mode: "nomap",
            problem: "it leaves out the caller's own id, and is for ordinary users only; use --userns=auto".to_owned(),
        }),
    }
}

/// An ordinary user's container: its maps are those of the engine's own namespace, seen from within.
fn rootless(engine: &Engine, mode: &UsernsMode) -> Result<IdMaps> {
    let caller = engine.caller();
    let wanted = idmap::rootless(mode, &caller.ids).ok_or_else(|| Error::Userns {
        mode: "nomap",
        problem: "this user has no subordinate ids: see /etc/subuid and the package uidmap".to_owned(),
    })?;
    let base = caller.base_maps();
    Ok(IdMaps { uids: within(&wanted.uids, &base.uids), gids: within(&wanted.gids, &base.gids) })
}

/// The map through which the layers of an ordinary user's container have to be written, where its ids are others than
/// the store's. Root's are seen through idmapped mounts instead.
pub fn of_layers(engine: &Engine, config: &ContainerConfig) -> Result<Option<IdMaps>> {
    if engine.caller().is_root() {
        return Ok(None);
    }
    let maps = match &config.view.userns {
        None | Some(UsernsMode::Host) => return Ok(None),
        Some(UsernsMode::Path(path)) => joined::namespace(path, true)?.maps().cloned().unwrap_or_default(),
        Some(mode) => rootless(engine, mode)?,
    };
    let same = |map: &[IdMapping]| map.iter().all(|range| range.container_id == range.host_id);
    Ok((!same(&maps.uids) || !same(&maps.gids)).then_some(maps))
}

/// A map to the machine's ids, as a map to the ids of a namespace that has the map `base` itself. A range is cut
/// where `base` changes.
fn within(map: &[IdMapping], base: &[IdMapping]) -> Vec<IdMapping> {
    let mut out = Vec::new();
    for range in map {
        for part in base {
            let first = range.host_id.max(part.host_id);
            let last = (range.host_id.saturating_add(range.size)).min(part.host_id.saturating_add(part.size));
            if first < last {
                out.push(IdMapping {
                    container_id: range.container_id + (first - range.host_id),
                    host_id: part.container_id + (first - part.host_id),
                    size: last - first,
                });
            }
        }
    }
    out.sort_by_key(|range| range.container_id);
    out
}

/// Takes a range nobody has: a link is made once only, whoever tries at the same time.
fn take_range(engine: &Engine, id: &str) -> Result<(Range, u32)> {
    let dir = engine.locations().runroot.join(RANGES_DIR);
    let failed = |source| Error::File { what: "make", path: dir.clone(), source };
    sys::fs::ensure_dir(CWD, &dir, Mode::from_raw_mode(0o700)).map_err(failed)?;
    let (first, count) = reserved();
    // Where the search starts differs from container to container, so that a range rests before it is used again.
    let start = u32::from_str_radix(id.get(..7).unwrap_or("0"), 16).unwrap_or(0) % count;
    for step in 0..count {
        let number = (start + step) % count;
        let path = dir.join(number.to_string());
        match sys::fs::symlinkat(id, CWD, &path) {
            Ok(()) => return Ok((Range { path }, first + number * RANGE)),
            Err(error) if error.errno == sys::Errno::EXIST => {}
            Err(source) => return Err(Error::File { what: "make", path, source }),
        }
    }
    Err(Error::Userns { mode: "auto", problem: format!("all {count} ranges of ids are taken") })
}

/// The ranges for containers: those of the user `containers` in /etc/subuid, podman's convention, or a part of the id
/// space that nobody else uses.
fn reserved() -> (u32, u32) {
    let file = std::fs::read("/etc/subuid").unwrap_or_default();
    let ranges = ["coracle", "containers"].iter().flat_map(|name| idmap::sub_ids(&file, u32::MAX, Some(name)));
    ranges.map(|range| (range.first, range.count / RANGE)).find(|(_, count)| *count > 0).unwrap_or((FIRST, RANGES))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(container_id: u32, host_id: u32, size: u32) -> IdMapping {
        IdMapping { container_id, host_id, size }
    }

    #[test]
    fn a_map_is_seen_from_within_the_engines_namespace() {
        let base = [range(0, 1000, 1), range(1, 100_000, 65_536)];
        assert_eq!(within(&base, &base), [range(0, 0, 1), range(1, 1, 65_536)]);
        // keep-id: 1000 is the caller, the others stand around.
        let keep = [range(0, 100_000, 1000), range(1000, 1000, 1), range(1001, 101_000, 64_536)];
        assert_eq!(within(&keep, &base), [range(0, 1, 1000), range(1000, 0, 1), range(1001, 1001, 64_536)]);
    }
}
