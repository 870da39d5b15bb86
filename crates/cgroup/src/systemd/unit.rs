//! Units: how a container's is named, and on which systemd it is.

use crate::{Error, Result};

/// Which systemd is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Bus {
    /// The machine's.
    #[default]
    System,
    /// That of an ordinary user's session.
    User {
        /// The user's runtime directory (XDG_RUNTIME_DIR).
        runtime: Option<String>,
        /// The address of his bus (DBUS_SESSION_BUS_ADDRESS).
        address: Option<String>,
    },
}

/// A unit that systemd made for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name, as `systemctl` takes it.
    pub name: String,
    /// Where it is.
    pub bus: Bus,
}

const SLICE: &str = ".slice";

/// The longest name that systemd takes (UNIT_NAME_MAX, with its zero byte).
const LONGEST: usize = 255;

/// The name of a unit to be made, and of the slice that it is to be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub unit: String,
    pub slice: String,
}

impl Name {
    /// From the specification's `cgroupsPath`, which is `slice:prefix:name` for systemd.
    pub fn new(path: Option<&str>, id: &str, bus: &Bus) -> Result<Self> {
        let default = format!(":runc:{id}");
        let path = path.filter(|path| !path.is_empty()).unwrap_or(&default);
        let refuse = |problem| Error::Path { path: path.to_owned(), problem };
        let [slice, prefix, name] = path.split(':').collect::<Vec<_>>()[..] else {
            return Err(refuse("is not slice:prefix:name, which the systemd driver takes"));
        };
        let slice = match (slice, bus) {
            ("", Bus::System) => "system.slice",
            ("", Bus::User { .. }) => "user.slice",
            ("-", _) => "-.slice",
            (slice, _) => slice,
        };
        expand(slice).ok_or_else(|| refuse("names no slice before its first colon, such as system.slice"))?;
        let unit = if is_slice(name) {
            expand(name).ok_or_else(|| refuse("ends like a slice, and is no name of one"))?;
            name.to_owned()
        } else {
            format!("{prefix}-{name}.scope")
        };
        // unit_name_is_valid() in systemd's basic/unit-name.c.
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.\\@".contains(&byte);
        match () {
            () if name.is_empty() => Err(refuse("has no name behind its last colon")),
            () if !unit.bytes().all(valid) => Err(refuse("has a character that systemd takes in no unit's name")),
            () if unit.len() > LONGEST => Err(refuse("makes a unit's name of more than 255 bytes")),
            () => Ok(Self { unit, slice: slice.to_owned() }),
        }
    }

    /// Is the unit a slice, which has no processes of its own?
    pub fn is_slice(&self) -> bool {
        is_slice(&self.unit)
    }

    /// The unit's cgroup below that of its systemd.
    pub fn cgroup(&self) -> String {
        if self.is_slice() {
            return expand(&self.unit).unwrap_or_default();
        }
        let slice = expand(&self.slice).unwrap_or_default();
        format!("{slice}/{}", self.unit)
    }
}

fn is_slice(name: &str) -> bool {
    name.strip_suffix(SLICE).is_some()
}

/// Where a slice lies: `a-b.slice` in `/a.slice/a-b.slice`, the root slice `-.slice` in nothing. Nothing for what is no
/// name of a slice.
fn expand(slice: &str) -> Option<String> {
    let name = slice.strip_suffix(SLICE)?;
    if name == "-" {
        return Some(String::new());
    }
    if name.contains('/') || name.split('-').any(str::is_empty) {
        return None;
    }
    let ends = name.match_indices('-').map(|(at, _)| at).chain([name.len()]);
    Some(ends.fold(String::new(), |path, end| format!("{path}/{}.slice", &name[..end])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str, bus: &Bus) -> Result<Name> {
        Name::new(Some(path), "id", bus)
    }

    #[test]
    fn a_path_names_unit_and_slice() {
        let user = Bus::User { runtime: None, address: None };
        let cases = [
            ("", &Bus::System, "runc-id.scope", "/system.slice/runc-id.scope"),
            ("", &user, "runc-id.scope", "/user.slice/runc-id.scope"),
            ("machine.slice:libpod:c1", &Bus::System, "libpod-c1.scope", "/machine.slice/libpod-c1.scope"),
            (":docker:c1", &Bus::System, "docker-c1.scope", "/system.slice/docker-c1.scope"),
            ("a-b-c.slice:p:n", &Bus::System, "p-n.scope", "/a.slice/a-b.slice/a-b-c.slice/p-n.scope"),
            ("-.slice:p:n", &Bus::System, "p-n.scope", "/p-n.scope"),
            ("-:p:n", &Bus::System, "p-n.scope", "/p-n.scope"),
            ("a.slice:p:a-b.slice", &Bus::System, "a-b.slice", "/a.slice/a-b.slice"),
        ];
        for (path, bus, unit, cgroup) in cases {
            let name = name(path, bus).unwrap();
            assert_eq!((name.unit.as_str(), name.cgroup().as_str()), (unit, cgroup), "{path}");
        }
    }

    #[test]
    fn malformed_paths_are_refused() {
        let long = format!(":p:{}", "x".repeat(250));
        let paths = [
            "/a/b",
            "a:b",
            "a:b:c:d",
            "system:p:n",
            ".slice:p:n",
            "a/b.slice:p:n",
            "a--b.slice:p:n",
            "-a.slice:p:n",
            ":p:",
            ":p:a/b",
            ":p:a b",
            ":p:a+b",
            ":p:a--b.slice",
            ":p:.slice",
            &long,
        ];
        for path in paths {
            assert!(matches!(name(path, &Bus::System), Err(Error::Path { .. })), "{path}");
        }
    }
}
