//! Block I/O: weights and rates by device. Weights need an I/O scheduler that has them (bfq), or the iocost controller.

use super::{given, invalid};
use crate::group::Branch;
use crate::{Cgroup, Controller, Error, Result};
use oci::runtime::{BlockIo, ThrottleDevice};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const IO: Controller = Controller::Io;

pub(super) fn apply(cgroup: &Cgroup, limits: &BlockIo) -> Result<()> {
    let rates = [
        (&limits.throttle_read_bps_device, "read_bps", "rbps"),
        (&limits.throttle_write_bps_device, "write_bps", "wbps"),
        (&limits.throttle_read_iops_device, "read_iops", "riops"),
        (&limits.throttle_write_iops_device, "write_iops", "wiops"),
    ];
    let (weight, leaf) = (given(limits.weight), given(limits.leaf_weight));
    let field = match () {
        () if weight.is_some() => "blockIO.weight",
        () if leaf.is_some() => "blockIO.leafWeight",
        () if !limits.weight_device.is_empty() => "blockIO.weightDevice",
        () if rates.iter().any(|(devices, ..)| !devices.is_empty()) => "blockIO.throttle",
        () => return Ok(()),
    };
    let branch = cgroup.need(IO, field)?;
    if let Some(weight) = weight {
        set_weight(branch, "blockIO.weight", None, weight)?;
    }
    if let Some(weight) = leaf {
        set_leaf_weight(branch, None, weight)?;
    }
    for device in &limits.weight_device {
        let name = name("blockIO.weightDevice", device.major, device.minor)?;
        if let Some(weight) = given(device.weight) {
            set_weight(branch, "blockIO.weightDevice.weight", Some(&name), weight)?;
        }
        if let Some(weight) = given(device.leaf_weight) {
            set_leaf_weight(branch, Some(&name), weight)?;
        }
    }
    if branch.is_v2() { throttle_v2(branch, &rates) } else { throttle_v1(branch, &rates) }
}

type Rates<'a> = [(&'a Vec<ThrottleDevice>, &'static str, &'static str); 4];

fn throttle_v1(branch: &Branch, rates: &Rates<'_>) -> Result<()> {
    for (devices, word, _) in rates {
        for device in *devices {
            let value = format!("{} {}", name("blockIO.throttle", device.major, device.minor)?, device.rate);
            branch.write(IO, &format!("blkio.throttle.{word}_device"), &value)?;
        }
    }
    Ok(())
}

/// One line a device with all its rates.
fn throttle_v2(branch: &Branch, rates: &Rates<'_>) -> Result<()> {
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for (devices, _, word) in rates {
        for device in *devices {
            let line = lines.entry(name("blockIO.throttle", device.major, device.minor)?).or_default();
            // v1 takes 0 for no limit.
            let rate = if device.rate == 0 { "max".to_owned() } else { device.rate.to_string() };
            let _ = write!(line, " {word}={rate}");
        }
    }
    lines.iter().try_for_each(|(device, rates)| branch.write(IO, "io.max", &format!("{device}{rates}")))
}

/// A weight for all devices or for one: bfq's file where there is one, else the general one.
fn set_weight(branch: &Branch, field: &str, device: Option<&str>, weight: u16) -> Result<()> {
    check(field, weight)?;
    let (bfq, general, scaled) = match (branch.is_v2(), device) {
        // v2's general weight goes from 1 to 10000.
        (true, _) => ("io.bfq.weight", "io.weight", 1 + (u32::from(weight) - 10) * 9999 / 990),
        (false, None) => ("blkio.bfq.weight", "blkio.weight", weight.into()),
        (false, Some(_)) => ("blkio.bfq.weight_device", "blkio.weight_device", weight.into()),
    };
    let value = |weight: u32| device.map_or_else(|| weight.to_string(), |device| format!("{device} {weight}"));
    let absent = |error: &Error| matches!(error, Error::Refused { source, .. } if source.errno == Errno::NOENT);
    match branch.write(IO, bfq, &value(weight.into())) {
        Err(error) if absent(&error) => {}
        other => return other,
    }
    branch.write(IO, general, &value(scaled)).map_err(|error| match error {
        Error::Refused { controller, file, value, source, .. } if source.errno == Errno::NOENT => {
            let hint = "this kernel has no I/O weights: load the bfq scheduler (modprobe bfq), or leave the weight out";
            Error::Refused { controller, file, value, source, hint: hint.into() }
        }
        other => other,
    })
}

fn set_leaf_weight(branch: &Branch, device: Option<&str>, weight: u16) -> Result<()> {
    check("blockIO.leafWeight", weight)?;
    if branch.is_v2() {
        return Err(super::v1_only("blockIO.leafWeight", weight));
    }
    match device {
        None => branch.write(IO, "blkio.leaf_weight", &weight.to_string()),
        Some(device) => branch.write(IO, "blkio.leaf_weight_device", &format!("{device} {weight}")),
    }
}

fn check(field: &str, weight: u16) -> Result<()> {
    if (10..=1000).contains(&weight) { Ok(()) } else { Err(invalid(field, weight, "is not in 10 to 1000")) }
}

fn name(field: &str, major: i64, minor: i64) -> Result<String> {
    match (u32::try_from(major), u32::try_from(minor)) {
        (Ok(major), Ok(minor)) => Ok(format!("{major}:{minor}")),
        _ => Err(invalid(field, format!("{major}:{minor}"), "is no device number")),
    }
}
