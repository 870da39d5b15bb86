//! Limits as properties of a unit (systemd.resource-control(5)), as far as systemd has words for them.
//!
//! Whatever systemd does not know of, it may undo: it writes its own idea of a limit again whenever it looks at the unit
//! (a `daemon-reload` is enough). So all that it can express it is told, and the control files are written after that
//! with the same values. Where systemd is coarser than the kernel, the value is made as coarse first ([`rounded`]).

use super::client::Property;
use crate::devices::{DeviceAllow, device_allow};
use crate::limits::{given, invalid, memory, weight};
use crate::{Result, Version};
use dbus::Value;
use oci::runtime::{Cpu, Memory, Resources};
use std::collections::BTreeMap;

/// What systemd calls no limit.
const INFINITY: u64 = u64::MAX;

/// The kernel's period where none is given, in microseconds.
const PERIOD: u64 = 100_000;

/// systemd keeps a quota as whole percents of a CPU, which are this many microseconds a second.
const PERCENT: u128 = 10_000;

/// The largest number of a CPU or memory node that is believed: a bitmap has a bit for each (CONFIG_NR_CPUS goes up to
/// 8192).
const MOST_CPUS: u32 = 65_536;

/// The first versions of systemd that know of a property.
mod since {
    pub const CPU_QUOTA_PERIOD: u32 = 242;
    pub const ALLOWED_CPUS: u32 = 244;
    pub const CPU_IDLE: u32 = 252;
    pub const OOM_POLICY: u32 = 253;
    pub const ZSWAP_MAX: u32 = 253;
    pub const DEVICE_NUMBERS: u32 = 240;
}

/// On which systemd, and on which generation of cgroups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub systemd: u32,
    pub cgroups: Version,
}

/// Limits as systemd will understand them: the CPU quota in whole percents, always upwards, so that what lies below
/// the container can still be given what was asked for; and at least one task.
pub(super) fn rounded(resources: &Resources) -> Resources {
    let mut resources = resources.clone();
    if let Some(cpu) = &mut resources.cpu
        && let Some(quota) = cpu.quota.filter(|quota| *quota > 0)
    {
        let period = given(cpu.period).unwrap_or(PERIOD);
        let quota = u128::from(rate(quota, period)) * u128::from(period) / 1_000_000;
        cpu.quota = Some(i64::try_from(quota).unwrap_or(i64::MAX));
    }
    if let Some(pids) = &mut resources.pids
        && pids.limit == Some(0)
    {
        pids.limit = Some(1);
    }
    resources
}

/// A quota as microseconds a second.
fn rate(quota: i64, period: u64) -> u64 {
    let exact = u128::from(quota.unsigned_abs()) * 1_000_000 / u128::from(period.max(1));
    exact.next_multiple_of(PERCENT).try_into().unwrap_or(INFINITY)
}

/// The properties for a container's limits, which went through [`rounded`].
pub(super) fn of(resources: &Resources, target: Target) -> Result<Vec<Property>> {
    let mut properties = Vec::new();
    let v2 = target.cgroups == Version::V2;
    if !resources.devices.is_empty() {
        devices(&mut properties, device_allow(&resources.devices)?, target);
    }
    if let Some(limits) = &resources.memory {
        add_memory(&mut properties, limits, v2)?;
    }
    if let Some(limits) = &resources.cpu {
        add_cpu(&mut properties, limits, target)?;
    }
    if let Some(limit) = resources.pids.as_ref().and_then(|pids| pids.limit) {
        properties.push(("TasksMax", number(limit.max(-1)).into()));
    }
    if let Some(weight) = resources.block_io.as_ref().and_then(|io| given(io.weight)) {
        let scaled = 1 + u64::from(weight.saturating_sub(10)) * 9999 / 990;
        properties.push(if v2 { ("IOWeight", scaled.into()) } else { ("BlockIOWeight", u64::from(weight).into()) });
    }
    if v2 {
        unified(&mut properties, &resources.unified, target)?;
    }
    Ok(properties)
}

/// What can only be said when the unit is made.
pub(super) fn at_creation(unified: &BTreeMap<String, String>, target: Target) -> Option<Property> {
    let policy = match unified.get("memory.oom.group")?.trim() {
        "0" => "continue",
        "1" => "kill",
        _ => return None,
    };
    (target.systemd >= since::OOM_POLICY && target.cgroups == Version::V2).then(|| ("OOMPolicy", policy.into()))
}

