//! Bind mounts, and the options that they share with volumes.

use super::tmpfs::file_flag;
use super::{Invalid, number};
use crate::config::{
    Access, BindMount, Changes, ContainerPath, FileFlags, IdmapRequest, MountSource, Owner, Propagation, Recursion,
};
use std::path::PathBuf;

/// A bind mount with nothing said about it.
pub(super) fn bind(flag: MountSource, source: PathBuf, destination: ContainerPath) -> BindMount {
    BindMount {
        flag,
        source,
        destination,
        access: Access::default(),
        recursion: Recursion::default(),
        propagation: None,
        flags: FileFlags::default(),
        owner: Owner::Host,
        changes: Changes::Kept,
    }
}

/// Which of the options that exclude each other were given.
#[derive(Debug, Default)]
pub(super) struct Seen {
    access: bool,
    recursion: bool,
    relabel: bool,
}

/// One option of a bind mount.
pub(super) fn option(mount: &mut BindMount, seen: &mut Seen, option: &str) -> Result<(), Invalid> {
    let twice = || Invalid::new(option, "given twice, or against an earlier one");
    let once = |seen: &mut bool| if std::mem::replace(seen, true) { Err(twice()) } else { Ok(()) };
    if file_flag(&mut mount.flags, option).map_err(|()| twice())? {
        return Ok(());
    }
    if let Some(propagation) = Propagation::by_word(option) {
        return if mount.propagation.replace(propagation).is_some() { Err(twice()) } else { Ok(()) };
    }
    match option {
        "rw" | "ro" | "rro" => {
            once(&mut seen.access)?;
            mount.access = match option {
                "rw" => Access::ReadWrite,
                "ro" => Access::ReadOnly,
                _ => Access::RecursiveReadOnly,
            };
        }
        "rbind" | "bind" => {
            once(&mut seen.recursion)?;
            mount.recursion = if option == "bind" { Recursion::Single } else { Recursion::Recursive };
        }
        // SELinux relabelling: without SELinux there is nothing to do, and people's command lines carry it.
        "z" | "Z" => once(&mut seen.relabel)?,
        "O" => mount.changes = Changes::ThrownAway,
        "U" | "idmap" => {
            let owner = if option == "U" { Owner::Chown } else { Owner::Idmap(IdmapRequest::Container) };
            own(mount, option, owner)?;
        }
        // Docker for Mac's caching hints; nobody else gives them a meaning.
        "consistent" | "cached" | "delegated" | "default" => {}
        "nocopy" | "copy" => {
            return Err(Invalid::new(option, "an option of volumes: what is bound is as it is"));
        }
        _ => match option.strip_prefix("idmap=") {
            Some(ranges) => own(mount, option, Owner::Idmap(idmap(ranges)?))?,
            None => return Err(unknown(option)),
        },
    }
    Ok(())
}

/// Sets the owner once.
pub(super) fn own(mount: &mut BindMount, option: &str, owner: Owner) -> Result<(), Invalid> {
    if mount.owner != Owner::Host {
        return Err(Invalid::new(option, "owners can be mapped or changed, once"));
    }
    mount.owner = owner;
    Ok(())
}

/// Options that do not go together.
pub(super) fn check(mount: &BindMount) -> Result<(), Invalid> {
    let destination = mount.destination.as_str();
    if mount.access == Access::RecursiveReadOnly && mount.recursion == Recursion::Single {
        return Err(Invalid::new(destination, "rro is about the mounts below, and bind leaves them out"));
    }
    if mount.changes == Changes::ThrownAway {
        // An overlay of its own stands between: what is below the source, and what is mounted later, stays out.
        if mount.propagation.is_some() || mount.access != Access::ReadWrite || matches!(mount.owner, Owner::Idmap(_)) {
            return Err(Invalid::new(destination, "O goes with U only"));
        }
        // overlayfs takes `:` between lower directories and `\` to escape.
        if mount.source.to_string_lossy().contains([':', '\\']) {
            return Err(Invalid::new(mount.source.to_string_lossy(), "an overlay's source cannot hold : or \\"));
        }
    }
    Ok(())
}

/// `uids=DISK-MOUNT-SIZE#…;gids=…`, podman's own spelling.
fn idmap(text: &str) -> Result<IdmapRequest, Invalid> {
    let form = "write idmap, or idmap=uids=ON_DISK-IN_MOUNT-SIZE;gids=ON_DISK-IN_MOUNT-SIZE";
    let invalid = || Invalid::new(text, "not an id mapping").hint(form);
    let (mut uids, mut gids) = (Vec::new(), Vec::new());
    for part in text.split(';') {
        let (kind, ranges) = part.split_once('=').ok_or_else(invalid)?;
        let into = match kind {
            "uids" => &mut uids,
            "gids" => &mut gids,
            _ => return Err(invalid()),
        };
        for range in ranges.split('#') {
            let numbers: Option<Vec<u32>> = range.split('-').map(number::decimal).collect();
            match numbers.as_deref() {
                Some([disk, mount, size])
                    if *size > 0 && disk.checked_add(*size).is_some() && mount.checked_add(*size).is_some() =>
                {
                    into.push((*disk, *mount, *size));
                }
                _ => return Err(invalid()),
            }
        }
    }
    if uids.is_empty() || gids.is_empty() { Err(invalid()) } else { Ok(IdmapRequest::These { uids, gids }) }
}

fn unknown(option: &str) -> Invalid {
    const KNOWN: [&str; 20] = [
        "ro",
        "rw",
        "rro",
        "bind",
        "rbind",
        "private",
        "rprivate",
        "slave",
        "rslave",
        "shared",
        "rshared",
        "exec",
        "noexec",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "idmap",
        "unbindable",
        "runbindable",
    ];
    Invalid::new(option, "not an option of a volume").suggest(
        option,
        KNOWN,
        Some("there are ro, rro, rw, O, U, z, Z, idmap, bind, noexec, nosuid, nodev and the propagations"),
    )
}
