//! Whom a process runs as: names become numbers by the container's own passwd(5) and group(5).
//!
//! The files are the image's, hence hostile. The caller opens them inside the root, refuses what is not a regular
//! file, and reads at most [`MAX_BYTES`] (CVE-2026-47262, CVE-2024-9676: a huge file, a FIFO, a link to `/dev/zero`);
//! here a malformed line is skipped and never guessed at. Numbers are never looked up as names (CVE-2016-3697).

use crate::config::{ContainerConfig, IdOrName, UserSpec, UsernsMode};

/// As much of either file as is read: more than 10 000 users.
pub const MAX_BYTES: u64 = 1 << 20;

/// What the process runs as, in the container's own ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups: the user's own unless a group was given, then those of `--group-add`.
    pub groups: Vec<u32>,
    /// Home directory; `/` when no file tells.
    pub home: String,
}

/// A name that the container does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not in `/etc/passwd`.
    #[error("no user {0:?} in the container's /etc/passwd")]
    NoUser(String),
    /// Not in `/etc/group`.
    #[error("no group {0:?} in the container's /etc/group")]
    NoGroup(String),
}

impl Error {
    /// What to do about it.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::NoUser(_) => "use a user of the image, or a number",
            Self::NoGroup(_) => "use a group of the image, or a number",
        }
    }
}

/// Whom the process is to run as, before names are looked up: what `--user` says, else what the image says, else with
/// `--userns=keep-id` the user who calls, by the ids that it has inside, else root.
pub fn choose(config: &ContainerConfig, image_user: &str, caller: (u32, u32)) -> Result<UserSpec, super::Error> {
    if let Some(user) = &config.process.user {
        return Ok(user.clone());
    }
    if !image_user.is_empty() {
        return image_user.parse().map_err(|invalid| super::Error::Image { field: "User", invalid });
    }
    Ok(match &config.view.userns {
        Some(UsernsMode::KeepId { uid, gid, .. }) => UserSpec {
            user: Some(IdOrName::Id(uid.unwrap_or(caller.0))),
            group: Some(IdOrName::Id(gid.unwrap_or(caller.1))),
        },
        _ => UserSpec::default(),
    })
}

impl User {
    /// The groups of its processes, of those that are there where they run. The primary one goes into the list too:
    /// without it a process could drop the group, and with it a denial (CVE-2022-36109).
    pub fn all_groups(&self, there: impl Fn(u32) -> bool) -> Vec<u32> {
        let others = self.groups.iter().copied().filter(|gid| *gid != self.gid && there(*gid));
        std::iter::once(self.gid).chain(others).collect()
    }
}

/// Resolves a user and additional groups, by docker's rules.
pub fn resolve(spec: &UserSpec, add: &[IdOrName], passwd: &[u8], group: &[u8]) -> Result<User, Error> {
    let entry = match &spec.user {
        None => users(passwd).find(|user| user.uid == 0),
        Some(IdOrName::Id(uid)) => users(passwd).find(|user| user.uid == *uid),
        Some(IdOrName::Name(name)) => {
            Some(users(passwd).find(|user| user.name == name).ok_or_else(|| Error::NoUser(name.clone()))?)
        }
    };
    let uid = match (&spec.user, &entry) {
        (Some(IdOrName::Id(uid)), _) => *uid,
        (_, Some(entry)) => entry.uid,
        (_, None) => 0,
    };
    let gid = match &spec.group {
        Some(group_spec) => gid_of(group_spec, group)?,
        None => entry.as_ref().map_or(0, |entry| entry.gid),
    };
    let mut ids = Vec::new();
    if let (None, Some(entry)) = (&spec.group, &entry) {
        ids.extend(groups(group).filter(|group| group.has(entry.name)).map(|group| group.gid));
    }
    for added in add {
        ids.push(gid_of(added, group)?);
    }
    ids.sort_unstable();
    ids.dedup();
    let home = entry.map(|entry| entry.home).filter(|home| home.starts_with('/')).unwrap_or("/");
    Ok(User { uid, gid, groups: ids, home: home.to_owned() })
}

fn gid_of(spec: &IdOrName, group: &[u8]) -> Result<u32, Error> {
    match spec {
        IdOrName::Id(gid) => Ok(*gid),
        IdOrName::Name(name) => groups(group)
            .find(|group| group.name == name)
            .map(|group| group.gid)
            .ok_or_else(|| Error::NoGroup(name.clone())),
    }
}

/// One line of passwd(5): `name:password:uid:gid:gecos:home:shell`.
struct PasswdEntry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// One line of group(5): `name:password:gid:member,member`.
struct GroupEntry<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl GroupEntry<'_> {
    fn has(&self, user: &str) -> bool {
        self.members.split(',').any(|member| member == user)
    }
}

