//! Id maps of user namespaces: checked, written, or held by a namespace that exists for nothing else.
//!
//! Root writes the maps itself. An ordinary user may map one id to his own; for more, newuidmap(1) and newgidmap(1)
//! check /etc/subuid and write (the only programs, with pasta, that we ever execute).

use crate::error::{Error, Result};
use oci::runtime::{IdMapping, Process};
use rustix::fs::{Mode, OFlags};
use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::process::Command;
use sys::process::namespace;

/// The lines of a map file.
fn lines(map: &[IdMapping]) -> String {
    map.iter().fold(String::new(), |mut text, range| {
        let _ = writeln!(text, "{} {} {}", range.container_id, range.host_id, range.size);
        text
    })
}

/// Checks what the kernel would only call EINVAL.
pub fn check(kind: &str, map: &[IdMapping]) -> Result<()> {
    const MOST: usize = 340;
    if map.len() > MOST {
        return Err(Error::spec(format!("{kind}: {} ranges; the kernel takes {MOST}", map.len())));
    }
    for (index, range) in map.iter().enumerate() {
        let ends = |start: u32| start.checked_add(range.size);
        if range.size == 0 || ends(range.container_id).is_none() || ends(range.host_id).is_none() {
            return Err(Error::spec(format!("{kind}: range {index} is empty or runs past the last id")));
        }
        let overlap = |a: u32, b: u32, size: u32| a < b.saturating_add(size) && b < a.saturating_add(range.size);
        let twice = map[..index].iter().any(|other| {
            overlap(range.container_id, other.container_id, other.size)
                || overlap(range.host_id, other.host_id, other.size)
        });
        if twice {
            return Err(Error::spec(format!("{kind}: range {index} overlaps an earlier one")));
        }
    }
    Ok(())
}

/// Maps as crun has them written in a mount's option, `uids=0-1-10#10-11-10;gids=…`: ranges of first id, id that it
/// becomes, and how many; behind an `@` the second is an id of the container's, of which these are the maps. Those are
/// also taken where one of the two kinds is not written.
pub fn written(
    text: &str,
    (uids, gids): (&[IdMapping], &[IdMapping]),
) -> std::result::Result<(Vec<IdMapping>, Vec<IdMapping>), &'static str> {
    let mut maps = (uids.to_vec(), gids.to_vec());
    for part in text.split(';') {
        match part.split_once('=') {
            Some(("uids", list)) => maps.0 = ranges(list, uids)?,
            Some(("gids", list)) => maps.1 = ranges(list, gids)?,
            _ => return Err("neither uids=… nor gids=…"),
        }
    }
    Ok(maps)
}

fn ranges(list: &str, maps: &[IdMapping]) -> std::result::Result<Vec<IdMapping>, &'static str> {
    let range = |text: &str| {
        let numbers = text.strip_prefix('@').unwrap_or(text);
        let numbers: Option<Vec<u32>> = numbers.split('-').map(|number| number.parse().ok()).collect();
        let Some(&[container_id, mut host_id, size]) = numbers.as_deref() else {
            return Err("a range is not id-id-count");
        };
        if text.starts_with('@') {
            let of = |map: &&IdMapping| host_id.checked_sub(map.container_id).is_some_and(|offset| offset < map.size);
            let map = maps.iter().find(of).ok_or("an id behind @ is none of the container's")?;
            host_id = map.host_id.saturating_add(host_id - map.container_id);
        }
        Ok(IdMapping { container_id, host_id, size })
    };
    list.split('#').map(range).collect()
}

/// Who builds the container's files in a new user namespace: its root, or the container's user where the maps have none.
pub fn maker((uids, gids): (&[IdMapping], &[IdMapping]), process: Option<&Process>) -> [u32; 2] {
    let has_root = |map: &[IdMapping]| map.is_empty() || map.iter().any(|range| range.container_id == 0);
    let user = process.map(|process| (process.user.uid, process.user.gid)).unwrap_or_default();
    [if has_root(uids) { 0 } else { user.0 }, if has_root(gids) { 0 } else { user.1 }]
}

/// What the caller may do about maps.
fn alone(map: &[IdMapping], own: u32) -> bool {
    matches!(map, [range] if range.size == 1 && range.host_id == own)
}

