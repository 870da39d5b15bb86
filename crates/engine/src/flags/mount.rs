//! `--mount`.

use super::{Invalid, absolute, bind, container_path, tmpfs, volume};
use crate::config::{ContainerPath, CopyUp, Mount, MountSource, Owner, Recursion, VolumeMount};
use std::path::Path;

const FORM: &str = "write type=bind,src=HOST,dst=PATH, type=volume,src=NAME,dst=PATH or type=tmpfs,dst=PATH";

/// `type=bind|volume|tmpfs,KEY=VALUE,…`, one line of comma-separated values as docker and podman read it: an item with a
/// comma stands in double quotes.
pub fn mount(text: &str, cwd: &Path) -> Result<Mount, Invalid> {
    let items = items(text)?;
    let pairs: Vec<(&str, Option<&str>)> = items
        .iter()
        .map(|item| match item.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (item.as_str(), None),
        })
        .collect();
    let one = |names: &[&str]| -> Result<Option<&str>, Invalid> {
        let mut found = pairs.iter().filter(|(name, _)| names.contains(name));
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((name, Some("") | None)), _) => Err(Invalid::new(*name, "no value").hint(FORM)),
            (Some(_), Some((name, _))) => Err(Invalid::new(*name, "given twice").hint(FORM)),
            (Some((_, Some(value))), None) => Ok(Some(value)),
        }
    };
    let kind = one(&["type"])?;
    let source = one(&SOURCE)?;
    let Some(destination) = one(&DESTINATION)? else {
        return Err(Invalid::new(text, "no destination").hint(FORM));
    };
    let destination = container_path(destination)?;
    let rest = pairs
        .iter()
        .copied()
        .filter(|(name, _)| *name != "type" && !SOURCE.contains(name) && !DESTINATION.contains(name));
    match (kind, source) {
        (Some("bind"), Some(source)) if !source.contains('\0') => of_bind(absolute(source, cwd), destination, rest),
        (Some("bind"), _) => Err(Invalid::new(text, "a bind mount without a source").hint(FORM)),
        (Some("tmpfs"), None) => memory(destination, rest),
        (Some("tmpfs"), Some(source)) => Err(Invalid::new(source, "a tmpfs has no source")),
        // Without a type, docker and podman mean a volume.
        (Some("volume") | None, source) => {
            let name = source.map(volume::volume_name).transpose()?;
            of_volume(volume::named(MountSource::Mount, name, destination), rest)
        }
        (Some(kind @ ("image" | "artifact" | "glob" | "devpts" | "ramfs" | "npipe" | "cluster")), _) => {
            Err(Invalid::new(kind, "a kind of mount that is not there yet").hint(FORM))
        }
        (Some(kind), _) => {
            Err(Invalid::new(kind, "not a kind of mount").suggest(kind, ["bind", "volume", "tmpfs"], Some(FORM)))
        }
    }
}

const SOURCE: [&str; 2] = ["src", "source"];
const DESTINATION: [&str; 4] = ["dst", "destination", "target", "dest"];

fn of_bind<'a>(
    source: std::path::PathBuf,
    destination: ContainerPath,
    options: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<Mount, Invalid> {
    let mut mount = bind::bind(MountSource::Mount, source, destination);
    let mut only_top = false;
    let mut seen = bind::Seen::default();
    for (name, value) in options {
        match (name, value) {
            ("consistency", _) => {}
            ("readonly" | "ro", value) => {
                let word = if truth(name, value)? { "ro" } else { "rw" };
                bind::option(&mut mount, &mut seen, word)?;
            }
            ("rw", value) => {
                let word = if truth(name, value)? { "rw" } else { "ro" };
                bind::option(&mut mount, &mut seen, word)?;
            }
            ("bind-propagation", Some(word)) if crate::config::Propagation::by_word(word).is_some() => {
                bind::option(&mut mount, &mut seen, word)?;
            }
            ("bind-nonrecursive", value) => {
                mount.recursion = if truth(name, value)? { Recursion::Single } else { Recursion::Recursive };
            }
            // docker 25: enabled, disabled, writable (only the top is read-only) and readonly (all, or an error).
            ("bind-recursive", Some(word)) => match word {
                "enabled" => mount.recursion = Recursion::Recursive,
                "writable" => only_top = true,
                "disabled" => mount.recursion = Recursion::Single,
                "readonly" => {
                    mount.recursion = Recursion::Recursive;
                    mount.access = crate::config::Access::RecursiveReadOnly;
                }
                _ => return Err(Invalid::new(word, "not a value of bind-recursive")),
            },
            ("relabel", Some("private" | "shared")) => bind::option(&mut mount, &mut seen, "z")?,
            ("U" | "chown", value) => {
                if truth(name, value)? {
                    bind::own(&mut mount, name, Owner::Chown)?;
                }
            }
            ("idmap", Some(value)) => bind::option(&mut mount, &mut seen, &format!("idmap={value}"))?,
            ("O" | "nocopy" | "copy" | "default" | "cached" | "delegated" | "consistent", None) => {
                return Err(Invalid::new(name, "not an option of --mount type=bind"));
            }
            (name, None) => bind::option(&mut mount, &mut seen, name)?,
            (name, Some(value)) => {
                return Err(Invalid::new(format!("{name}={value}"), "not an option of --mount type=bind").suggest(
                    name,
                    ["readonly", "bind-propagation", "bind-recursive", "relabel", "chown", "idmap", "source", "target"],
                    None,
                ));
            }
        }
    }
    if only_top && mount.access == crate::config::Access::ReadOnly {
        mount.access = crate::config::Access::ReadOnlyTop;
    }
    bind::check(&mount)?;
    Ok(Mount::Bind(mount))
}