fn lines(file: &[u8]) -> impl Iterator<Item = std::str::Split<'_, char>> {
    file.split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .map(str::trim_end)
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(':'))
}

/// An id of a file: digits that fit, and not the kernel's "no id".
fn id(text: &str) -> Option<u32> {
    crate::flags::file_id(text)
}

fn users(passwd: &[u8]) -> impl Iterator<Item = PasswdEntry<'_>> {
    lines(passwd).filter_map(|mut fields| {
        let name = fields.next().filter(|name| !name.is_empty())?;
        let (uid, gid) = (id(fields.nth(1)?)?, id(fields.next()?)?);
        Some(PasswdEntry { name, uid, gid, home: fields.nth(1).unwrap_or("") })
    })
}

fn groups(group: &[u8]) -> impl Iterator<Item = GroupEntry<'_>> {
    lines(group).filter_map(|mut fields| {
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = id(fields.nth(1)?)?;
        Some(GroupEntry { name, gid, members: fields.next().unwrap_or("") })
    })
}

/// The names of the ids of either file; of several the first, as the C library has it.
pub fn names(file: &[u8]) -> std::collections::BTreeMap<u32, String> {
    let mut names = std::collections::BTreeMap::new();
    for mut fields in lines(file) {
        if let (Some(name), Some(id)) = (fields.next(), fields.nth(1).and_then(id)) {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
        daemon:x:1:1::/usr/sbin:/bin/false\n\
        # comment:x:9:9::/x:\n\
        www:x:33:34::/var/www:\n\
        1000:x:0:0:evil:/evil:\n\
        high:x:4294967295:0::/x:\n\
        over:x:4294967296:0::/x:\n\
        minus:x:-1:0::/x:\n\
        relative:x:7:7::home:\n\
        short:x:8:8\n\
        broken\n\
        :x:0:0::/nameless:\n";
    const GROUP: &[u8] = b"root:x:0:\nwww:x:34:\nadm:x:4:www,root\nsudo:x:27:daemon,www\n77:x:0:www\nbad:x:y:www\n";

    fn read(user: &str, add: &[&str]) -> Result<(u32, u32, Vec<u32>, String), String> {
        let spec = user.parse().unwrap();
        let add: Vec<IdOrName> = add.iter().map(|group| group.parse().unwrap()).collect();
        let user = resolve(&spec, &add, PASSWD, GROUP).map_err(|error| error.to_string())?;
        Ok((user.uid, user.gid, user.groups, user.home))
    }

    fn is(user: &str, add: &[&str], uid: u32, gid: u32, groups: &[u32], home: &str) {
        assert_eq!(read(user, add), Ok((uid, gid, groups.to_vec(), home.to_owned())), "{user}");
    }

    #[test]
    fn users_resolve_by_dockers_rules() {
        is("", &[], 0, 0, &[4], "/root");
        is("www", &[], 33, 34, &[0, 4, 27], "/var/www");
        is("33", &[], 33, 34, &[0, 4, 27], "/var/www");
        is("www:adm", &[], 33, 4, &[], "/var/www");
        is("33:99", &[], 33, 99, &[], "/var/www");
        is(":34", &[], 0, 34, &[], "/root");
        is("4242", &[], 4242, 0, &[], "/");
        is("short", &[], 8, 8, &[], "/");
        is("relative", &[], 7, 7, &[], "/");
        is("daemon", &["adm", "5", "sudo"], 1, 1, &[4, 5, 27], "/usr/sbin");
    }

    #[test]
    fn a_number_is_never_a_name() {
        is("1000", &[], 1000, 0, &[], "/");
        is("33:77", &[], 33, 77, &[], "/var/www");
        is("4242", &["77"], 4242, 0, &[77], "/");
    }

    #[test]
    fn ids_beyond_the_range_are_not_there() {
        for name in ["high", "over", "minus", "broken", "nobody"] {
            assert_eq!(read(name, &[]), Err(format!("no user {name:?} in the container's /etc/passwd")));
        }
        assert!(read("0:bad", &[]).is_err());
        assert!(read("0", &["nogroup"]).is_err());
    }

    #[test]
    fn a_container_without_files_has_root_and_numbers() {
        let resolved = |text: &str| resolve(&text.parse().unwrap(), &[], b"", b"").map(|user| (user.uid, user.gid));
        assert_eq!(resolved(""), Ok((0, 0)));
        assert_eq!(resolved("5:6"), Ok((5, 6)));
        assert!(resolved("root").is_err());
    }

    proptest! {
        #[test]
        fn hostile_files_give_no_panic_and_no_wrong_number(passwd: Vec<u8>, group: Vec<u8>, uid in 0..u32::MAX) {
            let spec = UserSpec { user: Some(IdOrName::Id(uid)), group: None };
            prop_assert_eq!(resolve(&spec, &[], &passwd, &group).unwrap().uid, uid);
        }
    }
}
