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

    /// Appends it to a buffer; with `attrs`, an object of JSON or nothing, where the format has a place for it.
    pub fn write(&self, format: Format, attrs: &str, to: &mut Vec<u8>) {
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
                let (name, comma) = if attrs.is_empty() { ("", "") } else { ("\"attrs\":", ",") };
                to.extend_from_slice(
                    format!("{{\"log\":{text},\"stream\":\"{stream}\",{name}{attrs}{comma}\"time\":\"{time}\"}}")
                        .as_bytes(),
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
    oci::image::rfc3339_fixed(time.as_secs() as i64, time.subsec_nanos())
}

fn parse_rfc3339(text: &str) -> Option<Duration> {
    oci::image::parse_rfc3339(text).map(|(seconds, nanoseconds)| Duration::new(seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_in_either_format() {
        for format in [Format::Plain, Format::Json] {
            for (whole, text) in [(true, &b"a b  c"[..]), (false, b""), (true, b"\"quoted\" \t"), (false, b"P F")] {
                let line =
                    Line { time: Duration::new(1_795_700_000, 1), stream: Stream::Error, whole, text: text.to_vec() };
                let mut bytes = Vec::new();
                line.write(format, "", &mut bytes);
                assert_eq!(bytes.pop(), Some(b'\n'));
                assert_eq!(Line::parse(format, &bytes), Some(line));
            }
            for damaged in [&b""[..], b"x", b"2026-11-26T00:00:00.0Z", b"{}", b"{\"log\":1}"] {
                assert_eq!(Line::parse(format, damaged), None);
            }
        }
    }
}
