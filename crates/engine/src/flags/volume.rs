//! `--volume`.

use super::tmpfs::file_flag;
use super::{Invalid, absolute, container_path, number};
use crate::config::{
    Access, BindMount, Changes, ContainerPath, FileFlags, IdmapRequest, Mount, MountSource, Owner, Propagation,
    Recursion,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const FORM: &str = "write HOST:CONTAINER or HOST:CONTAINER:OPTIONS, such as ./src:/src:ro";

/// `HOST:CONTAINER[:OPTION,…]`. As podman has it, a source that begins with `/` or `.` is a path, against `cwd`;
/// anything else is the name of a volume, which does not exist yet.
pub fn volume(text: &str, cwd: &Path) -> Result<BindMount, Invalid> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, options) = match parts.as_slice() {
        [destination] if destination.starts_with('/') => {
            return Err(Invalid::new(text, "anonymous volumes are not there yet")
                .hint(format!("bind a directory, HOST:{destination}, or use --tmpfs {destination}")));
        }
        [source, destination] => (*source, *destination, ""),
        [source, destination, options] => (*source, *destination, *options),
        _ => return Err(Invalid::new(text, "not a volume").hint(FORM)),
    };
    if source.is_empty() {
        return Err(Invalid::new(text, "no source").hint(FORM));
    }
    if source.contains('\0') {
        return Err(Invalid::new(source, "a path cannot hold a NUL byte"));
    }
    if !source.starts_with(['/', '.']) {
        return Err(Invalid::new(source, "named volumes are not there yet")
            .hint(format!("for a directory of this machine, write ./{source} or its full path")));
    }
    let mut mount = bind(MountSource::Volume, absolute(source, cwd), container_path(destination)?);
    let mut seen = Seen::default();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        self::option(&mut mount, &mut seen, option)?;
    }
    check(&mount)?;
    Ok(mount)
}

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
            return Err(Invalid::new(option, "an option of named volumes, which are not there yet"));
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

/// The first destination that two mounts share, with both flags; podman and docker refuse it as well.
pub fn duplicate_destination(mounts: &[Mount]) -> Option<Invalid> {
    let mut seen: BTreeMap<&ContainerPath, &'static str> = BTreeMap::new();
    for mount in mounts {
        if let Some(before) = seen.insert(mount.destination(), mount.flag()) {
            let why = format!("two mounts at one place, by {before} and {}", mount.flag());
            return Some(Invalid::new(mount.destination().as_str(), why));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<BindMount, Invalid> {
        volume(text, Path::new("/w"))
    }

    #[test]
    fn sources_are_paths_or_names() {
        for (text, expected) in [
            ("/a:/b", Ok(("/a", "/b"))),
            ("./a:/b", Ok(("/w/a", "/b"))),
            (".:/b", Ok(("/w", "/b"))),
            ("../a:/b/", Ok(("/w/../a", "/b"))),
            ("a/b:/c", Err("./a/b")),
            ("data:/c", Err("./data")),
            ("/c", Err("--tmpfs /c")),
            (":/c", Err("HOST:CONTAINER")),
            ("/a:b", Err("begin it with /")),
            ("/a:/", Err("--rootfs")),
            ("/a:/b:ro:x", Err("HOST:CONTAINER")),
            ("", Err("HOST:CONTAINER")),
        ] {
            match (read(text), expected) {
                (Ok(mount), Ok((source, destination))) => {
                    assert_eq!((mount.source.to_str(), mount.destination.as_str()), (Some(source), destination));
                }
                (Err(error), Err(remedy)) => {
                    assert!(error.remedy().is_some_and(|told| told.contains(remedy)), "{text}: {error:?}");
                }
                (read, expected) => panic!("{text}: {read:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn options_are_read() {
        let mount = read("/a:/b:rro,rslave,noexec,nosuid,z,U").unwrap();
        assert_eq!(mount.access, Access::RecursiveReadOnly);
        assert_eq!(mount.propagation, Some(Propagation::RSlave));
        assert_eq!(mount.flags, FileFlags { exec: Some(false), suid: Some(false), dev: None });
        assert_eq!(mount.owner, Owner::Chown);
        assert_eq!(read("/a:/b:O").unwrap().changes, Changes::ThrownAway);
        let ranges = IdmapRequest::These { uids: vec![(0, 1000, 1), (1, 2000, 10)], gids: vec![(0, 1000, 1)] };
        assert_eq!(read("/a:/b:idmap=uids=0-1000-1#1-2000-10;gids=0-1000-1").unwrap().owner, Owner::Idmap(ranges));
    }

    #[test]
    fn options_against_each_other_are_refused() {
        for options in [
            "ro,rw",
            "rw,rw",
            "slave,shared",
            "exec,noexec",
            "bind,rbind",
            "z,Z",
            "U,idmap",
            "O,ro",
            "O,idmap",
            "rro,bind",
            "idmap=",
            "idmap=uids=0-0-1",
            "idmap=uids=0-0-0;gids=0-0-1",
            "x",
            "ro;rw",
            "nocopy",
        ] {
            assert!(read(&format!("/a:/b:{options}")).is_err(), "{options}");
        }
        assert_eq!(read("/a:/b:rprivte").unwrap_err().remedy(), Some("did you mean rprivate?"));
    }

    #[test]
    fn two_mounts_at_one_place_are_refused() {
        let mounts = [Mount::Bind(read("/a:/x").unwrap()), Mount::Bind(read("/b:/x/.").unwrap())];
        assert!(duplicate_destination(&mounts).is_some());
        assert!(duplicate_destination(&mounts[..1]).is_none());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = read(&text);
        }

        #[test]
        fn a_destination_never_climbs(path in "(/|\\.|\\.\\.|[a-z]){0,20}") {
            if let Ok(mount) = read(&format!("/a:/{path}")) {
                let climbs = mount.destination.as_str().split('/').any(|part| part == "..");
                prop_assert!(!climbs);
            }
        }
    }
}
