//! `--userns=ns:PATH` for an ordinary user: the way to a user namespace that exists.
//!
//! Who is in a user namespace of his own has no say in one beside it, and the engine of an ordinary user always is. So
//! it makes none here, but enters one that is there: that in which the wanted one was made, which for a container's is
//! that of the coracle that made it, with the same ids as ever; or the wanted one itself, where it was made outside of
//! all others (unshare -U). The kernel lets him in where the namespace, or one above it, is his (user_namespaces(7)).

use crate::error::{Error, Result};
use crate::spec::{IdMaps, UserNamespace};
use oci::runtime::IdMapping;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use sys::process::namespace;

const OWN: &str = "/proc/self/ns/user";

/// Enters what the engine has to be in for a container in the namespace at `path`. `true` if setgroups(2) is denied
/// there.
pub fn enter(path: &Path) -> Result<bool> {
    let refused = |why: &str| Err(refusal(path, why));
    let wanted = open(path)?;
    if is_own(&wanted)? {
        return refused("is the machine's own, which containers of ordinary users cannot be in; leave the option out");
    }
    let above = match sys::process::namespace_parent(&wanted) {
        Ok(above) => above,
        Err(error) if error.errno == sys::Errno::PERM => {
            return refused("is outside of the user namespace that coracle was started in");
        }
        Err(source) => return Err(Error::File { what: "look above --userns=ns:", path: path.into(), source }),
    };
    let entered = if is_own(&above)? {
        wanted
    } else if sys::process::namespace_parent(&above).map_or(Ok(false), is_own)? {
        above
    } else {
        return refused("lies more than two user namespaces deep");
    };
    match runtime::idmap::join(&entered) {
        Err(runtime::Error::System { source, .. }) if source.call == "setns" && source.errno == sys::Errno::PERM => {
            refused("belongs to another user: only its owner and root may enter it")
        }
        Err(runtime::Error::System { source, .. }) if source.errno == sys::Errno::INVAL => {
            refused("has no root: write its uid_map and gid_map with an id 0 first (unshare --map-root-user)")
        }
        joined => Ok(joined?),
    }
}

/// The namespace at `path`, seen from where the engine is.
pub fn namespace(path: &Path, ordinary_user: bool) -> Result<UserNamespace> {
    let wanted = open(path)?;
    if is_own(&wanted)? {
        let identity = |file: &str| -> Vec<IdMapping> {
            let same = |range: IdMapping| IdMapping { host_id: range.container_id, ..range };
            runtime::idmap::parse(&std::fs::read_to_string(file).unwrap_or_default()).into_iter().map(same).collect()
        };
        let maps = || IdMaps { uids: identity("/proc/self/uid_map"), gids: identity("/proc/self/gid_map") };
        return Ok(if ordinary_user { UserNamespace::Own(maps()) } else { UserNamespace::Host });
    }
    let (uids, gids) = runtime::idmap::of(&wanted)?;
    let maps = IdMaps { uids, gids };
    if maps.has_uid(0) && maps.has_gid(0) {
        return Ok(UserNamespace::Path(path.into(), maps));
    }
    Err(refusal(path, "has no root: write its uid_map and gid_map with an id 0 first"))
}

fn refusal(path: &Path, why: &str) -> Error {
    Error::Userns { mode: "ns", problem: format!("{} {why}", path.display()) }
}

fn open(path: &Path) -> Result<OwnedFd> {
    let wanted = sys::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty());
    let wanted = wanted.map_err(|source| match source.errno {
        sys::Errno::ACCESS => refusal(path, "belongs to a process of another user, or one that nobody may look into"),
        _ => Error::File { what: "open --userns=ns:", path: path.into(), source },
    })?;
    match sys::process::namespace_type(&wanted) {
        Ok(namespace::USER) => Ok(wanted),
        _ => Err(refusal(path, "is not a user namespace, such as /proc/PID/ns/user is")),
    }
}

fn is_own(userns: impl AsFd) -> Result<bool> {
    let failed = |errno| Error::System { what: "compare user namespaces", source: sys::Error::new("stat", OWN, errno) };
    let (its, own) = (rustix::fs::fstat(userns).map_err(failed)?, rustix::fs::stat(OWN).map_err(failed)?);
    Ok((its.st_dev, its.st_ino) == (own.st_dev, own.st_ino))
}
