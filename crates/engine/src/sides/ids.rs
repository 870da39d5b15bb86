//! Which ids of the container are which of this machine's, and whose those are.

use super::Living;
use crate::processes::map_of;
use crate::spec::user;
use serde::Serialize;
use std::fs;

/// Users and groups.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ids {
    /// Users.
    pub users: Vec<IdRange>,
    /// Groups.
    pub groups: Vec<IdRange>,
    /// Who asked for it.
    pub by: Option<String>,
}

/// A range of ids.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdRange {
    /// The first in the container.
    pub inside: u32,
    /// The first on this machine.
    pub outside: u32,
    /// How many.
    pub count: u32,
    /// Whose they are on this machine.
    pub owner: String,
}

pub(super) fn look(living: &Living) -> Ids {
    let ranges = |map: &str, subordinate: &'static str, names: &str| {
        let read = |path: &str| fs::read(path).unwrap_or_default();
        let (subordinate, names) =
            (Subordinate { file: subordinate, text: read(subordinate) }, user::names(&read(names)));
        let ranges = map_of(&living.process.text(map).unwrap_or_default());
        let range = |[inside, outside, count]: [u32; 3]| {
            let name = |id: u32| names.get(&id).map_or_else(|| format!("id {id}"), Clone::clone);
            let owner = match (inside == outside && count == u32::MAX, count) {
                (true, _) => "this machine's own ids".to_owned(),
                (_, 1) => subordinate.owner(outside, 1).unwrap_or_else(|| name(outside)),
                _ => subordinate.owner(outside, count).unwrap_or_else(|| nobodys(outside, count, &names)),
            };
            IdRange { inside, outside, count, owner }
        };
        ranges.into_iter().map(range).collect()
    };
    Ids {
        users: ranges("uid_map", "/etc/subuid", "/etc/passwd"),
        groups: ranges("gid_map", "/etc/subgid", "/etc/group"),
        by: living.origins.of("linux.namespaces[user]"),
    }
}

/// Ids that no file gives to anybody; some may be of users all the same.
fn nobodys(first: u32, count: u32, names: &std::collections::BTreeMap<u32, String>) -> String {
    let mut known = names.range(first..=first.saturating_add(count - 1));
    match (known.next(), known.count()) {
        (None, _) => "nobody's: kept for this container".to_owned(),
        (Some((_, name)), 0) => format!("{name}, and nobody's"),
        (Some((_, name)), more) => format!("{name} and {more} more"),
    }
}

/// subuid(5) or subgid(5).
pub(super) struct Subordinate {
    file: &'static str,
    text: Vec<u8>,
}

impl Subordinate {
    /// That of users.
    pub fn of_users() -> Self {
        let file = "/etc/subuid";
        Self { file, text: fs::read(file).unwrap_or_default() }
    }

    fn owner(&self, first: u32, count: u32) -> Option<String> {
        let name = self.name(first, count)?;
        Some(format!("subordinate ids of {name} ({})", self.file))
    }

    /// Who has all of a range.
    pub fn name(&self, first: u32, count: u32) -> Option<String> {
        let text = String::from_utf8_lossy(&self.text);
        let mut lines = text.lines().filter_map(|line| {
            let mut fields = line.trim().split(':');
            let (owner, start, size) = (fields.next()?, fields.next()?, fields.next()?);
            Some((owner.to_owned(), start.parse::<u32>().ok()?, size.parse::<u32>().ok()?))
        });
        let holds = |start: u32, size: u32| {
            first >= start && u64::from(first) + u64::from(count) <= u64::from(start) + u64::from(size)
        };
        lines.find(|(_, start, size)| holds(*start, *size)).map(|(owner, ..)| owner)
    }
}