fn of_volume<'a>(
    mut mount: VolumeMount,
    options: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<Mount, Invalid> {
    let mut seen = bind::Seen::default();
    for (name, value) in options {
        match (name, value) {
            ("consistency", _) | ("volume-driver", Some("local")) => {}
            ("readonly" | "ro", value) => {
                let word = if truth(name, value)? { "ro" } else { "rw" };
                volume::option(&mut mount, &mut seen, word)?;
            }
            ("rw", value) => {
                let word = if truth(name, value)? { "rw" } else { "ro" };
                volume::option(&mut mount, &mut seen, word)?;
            }
            ("volume-nocopy" | "nocopy", value) => {
                mount.copy_up = if truth(name, value)? { CopyUp::Empty } else { CopyUp::Copy };
            }
            ("volume-subpath" | "subpath", Some(path)) => {
                if path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..") {
                    return Err(Invalid::new(path, "not a path in the volume").hint("write it without / before it"));
                }
                mount.subpath = Some(path.to_owned());
            }
            ("volume-driver", Some(driver)) => {
                return Err(Invalid::new(driver, "no such driver").hint("there is local"));
            }
            ("volume-label", Some(label)) => {
                let (name, value) = label.split_once('=').unwrap_or((label, ""));
                mount.labels.insert(name.to_owned(), value.to_owned());
            }
            ("volume-opt", Some(option)) => {
                let (name, value) = volume_option(option)?;
                mount.options.insert(name, value);
            }
            ("U" | "chown", value) => {
                if truth(name, value)? {
                    volume::option(&mut mount, &mut seen, "U")?;
                }
            }
            ("idmap", Some(value)) => volume::option(&mut mount, &mut seen, &format!("idmap={value}"))?,
            (name, None) => volume::option(&mut mount, &mut seen, name)?,
            (name, Some(value)) => {
                return Err(Invalid::new(format!("{name}={value}"), "not an option of --mount type=volume").suggest(
                    name,
                    ["readonly", "volume-nocopy", "volume-subpath", "volume-label", "volume-opt", "source", "target"],
                    None,
                ));
            }
        }
    }
    Ok(Mount::Volume(mount))
}

/// `type=`, `o=` and `device=` of the driver `local`: what is mounted for the volume, as mount(8) has it.
pub fn volume_option(text: &str) -> Result<(String, String), Invalid> {
    const HINT: &str = "the driver local takes type=, o= and device=";
    match text.split_once('=') {
        Some((name @ ("type" | "o" | "device"), value)) => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Invalid::new(text, "not an option of a volume").hint(HINT)),
    }
}

fn memory<'a>(
    destination: ContainerPath,
    options: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<Mount, Invalid> {
    let mut mount = tmpfs::empty(MountSource::Mount, destination);
    for (name, value) in options {
        match (name, value) {
            ("consistency", _) => {}
            ("readonly" | "ro", value) => {
                tmpfs::option(&mut mount, if truth(name, value)? { "ro" } else { "rw" })?;
            }
            ("tmpfs-size" | "size", Some(value)) => tmpfs::option(&mut mount, &format!("size={value}"))?,
            ("tmpfs-mode" | "mode", Some(value)) => tmpfs::option(&mut mount, &format!("mode={value}"))?,
            // docker 29: further options of the file system, joined by commas.
            ("tmpfs-options", Some(value)) => {
                for option in value.split(',') {
                    tmpfs::option(&mut mount, option)?;
                }
            }
            (name, None) => tmpfs::option(&mut mount, name)?,
            (name, Some(value)) => tmpfs::option(&mut mount, &format!("{name}={value}"))?,
        }
    }
    Ok(Mount::Tmpfs(mount))
}

/// `NAME`, `NAME=true` and the other words that Go's parser of booleans takes.
fn truth(name: &str, value: Option<&str>) -> Result<bool, Invalid> {
    match value {
        None => Ok(true),
        Some(value) => match value.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => Ok(true),
            "false" | "f" | "0" => Ok(false),
            _ => Err(Invalid::new(format!("{name}={value}"), "neither true nor false")),
        },
    }
}