fn number(limit: i64) -> u64 {
    u64::try_from(limit).unwrap_or(INFINITY)
}

fn add_memory(properties: &mut Vec<Property>, limits: &Memory, v2: bool) -> Result<()> {
    let (limit, swap) = (given(limits.limit), given(limits.swap));
    memory::check(limit, swap)?;
    if let Some(limit) = limit {
        properties.push((if v2 { "MemoryMax" } else { "MemoryLimit" }, number(limit).into()));
    }
    if !v2 {
        return Ok(());
    }
    if let Some(reservation) = given(limits.reservation) {
        properties.push(("MemoryLow", number(reservation).into()));
    }
    let swap = match (limit, swap) {
        (_, Some(-1)) | (Some(-1), None) => INFINITY,
        (Some(limit), Some(swap)) => number(swap - limit),
        // Without a limit it has no meaning, as is told when the control file is to be written.
        _ => return Ok(()),
    };
    properties.push(("MemorySwapMax", swap.into()));
    Ok(())
}

fn add_cpu(properties: &mut Vec<Property>, limits: &Cpu, target: Target) -> Result<()> {
    let v2 = target.cgroups == Version::V2;
    let idle = v2 && limits.idle == Some(1) && target.systemd >= since::CPU_IDLE;
    match given(limits.shares) {
        // An idle group has no weight.
        _ if idle => properties.push(("CPUWeight", 0_u64.into())),
        Some(shares) if v2 => properties.push(("CPUWeight", weight(shares).into())),
        Some(shares) => properties.push(("CPUShares", shares.into())),
        None => {}
    }
    quota(properties, given(limits.quota), given(limits.period), target);
    for (name, field, list) in
        [("AllowedCPUs", "cpu.cpus", &limits.cpus), ("AllowedMemoryNodes", "cpu.mems", &limits.mems)]
    {
        if let Some(list) = list.as_deref() {
            cpuset(properties, name, field, list, target)?;
        }
    }
    Ok(())
}

fn quota(properties: &mut Vec<Property>, quota: Option<i64>, period: Option<u64>, target: Target) {
    if let Some(period) = period
        && target.systemd >= since::CPU_QUOTA_PERIOD
    {
        properties.push(("CPUQuotaPeriodUSec", period.into()));
    }
    if let Some(quota) = quota {
        let rate = if quota > 0 { rate(quota, period.unwrap_or(PERIOD)) } else { INFINITY };
        properties.push(("CPUQuotaPerSecUSec", rate.into()));
    }
}

/// A list such as `0-3,7` as a bitmap, its lowest byte first.
fn cpuset(properties: &mut Vec<Property>, name: &'static str, field: &str, list: &str, target: Target) -> Result<()> {
    let refuse = || invalid(field, list, "is not a list such as 0-3,7");
    let mut bits = Vec::new();
    for item in list.trim().split(',').map(str::trim).filter(|item| !item.is_empty()) {
        // What has a stride in it (`0-63:2/8`) systemd cannot be told.
        if item.contains(':') {
            return Ok(());
        }
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last): (u32, u32) =
            (first.trim().parse().map_err(|_| refuse())?, last.trim().parse().map_err(|_| refuse())?);
        if first > last {
            return Err(refuse());
        }
        if last >= MOST_CPUS {
            return Err(invalid(field, list, "has numbers that no machine has"));
        }
        for bit in first as usize..=last as usize {
            if bits.len() <= bit / 8 {
                bits.resize(bit / 8 + 1, 0_u8);
            }
            bits[bit / 8] |= 1 << (bit % 8);
        }
    }
    if !bits.is_empty() && target.systemd >= since::ALLOWED_CPUS {
        properties.push((name, Value::Bytes(bits)));
    }
    Ok(())
}

