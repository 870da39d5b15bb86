//! Extended attributes as they stand behind an inode: a header, then entries, each on a multiple of four bytes.

use crate::error::{Error, Result};

/// A hash for quick misses, which we leave out, and the number of shared attributes, of which we have none.
const HEADER: usize = 12;

/// The classes that have a number, and what follows the number.
const CLASSES: &[(&[u8], u8)] = &[
    (b"user.", 1),
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"trusted.", 4),
    (b"security.", 6),
];

/// Whether an image can hold an attribute of this name.
pub fn has_class(name: &[u8]) -> bool {
    class(name).is_some()
}

fn class(name: &[u8]) -> Option<(u8, &[u8])> {
    CLASSES.iter().find_map(|(prefix, index)| {
        let rest = name.strip_prefix(*prefix)?;
        // An ACL's name is whole, all others need something behind the dot.
        (prefix.ends_with(b".") != rest.is_empty()).then_some((*index, rest))
    })
}

/// The bytes behind the inode; none without attributes.
pub fn encode(xattrs: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (name, value) in xattrs {
        let refused = || Error::Attribute(String::from_utf8_lossy(name).into_owned());
        let (index, rest) = class(name).ok_or_else(refused)?;
        let name_length = u8::try_from(rest.len()).map_err(|_| refused())?;
        let value_length = u16::try_from(value.len()).map_err(|_| refused())?;
        bytes.resize(bytes.len().max(HEADER), 0);
        bytes.extend([name_length, index]);
        bytes.extend(value_length.to_le_bytes());
        bytes.extend(rest);
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    if bytes.len() > HEADER + 4 * (usize::from(u16::MAX) - 1) { Err(Error::Attributes) } else { Ok(bytes) }
}

/// How an inode tells their length.
pub fn count(encoded: &[u8]) -> u16 {
    // The length was checked when it was encoded.
    if encoded.is_empty() { 0 } else { ((encoded.len() - HEADER) / 4 + 1) as u16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_whole_words() {
        for known in ["user.a", "trusted.overlay.opaque", "security.capability", "system.posix_acl_access"] {
            assert!(has_class(known.as_bytes()), "{known}");
        }
        for unknown in ["user.", "user", "system.posix_acl_access.x", "system.nfs4_acl", "", "btrfs.compression"] {
            assert!(!has_class(unknown.as_bytes()), "{unknown}");
        }
    }

    #[test]
    fn what_cannot_be_held_is_refused() {
        let one = |name: &str, length: usize| encode(&[(name.as_bytes().to_vec(), vec![0; length])]);
        assert!(matches!(one("user.long", 65536), Err(Error::Attribute(_))));
        assert!(matches!(one(&format!("user.{}", "n".repeat(256)), 1), Err(Error::Attribute(_))));
        let many: Vec<_> = (0..5).map(|at| (format!("user.{at}").into_bytes(), vec![0; 65535])).collect();
        assert!(matches!(encode(&many), Err(Error::Attributes)));
        assert_eq!(count(&one("user.a", 1).expect("short")), 3);
    }
}