/// Writes both maps of the process; `true` if setgroups(2) had to be given up for it.
pub fn write(pid: i32, uids: &[IdMapping], gids: &[IdMapping]) -> Result<bool> {
    if uids.is_empty() && gids.is_empty() {
        // No user namespace of its own: it was held back for another reason.
        return Ok(false);
    }
    check("uidMappings", uids)?;
    check("gidMappings", gids)?;
    let file = |name: &str| format!("/proc/{pid}/{name}");
    let put = |name: &str, text: &str| {
        let path = file(name);
        let fd = sys::fs::open(path.as_str(), OFlags::WRONLY, Mode::empty());
        fd.and_then(|fd| sys::fs::write_once(fd, text.as_bytes())).map_err(|error| Error::IdMap(error.to_string()))
    };
    let root = rustix::process::geteuid().is_root();
    if root {
        put("uid_map", &lines(uids))?;
        put("gid_map", &lines(gids))?;
        return Ok(false);
    }
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    if alone(uids, uid) {
        put("uid_map", &lines(uids))?;
    } else {
        helper("newuidmap", pid, uids)?;
    }
    if alone(gids, gid) {
        // user_namespaces(7): without CAP_SETGID the map can be written only once setgroups(2) is denied.
        put("setgroups", "deny")?;
        put("gid_map", &lines(gids))?;
        return Ok(true);
    }
    helper("newgidmap", pid, gids)?;
    Ok(false)
}

fn helper(program: &str, pid: i32, map: &[IdMapping]) -> Result<()> {
    let mut command = Command::new(program);
    command.arg(pid.to_string());
    for range in map {
        command.args([range.container_id, range.host_id, range.size].map(|n| n.to_string()));
    }
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Error::IdMap(format!(
            "{program}: {}; check the ranges of this user in /etc/subuid and /etc/subgid",
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::IdMap(format!(
            "{program} is not installed: install the package uidmap (shadow-utils), or map a single id"
        ))),
        Err(error) => Err(Error::IdMap(format!("{program}: {error}"))),
    }
}

/// Enters a new user namespace with these maps, and a mount namespace that belongs to it: from here on this process
/// is root of both. `true` if setgroups(2) had to be given up for it.
///
/// The maps are written by a child that stays outside: newuidmap(1) serves only who is in the namespace above.
pub fn enter(uids: &[IdMapping], gids: &[IdMapping]) -> Result<bool> {
    let system = |source| Error::System { what: "enter a user namespace", source };
    let (ours, theirs) = sys::socket::pair().map_err(system)?;
    let parent = rustix::process::getpid().as_raw_nonzero().get();
    let mut ours = Some(ours);
    let child = sys::process::fork(|| {
        // Only the parent's copy may keep our end of the socket open.
        drop(ours.take());
        if !matches!(sys::socket::receive::<1>(&theirs), Ok(Some(_))) {
            return 1;
        }
        match write(parent, uids, gids) {
            Ok(no_setgroups) => i32::from(no_setgroups) << 1,
            Err(error) => {
                let text = if let Error::IdMap(text) = error { text } else { error.to_string() };
                let _ = sys::socket::send(&theirs, text.as_bytes());
                1
            }
        }
    })
    .map_err(system)?;
    drop(theirs);
    let unshared = sys::process::unshare(namespace::USER | namespace::MOUNT);
    let told = match (&unshared, &ours) {
        (Ok(()), Some(ours)) => {
            sys::socket::release(ours).and_then(|()| sys::socket::receive_text(ours)).map_err(system)?
        }
        _ => None,
    };
    drop(ours);
    let exit = sys::process::wait(&child.pidfd).map_err(system)?;
    unshared.map_err(system)?;
    match (told, exit) {
        (Some(text), _) => Err(Error::IdMap(text)),
        (None, sys::process::Exit::Code(code @ (0 | 2))) => {
            sys::process::become_root().map_err(system)?;
            Ok(code == 2)
        }
        (None, _) => Err(Error::IdMap("they could not be written".to_owned())),
    }
}