fn unified(properties: &mut Vec<Property>, files: &BTreeMap<String, String>, target: Target) -> Result<()> {
    let idle = files.get("cpu.idle").is_some_and(|value| value.trim() == "1") && target.systemd >= since::CPU_IDLE;
    for (file, text) in files {
        let text = text.trim();
        let field = || format!("unified.{file}");
        let amount = |text: &str| match text {
            "max" => Ok(INFINITY),
            // The kernel takes memory with a unit too (memparse); systemd takes bytes.
            _ => bytes(text).ok_or_else(|| invalid(&field(), text, "is no number")),
        };
        let property = match file.as_str() {
            "memory.min" => ("MemoryMin", amount(text)?.into()),
            "memory.low" => ("MemoryLow", amount(text)?.into()),
            "memory.high" => ("MemoryHigh", amount(text)?.into()),
            "memory.max" => ("MemoryMax", amount(text)?.into()),
            "memory.swap.max" => ("MemorySwapMax", amount(text)?.into()),
            "memory.zswap.max" if target.systemd >= since::ZSWAP_MAX => ("MemoryZSwapMax", amount(text)?.into()),
            // systemd takes no 0.
            "pids.max" => ("TasksMax", amount(text)?.max(1).into()),
            "cpu.idle" if idle => ("CPUWeight", 0_u64.into()),
            "cpu.weight" if !idle => ("CPUWeight", amount(text)?.into()),
            "cpu.max" => {
                let mut words = text.split_ascii_whitespace();
                let limit = words.next().unwrap_or_default();
                let limit = if limit == "max" { Some(-1) } else { limit.parse().ok() };
                let period = words.next().map_or(Some(PERIOD), |word| word.parse().ok());
                let (Some(limit), Some(period), None) = (limit, period, words.next()) else {
                    return Err(invalid(&field(), text, "is no quota and period, such as 50000 100000"));
                };
                quota(properties, Some(limit), Some(period), target);
                continue;
            }
            "cpuset.cpus" => {
                cpuset(properties, "AllowedCPUs", &field(), text, target)?;
                continue;
            }
            "cpuset.mems" => {
                cpuset(properties, "AllowedMemoryNodes", &field(), text, target)?;
                continue;
            }
            _ => continue,
        };
        properties.push(property);
    }
    Ok(())
}

fn bytes(text: &str) -> Option<u64> {
    let (number, shift) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 10),
        b'm' | b'M' => (&text[..text.len() - 1], 20),
        b'g' | b'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// The list of devices, emptied first: what is said of it is added to what stands there. On cgroup v2 a list that
