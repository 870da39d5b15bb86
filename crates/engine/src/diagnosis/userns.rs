//! User namespaces that cannot be had, and ids that are not there.

use super::{Cause, Diagnosis};
use crate::error::Error;
use crate::spec::{self, idmap, user};
use crate::userns::Caller;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use sys::Errno;

/// What is wrong with ids.
#[derive(Debug, thiserror::Error)]
pub enum Ids {
    /// The limit on user namespaces.
    #[error("user.max_user_namespaces is {0}, which are used up")]
    Limit(u64),
    /// Distributions' own switch.
    #[error("kernel.unprivileged_userns_clone is 0: ordinary users may make no user namespaces")]
    SwitchedOff,
    /// AppArmor's.
    #[error(
        "kernel.apparmor_restrict_unprivileged_userns is 1: AppArmor lets ordinary users make no user namespaces that are of use"
    )]
    AppArmor,
    /// A helper is not there.
    #[error("{0} is not installed, without which the ids of /etc/subuid and /etc/subgid cannot be mapped")]
    NoHelper(&'static str),
    /// A helper has no rights.
    #[error("{path} has mode {mode:04o} and no file capabilities: without the set-user-ID bit it can map nothing")]
    HelperNotSetuid {
        /// Its path.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A user has no subordinate ids.
    #[error("{file} has no line for {user}, so the container has one id, {user}'s own")]
    NoRange {
        /// Which file.
        file: &'static str,
        /// Whose.
        user: String,
    },
    /// He has too few.
    #[error("{file} gives {user} {count} ids, so the container has the ids 0 to {count}")]
    ShortRange {
        /// Which file.
        file: &'static str,
        /// Whose.
        user: String,
        /// How many.
        count: u64,
    },
    /// Two of his ranges have ids in common.
    #[error("two ranges of {user} in {file} have ids in common: {first} and {second}")]
    Overlap {
        /// Which file.
        file: &'static str,
        /// Whose.
        user: String,
        /// A range, as it stands there.
        first: String,
        /// The other.
        second: String,
    },
    /// Not in the image's passwd or group.
    #[error("there is no {name:?} in the container's {file}")]
    NoName {
        /// The name.
        name: String,
        /// Where names are.
        file: &'static str,
        /// One that is much like it.
        near: Option<String>,
    },
}

/// Where the next range begins that nobody has.
fn free_range() -> (u64, u64) {
    const COUNT: u64 = 65_536;
    let ends = ["/etc/subuid", "/etc/subgid"].iter().flat_map(|file| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let end = |line: &str| {
            let mut fields = line.split(':').skip(1);
            Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.trim().parse::<u64>().ok()?)
        };
        text.lines().filter_map(end).collect::<Vec<_>>()
    });
    let first = ends.max().unwrap_or(0).max(100_000);
    (first, first + COUNT - 1)
}

impl Ids {
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Limit(_) => "sysctl -w user.max_user_namespaces=15000".to_owned(),
            Self::SwitchedOff => "sysctl -w kernel.unprivileged_userns_clone=1".to_owned(),
            Self::AppArmor => {
                "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or a profile for coracle with \
                `userns,` in it"
                    .to_owned()
            }
            Self::NoHelper(_) => "install the package uidmap (shadow-utils)".to_owned(),
            Self::HelperNotSetuid { path, .. } => format!("chmod u+s {}", path.display()),
            Self::NoRange { user, .. } | Self::ShortRange { user, .. } => {
                let (first, last) = free_range();
                format!(
                    "usermod --add-subuids {first}-{last} --add-subgids {first}-{last} {user}; or do without other ids"
                )
            }
            Self::Overlap { file, second, .. } => format!("remove a line from {file}: sed -i '/^{second}$/d' {file}"),
            Self::NoName { near: Some(near), .. } => format!("did you mean {near}? A number does as well"),
            Self::NoName { file, .. } => {
                let kind = if file.ends_with("passwd") { "user" } else { "group" };
                format!("use a {kind} of the image, or a number")
            }
        }
    }
}

/// This process is in a user namespace below the machine's first.
pub(super) fn is_inner() -> bool {
    std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !map.contains("4294967295"))
}

/// The reason why there can be no more user namespaces, if there is one.
pub(crate) fn refused() -> Option<Ids> {
    let is = |file: &str, value| super::number(&format!("/proc/sys/{file}")) == Some(value);
    if is("user/max_user_namespaces", 0) {
        return Some(Ids::Limit(0));
    }
    if is("kernel/unprivileged_userns_clone", 0) {
        return Some(Ids::SwitchedOff);
    }
    is("kernel/apparmor_restrict_unprivileged_userns", 1).then_some(Ids::AppArmor)
}

/// Looks into a namespace that could not be made or entered, of a user's own.
pub(crate) fn of_namespace(error: Error, caller: &Caller) -> Error {
    let cause = match super::runtime_error(&error) {
        Some(runtime::Error::System { source, .. }) => (source.call == "unshare").then(refused).flatten(),
        Some(runtime::Error::IdMap(_)) => {
            ranges_overlap(caller).or_else(helper_problem).or_else(|| refused().filter(|_| is_inner()))
        }
        _ => None,
    };
    super::diagnosed(error, cause.map(|cause| Diagnosis::new(Cause::Ids(cause))))
}

