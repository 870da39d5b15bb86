//! Numbers, strictly: digits only, the whole word, in range. Rust's own parser also takes a leading `+`.

use super::Invalid;

/// A decimal number that fits.
pub(crate) fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    if is_digits(text) { text.parse().ok() } else { None }
}

/// As [`decimal`], with a leading `-` allowed.
pub(crate) fn signed<T: std::str::FromStr>(text: &str) -> Option<T> {
    if is_digits(text.strip_prefix('-').unwrap_or(text)) { text.parse().ok() } else { None }
}

/// Not empty, and digits only.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Permission bits in octal, at most 07777.
pub(crate) fn mode(text: &str) -> Result<u32, Invalid> {
    let octal = !text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if octal && mode <= 0o7777 => Ok(mode),
        _ => Err(Invalid::new(text, "not permission bits").hint("write them in octal, such as 1777 or 755")),
    }
}

/// An id: 0 to 2³²−2.
pub(crate) fn id(text: &str) -> Result<u32, Invalid> {
    match decimal::<u32>(text) {
        Some(id) if id != u32::MAX => Ok(id),
        _ => Err(Invalid::new(text, "not an id").hint("ids are numbers from 0 to 4294967294")),
    }
}

/// An id in a file such as passwd(5): what is none there is not an error but an entry to skip.
pub(crate) fn file_id(text: &str) -> Option<u32> {
    decimal(text).filter(|id| *id != u32::MAX)
}
