//! Which capabilities the container and its process get.

use super::Error;
use crate::config::{CapabilityChange, CapabilitySet, Privileges, PrivilegesConfig};
use crate::flags::Invalid;
use oci::runtime::Capabilities;

/// The sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// What any program in the container can ever have.
    pub bounding: CapabilitySet,
    /// What the first process has.
    pub process: CapabilitySet,
    /// What a first process that is not root keeps over exec: exactly what `--cap-add` named, as podman has it.
    pub ambient: CapabilitySet,
}

/// The sets for a process with the id `uid` inside, out of those that the engine has itself.
pub fn grant(privileges: &PrivilegesConfig, uid: u32, available: CapabilitySet) -> Result<Granted, Error> {
    let (add, drop) = (privileges.cap_add, privileges.cap_drop);
    let base = match privileges.level {
        Privileges::Privileged => available,
        Privileges::Confined => CapabilitySet::DEFAULT.intersection(available),
    };
    if let CapabilityChange::These(added) = add
        && let Some(lacking) = added.difference(available).iter().next()
    {
        return Err(Error::flag(
            "--cap-add",
            Invalid::new(lacking.to_string(), "the engine does not have it itself and cannot give it")
                .hint("run as root with all capabilities, or leave it out"),
        ));
    }
    let bounding = match (add, drop) {
        (CapabilityChange::All, CapabilityChange::All) => {
            return Err(Error::flag("--cap-add", Invalid::new("ALL", "--cap-drop says ALL, too")));
        }
        (CapabilityChange::All, CapabilityChange::These(dropped)) => available.difference(dropped),
        (CapabilityChange::These(added), CapabilityChange::All) => added,
        (CapabilityChange::These(added), CapabilityChange::These(dropped)) => {
            if let Some(both) = added.intersection(dropped).iter().next() {
                return Err(Error::flag("--cap-add", Invalid::new(both.to_string(), "--cap-drop names it, too")));
            }
            base.union(added).difference(dropped)
        }
    };
    let asked = match add {
        CapabilityChange::All => bounding,
        CapabilityChange::These(added) => added,
    };
    // exec turns root's bounding set into its permitted one; everyone else has ambient capabilities or none.
    let (process, ambient) = if uid == 0 { (bounding, CapabilitySet::EMPTY) } else { (asked, asked) };
    Ok(Granted { bounding, process, ambient })
}

impl Granted {
    /// As the runtime specification has them. The inheritable set is empty for root: files with inheritable
    /// capabilities must not give more than was granted (CVE-2022-24769).
    pub(crate) fn to_spec(self) -> Capabilities {
        Capabilities {
            bounding: self.bounding.names(),
            effective: self.process.names(),
            inheritable: self.ambient.names(),
            permitted: self.process.names(),
            ambient: self.ambient.names(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::capabilities;

    const FULL: u64 = 0x1ff_ffff_ffff;

    fn sets(add: &[&str], drop: &[&str], level: Privileges, uid: u32) -> Option<(u64, u64, u64)> {
        let privileges = PrivilegesConfig {
            level,
            cap_add: capabilities(add.iter().copied()).unwrap(),
            cap_drop: capabilities(drop.iter().copied()).unwrap(),
            ..PrivilegesConfig::default()
        };
        let granted = grant(&privileges, uid, CapabilitySet::from_bits(FULL)).ok()?;
        Some((granted.bounding.bits(), granted.process.bits(), granted.ambient.bits()))
    }

    #[test]
    fn root_gets_the_default_eleven_and_what_changes_them() {
        const NET_RAW: u64 = 1 << 13;
        const CHOWN: u64 = 1;
        let confined = Privileges::Confined;
        let root = |add: &[&str], drop: &[&str]| {
            sets(add, drop, confined, 0).map(|(bounding, process, ambient)| {
                assert_eq!((bounding, 0), (process, ambient));
                bounding
            })
        };
        assert_eq!(root(&[], &[]), Some(0x8004_05fb));
        assert_eq!(root(&["NET_RAW"], &[]), Some(0x8004_05fb | NET_RAW));
        assert_eq!(root(&[], &["CHOWN"]), Some(0x8004_05fb & !CHOWN));
        assert_eq!(root(&["CHOWN"], &["ALL"]), Some(CHOWN));
        assert_eq!(root(&["ALL"], &["NET_RAW"]), Some(FULL & !NET_RAW));
        assert_eq!(root(&["ALL"], &["ALL"]), None);
        assert_eq!(root(&["CHOWN"], &["CHOWN"]), None);
    }

    #[test]
    fn others_get_what_was_added_and_nothing_else() {
        assert_eq!(sets(&[], &[], Privileges::Confined, 1000), Some((0x8004_05fb, 0, 0)));
        let net_raw = 1 << 13;
        assert_eq!(
            sets(&["NET_RAW"], &[], Privileges::Confined, 1000),
            Some((0x8004_05fb | net_raw, net_raw, net_raw))
        );
        assert_eq!(sets(&[], &[], Privileges::Privileged, 1000), Some((FULL, 0, 0)));
        assert_eq!(sets(&[], &[], Privileges::Privileged, 0), Some((FULL, FULL, 0)));
    }

    #[test]
    fn what_the_engine_lacks_is_an_error_when_named_and_left_out_when_not() {
        let few = CapabilitySet::from_bits(0b11);
        let mut privileges = PrivilegesConfig::default();
        assert_eq!(grant(&privileges, 0, few).unwrap().bounding, few);
        privileges.cap_add = CapabilityChange::All;
        assert_eq!(grant(&privileges, 0, few).unwrap().bounding, few);
        privileges.cap_add = capabilities(["SYS_ADMIN"]).unwrap();
        assert!(grant(&privileges, 0, few).is_err());
    }
}
