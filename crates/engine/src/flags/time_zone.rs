//! `--tz`.

use super::Invalid;

/// `local`, or a zone's name, which leads nowhere else.
pub fn time_zone(text: &str) -> Result<String, Invalid> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    if text.split('/').all(plain) {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(text, "not a time zone").hint("give one such as Europe/Zurich, or local"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_names() {
        assert!(["local", "UTC", "America/Argentina/Salta"].into_iter().all(|zone| time_zone(zone).is_ok()));
        assert!(
            ["", "/etc/passwd", "../../etc/passwd", "a//b", "a/."].into_iter().all(|zone| time_zone(zone).is_err())
        );
    }
}
