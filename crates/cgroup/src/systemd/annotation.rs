//! Properties of the unit by annotation: `org.systemd.property.TimeoutStopUSec = uint64 5000000`.
//!
//! Who writes a pod's annotations need not be who may command the machine's systemd, and some properties do just that:
//! `FailureAction=reboot` reboots, `Wants=` starts any unit, `Slice=` leaves the limits of the slice above
//! (CVE-2024-3154). So only properties are taken that speak of this unit alone and widen nothing.

use crate::{Error, Result};
use dbus::Value;
use std::collections::BTreeMap;

const PREFIX: &str = "org.systemd.property.";

/// What may be set, and its type on the bus.
const ALLOWED: &[(&str, &str)] = &[
    ("After", "as"),
    ("Before", "as"),
    ("CPUWeight", "t"),
    ("CollectMode", "s"),
    ("DefaultDependencies", "b"),
    ("Description", "s"),
    ("Documentation", "as"),
    ("FinalKillSignal", "i"),
    ("IOWeight", "t"),
    ("KillMode", "s"),
    ("KillSignal", "i"),
    ("ManagedOOMMemoryPressure", "s"),
    ("ManagedOOMMemoryPressureLimit", "u"),
    ("ManagedOOMPreference", "s"),
    ("ManagedOOMSwap", "s"),
    ("MemoryHigh", "t"),
    ("OOMPolicy", "s"),
    ("RestartKillSignal", "i"),
    ("RuntimeMaxUSec", "t"),
    ("RuntimeRandomizedExtraUSec", "t"),
    ("SendSIGHUP", "b"),
    ("SendSIGKILL", "b"),
    ("TimeoutStopUSec", "t"),
];

/// The properties that a container's annotations ask for.
pub(super) fn properties(annotations: &BTreeMap<String, String>) -> Result<Vec<(&'static str, Value)>> {
    let mut properties = Vec::new();
    for (annotation, text) in annotations {
        let Some(asked) = annotation.strip_prefix(PREFIX) else { continue };
        let invalid = |problem: &str| Error::Invalid {
            field: format!("annotation {annotation}"),
            value: text.clone(),
            problem: problem.to_owned(),
        };
        // The documents of systemd speak of seconds, its bus of microseconds.
        let seconds = asked.strip_suffix("Sec").filter(|stem| stem.ends_with(|c: char| c.is_ascii_lowercase()));
        let name = seconds.map_or_else(|| asked.to_owned(), |stem| format!("{stem}USec"));
        let Some((name, kind)) = ALLOWED.iter().find(|(allowed, _)| *allowed == name) else {
            return Err(invalid("the property is none that a container may set (CVE-2024-3154)"));
        };
        let value = match (*kind, seconds) {
            ("t", Some(_)) => microseconds(text).map(Value::Uint64),
            ("t", None) => integer(text).and_then(|number| number.try_into().ok()).map(Value::Uint64),
            ("u", _) => integer(text).and_then(|number| number.try_into().ok()).map(Value::Uint32),
            ("i", _) => integer(text).and_then(|number| number.try_into().ok()).map(Value::Int32),
            ("b", _) => truth(text).map(Value::Bool),
            ("s", _) => string(text).map(Value::Text),
            _ => strings(text).map(Value::texts),
        };
        let expected = match *kind {
            "t" | "u" | "i" => "is no number in range, such as uint64 5",
            "b" => "is neither true nor false",
            "s" => "is no text in quotes, such as 'inactive-or-failed'",
            _ => "is no list of texts, such as ['a.service']",
        };
        properties.push((*name, value.ok_or_else(|| invalid(expected))?));
    }
    Ok(properties)
}

/// A number of GVariant's text format behind the type that it may name.
fn number(text: &str) -> &str {
    const TYPES: [&str; 14] =
        ["byte", "int16", "uint16", "int32", "uint32", "int64", "uint64", "@y", "@n", "@q", "@i", "@u", "@x", "@t"];
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((kind, number)) if TYPES.contains(&kind) || matches!(kind, "double" | "@d") => number.trim_start(),
        _ => text,
    }
}

