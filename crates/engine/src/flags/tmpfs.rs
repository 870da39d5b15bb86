//! `--tmpfs`, and the options that it shares with `--mount type=tmpfs`.

use super::{Invalid, container_path, number};
use crate::config::{Access, ContainerPath, CopyUp, FileFlags, MountSource, TmpfsMount};

/// `PATH[:OPTION,…]`.
pub fn tmpfs(text: &str) -> Result<TmpfsMount, Invalid> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let mut mount = empty(MountSource::Tmpfs, container_path(path)?);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        self::option(&mut mount, option)?;
    }
    Ok(mount)
}

/// A tmpfs with nothing said about it.
pub(super) fn empty(flag: MountSource, destination: ContainerPath) -> TmpfsMount {
    TmpfsMount {
        flag,
        destination,
        size: None,
        mode: None,
        inodes: None,
        uid: None,
        gid: None,
        access: Access::default(),
        flags: FileFlags::default(),
        noatime: false,
        noswap: false,
        copy_up: CopyUp::default(),
    }
}

/// One option of tmpfs(5), mount(8) or podman.
pub(super) fn option(mount: &mut TmpfsMount, option: &str) -> Result<(), Invalid> {
    let (name, value) = match option.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (option, None),
    };
    let twice = || Invalid::new(option, "given twice, or against an earlier one");
    if let Some(value) = value {
        let twice = match name {
            "size" => set(&mut mount.size, value.parse()?),
            "mode" => set(&mut mount.mode, number::mode(value)?),
            "uid" => set(&mut mount.uid, number::id(value)?),
            "gid" => set(&mut mount.gid, number::id(value)?),
            "nr_inodes" => set(&mut mount.inodes, value.parse::<crate::config::Bytes>()?.get() as u64),
            _ => return Err(unknown(option, name)),
        };
        return if twice { Err(Invalid::new(option, "given twice")) } else { Ok(()) };
    }
    if file_flag(&mut mount.flags, name).map_err(|()| twice())? {
        return Ok(());
    }
    match name {
        "rw" => mount.access = Access::ReadWrite,
        "ro" => mount.access = Access::ReadOnly,
        "noatime" => mount.noatime = true,
        "noswap" => mount.noswap = true,
        "tmpcopyup" => mount.copy_up = CopyUp::Copy,
        "notmpcopyup" => mount.copy_up = CopyUp::Empty,
        // Defaults of the kernel and of every engine.
        "private" | "rprivate" | "strictatime" | "relatime" => {}
        _ => return Err(unknown(option, name)),
    }
    Ok(())
}

/// Fills `slot`; true if it was full.
fn set<T>(slot: &mut Option<T>, value: T) -> bool {
    slot.replace(value).is_some()
}

/// `exec`, `noexec` and so on: whether it was one of them; an error if it was set before.
pub(super) fn file_flag(flags: &mut FileFlags, word: &str) -> Result<bool, ()> {
    let (name, value) = match word.strip_prefix("no") {
        Some(name) => (name, false),
        None => (word, true),
    };
    let slot = match name {
        "exec" => &mut flags.exec,
        "suid" => &mut flags.suid,
        "dev" => &mut flags.dev,
        _ => return Ok(false),
    };
    if set(slot, value) { Err(()) } else { Ok(true) }
}

fn unknown(option: &str, name: &str) -> Invalid {
    const KNOWN: [&str; 17] = [
        "size",
        "mode",
        "uid",
        "gid",
        "nr_inodes",
        "rw",
        "ro",
        "exec",
        "noexec",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "noatime",
        "noswap",
        "tmpcopyup",
        "notmpcopyup",
    ];
    Invalid::new(option, "not an option of a tmpfs").suggest(
        name,
        KNOWN,
        Some("there are size=, mode=, uid=, gid=, nr_inodes=, ro, noexec, nosuid, nodev, noatime, notmpcopyup"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let mount = tmpfs("/run/x:rw,noexec,size=64m,mode=1777,uid=5,nr_inodes=1k,notmpcopyup").unwrap();
        assert_eq!(mount.destination.as_str(), "/run/x");
        assert_eq!(mount.size.unwrap().get(), 64 << 20);
        assert_eq!((mount.mode, mount.uid, mount.inodes), (Some(0o1777), Some(5), Some(1024)));
        assert_eq!(mount.flags, FileFlags { exec: Some(false), suid: None, dev: None });
        assert_eq!(mount.copy_up, CopyUp::Empty);
        assert_eq!(tmpfs("/a"), tmpfs("/a:"));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for text in [
            "",
            "a",
            "/",
            "/a:size",
            "/a:size=x",
            "/a:size=1m,size=2m",
            "/a:exec,noexec",
            "/a:mode=9",
            "/a:mode=77777",
            "/a:bind",
            "/a:uid=-1",
            "/a:z",
            "/a:shared",
            "/a:x:y",
        ] {
            assert!(tmpfs(text).is_err(), "{text}");
        }
        assert_eq!(tmpfs("/a:noexce").unwrap_err().remedy(), Some("did you mean noexec?"));
    }
}