/// Splits one CSV record.
fn items(text: &str) -> Result<Vec<String>, Invalid> {
    let mut items = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let at_start = items.last().is_some_and(String::is_empty);
        match c {
            '"' if !quoted && at_start => quoted = true,
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                push(&mut items, '"');
            }
            '"' if quoted && matches!(chars.peek(), None | Some(',')) => quoted = false,
            '"' => return Err(Invalid::new(text, "a quote in the middle of an item")),
            ',' if !quoted => items.push(String::new()),
            c => push(&mut items, c),
        }
    }
    if quoted {
        return Err(Invalid::new(text, "a quote without an end"));
    }
    Ok(items)
}

fn push(items: &mut [String], c: char) {
    if let Some(item) = items.last_mut() {
        item.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Access, Bytes, Propagation};
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Mount, Invalid> {
        mount(text, Path::new("/w"))
    }

    fn read_bind(text: &str) -> crate::config::BindMount {
        match read(text) {
            Ok(Mount::Bind(bind)) => bind,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn binds_are_read() {
        let bind = read_bind("type=bind,src=./a,dst=/b,readonly,bind-propagation=rslave");
        assert_eq!((bind.source.to_str(), bind.destination.as_str()), (Some("/w/a"), "/b"));
        assert_eq!((bind.access, bind.propagation), (Access::ReadOnly, Some(Propagation::RSlave)));
        assert_eq!(read_bind("type=bind,source=/a,target=/b,ro=false").access, Access::ReadWrite);
        assert_eq!(read_bind("type=bind,source=/a,target=/b,ro,bind-recursive=disabled").recursion, Recursion::Single);
        assert_eq!(read_bind("type=bind,source=/a,target=/b,bind-recursive=writable,ro").access, Access::ReadOnlyTop);
        assert_eq!(read_bind("type=bind,source=/a,target=/b,bind-recursive=writable").access, Access::ReadWrite);
        assert_eq!(read_bind("type=bind,\"source=/a,b\",dest=/b").source.to_str(), Some("/a,b"));
    }

    #[test]
    fn tmpfs_are_read() {
        let Ok(Mount::Tmpfs(tmpfs)) = read("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700,noexec") else {
            panic!("a tmpfs")
        };
        assert_eq!((tmpfs.size, tmpfs.mode), (Bytes::new(1 << 20), Some(0o700)));
        assert_eq!(tmpfs.flags.exec, Some(false));
    }

    #[test]
    fn volumes_are_read_also_without_a_type() {
        for text in
            ["type=volume,src=data,dst=/b,volume-subpath=a/b,volume-nocopy", "src=data,dst=/b,subpath=a/b,nocopy"]
        {
            let Ok(Mount::Volume(volume)) = read(text) else { panic!("{text}") };
            assert_eq!(volume.name.as_ref().map(store::VolumeName::as_str), Some("data"));
            assert_eq!((volume.subpath.as_deref(), volume.copy_up), (Some("a/b"), CopyUp::Empty));
        }
        let text = "type=volume,dst=/b,volume-label=a=b,volume-opt=type=tmpfs,\"volume-opt=o=size=1m,mode=700\"";
        let Ok(Mount::Volume(volume)) = read(text) else { panic!("{text}") };
        assert!(volume.anonymous && volume.labels["a"] == "b" && volume.options["o"] == "size=1m,mode=700");
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for text in [
            "",
            "type=bind",
            "type=bind,src=/a",
            "type=bind,dst=/b",
            "type=bind,src=/a,dst=b",
            "type=bind,src=/a,dst=/b,dst=/c",
            "type=bind,src=/a,dst=/b,ro,rw",
            "type=bind,src=/a,dst=/b,ro=maybe",
            "type=bind,src=/a,dst=/b,bind-propagation=x",
            "type=bind,src=/a,dst=/b,size=1m",
            "type=bind,src=/a,dst=/b,O",
            "type=tmpfs,src=/a,dst=/b",
            "type=tmpfs,dst=/b,bind-propagation=x",
            "type=volume,src=a,dst=/b",
            "src=/a,dst=/b",
            "type=volume,src=data,dst=/b,volume-subpath=/etc",
            "type=volume,src=data,dst=/b,volume-subpath=a/../..",
            "type=volume,src=data,dst=/b,volume-driver=nfs",
            "type=volume,src=data,dst=/b,volume-opt=size=1",
            "type=bnid,src=/a,dst=/b",
            "type=bind,\"src=/a,dst=/b",
            "type=bind,s\"rc=/a,dst=/b",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read("type=bnid,src=/a,dst=/b").unwrap_err().remedy(), Some("did you mean bind?"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(type=(bind|tmpfs),)?\\PC*") {
            let _ = read(&text);
        }
    }
}
