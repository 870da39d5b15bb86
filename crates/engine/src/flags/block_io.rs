//! `--blkio-weight`, the limits of single devices, and `--device-cgroup-rule`.

use super::{Invalid, number};
use crate::config::{Bytes, DeviceLimit};
use oci::runtime::{DeviceRule, DeviceType};

/// 10 to 1000; 0 is none, as docker has it.
pub fn io_weight(text: &str) -> Result<Option<u16>, Invalid> {
    match text.parse() {
        Ok(0) => Ok(None),
        Ok(weight @ 10..=1000) => Ok(Some(weight)),
        _ => Err(Invalid::new(text, "not a weight").hint("give 10 to 1000")),
    }
}

/// `DEVICE:WEIGHT`.
pub fn device_weight(text: &str) -> Result<DeviceLimit, Invalid> {
    limit(text, |value| Ok(io_weight(value)?.map(u64::from)))
}

/// `DEVICE:SIZE`, in bytes a second.
pub fn device_bytes(text: &str) -> Result<DeviceLimit, Invalid> {
    limit(text, |value| Ok(u64::try_from(value.parse::<Bytes>()?.get()).ok().filter(|rate| *rate > 0)))
}

/// `DEVICE:COUNT`, in operations a second.
pub fn device_operations(text: &str) -> Result<DeviceLimit, Invalid> {
    limit(text, |value| Ok(value.parse().ok().filter(|rate| *rate > 0)))
}

fn limit(text: &str, read: impl Fn(&str) -> Result<Option<u64>, Invalid>) -> Result<DeviceLimit, Invalid> {
    let wrong = || Invalid::new(text, "not a limit of a device").hint("write it as /dev/sda:VALUE");
    let (device, value) = text.rsplit_once(':').filter(|(device, _)| device.starts_with('/')).ok_or_else(wrong)?;
    Ok(DeviceLimit { device: device.into(), value: read(value)?.ok_or_else(wrong)? })
}

/// `TYPE MAJOR:MINOR ACCESS`, such as `c 10:229 rw`; `*` is any.
pub fn device_rule(text: &str) -> Result<DeviceRule, Invalid> {
    let wrong =
        || Invalid::new(text, "not a rule").hint("write it as 'c 10:229 rwm'; a is for all types, * for any number");
    let mut words = text.split_whitespace();
    let mut word = || words.next().ok_or_else(wrong);
    let (kind, numbers, access) = (word()?, word()?, word()?);
    let kind = match kind {
        "a" => None,
        "b" => Some(DeviceType::Block),
        "c" => Some(DeviceType::Char),
        _ => return Err(wrong()),
    };
    let number = |text: &str| match text {
        "*" => Ok(None),
        _ if number::is_digits(text) => text.parse().map(Some).map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(wrong)?;
    let access: crate::config::DeviceAccess = access.parse()?;
    if words.next().is_some() {
        return Err(wrong());
    }
    let (major, minor) = (number(major)?, number(minor)?);
    Ok(DeviceRule { allow: true, kind, major, minor, access: Some(access.to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_devices_are_read() {
        let told = |limit: Result<DeviceLimit, Invalid>| limit.ok().map(|limit| (limit.device, limit.value));
        assert_eq!(told(device_bytes("/dev/sda:1m")), Some(("/dev/sda".into(), 1 << 20)));
        assert_eq!(told(device_operations("/dev/a:b:7")), Some(("/dev/a:b".into(), 7)));
        assert_eq!(told(device_weight("/dev/sda:500")), Some(("/dev/sda".into(), 500)));
        assert_eq!((io_weight("0").ok(), io_weight("10").ok()), (Some(None), Some(Some(10))));
        for wrong in ["sda:1", "/dev/sda", "/dev/sda:", "/dev/sda:0", "/dev/sda:-1"] {
            assert!(device_bytes(wrong).is_err() && device_operations(wrong).is_err(), "{wrong}");
        }
        assert!(io_weight("9").is_err() && io_weight("1001").is_err() && device_weight("/dev/sda:5").is_err());
    }

    #[test]
    fn rules_are_read() {
        let rule = device_rule("c 10:* rw").expect("a rule");
        assert_eq!((rule.kind, rule.major, rule.minor), (Some(DeviceType::Char), Some(10), None));
        assert_eq!((rule.allow, rule.access.as_deref()), (true, Some("rw")));
        assert_eq!(device_rule("a *:* rwm").expect("a rule").kind, None);
        for wrong in ["", "c 1:2", "c 1 r", "x 1:2 r", "c 1:2 rx", "c -1:2 r", "c 1:2 r more"] {
            assert!(device_rule(wrong).is_err(), "{wrong}");
        }
    }
}
