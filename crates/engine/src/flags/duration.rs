//! Spans of time as Go writes them, which is how docker and podman take them: `30s`, `1m30s`, `500ms`.

use super::Invalid;
use std::time::Duration;

/// Numbers, whole or with a fraction, each with its unit; `0` alone needs none.
pub fn duration(text: &str) -> Result<Duration, Invalid> {
    let wrong = || Invalid::new(text, "not a span of time").hint("write it as 30s, 1m30s or 500ms");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let span = nanoseconds(text, |_| None).ok_or_else(wrong)?;
    Duration::try_from_secs_f64(span / 1e9).map_err(|_| wrong())
}

/// The sum of numbers with units: Go's, and what `more` knows besides.
pub fn nanoseconds(text: &str, more: impl Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit_end = rest[number..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| number + at);
        let unit = match &rest[number..unit_end] {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            other => more(other)?,
        };
        sum += rest[..number].parse::<f64>().ok()? * unit;
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_gos() {
        for (text, millis) in [("30s", 30_000), ("1m30s", 90_000), ("500ms", 500), ("1.5h", 5_400_000), ("0", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for wrong in ["", "5", "s", "-1s", "1x", "1s2", "1..2s", "99999999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