/// systemd cannot express is left to our own program; on v1 the kernel keeps one list for both, so that systemd must
/// never be told to allow all.
fn devices(properties: &mut Vec<Property>, allow: DeviceAllow, target: Target) {
    let list = |entries: Vec<(String, String)>| {
        let pair = |(path, access): (String, String)| Value::Struct(vec![path.into(), access.into()]);
        Value::Array("(ss)".to_owned(), entries.into_iter().map(pair).collect())
    };
    properties.push(("DeviceAllow", list(Vec::new())));
    let entries = match allow {
        DeviceAllow::All => None,
        DeviceAllow::Inexpressible if target.cgroups == Version::V2 => None,
        DeviceAllow::Inexpressible => Some(Vec::new()),
        DeviceAllow::These(entries) => Some(entries),
    };
    let Some(mut entries) = entries else {
        properties.push(("DevicePolicy", "auto".into()));
        return;
    };
    if target.systemd < since::DEVICE_NUMBERS {
        // It looks for the file, and warns of one that is not there.
        entries.retain(|(path, _)| !path.starts_with('/') || std::path::Path::new(path).exists());
    }
    properties.push(("DevicePolicy", "strict".into()));
    properties.push(("DeviceAllow", list(entries)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Target = Target { systemd: 256, cgroups: Version::V2 };

    fn resources(json: &str) -> Resources {
        serde_json::from_str(json).unwrap()
    }

    fn text(json: &str, target: Target) -> String {
        let properties = of(&rounded(&resources(json)), target).unwrap();
        properties.iter().fold(String::new(), |text, (name, value)| format!("{text}{name}={value:?} "))
    }

    #[test]
    fn a_quota_is_rounded_up_to_a_whole_percent_for_both() {
        // runc's tests/integration/helpers.bash, check_cpu_quota: 4000 of 10000 stays, what is between goes up.
        let cpu = |quota, period| Cpu { quota: Some(quota), period: Some(period), ..Cpu::default() };
        let round = |quota, period| {
            let resources = Resources { cpu: Some(cpu(quota, period)), ..Resources::default() };
            (rate(quota, period), rounded(&resources).cpu.unwrap().quota.unwrap())
        };
        assert_eq!(round(4000, 10_000), (400_000, 4000));
        assert_eq!(round(33_333, 100_000), (340_000, 34_000));
        assert_eq!(round(1, 1_000_000), (10_000, 10_000));
        assert_eq!(round(i64::MAX, 1000).0, INFINITY);
    }

    #[test]
    fn limits_become_properties_of_either_generation() {
        let json = r#"{"memory":{"limit":64,"swap":96,"reservation":32},"cpu":{"shares":1024},"pids":{"limit":0}}"#;
        let v2 = text(json, NEW);
        assert_eq!(
            v2,
            "MemoryMax=Uint64(64) MemoryLow=Uint64(32) MemorySwapMax=Uint64(32) CPUWeight=Uint64(100) \
             TasksMax=Uint64(1) "
        );
        let v1 = text(json, Target { cgroups: Version::V1, ..NEW });
        assert_eq!(v1, "MemoryLimit=Uint64(64) CPUShares=Uint64(1024) TasksMax=Uint64(1) ");
    }

    #[test]
    fn no_limit_is_infinity() {
        let json = r#"{"memory":{"limit":-1},"cpu":{"quota":-1},"pids":{"limit":-1}}"#;
        assert_eq!(text(json, NEW).matches("18446744073709551615").count(), 4);
    }

    #[test]
    fn an_old_systemd_is_not_told_what_it_does_not_know() {
        let json = r#"{"cpu":{"quota":50000,"period":100000,"cpus":"0-1,9","idle":1}}"#;
        let told = text(json, NEW);
        assert_eq!(
            told,
            "CPUWeight=Uint64(0) CPUQuotaPeriodUSec=Uint64(100000) CPUQuotaPerSecUSec=Uint64(500000) \
             AllowedCPUs=Bytes([3, 2]) "
        );
        assert_eq!(text(json, Target { systemd: 239, ..NEW }), "CPUQuotaPerSecUSec=Uint64(500000) ");
    }

    #[test]
    fn files_of_v2_by_name_become_properties_where_there_are_any() {
        let json =
            r#"{"unified":{"memory.high":"1M","memory.min":"max","pids.max":"99","cpu.max":"30000","io.max":"x"}}"#;
        assert_eq!(
            text(json, NEW),
            "CPUQuotaPeriodUSec=Uint64(100000) CPUQuotaPerSecUSec=Uint64(300000) MemoryHigh=Uint64(1048576) \
             MemoryMin=Uint64(18446744073709551615) TasksMax=Uint64(99) "
        );
        for bad in [r#"{"cpu.max":"1 2 3"}"#, r#"{"memory.max":"lots"}"#, r#"{"cpuset.cpus":"3-1"}"#] {
            assert!(of(&resources(&format!(r#"{{"unified":{bad}}}"#)), NEW).is_err(), "{bad}");
        }
    }

    #[test]
    fn impossible_lists_of_cpus_cost_no_memory() {
        let error = of(&resources(r#"{"cpu":{"cpus":"0-4294967295"}}"#), NEW).unwrap_err();
        assert!(error.to_string().contains("no machine has"), "{error}");
    }

    #[test]
    fn devices_are_a_strict_list_or_left_to_the_program() {
        let null = r#"{"allow":true,"type":"c","major":1,"minor":3,"access":"rw"}"#;
        let tty = r#"{"allow":true,"type":"c","major":136,"access":"rwm"}"#;
        let listed = text(&format!(r#"{{"devices":[{null},{tty}]}}"#), NEW);
        assert_eq!(
            listed,
            "DeviceAllow=Array(\"(ss)\", []) DevicePolicy=Text(\"strict\") DeviceAllow=Array(\"(ss)\", \
             [Struct([Text(\"/dev/char/1:3\"), Text(\"rw\")]), Struct([Text(\"char-136\"), Text(\"rwm\")])]) "
        );
        let but_one = r#"{"devices":[{"allow":true,"access":"rwm"},{"allow":false,"type":"c","major":1,"minor":3}]}"#;
        assert!(text(but_one, NEW).ends_with("DevicePolicy=Text(\"auto\") "));
        let v1 = text(but_one, Target { cgroups: Version::V1, ..NEW });
        assert!(v1.ends_with("DevicePolicy=Text(\"strict\") DeviceAllow=Array(\"(ss)\", []) "), "{v1}");
    }
}
