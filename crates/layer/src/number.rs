//! Numbers of tar headers: octal digits, or base 256 where those do not suffice (GNU, star).
//!
//! Not left to the `tar` crate, which reads a negative number as a huge one.

/// A numeric field; an empty one is 0. `None` for what is no number, or one that does not fit.
pub fn field(bytes: &[u8]) -> Option<i64> {
    match bytes.first() {
        Some(first) if first & 0x80 != 0 => base_256(bytes),
        _ => octal(bytes),
    }
}

/// As [`field`], but not below zero.
pub fn unsigned(bytes: &[u8]) -> Option<u64> {
    field(bytes).and_then(|number| u64::try_from(number).ok())
}

fn octal(bytes: &[u8]) -> Option<i64> {
    let padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = bytes.iter().position(|byte| !padding(byte)).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    let end = digits.iter().position(padding).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if !rest.iter().all(padding) {
        return None;
    }
    digits.iter().try_fold(0i64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// The marker bit away, the rest is a two's complement number, big end first.
fn base_256(bytes: &[u8]) -> Option<i64> {
    let (first, rest) = bytes.split_first()?;
    let start = if first & 0x40 == 0 { i128::from(first & 0x3f) } else { i128::from(first & 0x3f) - 0x40 };
    let number = rest.iter().try_fold(start, |number, &byte| number.checked_mul(256)?.checked_add(i128::from(byte)))?;
    i64::try_from(number).ok()
}

/// Decimal digits, as PAX records have them; nothing else.
pub fn decimal(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_fields_may_be_padded_in_any_usual_way() {
        for (text, number) in
            [("0000644\0", 0o644), ("   644 \0", 0o644), ("644     ", 0o644), ("\0\0\0\0", 0), ("", 0)]
        {
            assert_eq!(field(text.as_bytes()), Some(number), "{text:?}");
        }
        for wrong in ["0000648\0", "-1", "12 34", "0x10"] {
            assert_eq!(field(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn base_256_is_a_signed_number() {
        assert_eq!(field(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), Some(2 << 32));
        assert_eq!(field(&[0xff; 12]), Some(-1));
        assert_eq!(unsigned(&[0xff; 12]), None);
        assert_eq!(field(&[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(field(&[0xbf; 12]), None);
    }
}
