//! What this runtime can do (features.md), asked of the very code that does it: a word is told if its parser takes it.

use crate::hooks::Point;
use crate::rootfs::{Bind, Options};
use oci::runtime::NamespaceKind;

pub use crate::numa::{FLAGS as MEMORY_POLICY_FLAGS, MODES as MEMORY_POLICY_MODES};

/// Words of a mount's `options` that somebody may ask for: those of the specification, in its order, and of other
/// runtimes.
const WORDS: &str = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev \
    nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev \
    rdiratime relatime remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow \
    ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave \
    strictatime suid symfollow sync tmpcopyup unbindable idmap ridmap copy-symlink src-nofollow dest-nofollow";

/// The words of a mount's `options` that mean something here, whatever the file system.
pub fn mount_options() -> Vec<&'static str> {
    WORDS.split_whitespace().filter(|word| Options::knows(word)).collect()
}

/// Mounts may have id maps of their own.
pub fn mapped_mounts() -> bool {
    Options::parse(&["idmap"]).idmap == Some(Bind::One)
}

/// Intel RDT (`linux.intelRdt`) is set up.
pub const INTEL_RDT: bool = true;

/// The points at which hooks run.
pub fn hooks() -> [&'static str; 6] {
    Point::ALL.map(Point::name)
}

/// The kinds of namespaces, as the specification spells them.
pub fn namespaces() -> Vec<&'static str> {
    NamespaceKind::ALL.into_iter().map(crate::namespace::name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_to_the_file_system_is_no_option_of_ours() {
        let told = mount_options();
        assert!(told.contains(&"rro") && told.contains(&"sync") && told.contains(&"tmpcopyup"));
        assert!(told.contains(&"remount") && !Options::knows("size=1m"));
    }
}
