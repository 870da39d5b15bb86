//! Where a cgroup lies within each hierarchy, as the specification's `cgroupsPath` has it.
//!
//! An absolute path starts where the hierarchy is mounted, a relative one at the caller's own cgroup. `..` is refused
//! and not folded: a cgroup path that climbs is either a mistake or an attempt to leave a delegated subtree.

use crate::{Error, Result};

/// A checked cgroup path: no empty, `.` or `..` component, nothing the kernel refuses in a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CgroupPath {
    absolute: bool,
    /// Components joined by `/`, without a leading one.
    inner: String,
}

/// NAME_MAX of cgroupfs.
const NAME_MAX: usize = 255;

impl CgroupPath {
    /// Checks a path. Doubled and trailing slashes are dropped.
    pub fn new(path: &str) -> Result<Self> {
        let refuse = |problem| Err(Error::Path { path: path.to_owned(), problem });
        let mut inner = String::with_capacity(path.len());
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match name {
                "." | ".." => return refuse("has a . or .. in it"),
                // The kernel refuses the newline because /proc/PID/cgroup is one cgroup a line.
                _ if name.contains(['\n', '\0']) => return refuse("has a line break or a zero byte in it"),
                _ if name.len() > NAME_MAX => return refuse("has a name of more than 255 bytes"),
                _ => {}
            }
            if !inner.is_empty() {
                inner.push('/');
            }
            inner.push_str(name);
        }
        if inner.is_empty() {
            return refuse("names no cgroup");
        }
        Ok(Self { absolute: path.starts_with('/'), inner })
    }

    /// Does it start at the hierarchy's mount (and not at the caller's own cgroup)?
    pub fn is_absolute(&self) -> bool {
        self.absolute
    }

    /// A cgroup below this one.
    ///
    /// # Errors
    /// As for [`CgroupPath::new`].
    pub fn join(&self, path: &str) -> Result<Self> {
        let root = if self.absolute { "/" } else { "" };
        Self::new(&format!("{root}{}/{path}", self.inner))
    }

    /// The components joined by `/`, without a leading one.
    pub fn as_inner(&self) -> &str {
        &self.inner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_folded_and_the_kind_is_kept() {
        let path = CgroupPath::new("//coracle///a:b/").unwrap();
        assert!(path.is_absolute());
        assert_eq!(path.as_inner(), "coracle/a:b");
        assert!(!CgroupPath::new("a/b").unwrap().is_absolute());
    }

    #[test]
    fn a_cgroup_below_keeps_the_kind_and_cannot_climb() {
        let path = CgroupPath::new("/a").unwrap();
        assert_eq!(path.join("b").unwrap(), CgroupPath::new("/a/b").unwrap());
        assert!(path.join("../b").is_err());
    }

    #[test]
    fn what_climbs_or_names_nothing_is_refused() {
        for path in ["", "/", "..", "/a/../b", "a/./b", "a\nb", "a\0b", &"x".repeat(256)] {
            assert!(matches!(CgroupPath::new(path), Err(Error::Path { .. })), "{path:?}");
        }
    }
}
