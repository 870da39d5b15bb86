//! Device rules, checked and without what later rules make moot.

use crate::{Error, Result};
use oci::runtime::{DeviceRule, DeviceType};

/// The two kinds of devices, with the kernel's numbers (BPF_DEVCG_DEV_…).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Block = 1,
    Char = 2,
}

/// Making a node (BPF_DEVCG_ACC_MKNOD).
pub(super) const MKNOD: u8 = 1;
/// Opening for reading.
pub(super) const READ: u8 = 2;
/// Opening for writing.
pub(super) const WRITE: u8 = 4;
/// All three.
pub(super) const ALL: u8 = MKNOD | READ | WRITE;

/// A set of devices; nothing stands for any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Devices {
    pub kind: Option<Kind>,
    pub major: Option<u32>,
    pub minor: Option<u32>,
}

impl Devices {
    pub const ANY: Self = Self { kind: None, major: None, minor: None };

    /// Are all of `other` among them?
    pub fn cover(&self, other: &Self) -> bool {
        covers(self.kind, other.kind) && covers(self.major, other.major) && covers(self.minor, other.minor)
    }

    /// Those that are in both.
    pub fn and(&self, other: &Self) -> Option<Self> {
        Some(Self {
            kind: both(self.kind, other.kind).ok()?,
            major: both(self.major, other.major).ok()?,
            minor: both(self.minor, other.minor).ok()?,
        })
    }
}

fn covers<T: PartialEq + Copy>(broad: Option<T>, narrow: Option<T>) -> bool {
    broad.is_none() || broad == narrow
}

/// What both admit; an error if they exclude one another.
fn both<T: PartialEq + Copy>(a: Option<T>, b: Option<T>) -> std::result::Result<Option<T>, ()> {
    match (a, b) {
        (None, other) | (other, None) => Ok(other),
        (a, b) if a == b => Ok(a),
        _ => Err(()),
    }
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub allow: bool,
    pub devices: Devices,
    /// Of [`MKNOD`], [`READ`], [`WRITE`].
    pub access: u8,
}

impl Rule {
    fn covers(&self, other: &Self) -> bool {
        self.devices.cover(&other.devices) && other.access & !self.access == 0
    }
}

/// Rules in order; the last that speaks of a device and an access decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    /// What holds where no rule speaks.
    pub default_allow: bool,
    pub rules: Vec<Rule>,
}

impl Policy {
    /// Reads the specification's rules. What no rule speaks of is denied.
    pub fn new(rules: &[DeviceRule]) -> Result<Self> {
        let mut policy = Self { default_allow: false, rules: Vec::new() };
        // From the last to the first: a rule that a later one covers has no say.
        for rule in rules.iter().rev() {
            let Some(rule) = read(rule)? else { continue };
            if policy.rules.iter().any(|later| later.covers(&rule)) {
                continue;
            }
            if rule.devices == Devices::ANY && rule.access == ALL {
                policy.default_allow = rule.allow;
                break;
            }
            policy.rules.push(rule);
        }
        policy.rules.reverse();
        // The first rules add nothing where they say what holds anyway.
        let idle = policy.rules.iter().take_while(|rule| rule.allow == policy.default_allow).count();
        policy.rules.drain(..idle);
        Ok(policy)
    }

    /// Is everything allowed?
    pub fn allows_all(&self) -> bool {
        self.default_allow && self.rules.is_empty()
    }
}

/// One rule of the specification; nothing for one that no device can match.
fn read(rule: &DeviceRule) -> Result<Option<Rule>> {
    let invalid = |field: &str, value: String, problem: &str| Error::Invalid {
        field: format!("devices.{field}"),
        value,
        problem: problem.to_owned(),
    };
    let number = |field, value: Option<i64>| match value {
        None | Some(-1) => Ok(None),
        Some(value) => match u32::try_from(value) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(invalid(field, value.to_string(), "is no device number; −1 means any")),
        },
    };
    let (major, minor) = (number("major", rule.major)?, number("minor", rule.minor)?);
    let mut access = 0;
    for letter in rule.access.as_deref().unwrap_or_default().chars() {
        access |= match letter {
            'm' => MKNOD,
            'r' => READ,
            'w' => WRITE,
            // The kernel's word for all types, which some write here; runc passes it over.
            'a' => 0,
            _ => return Err(invalid("access", letter.to_string(), "is not one of r, w and m")),
        };
    }
    if access == 0 {
        access = ALL;
    }
    let kind = match rule.kind {
        None | Some(DeviceType::All) => None,
        Some(DeviceType::Char) => Some(Kind::Char),
        Some(DeviceType::Block) => Some(Kind::Block),
        // Pipes are no devices.
        Some(DeviceType::Fifo) => return Ok(None),
    };
    Ok(Some(Rule { allow: rule.allow, devices: Devices { kind, major, minor }, access }))
}

