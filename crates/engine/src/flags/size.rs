//! `--memory 512m`: amounts of bytes as docker and podman write them.

use super::Invalid;
use crate::config::Bytes;
use std::str::FromStr;

const HINT: &str = "write a number with b, k, m, g, t or p, such as 512m or 1.5g";

/// A number, whole or with a fraction, then a unit in any case: `b`, or one of `k m g t p` alone or with `b` or `ib`.
/// All units count by 1024, as docker's do; a space may stand before the unit. No unit means bytes.
impl FromStr for Bytes {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
        let shift = match unit.as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            "p" | "pb" | "pib" => 50,
            _ if number.is_empty() => return Err(Invalid::new(text, "not a size").hint(HINT)),
            _ => return Err(Invalid::new(text, format!("unknown unit {unit:?}")).hint(HINT)),
        };
        let not_a_size = || Invalid::new(text, "not a size").hint(HINT);
        let bytes = scaled(number, shift).ok_or_else(not_a_size)?;
        match i64::try_from(bytes) {
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => Err(Invalid::new(text, "more bytes than a machine can have")),
        }
    }
}

/// `number` × 2^`shift`, rounded down; at the most `u128::MAX`. `None` if it is no number.
fn scaled(number: &str, shift: u32) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    // Exact in integers: floating point would turn 9007199254740993 into its neighbour. 18 digits of fraction are
    // more than any unit can show.
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u128::MAX) };
    let digits = &fraction[..fraction.len().min(18)];
    let numerator: u128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let fraction = (numerator << shift) / 10u128.pow(digits.len() as u32);
    Some(whole.saturating_mul(1 << shift).saturating_add(fraction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(text: &str) -> Option<i64> {
        text.parse::<Bytes>().ok().map(Bytes::get)
    }

    #[test]
    fn units_count_as_docker_counts_them() {
        for (text, expected) in [
            ("0", 0),
            ("512", 512),
            ("512b", 512),
            ("32k", 32 << 10),
            ("32kb", 32 << 10),
            ("32KiB", 32 << 10),
            ("32 m", 32 << 20),
            ("1.5g", 3 << 29),
            (".5m", 1 << 19),
            ("1.m", 1 << 20),
            ("2T", 2 << 40),
            ("1pib", 1 << 50),
            ("0.3", 0),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in
            ["", " ", "m", "-1", "+1", "12q", "12mm", "12  m", "1.2.3", "0x10", "1e3", ".", "8192p", "12\u{b2}", "1_0"]
        {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn a_wrong_unit_is_named() {
        let error = "12q".parse::<Bytes>().unwrap_err();
        assert_eq!(error.to_string(), "\"12q\": unknown unit \"q\"");
        assert!(error.remedy().unwrap().contains("512m"));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(number in 0..i64::MAX) {
            prop_assert_eq!(bytes(&Bytes(number).to_string()), Some(number));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = bytes(&text);
        }
    }
}
