//! PAX records: `length key=value\n`, where the length counts itself (POSIX pax, "Extended Header").
//!
//! A value may hold anything, line feeds included, so records are cut by their length and by nothing else.

use crate::entry::Time;
use crate::number::decimal;

/// The records of one extended header; `None` if they are not well formed.
pub fn records(mut bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
        let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
        let (record, rest) = bytes.split_at_checked(length)?;
        let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        if key.is_empty() {
            return None;
        }
        records.push((key, value));
        bytes = rest;
    }
    Some(records)
}

/// A time: seconds with an optional fraction, negative before 1970. Digits after the ninth are cut.
pub fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &[][..]),
    };
    let seconds = i64::try_from(decimal(whole).filter(|_| !whole.is_empty())?).ok()?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
    let nanoseconds = digits.fold(0, |number: u32, digit| number * 10 + u32::from(digit - b'0'));
    Some(match (negative, nanoseconds) {
        (false, _) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds: 0 },
        // −1.25 is two seconds before, and three quarters after that.
        (true, _) => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_hold_line_feeds_and_zeroes() {
        let text = b"12 key=a\nb\0\n8 x=y=z\n";
        assert_eq!(records(text), Some(vec![(&b"key"[..], &b"a\nb\0"[..]), (&b"x"[..], &b"y=z"[..])]));
    }

    #[test]
    fn records_that_lie_about_their_length_are_refused() {
        for wrong in ["5 a=b\n", "99 a=b\n", "a=b\n", "6 =bc\n", "0 a=b\n", "6 abc\n", "-6 a=b\n", "6 a=bX"] {
            assert_eq!(records(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn times_have_fractions_and_signs() {
        assert_eq!(time(b"12.5"), Some(Time { seconds: 12, nanoseconds: 500_000_000 }));
        assert_eq!(time(b"-1.25"), Some(Time { seconds: -2, nanoseconds: 750_000_000 }));
        assert_eq!(time(b"1.1234567899"), Some(Time { seconds: 1, nanoseconds: 123_456_789 }));
        for wrong in ["", ".5", "1e3", "1.x", "--1", "99999999999999999999"] {
            assert_eq!(time(wrong.as_bytes()), None, "{wrong:?}");
        }
    }
}
