//! One line of a log, in each of the formats.

use crate::streams::Stream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How a line stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `TIME stdout F text`: Kubernetes' container runtime interface.
    Plain,
    /// `{"log":"text\n","stream":"stdout","time":"…"}`: docker's json-file.
    Json,
}

/// A line, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was read, since 1970.
    pub time: Duration,
    /// From which stream.
    pub stream: Stream,
    /// Whether the newline came with it.
    pub whole: bool,
    /// Without its newline.
    pub text: Vec<u8>,
}

impl Line {
    /// Now.
    pub fn now() -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// Appends it to a buffer.
    pub fn write(&self, format: Format, to: &mut Vec<u8>) {
        let stream = match self.stream {
            Stream::Output => "stdout",
            Stream::Error => "stderr",
        };
        match format {
            Format::Plain => {
                to.extend_from_slice(rfc3339(self.time).as_bytes());
                to.extend_from_slice(format!(" {stream} {} ", if self.whole { 'F' } else { 'P' }).as_bytes());
                to.extend_from_slice(&self.text);
            }
            Format::Json => {
                let mut text = String::from_utf8_lossy(&self.text).into_owned();
                if self.whole {
                    text.push('\n');
                }
                let text = serde_json::Value::from(text);
                let time = rfc3339(self.time);
                to.extend_from_slice(
                    format!("{{\"log\":{text},\"stream\":\"{stream}\",\"time\":\"{time}\"}}").as_bytes(),
                );
            }
        }
        to.push(b'\n');
    }

    /// Reads one, without the newline of the file; `None` where it is damaged.
    pub fn parse(format: Format, bytes: &[u8]) -> Option<Self> {
        match format {
            Format::Plain => {
                let mut fields = bytes.splitn(4, |byte| *byte == b' ');
                let time = parse_rfc3339(std::str::from_utf8(fields.next()?).ok()?)?;
                let stream = stream(fields.next()?)?;
                let whole = fields.next()? == b"F";
                Some(Self { time, stream, whole, text: fields.next()?.to_vec() })
            }
            Format::Json => {
                let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
                let text = value.get("log")?.as_str()?;
                let stream = stream(value.get("stream")?.as_str()?.as_bytes())?;
                let time = parse_rfc3339(value.get("time")?.as_str()?)?;
                let whole = text.ends_with('\n');
                let text = text.strip_suffix('\n').unwrap_or(text).as_bytes().to_vec();
                Some(Self { time, stream, whole, text })
            }
        }
    }
}

fn stream(name: &[u8]) -> Option<Stream> {
    match name {
        b"stdout" => Some(Stream::Output),
        b"stderr" => Some(Stream::Error),
        _ => None,
    }
}

/// A time since 1970 in UTC, with nine digits of a second.
pub fn rfc3339(time: Duration) -> String {
    let (days, seconds) = (time.as_secs() / 86_400, time.as_secs() % 86_400);
    let (year, month, day) = civil(days as i64);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z", time.subsec_nanos())
}

/// The other way round, for what [`rfc3339`] writes.
fn parse_rfc3339(text: &str) -> Option<Duration> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let days = days(number(0..4)? as i64, number(5..7)? as i64, number(8..10)? as i64);
    let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    let fraction = text.get(20..)?.strip_suffix('Z')?;
    let digits = fraction.len().min(9) as u32;
    let nanos = fraction.get(..digits as usize)?.parse::<u32>().ok()? * 10_u32.pow(9 - digits);
    Some(Duration::new(u64::try_from(days).ok()? * 86_400 + seconds, nanos))
}

/// Year, month and day of a day since 1970, in the Gregorian calendar, counted in years that begin in March so that the
/// leap day is the last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The day since 1970 of year, month and day.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        // From date(1): date -u -d @951782400.
        assert_eq!(rfc3339(Duration::new(951_782_400, 5)), "2000-02-29T00:00:00.000000005Z");
        assert_eq!(rfc3339(Duration::ZERO), "1970-01-01T00:00:00.000000000Z");
        for seconds in [0, 951_782_399, 951_868_800, 1_795_700_000, 4_102_444_799] {
            let time = Duration::new(seconds, 123_456_789);
            assert_eq!(parse_rfc3339(&rfc3339(time)), Some(time));
        }
    }

    #[test]
    fn a_line_comes_back_in_either_format() {
        for format in [Format::Plain, Format::Json] {
            for (whole, text) in [(true, &b"a b  c"[..]), (false, b""), (true, b"\"quoted\" \t"), (false, b"P F")] {
                let line =
                    Line { time: Duration::new(1_795_700_000, 1), stream: Stream::Error, whole, text: text.to_vec() };
                let mut bytes = Vec::new();
                line.write(format, &mut bytes);
                assert_eq!(bytes.pop(), Some(b'\n'));
                assert_eq!(Line::parse(format, &bytes), Some(line));
            }
            for damaged in [&b""[..], b"x", b"2026-11-26T00:00:00.0Z", b"{}", b"{\"log\":1}"] {
                assert_eq!(Line::parse(format, damaged), None);
            }
        }
    }
}
