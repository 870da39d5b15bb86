//! `--volume`.

use super::bind::{self, Seen, bind, check};
use super::{Invalid, absolute, container_path};
use crate::config::{
    Access, BindMount, ContainerPath, CopyUp, FileFlags, Mount, MountSource, Owner, VolumeMount, VolumesFrom,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use store::VolumeName;

const FORM: &str = "write HOST:CONTAINER or VOLUME:CONTAINER, and :OPTIONS behind it, such as ./src:/src:ro";

/// `HOST:CONTAINER[:OPTION,…]`, `VOLUME:CONTAINER[:OPTION,…]`, or `CONTAINER` alone for a volume without a name. As podman
/// has it, a source that begins with `/` or `.` is a path, against `cwd`; anything else is the name of a volume.
pub fn volume(text: &str, cwd: &Path) -> Result<Mount, Invalid> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, options) = match parts.as_slice() {
        [destination] if destination.starts_with('/') => {
            return Ok(Mount::Volume(named(MountSource::Volume, None, container_path(destination)?)));
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
    let mut seen = Seen::default();
    let options = options.split(',').filter(|option| !option.is_empty());
    if !source.starts_with(['/', '.']) {
        let mut volume = named(MountSource::Volume, Some(volume_name(source)?), container_path(destination)?);
        for option in options {
            self::option(&mut volume, &mut seen, option)?;
        }
        return Ok(Mount::Volume(volume));
    }
    let mut mount = bind(MountSource::Volume, absolute(source, cwd), container_path(destination)?);
    for option in options {
        bind::option(&mut mount, &mut seen, option)?;
    }
    check(&mount)?;
    Ok(Mount::Bind(mount))
}

/// The name of a volume.
pub fn volume_name(text: &str) -> Result<VolumeName, Invalid> {
    text.parse().map_err(|_| {
        let hint = if text.contains('/') {
            format!("for a directory of this machine, write ./{text} or its full path")
        } else {
            "a letter or digit, then one or more letters, digits, _, . or -; at most 255".to_owned()
        };
        Invalid::new(text, "not the name of a volume").hint(hint)
    })
}

/// A volume with nothing said about it.
pub(crate) fn named(flag: MountSource, name: Option<VolumeName>, destination: ContainerPath) -> VolumeMount {
    VolumeMount {
        flag,
        anonymous: name.is_none(),
        name,
        destination,
        subpath: None,
        access: Access::default(),
        propagation: None,
        flags: FileFlags::default(),
        owner: Owner::Host,
        copy_up: CopyUp::default(),
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
    }
}

/// One option of a volume: nearly all are those of a bind mount.
pub(super) fn option(volume: &mut VolumeMount, seen: &mut Seen, option: &str) -> Result<(), Invalid> {
    match option {
        "nocopy" => volume.copy_up = CopyUp::Empty,
        "copy" => volume.copy_up = CopyUp::Copy,
        "O" | "bind" | "rbind" => return Err(Invalid::new(option, "an option of bind mounts")),
        _ => {
            let VolumeMount { access, propagation, flags, owner, .. } = volume.clone();
            let as_bind = bind(volume.flag, PathBuf::new(), volume.destination.clone());
            let mut mount = BindMount { access, propagation, flags, owner, ..as_bind };
            bind::option(&mut mount, seen, option)?;
            let BindMount { access, propagation, flags, owner, .. } = mount;
            *volume = VolumeMount { access, propagation, flags, owner, ..volume.clone() };
        }
    }
    Ok(())
}

/// `CONTAINER[:OPTIONS]` of `--volumes-from`.
pub fn volumes_from(text: &str) -> Result<VolumesFrom, Invalid> {
    let (container, options) = text.split_once(':').unwrap_or((text, ""));
    if container.is_empty() {
        return Err(Invalid::new(text, "no container").hint("write CONTAINER, CONTAINER:ro or CONTAINER:rw"));
    }
    let mut access = None;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        access = match option {
            "ro" => Some(Access::ReadOnly),
            "rw" => Some(Access::ReadWrite),
            // SELinux relabelling, as with --volume.
            "z" | "Z" => access,
            _ => return Err(Invalid::new(option, "not an option of --volumes-from").hint("there are ro and rw")),
        };
    }
    Ok(VolumesFrom { container: container.to_owned(), access })
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
    use crate::config::{Changes, IdmapRequest, Propagation};
    use proptest::prelude::*;

    fn read(text: &str) -> Result<BindMount, Invalid> {
        match volume(text, Path::new("/w"))? {
            Mount::Bind(bind) => Ok(bind),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn read_volume(text: &str) -> Result<VolumeMount, Invalid> {
        match volume(text, Path::new("/w"))? {
            Mount::Volume(volume) => Ok(volume),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_name_is_a_volumes_and_a_place_alone_gets_one_without() {
        let volume = read_volume("data:/c:ro,nocopy,noexec").unwrap();
        assert_eq!(volume.name.as_ref().map(VolumeName::as_str), Some("data"));
        assert_eq!((volume.access, volume.copy_up, volume.anonymous), (Access::ReadOnly, CopyUp::Empty, false));
        assert_eq!(volume.flags.exec, Some(false));
        let volume = read_volume("/c/").unwrap();
        assert_eq!((volume.name, volume.destination.as_str(), volume.anonymous), (None, "/c", true));
        for wrong in ["data:/c:O", "data:/c:ro,rw", "data:/c:bind", "data:c", "d:/c", "-d:/c", "a/b:/c"] {
            assert!(volume_of(wrong).is_err(), "{wrong}");
        }
    }

    fn volume_of(text: &str) -> Result<Mount, Invalid> {
        volume(text, Path::new("/w"))
    }

    #[test]
    fn the_volumes_of_another_container_are_as_there_unless_it_is_said() {
        let told = |text: &str| volumes_from(text).map(|from| (from.container, from.access));
        assert_eq!(told("web"), Ok(("web".to_owned(), None)));
        assert_eq!(told("web:ro,z"), Ok(("web".to_owned(), Some(Access::ReadOnly))));
        for wrong in ["", ":ro", "web:rr"] {
            assert!(volumes_from(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sources_are_paths_or_names() {
        for (text, expected) in [
            ("/a:/b", Ok(("/a", "/b"))),
            ("./a:/b", Ok(("/w/a", "/b"))),
            (".:/b", Ok(("/w", "/b"))),
            ("../a:/b/", Ok(("/w/../a", "/b"))),
            ("a/b:/c", Err("./a/b")),
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
            let _ = volume_of(&text);
        }

        #[test]
        fn a_destination_never_climbs(path in "(/|\\.|\\.\\.|[a-z]){0,20}") {
            if let Ok(mount) = volume_of(&format!("/a:/{path}")) {
                let climbs = mount.destination().as_str().split('/').any(|part| part == "..");
                prop_assert!(!climbs);
            }
        }
    }
}
