//! What went wrong, in the file that the caller reads: exactly one line. Podman reads the whole file as one JSON object,
//! containerd the last line whose level is "error".

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// One line of a log.
#[derive(serde::Serialize)]
struct Line<'a> {
    level: &'a str,
    msg: &'a str,
    time: String,
}

/// Appends an error to the log. A log that cannot be written is told to standard error.
pub fn error(path: &Path, json: bool, message: &str) {
    use std::io::Write;
    let line = Line { level: "error", msg: message, time: now() };
    let text = if json {
        serde_json::to_string(&line).unwrap_or_default()
    } else {
        format!("time={:?} level=error msg={message:?}", line.time)
    };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    if let Err(error) = file.and_then(|mut file| writeln!(file, "{text}")) {
        eprintln!("corun: log {}: {error}", path.display());
    }
}

/// The time, as RFC 3339 in UTC.
pub fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    oci::image::rfc3339(since.as_secs() as i64, since.subsec_nanos())
}
