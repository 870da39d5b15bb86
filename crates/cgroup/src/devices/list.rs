//! The policy as v1's device list: a default, and exceptions from it.
//!
//! With the default to deny, the kernel wants one exception that covers the whole access: reading allowed by one entry
//! and writing by another is no reading and writing. So entries that overlap are given what their overlap adds up to.
//! (Making a node is asked for by itself.) Entries stand in the order of the rules, for whoever reads the list.
//! Not every ordered list can be said this way at all (`all terminals but one`); such a list is refused.

use super::policy::{ALL, Devices, Kind, MKNOD, Policy, READ, WRITE};
use super::unprivileged;
use crate::group::Branch;
use crate::{Controller, Error, Result, file};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// A default and the exceptions from it, with their accesses. Exceptions always name a kind: the kernel takes `a` for
/// "reset everything".
#[derive(Debug, Clone, PartialEq, Eq)]
struct List {
    default_allow: bool,
    exceptions: Exceptions,
}

type Exceptions = Vec<(Devices, u8)>;

const KINDS: [Kind; 2] = [Kind::Char, Kind::Block];

pub(super) fn apply(branch: &Branch, policy: &Policy) -> Result<()> {
    let wanted = List::new(policy)?;
    let now = List::parse(&branch.read("devices.list")?);
    let plan = wanted.steps_from(now.as_ref(), branch.unruled.take());
    // One entry a write, and one open for all entries in a row.
    let mut open: Option<(&str, OwnedFd)> = None;
    for (name, entry) in plan {
        let path = branch.file(name);
        let fd = match open.take() {
            Some((opened, fd)) if opened == name => Ok(fd),
            _ => sys::fs::open(path.as_str(), OFlags::WRONLY, Mode::empty()),
        };
        let written = fd.and_then(|fd| {
            let written = sys::fs::write_once(&fd, entry.as_bytes());
            open = Some((name, fd));
            written
        });
        match written {
            Ok(()) => {}
            // The cgroup above does not allow all; what it allows holds anyway.
            Err(error) if error.errno == Errno::PERM && policy.allows_all() => {}
            Err(error) if matches!(error.errno, Errno::PERM | Errno::ACCESS) && unprivileged() => return Ok(()),
            Err(source) if source.errno == Errno::PERM => {
                let hint = "the cgroup above does not allow this device".into();
                let controller = Some(Controller::Devices);
                return Err(Error::Refused { controller, file: path.into(), value: entry.into(), hint, source });
            }
            Err(error) => return Err(file::explain(Some(Controller::Devices), &path, &entry, error)),
        }
    }
    Ok(())
}

/// What a policy allows, where it is "nothing but these".
pub(super) fn allowed(policy: &Policy) -> Option<Exceptions> {
    List::with_default(policy, false).ok().map(|list| list.exceptions)
}

impl List {
    /// From ordered rules, by the default that they end in or by the other one.
    fn new(policy: &Policy) -> Result<Self> {
        let straight = Self::with_default(policy, policy.default_allow);
        straight.or_else(|problem| {
            Self::with_default(policy, !policy.default_allow).map_err(|_| Error::DeviceRules { problem })
        })
    }

    fn with_default(policy: &Policy, default_allow: bool) -> std::result::Result<Self, String> {
        let mut exceptions = Exceptions::new();
        if default_allow != policy.default_allow {
            exceptions.extend(KINDS.map(|kind| (Devices { kind: Some(kind), ..Devices::ANY }, ALL)));
        }
        for rule in &policy.rules {
            for kind in KINDS {
                let Some(devices) = rule.devices.and(&Devices { kind: Some(kind), ..Devices::ANY }) else { continue };
                if rule.allow != default_allow {
                    add(&mut exceptions, devices, rule.access);
                    continue;
                }
                for (exception, access) in &mut exceptions {
                    if devices.cover(exception) {
                        *access &= !rule.access;
                    } else if devices.and(exception).is_some() && *access & rule.access != 0 {
                        return Err(format!(
                            "{} cannot be taken out of {}",
                            entry(&devices, rule.access),
                            entry(exception, *access)
                        ));
                    }
                }
                exceptions.retain(|(_, access)| *access != 0);
            }
        }
        let mut list = Self { default_allow, exceptions };
        list.join_overlaps();
        Ok(list)
    }

