//! Which ids of a container are which of the host.

use crate::config::UsernsMode;
use oci::runtime::IdMapping;

/// The maps of a user namespace, as for `/proc/PID/uid_map` and `gid_map`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdMaps {
    /// User ids.
    pub uids: Vec<IdMapping>,
    /// Group ids.
    pub gids: Vec<IdMapping>,
}

/// A range of subordinate ids, subuid(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubIds {
    /// First id on the host.
    pub first: u32,
    /// How many; not zero, and the last is below 2³²−1.
    pub count: u32,
}

/// Who calls, and which ids it may map beside its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// From `/etc/subuid`.
    pub subuids: Vec<SubIds>,
    /// From `/etc/subgid`.
    pub subgids: Vec<SubIds>,
}

impl IdMaps {
    /// The host's id of a user of the container.
    pub fn host_uid(&self, uid: u32) -> Option<u32> {
        outside(&self.uids, uid)
    }

    /// The host's id of a group of the container.
    pub fn host_gid(&self, gid: u32) -> Option<u32> {
        outside(&self.gids, gid)
    }

    /// The container has such a user.
    pub fn has_uid(&self, uid: u32) -> bool {
        self.host_uid(uid).is_some()
    }

    /// The container has such a group.
    pub fn has_gid(&self, gid: u32) -> bool {
        self.host_gid(gid).is_some()
    }
}

fn outside(maps: &[IdMapping], id: u32) -> Option<u32> {
    let map = maps.iter().find(|map| id >= map.container_id && id - map.container_id < map.size)?;
    map.host_id.checked_add(id - map.container_id)
}

/// The ranges that a user has in `/etc/subuid` or `/etc/subgid`, whose lines are `name-or-uid:first:count`.
/// Malformed lines, and ranges that reach over the end of the id space, are skipped.
pub fn sub_ids(file: &[u8], uid: u32, name: Option<&str>) -> Vec<SubIds> {
    let uid = uid.to_string();
    let line = |line: &[u8]| {
        let mut fields = std::str::from_utf8(line).ok()?.trim().split(':');
        let owner = fields.next()?;
        let (first, count) = (crate::flags::file_id(fields.next()?)?, crate::flags::file_id(fields.next()?)?);
        let fits = count > 0 && first.checked_add(count).is_some();
        (fields.next().is_none() && fits && (owner == uid || Some(owner) == name)).then_some(SubIds { first, count })
    };
    file.split(|byte| *byte == b'\n').filter_map(line).collect()
}

/// The maps that an ordinary user gets. `auto` gives what `host` gives: a range of its own for each container needs
/// more subordinate ids than people have.
///
/// * `host`: the caller is root, the subordinate ids are the rest;
/// * `keep-id`: the caller is itself, or the id asked for, and the subordinate ids stand around it;
/// * `nomap`: the subordinate ids only.
///
/// Without subordinate ids one id is mapped, and `nomap` is `None`, as is a `ns:PATH`, which has maps of its own.
pub fn rootless(mode: &UsernsMode, caller: &Caller) -> Option<IdMaps> {
    let around = |own: u32, inside: u32, ranges: &[SubIds], size: u32| {
        let mut layout = Layout { next: 0, maps: Vec::new() };
        layout.spread(ranges, inside.min(size));
        layout.next = inside;
        layout.map(own, 1);
        layout.spread(ranges_from(ranges, inside.min(size)), size.saturating_sub(inside.saturating_add(1)));
        layout.maps
    };
    match *mode {
        UsernsMode::Host | UsernsMode::Auto { size: None } => Some(IdMaps {
            uids: around(caller.uid, 0, &caller.subuids, u32::MAX),
            gids: around(caller.gid, 0, &caller.subgids, u32::MAX),
        }),
        UsernsMode::Auto { size: Some(size) } => Some(IdMaps {
            uids: around(caller.uid, 0, &caller.subuids, size),
            gids: around(caller.gid, 0, &caller.subgids, size),
        }),
        UsernsMode::KeepId { uid, gid, size } => {
            let size = size.unwrap_or(u32::MAX);
            Some(IdMaps {
                uids: around(caller.uid, uid.unwrap_or(caller.uid), &caller.subuids, size),
                gids: around(caller.gid, gid.unwrap_or(caller.gid), &caller.subgids, size),
            })
        }
        UsernsMode::NoMap => {
            let only = |ranges: &[SubIds]| {
                let mut layout = Layout { next: 0, maps: Vec::new() };
                layout.spread(ranges, u32::MAX);
                layout.maps
            };
            let maps = IdMaps { uids: only(&caller.subuids), gids: only(&caller.subgids) };
            (!maps.uids.is_empty() && !maps.gids.is_empty()).then_some(maps)
        }
        UsernsMode::Path(_) => None,
    }
}

/// Hands out ids of the container one after the other.
struct Layout {
    next: u32,
    maps: Vec<IdMapping>,
}