/// Looks into a container that was refused an id, or the name of a user or group.
pub(crate) fn of_ids(error: Error, caller: &Caller, files: &dyn Fn() -> (Vec<u8>, Vec<u8>)) -> Error {
    let cause = match &error {
        Error::Spec(spec::Error::Flag { flag: "--user" | "--group-add", .. }) | Error::Userns { mode: "nomap", .. } => {
            (!caller.is_root()).then(|| lacking(caller)).flatten()
        }
        Error::Spec(spec::Error::User(error)) => {
            let (passwd, group) = files();
            let near = |name: &String, file: &[u8]| {
                let text = String::from_utf8_lossy(file).into_owned();
                let names: Vec<&str> = text.lines().filter_map(|line| line.split(':').next()).collect();
                flag::nearest(name, names).map(str::to_owned)
            };
            Some(match error {
                user::Error::NoUser(name) => {
                    Ids::NoName { near: near(name, &passwd), name: name.clone(), file: "/etc/passwd" }
                }
                user::Error::NoGroup(name) => {
                    Ids::NoName { near: near(name, &group), name: name.clone(), file: "/etc/group" }
                }
            })
        }
        _ => None,
    };
    let what = match &error {
        Error::Spec(spec::Error::User(user::Error::NoUser(name))) => format!("--user {name:?}"),
        Error::Spec(spec::Error::User(user::Error::NoGroup(name))) => format!("group {name:?}"),
        _ => String::new(),
    };
    super::diagnosed(error, cause.map(|cause| Diagnosis::new(Cause::Ids(cause)).of(what)))
}

/// Looks into files of an image whose owners cannot be had.
pub(crate) fn of_unpacking(error: Error, caller: &Caller) -> Error {
    let is_owner = super::system_call(&error).is_some_and(|source| {
        matches!(source.errno, Errno::INVAL | Errno::OVERFLOW | Errno::PERM) && source.call.contains("chown")
    });
    let cause = (is_owner && !caller.is_root()).then(|| lacking(caller)).flatten();
    super::diagnosed(error, cause.map(|cause| Diagnosis::new(Cause::Ids(cause))))
}

/// Why an ordinary user's containers have fewer ids than others.
pub(crate) fn lacking(caller: &Caller) -> Option<Ids> {
    /// What distributions give, and what images count on (nobody is 65534).
    const USUAL: u64 = 65_536;
    for program in ["newuidmap", "newgidmap"] {
        if helper(program).is_none() {
            return Some(Ids::NoHelper(program));
        }
    }
    let user = caller.name();
    for file in ["/etc/subuid", "/etc/subgid"] {
        let ranges = ranges(file, caller);
        let count: u64 = ranges.iter().map(|range| u64::from(range.count)).sum();
        if count == 0 {
            return Some(Ids::NoRange { file, user });
        }
        if count < USUAL {
            return Some(Ids::ShortRange { file, user, count });
        }
    }
    None
}

fn ranges(file: &str, caller: &Caller) -> Vec<idmap::SubIds> {
    idmap::sub_ids(&std::fs::read(file).unwrap_or_default(), caller.ids().0, Some(&caller.name()))
}

/// Ranges of a user that have ids in common, which the kernel takes in no map.
pub(crate) fn ranges_overlap(caller: &Caller) -> Option<Ids> {
    ["/etc/subuid", "/etc/subgid"].into_iter().find_map(|file| {
        let ranges = ranges(file, caller);
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = |range: &idmap::SubIds| {
            let end = format!(":{}:{}", range.first, range.count);
            let found = text.lines().find(|line| line.trim().ends_with(&end));
            found.map_or_else(|| format!("{}{end}", caller.name()), |line| line.trim().to_owned())
        };
        ranges.iter().enumerate().find_map(|(index, range)| {
            let common = |other: &&idmap::SubIds| {
                range.first < other.first.saturating_add(other.count)
                    && other.first < range.first.saturating_add(range.count)
            };
            let other = ranges[..index].iter().find(common)?;
            Some(Ids::Overlap { file, user: caller.name(), first: line(other), second: line(range) })
        })
    })
}

/// Where a helper is, in the directories that users have.
fn helper(program: &str) -> Option<PathBuf> {
    let dirs = ["/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/sbin"];
    dirs.iter().map(|dir| Path::new(dir).join(program)).find(|path| path.exists())
}

/// A helper that is not there, or has not the rights that it needs.
pub(crate) fn helper_problem() -> Option<Ids> {
    ["newuidmap", "newgidmap"].into_iter().find_map(|program| {
        let Some(path) = helper(program) else { return Some(Ids::NoHelper(program)) };
        let meta = std::fs::metadata(&path).ok()?;
        let mode = meta.permissions().mode() & 0o7777;
        // In a namespace without root nobody owns it.
        let is_roots = meta.uid() == 0 || is_inner();
        let mut buffer = [0; 64];
        let capable = rustix::fs::getxattr(&path, "security.capability", &mut buffer[..]).is_ok();
        (!capable && (mode & 0o4000 == 0 || !is_roots)).then_some(Ids::HelperNotSetuid { path, mode })
    })
}

/// Looks into namespaces that were refused to a container.
pub(super) fn look(error: &Error) -> Option<Diagnosis> {
    let Some(runtime::Error::System { source, .. }) = super::runtime_error(error) else { return None };
    let is_limit = matches!(source.errno, Errno::NOSPC | Errno::USERS | Errno::PERM);
    let cause = (matches!(source.call, "clone3" | "unshare") && is_limit).then(refused).flatten()?;
    Some(Diagnosis::new(Cause::Ids(cause)))
}