    /// Gives every set of devices that one exception lets be read and another written an exception for both.
    /// Only needed where one exception must cover the whole access.
    fn join_overlaps(&mut self) {
        const BOTH: u8 = READ | WRITE;
        if self.default_allow {
            return;
        }
        loop {
            let known = self.exceptions.clone();
            for (index, (a, one)) in known.iter().enumerate() {
                for (b, other) in &known[index + 1..] {
                    let halves = one & BOTH != BOTH && other & BOTH != BOTH && (one | other) & BOTH == BOTH;
                    if let (true, Some(overlap)) = (halves, a.and(b)) {
                        add(&mut self.exceptions, overlap, BOTH);
                    }
                }
            }
            if self.exceptions == known {
                return;
            }
        }
    }

    /// Reads `devices.list`; nothing if a line is not understood. It does not tell exceptions from "allow": that list
    /// reads `a *:* rwm`, whatever is denied.
    fn parse(text: &str) -> Option<Self> {
        let mut list = Self { default_allow: false, exceptions: Vec::new() };
        for line in text.lines() {
            let mut fields = line.split([' ', ':']);
            let kind = match fields.next()? {
                "a" => {
                    list.default_allow = true;
                    continue;
                }
                "b" => Kind::Block,
                "c" => Kind::Char,
                _ => return None,
            };
            let number = |field: &str| if field == "*" { Some(None) } else { field.parse().ok().map(Some) };
            let (major, minor) = (number(fields.next()?)?, number(fields.next()?)?);
            let mut access = 0;
            for letter in fields.next()?.bytes() {
                access |= match letter {
                    b'm' => MKNOD,
                    b'r' => READ,
                    b'w' => WRITE,
                    _ => return None,
                };
            }
            add(&mut list.exceptions, Devices { kind: Some(kind), major, minor }, access);
        }
        Some(list)
    }

    /// The writes that lead here from what is in force: as few as can be, and on a list in use without a moment in
    /// which everything is denied.
    fn steps_from(&self, now: Option<&Self>, unruled: bool) -> Vec<(&'static str, String)> {
        const ALLOW: &str = "devices.allow";
        const DENY: &str = "devices.deny";
        let (to_default, to_exception) = if self.default_allow { (ALLOW, DENY) } else { (DENY, ALLOW) };
        let mut steps = Vec::new();
        let mut there: &[_] = &[];
        match now {
            Some(now) if now.default_allow == self.default_allow && (!self.default_allow || unruled) => {
                there = &now.exceptions;
            }
            _ => steps.push((to_default, "a".to_owned())),
        }
        for (devices, access) in there {
            let surplus = access & !of(&self.exceptions, devices);
            if surplus != 0 {
                steps.push((to_default, entry(devices, surplus)));
            }
        }
        for (devices, access) in &self.exceptions {
            let missing = access & !of(there, devices);
            if missing != 0 {
                steps.push((to_exception, entry(devices, missing)));
            }
        }
        steps
    }
}

/// Adds accesses to what a list says of these very devices.
fn add(exceptions: &mut Exceptions, devices: Devices, access: u8) {
    match exceptions.iter_mut().find(|(known, _)| *known == devices) {
        Some((_, known)) => *known |= access,
        None => exceptions.push((devices, access)),
    }
}

/// What a list says of these very devices.
fn of(exceptions: &[(Devices, u8)], devices: &Devices) -> u8 {
    exceptions.iter().find(|(known, _)| known == devices).map_or(0, |(_, access)| *access)
}

/// An entry as the kernel reads it: `c 1:3 rw`.
fn entry(devices: &Devices, access: u8) -> String {
    let kind = match devices.kind {
        Some(Kind::Char) => 'c',
        Some(Kind::Block) => 'b',
        None => 'a',
    };
    let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
    let letters = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')];
    let letters: String = letters.iter().filter(|(bit, _)| access & bit != 0).map(|(_, letter)| letter).collect();
    format!("{kind} {}:{} {letters}", number(devices.major), number(devices.minor))
}

#[cfg(test)]
mod tests {
    use super::super::policy::reference::{allowed, queries, random_rules, sequence};
    use super::*;
    use oci::runtime::{DeviceRule, DeviceType};