fn integer(text: &str) -> Option<i128> {
    let text = number(text);
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (radix, digits) = match digits.strip_prefix("0x") {
        Some(digits) => (16, digits),
        None if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    u64::from_str_radix(digits, radix).ok().filter(|_| plain).map(|number| sign * i128::from(number))
}

fn microseconds(text: &str) -> Option<u64> {
    const MILLION: u64 = 1_000_000;
    if let Some(seconds) = integer(text) {
        return u64::try_from(seconds).ok()?.checked_mul(MILLION);
    }
    let seconds: f64 = number(text).parse().ok()?;
    std::time::Duration::try_from_secs_f64(seconds).ok()?.as_micros().try_into().ok()
}

fn truth(text: &str) -> Option<bool> {
    let text = text.trim();
    let text = text.strip_prefix("boolean").or_else(|| text.strip_prefix("@b")).unwrap_or(text);
    text.trim_start().parse().ok()
}

fn string(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("@s ").map_or(text, str::trim_start);
    let (value, rest) = quoted(text)?;
    rest.is_empty().then_some(value)
}

fn strings(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    let text = text.strip_prefix("@as ").map_or(text, str::trim_start);
    let mut rest = text.strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut values = Vec::new();
    while !rest.is_empty() {
        let (value, after) = quoted(rest)?;
        values.push(value);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            // A comma has something behind it.
            Some(more) if !more.trim().is_empty() => more.trim_start(),
            None if after.is_empty() => after,
            _ => return None,
        };
    }
    Some(values)
}

/// A text in quotes of either kind at the beginning, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                escape @ ('\\' | '\'' | '"') => escape,
                _ => return None,
            }),
            _ if letter == quote => return Some((value, &text[at + 1..])),
            '\0' => return None,
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, text: &str) -> Result<Vec<(&'static str, Value)>> {
        properties(&BTreeMap::from([(format!("{PREFIX}{name}"), text.to_owned())]))
    }

    #[test]
    fn values_are_read_as_runc_reads_them() {
        // The values of runc's own tests and documents, and those that podman and CRI-O write.
        let cases = [
            ("TimeoutStopUSec", "uint64 123456789", "TimeoutStopUSec", Value::Uint64(123_456_789)),
            ("TimeoutStopSec", "456", "TimeoutStopUSec", Value::Uint64(456_000_000)),
            ("TimeoutStopSec", "byte 234", "TimeoutStopUSec", Value::Uint64(234_000_000)),
            ("TimeoutStopSec", "234.789", "TimeoutStopUSec", Value::Uint64(234_789_000)),
            ("RuntimeMaxSec", "2", "RuntimeMaxUSec", Value::Uint64(2_000_000)),
            ("CollectMode", "'inactive-or-failed'", "CollectMode", "inactive-or-failed".into()),
            ("KillSignal", "15", "KillSignal", Value::Int32(15)),
            ("DefaultDependencies", "true", "DefaultDependencies", true.into()),
            ("After", "['crio.service', \"a b\"]", "After", Value::texts(["crio.service", "a b"])),
            ("After", "[]", "After", Value::texts(Vec::<String>::new())),
            ("Description", r"'it\'s'", "Description", "it's".into()),
        ];
        for (name, text, property, value) in cases {
            assert_eq!(one(name, text).unwrap(), [(property, value)], "{name}={text}");
        }
        assert_eq!(properties(&BTreeMap::from([("other".to_owned(), "x".to_owned())])).unwrap(), []);
    }

    #[test]
    fn what_is_not_of_the_propertys_type_is_refused() {
        let cases = [
            ("TimeoutStopSec", "false"),
            ("TimeoutStopSec", "'covfefe'"),
            ("TimeoutStopSec", "-1"),
            ("TimeoutStopSec", "18446744073709551615"),
            ("TimeoutStopSec", "nan"),
            ("KillSignal", "4294967296"),
            ("KillSignal", "1x"),
            ("KillSignal", ""),
            ("CollectMode", "inactive"),
            ("CollectMode", "'a' 'b'"),
            ("CollectMode", "'a"),
            ("After", "['a',]"),
            ("After", "['a' 'b']"),
            ("After", "'a'"),
            ("DefaultDependencies", "yes"),
        ];
        for (name, text) in cases {
            assert!(matches!(one(name, text), Err(Error::Invalid { .. })), "{name}={text}");
        }
    }

    #[test]
    fn what_commands_more_than_its_own_unit_is_refused() {
        // CVE-2024-3154: each of these reaches other units, the machine, or out of the slice.
        let names = [
            "FailureAction",
            "SuccessAction",
            "JobTimeoutAction",
            "StartLimitAction",
            "OnFailure",
            "OnSuccess",
            "Wants",
            "Requires",
            "BindsTo",
            "PartOf",
            "Conflicts",
            "PropagatesStopTo",
            "Slice",
            "Delegate",
            "PIDs",
            "ExecStart",
            "ExecStartPre",
            "DevicePolicy",
            "DeviceAllow",
            "BPFProgram",
            "MemoryMax",
            "User",
            "Xo",
            "Number1",
            "Sec",
            "",
        ];
        for name in names {
            assert!(one(name, "'x'").unwrap_err().to_string().contains("CVE-2024-3154"), "{name}");
        }
    }
}