impl Layout {
    fn map(&mut self, host_id: u32, size: u32) {
        // uid_map takes 340 lines (Linux 4.15); nobody has as many ranges, and more would fail as a whole.
        if size > 0 && self.maps.len() < 340 {
            self.maps.push(IdMapping { container_id: self.next, host_id, size });
            self.next = self.next.saturating_add(size);
        }
    }

    /// At most `most` ids of `ranges`.
    fn spread(&mut self, ranges: impl IntoIterator<Item = impl std::borrow::Borrow<SubIds>>, mut most: u32) {
        for range in ranges {
            let range = *range.borrow();
            let size = range.count.min(most).min((u32::MAX - 1).saturating_sub(self.next));
            self.map(range.first, size);
            most -= size;
        }
    }
}

/// `ranges` without their first `skip` ids.
fn ranges_from(ranges: &[SubIds], mut skip: u32) -> Vec<SubIds> {
    let mut rest = Vec::new();
    for range in ranges {
        let skipped = range.count.min(skip);
        skip -= skipped;
        if skipped < range.count {
            rest.push(SubIds { first: range.first + skipped, count: range.count - skipped });
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn caller(ranges: &[(u32, u32)]) -> Caller {
        let ranges: Vec<SubIds> = ranges.iter().map(|&(first, count)| SubIds { first, count }).collect();
        Caller { uid: 1000, gid: 1000, subuids: ranges.clone(), subgids: ranges }
    }

    fn uids(mode: &str, ranges: &[(u32, u32)]) -> Vec<(u32, u32, u32)> {
        let maps = rootless(&mode.parse().unwrap(), &caller(ranges)).unwrap();
        maps.uids.iter().map(|map| (map.container_id, map.host_id, map.size)).collect()
    }

    #[test]
    fn root_inside_is_the_caller_outside() {
        assert_eq!(uids("host", &[(100_000, 65_536)]), [(0, 1000, 1), (1, 100_000, 65_536)]);
        assert_eq!(uids("host", &[]), [(0, 1000, 1)]);
        assert_eq!(uids("auto:size=1000", &[(100_000, 65_536)]), [(0, 1000, 1), (1, 100_000, 999)]);
    }

    #[test]
    fn keep_id_puts_the_subordinate_ids_around_the_caller() {
        let around = [(0, 100_000, 1000), (1000, 1000, 1), (1001, 101_000, 64_536)];
        assert_eq!(uids("keep-id", &[(100_000, 65_536)]), around);
        let at_five = [(0, 100_000, 5), (5, 1000, 1), (6, 100_005, 65_531)];
        assert_eq!(uids("keep-id:uid=5,gid=5", &[(100_000, 65_536)]), at_five);
        assert_eq!(uids("keep-id", &[]), [(1000, 1000, 1)]);
        let few = [(0, 100_000, 10), (10, 200_000, 990), (1000, 1000, 1), (1001, 200_990, 10)];
        assert_eq!(uids("keep-id", &[(100_000, 10), (200_000, 1000)]), few);
    }

    #[test]
    fn nomap_leaves_the_caller_out() {
        assert_eq!(uids("nomap", &[(100_000, 10)]), [(0, 100_000, 10)]);
        assert_eq!(rootless(&UsernsMode::NoMap, &caller(&[])), None);
    }

    #[test]
    fn subordinate_ids_are_found_by_name_and_by_number() {
        let file =
            b"ann:100000:65536\nbob:1:1\n1000:300000:10\nann:x:1\nann:5\nann:4294967290:100\nann:7:0\nann:1:2:3\n";
        let found: Vec<_> = sub_ids(file, 1000, Some("ann")).iter().map(|range| (range.first, range.count)).collect();
        assert_eq!(found, [(100_000, 65_536), (300_000, 10)]);
        assert_eq!(sub_ids(file, 7, None), []);
    }

    proptest! {
        #[test]
        fn no_id_is_mapped_twice(
            ranges in prop::collection::vec((0..100u32, 1..200u32), 0..5),
            inside in 0..500u32,
            size in 1..600u32,
        ) {
            let apart: Vec<(u32, u32)> =
                ranges.iter().enumerate().map(|(at, (first, count))| (10_000 * (at as u32 + 1) + first, *count)).collect();
            let mode = UsernsMode::KeepId { uid: Some(inside), gid: Some(inside), size: Some(size) };
            let maps = rootless(&mode, &caller(&apart)).unwrap().uids;
            let mut seen_inside = std::collections::BTreeSet::new();
            let mut seen_outside = std::collections::BTreeSet::new();
            for map in maps {
                for offset in 0..map.size {
                    prop_assert!(seen_inside.insert(map.container_id + offset));
                    prop_assert!(seen_outside.insert(map.host_id + offset));
                }
            }
            prop_assert!(seen_outside.contains(&1000));
            let all: u32 = apart.iter().map(|(_, count)| count).sum();
            prop_assert!(seen_inside.len() as u32 <= all + 1);
        }
    }
}
