//! Moments and spans as docker tells them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// `3 minutes ago`.
pub fn ago(now: u64, then: u64) -> String {
    format!("{} ago", span(now.saturating_sub(then)))
}

/// A span in the largest unit that leaves at least two, but for one minute and one hour.
pub fn span(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    let days = hours / 24;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours <= 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if days < 14 => format!("{days} days"),
        () if days < 60 => format!("{} weeks", days / 7),
        () if days < 730 => format!("{} months", days / 30),
        () => format!("{} years", days / 365),
    }
}

/// `2026-11-22 10:48:19 +0000 UTC`, docker's `CreatedAt`.
pub fn date(seconds: u64) -> String {
    let text = oci::image::rfc3339(seconds as i64, 0);
    format!("{} +0000 UTC", text.trim_end_matches('Z').replace('T', " "))
}

/// Seconds since 1970 of an RFC 3339 moment; `None` for what is none, or lies before.
pub fn seconds(text: &str) -> Option<u64> {
    oci::image::parse_rfc3339(text).map(|(seconds, _)| seconds)
}

/// Seconds since 1970 of what docker takes as a moment: a span before now as Go writes it (`1h30m`), a day, a moment
/// with or without its zone (UTC then), or that number itself.
pub fn moment(text: &str, now: u64) -> Option<u64> {
    if let Some(span) = go_span(text) {
        return Some(now.saturating_sub(span));
    }
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    if let Ok(seconds) = whole.parse() {
        return Some(seconds);
    }
    let text = if text.contains(['T', 't', ' ']) { text.to_owned() } else { format!("{text}T00:00:00") };
    // A clock without seconds is one of them, too.
    let minutes = match text.len() {
        13 => format!("{text}:00:00"),
        16 => format!("{text}:00"),
        _ => text.clone(),
    };
    [&text, &minutes].into_iter().find_map(|text| seconds(text).or_else(|| seconds(&format!("{text}Z"))))
}

/// `1h30m`, `90s`, `1.5h`: whole seconds of a span as Go's time.ParseDuration reads it, of days (`3d`) as people do.
fn go_span(text: &str) -> Option<u64> {
    let span = engine::flags::nanoseconds(text, |unit| (unit == "d").then_some(86_400e9))?;
    (span < 1e18).then_some((span / 1e9) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_as_docker_tells_them() {
        for (seconds, told) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3600, "About an hour"),
            (7200, "2 hours"),
            (172_799, "2 days"),
            (86_400 * 13, "13 days"),
            (86_400 * 14, "2 weeks"),
            (86_400 * 60, "2 months"),
            (86_400 * 730, "2 years"),
        ] {
            assert_eq!(span(seconds), told, "{seconds}");
        }
    }

    #[test]
    fn moments_are_read_as_date_reads_them() {
        // Each as `date -d TEXT +%s` prints it.
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-22T10:48:19.123456789Z", Some(1_795_344_499)),
            ("2026-11-22T10:48:19+02:00", Some(1_795_337_299)),
            ("2026-11-22T10:48:19-00:30", Some(1_795_346_299)),
            ("2000-02-29T00:00:00Z", Some(951_782_400)),
            ("0001-01-01T00:00:00Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-22", None),
            ("2026-11-22T10:48:19", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn what_docker_takes_as_a_moment_is_one() {
        // Moments as `date -u -d TEXT +%s` prints them.
        let now = 1_795_344_499;
        for (text, expected) in [
            ("10m", Some(now - 600)),
            ("1h30m", Some(now - 5400)),
            ("1.5h", Some(now - 5400)),
            ("0s", Some(now)),
            ("1136073845", Some(1_136_073_845)),
            ("1136073845.5", Some(1_136_073_845)),
            ("2026-11-22", Some(1_795_305_600)),
            ("2026-11-22T10:48:19", Some(now)),
            ("2026-11-22T10:48", Some(1_795_344_480)),
            ("2026-11-22T10:48:19.5+02:00", Some(1_795_337_299)),
            ("yesterday", None),
            ("10", Some(10)),
            ("10x", None),
            ("", None),
        ] {
            assert_eq!(moment(text, now), expected, "{text:?}");
        }
    }

    #[test]
    fn a_date_reads_back() {
        for moment in [0, 951_782_400, 1_795_344_499, 4_102_444_800] {
            assert_eq!(seconds(&oci::image::rfc3339(moment as i64, 0)), Some(moment));
        }
        assert_eq!(date(1_795_344_499), "2026-11-22 10:48:19 +0000 UTC");
    }
}