/// As [`enter`], but a user namespace that exists. `true` if setgroups(2) is denied in it.
pub fn join(userns: &OwnedFd) -> Result<bool> {
    sys::process::setns(userns, namespace::USER)
        .and_then(|()| sys::process::unshare(namespace::MOUNT))
        .and_then(|()| sys::process::become_root())
        .map_err(|source| Error::System { what: "enter a user namespace", source })?;
    Ok(std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny"))
}

/// The maps of a user namespace that exists: read from a process that enters it for that.
pub fn of(userns: &OwnedFd) -> Result<(Vec<IdMapping>, Vec<IdMapping>)> {
    let system = |source| Error::System { what: "read the maps of a user namespace", source };
    let (ours, theirs) = sys::socket::pair().map_err(system)?;
    let mut ours = Some(ours);
    let child = sys::process::fork(|| {
        drop(ours.take());
        let held = sys::process::setns(userns, namespace::USER)
            .and_then(|()| sys::socket::release(&theirs))
            .and_then(|()| sys::socket::receive::<1>(&theirs));
        i32::from(held.is_err())
    })
    .map_err(system)?;
    drop(theirs);
    let ready = ours.as_ref().map_or(Ok(None), sys::socket::receive::<1>).map_err(system);
    let read = |name: &str| parse(&std::fs::read_to_string(format!("/proc/{}/{name}", child.pid)).unwrap_or_default());
    let maps = ready.map(|ready| ready.map(|_| (read("uid_map"), read("gid_map"))));
    drop(ours);
    sys::process::wait(&child.pidfd).map_err(system)?;
    maps?.ok_or_else(|| Error::IdMap("the user namespace cannot be entered".to_owned()))
}

/// The maps of the user namespace of a process, as ours sees them.
pub fn of_process(pid: i32) -> (Vec<IdMapping>, Vec<IdMapping>) {
    let read = |name: &str| parse(&std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default());
    (read("uid_map"), read("gid_map"))
}

/// setgroups(2) is denied in the user namespace of a process.
pub fn denies_setgroups(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/setgroups")).is_ok_and(|text| text.starts_with(b"deny"))
}

/// The lines of a map file, read.
pub fn parse(text: &str) -> Vec<IdMapping> {
    let range = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        let (container_id, host_id) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(IdMapping { container_id, host_id, size: numbers.next()?.ok()? })
    };
    text.lines().filter_map(range).collect()
}

/// A user namespace that has these maps and no processes: what an idmapped mount refers to.
pub fn namespace(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd> {
    let system = |source| Error::System { what: "make a user namespace for mapped ids", source };
    let (ours, theirs) = sys::socket::pair().map_err(system)?;
    let mut ours = Some(ours);
    let child = sys::process::fork(|| {
        drop(ours.take());
        // Holds the namespace until our end of the socket closes.
        let held = sys::process::unshare(namespace::USER)
            .and_then(|()| sys::socket::release(&theirs))
            .and_then(|()| sys::socket::receive::<1>(&theirs));
        i32::from(held.is_err())
    })
    .map_err(system)?;
    drop(theirs);
    let ready = ours.as_ref().map_or(Ok(None), sys::socket::receive::<1>).map_err(system);
    let result = match ready {
        Ok(Some(_)) => write(child.pid, uids, gids).and_then(|_| {
            sys::fs::open(format!("/proc/{}/ns/user", child.pid), OFlags::RDONLY, Mode::empty()).map_err(system)
        }),
        Ok(None) => Err(Error::IdMap("user namespaces are refused on this machine".to_owned())),
        Err(error) => Err(error),
    };
    drop(ours);
    sys::process::wait(&child.pidfd).map_err(system)?;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(container_id: u32, host_id: u32, size: u32) -> IdMapping {
        IdMapping { container_id, host_id, size }
    }

    #[test]
    fn maps_in_an_option_are_those_of_cruns_manual() {
        // The examples of crun(1), "idmap mount options".
        let container = [range(0, 0, 1), range(1, 2, 1000)];
        let maps = |text| written(text, (&container, &[]));
        let uids = vec![range(0, 1, 10), range(10, 11, 10)];
        assert_eq!(maps("uids=0-1-10#10-11-10;gids=0-100-10"), Ok((uids, vec![range(0, 100, 10)])));
        assert_eq!(maps("uids=@1-3-10"), Ok((vec![range(1, 4, 10)], vec![])));
        assert_eq!(maps("gids=0-5-1"), Ok((container.to_vec(), vec![range(0, 5, 1)])));
        for text in [
            "",
            "uids",
            "uids=",
            "uids=0-1",
            "uids=0-1-1-1",
            "uids=0-x-1-1",
            "uids=0--1-1",
            "ids=0-1-1",
            "uids=@0-1001-1",
        ] {
            assert!(maps(text).is_err(), "{text}");
        }
    }

    #[test]
    fn maps_that_the_kernel_would_refuse_are_named() {
        assert!(check("uidMappings", &[range(0, 1000, 1), range(1, 100_000, 65_536)]).is_ok());
        assert!(check("uidMappings", &[range(0, 1000, 0)]).is_err());
        assert!(check("uidMappings", &[range(0, u32::MAX, 2)]).is_err());
        assert!(check("uidMappings", &[range(0, 1000, 10), range(5, 9000, 1)]).is_err());
        assert!(check("uidMappings", &[range(0, 1000, 10), range(20, 1009, 1)]).is_err());
    }
}
