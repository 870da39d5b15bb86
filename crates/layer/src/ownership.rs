//! To whom the files of a layer belong: to whom its tar says, to the caller, or to others by a map.
//!
//! A map is for who cannot have an idmapped mount (an ordinary user, whose layers lie on a file system of the machine's):
//! the layer is written with the owners as they have to be seen. ACLs name owners too, and are mapped with them.

use crate::error::Refusal;
use oci::runtime::IdMapping;

/// To whom files belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership<'a> {
    /// To whom the tar says; in a user namespace these are the ids inside.
    AsRecorded,
    /// All to the caller, who has no other id.
    Squash,
    /// To whom the map says: `container_id` is the tar's, `host_id` the one that is written.
    Mapped {
        /// The map of user ids.
        uids: &'a [IdMapping],
        /// The map of group ids.
        gids: &'a [IdMapping],
    },
}

impl Ownership<'_> {
    /// The owner on disk of what belongs to these ids in the tar; `own` are the caller's.
    pub(crate) fn on_disk(self, uid: u32, gid: u32, own: (u32, u32)) -> Result<(u32, u32), Refusal> {
        match self {
            Self::AsRecorded => Ok((uid, gid)),
            Self::Squash => Ok(own),
            Self::Mapped { uids, gids } => {
                mapped(uids, uid).zip(mapped(gids, gid)).ok_or(Refusal::Unmapped { uid, gid })
            }
        }
    }

    /// The value of an attribute, as it is to be written.
    pub(crate) fn attribute(self, name: &[u8], mut value: Vec<u8>) -> Vec<u8> {
        if let (Self::Mapped { uids, .. }, b"security.capability") = (self, name) {
            // linux/capability.h: revision 3 is revision 2 with the id that is root where it holds. Set by root of a user
            // namespace it names him; for root himself there is no need to.
            if let ([flags, 0, 0, 3, .., a, b, c, d], 24) = (&*value, value.len())
                && mapped(uids, u32::from_le_bytes([*a, *b, *c, *d])) == Some(0)
            {
                value = [&[*flags, 0, 0, 2], &value[4..20]].concat();
            }
        }
        if let (Self::Mapped { uids, gids }, true) = (self, name.starts_with(b"system.posix_acl_")) {
            // linux/posix_acl_xattr.h: a version of four bytes, then tag, permissions and id, little-endian.
            const USER: u16 = 2;
            const GROUP: u16 = 8;
            for entry in value.get_mut(4..).unwrap_or_default().chunks_exact_mut(8) {
                let map = match u16::from_le_bytes([entry[0], entry[1]]) {
                    USER => uids,
                    GROUP => gids,
                    _ => continue,
                };
                let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
                // One without a number is refused by the kernel, as for every layer.
                entry[4..].copy_from_slice(&mapped(map, id).unwrap_or(u32::MAX).to_le_bytes());
            }
        }
        value
    }
}

fn mapped(map: &[IdMapping], id: u32) -> Option<u32> {
    let range = map.iter().find(|range| id >= range.container_id && id - range.container_id < range.size)?;
    range.host_id.checked_add(id - range.container_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(container_id: u32, host_id: u32, size: u32) -> IdMapping {
        IdMapping { container_id, host_id, size }
    }

    #[test]
    fn owners_go_through_the_map_and_who_is_not_in_it_is_refused() {
        let (uids, gids) = ([range(0, 1, 1000), range(1000, 0, 1)], [range(0, 5, 10)]);
        let ownership = Ownership::Mapped { uids: &uids, gids: &gids };
        assert_eq!(ownership.on_disk(0, 0, (0, 0)), Ok((1, 5)));
        assert_eq!(ownership.on_disk(1000, 9, (0, 0)), Ok((0, 14)));
        assert_eq!(ownership.on_disk(1001, 0, (0, 0)), Err(Refusal::Unmapped { uid: 1001, gid: 0 }));
        assert_eq!(ownership.on_disk(0, 10, (0, 0)), Err(Refusal::Unmapped { uid: 0, gid: 10 }));
        assert_eq!(Ownership::Squash.on_disk(7, 7, (3, 4)), Ok((3, 4)));
    }

    #[test]
    fn a_capability_of_the_mapped_root_is_roots() {
        // As `getcap -n` tells them apart: revision 3 with its root, and revision 2 without.
        let capability = |revision: u8, root: &[u8]| [&[1, 0, 0, revision], &[7; 16][..], root].concat();
        let back = [range(500_000, 0, 1000)];
        let ownership = Ownership::Mapped { uids: &back, gids: &back };
        let value = |root: u32| capability(3, &root.to_le_bytes());
        assert_eq!(ownership.attribute(b"security.capability", value(500_000)), capability(2, &[]));
        assert_eq!(ownership.attribute(b"security.capability", value(500_001)), value(500_001));
        assert_eq!(ownership.attribute(b"security.capability", capability(2, &[])), capability(2, &[]));
        assert_eq!(Ownership::AsRecorded.attribute(b"security.capability", value(500_000)), value(500_000));
    }

    #[test]
    fn an_acl_names_the_mapped_ids() {
        // What `setfacl -m u:1000:r,g:3:rw` makes: owner, user 1000, group, group 3, mask, others.
        let acl = |user: u32, group: u32| {
            let entries: [(u16, u16, u32); 6] =
                [(1, 6, !0), (2, 4, user), (4, 4, !0), (8, 6, group), (16, 6, !0), (32, 4, !0)];
            let mut bytes = vec![2, 0, 0, 0];
            for (tag, permissions, id) in entries {
                bytes.extend(tag.to_le_bytes().into_iter().chain(permissions.to_le_bytes()).chain(id.to_le_bytes()));
            }
            bytes
        };
        let (uids, gids) = ([range(1000, 0, 1)], [range(0, 5, 10)]);
        let ownership = Ownership::Mapped { uids: &uids, gids: &gids };
        assert_eq!(ownership.attribute(b"system.posix_acl_access", acl(1000, 3)), acl(0, 8));
        assert_eq!(ownership.attribute(b"user.x", acl(1000, 3)), acl(1000, 3));
        assert_eq!(Ownership::AsRecorded.attribute(b"system.posix_acl_access", acl(1000, 3)), acl(1000, 3));
    }
}