    impl List {
        /// How the kernel judges (security/device_cgroup.c): an allowance must cover the whole access by itself, a
        /// denial need only touch it.
        fn judges(&self, kind: Kind, major: u32, minor: u32, access: u8) -> bool {
            let device = Devices { kind: Some(kind), major: Some(major), minor: Some(minor) };
            let mut speaking = self.exceptions.iter().filter(|(devices, _)| devices.cover(&device)).map(|(_, a)| *a);
            if self.default_allow {
                !speaking.any(|denied| denied & access != 0)
            } else {
                speaking.any(|allowed| access & !allowed == 0)
            }
        }
    }

    #[test]
    fn the_list_says_what_the_ordered_rules_mean_or_is_refused() {
        let (mut told, mut refused) = (0, 0);
        for seed in 0..2000 {
            let rules = random_rules(&mut sequence(seed));
            let Ok(list) = List::new(&Policy::new(&rules).unwrap()) else {
                refused += 1;
                continue;
            };
            told += 1;
            // The kernel asks for making a node by itself (devcgroup_inode_mknod).
            for (kind, major, minor, access) in queries().filter(|query| query.3 == MKNOD || query.3 & MKNOD == 0) {
                let meant = allowed(&rules, kind, major, minor, access);
                let said = list.judges(kind, major, minor, access);
                assert_eq!(said, meant, "seed {seed}: {kind:?} {major}:{minor} {access}\n{rules:#?}\n{list:#?}");
            }
        }
        assert!(told > refused, "{told} told, {refused} refused");
    }

    fn rule(allow: bool, kind: DeviceType, major: i64, minor: i64, access: &str) -> DeviceRule {
        DeviceRule { allow, kind: Some(kind), major: Some(major), minor: Some(minor), access: Some(access.to_owned()) }
    }

    #[test]
    fn entries_stand_in_the_order_of_the_rules_and_as_they_are() {
        let rules = [
            rule(true, DeviceType::Char, 10, 229, "rwm"),
            rule(true, DeviceType::Block, 8, 20, "rw"),
            rule(true, DeviceType::Char, 1, 3, "r"),
            rule(true, DeviceType::Block, -1, -1, "m"),
        ];
        let steps = List::new(&Policy::new(&rules).unwrap()).unwrap().steps_from(None, false);
        let entries: Vec<&str> = steps.iter().map(|(_, entry)| entry.as_str()).collect();
        assert_eq!(entries, ["a", "c 10:229 rwm", "b 8:20 rw", "c 1:3 r", "b *:* m"]);
    }

    #[test]
    fn a_hole_in_a_wildcard_is_said_by_the_other_default_or_refused() {
        let hole = [rule(true, DeviceType::Char, -1, -1, "rwm"), rule(false, DeviceType::Char, 10, 200, "rwm")];
        let list = List::new(&Policy::new(&hole).unwrap()).unwrap();
        assert!(list.default_allow);
        assert!(list.judges(Kind::Char, 10, 201, ALL) && !list.judges(Kind::Char, 10, 200, READ));
        assert!(!list.judges(Kind::Block, 8, 0, READ));
        let two = [
            rule(false, DeviceType::All, -1, -1, "rwm"),
            rule(true, DeviceType::Char, 136, -1, "rw"),
            rule(false, DeviceType::Char, 136, 3, "rw"),
        ];
        let error = List::new(&Policy::new(&two).unwrap()).unwrap_err().to_string();
        assert!(error.contains("c 136:3 rw cannot be taken out of c 136:* rw"), "{error}");
    }

    #[test]
    fn only_the_difference_is_written() {
        let now = List::parse("c 1:3 rwm\nc 5:1 rw\n").unwrap();
        let rules = [rule(true, DeviceType::Char, 1, 3, "rwm"), rule(true, DeviceType::Char, 1, 5, "r")];
        let wanted = List::new(&Policy::new(&rules).unwrap()).unwrap();
        let steps = wanted.steps_from(Some(&now), false);
        let expected = [("devices.deny", "c 5:1 rw".to_owned()), ("devices.allow", "c 1:5 r".to_owned())];
        assert_eq!(steps, expected);
        assert!(wanted.steps_from(Some(&wanted), false).is_empty());
    }

    #[test]
    fn allowing_all_costs_a_new_cgroup_nothing() {
        let all = List { default_allow: true, exceptions: Vec::new() };
        let inherited = List::parse("a *:* rwm\n");
        assert!(all.steps_from(inherited.as_ref(), true).is_empty());
        assert_eq!(all.steps_from(inherited.as_ref(), false), [("devices.allow", "a".to_owned())]);
    }
}