/// The rules that let a container use the devices which every container has (config-linux.md, "Default Devices"), for a
/// caller to append to its own: null, zero, full, random, urandom, tty, console, ptmx, the terminals, and making nodes,
/// which alone opens nothing.
pub fn default_rules() -> Vec<DeviceRule> {
    let rule = |kind, major, minor, access: &str| DeviceRule {
        allow: true,
        kind: Some(kind),
        major,
        minor,
        access: Some(access.to_owned()),
    };
    let nodes = [DeviceType::Char, DeviceType::Block].map(|kind| rule(kind, None, None, "m"));
    let devices = [
        (1, Some(3)),
        (1, Some(5)),
        (1, Some(7)),
        (1, Some(8)),
        (1, Some(9)),
        (5, Some(0)),
        (5, Some(1)),
        (5, Some(2)),
        (136, None),
    ];
    let devices = devices.map(|(major, minor)| rule(DeviceType::Char, Some(major), minor, "rwm"));
    nodes.into_iter().chain(devices).collect()
}

#[cfg(test)]
pub(super) mod reference {
    //! What the rules mean, said as plainly as can be, and queries to hold the makers of programs and lists against.

    use super::*;

    /// One attempt.
    pub fn allowed(rules: &[DeviceRule], kind: Kind, major: u32, minor: u32, access: u8) -> bool {
        [MKNOD, READ, WRITE].into_iter().filter(|bit| access & bit != 0).all(|bit| {
            let speaks = |rule: &&DeviceRule| {
                let kind_fits = match rule.kind {
                    None | Some(DeviceType::All) => true,
                    Some(DeviceType::Char) => kind == Kind::Char,
                    Some(DeviceType::Block) => kind == Kind::Block,
                    Some(DeviceType::Fifo) => false,
                };
                let fits = |rule: Option<i64>, value: u32| rule.is_none_or(|n| n == -1 || n == i64::from(value));
                let letter = match bit {
                    MKNOD => 'm',
                    READ => 'r',
                    _ => 'w',
                };
                let access_fits = rule.access.as_ref().is_none_or(|a| a.is_empty() || a.contains(letter));
                kind_fits && fits(rule.major, major) && fits(rule.minor, minor) && access_fits
            };
            rules.iter().rfind(speaks).is_some_and(|rule| rule.allow)
        })
    }

    /// Small numbers, so that rules and queries meet.
    pub fn random_rules(random: &mut impl FnMut(u32) -> u32) -> Vec<DeviceRule> {
        let count = random(7);
        let rule = |random: &mut dyn FnMut(u32) -> u32| DeviceRule {
            allow: random(2) == 0,
            kind: [None, Some(DeviceType::All), Some(DeviceType::Char), Some(DeviceType::Block)][random(4) as usize],
            major: [None, Some(-1), Some(0), Some(1), Some(2)][random(5) as usize],
            minor: [None, Some(-1), Some(0), Some(1), Some(2)][random(5) as usize],
            access: [None, Some("rwm"), Some("r"), Some("w"), Some("m"), Some("rw")][random(6) as usize]
                .map(str::to_owned),
        };
        (0..count).map(|_| rule(random)).collect()
    }

    /// Every query that the small numbers allow.
    pub fn queries() -> impl Iterator<Item = (Kind, u32, u32, u8)> {
        let kinds = [Kind::Char, Kind::Block];
        kinds.into_iter().flat_map(|kind| {
            (0..4).flat_map(move |major| (0..4).flat_map(move |minor| (1..=7).map(move |a| (kind, major, minor, a))))
        })
    }

    /// A fixed sequence (a linear congruence), so that a failure can be repeated.
    pub fn sequence(mut seed: u64) -> impl FnMut(u32) -> u32 {
        move |below| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u32 % below
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: bool, kind: Option<DeviceType>, major: i64, minor: i64, access: &str) -> DeviceRule {
        DeviceRule { allow, kind, major: Some(major), minor: Some(minor), access: Some(access.to_owned()) }
    }

    #[test]
    fn what_later_rules_cover_is_dropped() {
        let deny_all = rule(false, None, -1, -1, "");
        let null = rule(true, Some(DeviceType::Char), 1, 3, "rw");
        let policy = Policy::new(&[null.clone(), deny_all.clone(), null.clone(), null]).unwrap();
        assert!(!policy.default_allow);
        assert_eq!(policy.rules.len(), 1);
        assert!(Policy::new(&[deny_all, rule(true, Some(DeviceType::All), -1, -1, "rwm")]).unwrap().allows_all());
    }

    #[test]
    fn bad_rules_are_told() {
        assert!(Policy::new(&[rule(true, None, 1, 3, "rx")]).unwrap_err().to_string().contains("x: is not one of"));
        assert!(Policy::new(&[rule(true, None, -2, 3, "r")]).is_err());
        assert!(Policy::new(&[rule(true, None, 1 << 32, 3, "r")]).is_err());
    }

    #[test]
    fn without_rules_everything_is_denied() {
        let policy = Policy::new(&[]).unwrap();
        assert!(!policy.default_allow && policy.rules.is_empty());
    }
}
