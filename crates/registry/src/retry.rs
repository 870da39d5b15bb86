//! How long to wait, and for what: limits in time, and the pauses between attempts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How patient a client is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often something is tried in all.
    pub attempts: u32,
    /// The pause before the second attempt; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause, also where the server asks for a longer one: then we give up at once.
    pub longest_pause: Duration,
    /// To connect, TLS included.
    pub connect: Duration,
    /// Until an answer begins.
    pub answer: Duration,
    /// How long a body may stand still, and over which time a blob's slowest rate is measured.
    pub idle: Duration,
    /// For all of a small document: a manifest, a token, a list.
    pub document: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_mins(1),
            connect: Duration::from_secs(20),
            answer: Duration::from_mins(2),
            idle: Duration::from_secs(30),
            document: Duration::from_mins(2),
        }
    }
}

impl Patience {
    /// The pause after the failed attempt of this number, the first being 0. Not the same for everybody, so that many
    /// clients of a server that was down do not come back at once.
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        let pause = self.first_pause.saturating_mul(1 << attempt.min(16)).min(self.longest_pause);
        let noise = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
        pause.mul_f64(0.75 + f64::from(noise % 1000) / 4000.0)
    }
}

/// Whether a status says that the same request may be answered later.
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// What `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(http_date(value)?.saturating_sub(now)))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = text.split(", ").nth(1)?.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = MONTHS.find(words.next()?)? as u64 / 3 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if words.next() != Some("GMT") || !(1970..10_000).contains(&year) || day > 31 || hour > 23 {
        return None;
    }
    // A year that begins in March ends with its leap day.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_give_seconds_or_a_date() {
        // RFC 9110's own example date; `date -d` says the same number.
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 30);
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Sat, 05 Nov 1994 08:49:37 GMT", now), Some(Duration::ZERO));
        for wrong in ["", "soon", "Sun, 06 Nov", "Sun, 06 Nov 1994 08:49:37 CET", "-1"] {
            assert_eq!(retry_after(wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let patience = Patience::default();
        assert!(patience.pause(0) <= Duration::from_millis(500));
        assert!(patience.pause(3) >= Duration::from_secs(3));
        assert!(patience.pause(40) <= patience.longest_pause);
    }
}
