//! Writing a log. A disk that is full, or fails, costs lines and never stops the container: how much was lost is told
//! in the log as soon as it takes something again.

use super::journal::Journal;
use super::line::Line;
use super::{Config, Driver, Of, name};
use crate::streams::Stream;
use rustix::fs::{Mode, OFlags, RenameFlags};
use std::os::fd::OwnedFd;

/// Writes one container's log.
#[derive(Debug)]
pub struct Writer {
    dir: OwnedFd,
    config: Config,
    journal: Option<Journal>,
    file: Option<OwnedFd>,
    size: u64,
    lost: u64,
    buffer: Vec<u8>,
    /// What is told with each line of JSON.
    attrs: String,
}

impl Writer {
    /// For a container's directory. The file is there from now on.
    pub fn new(dir: OwnedFd, config: Config, of: &Of) -> Self {
        let journal = (config.driver == Driver::Journald).then(|| Journal::new(&config, of));
        let mut attrs = config.attrs.clone();
        attrs.extend(config.tag.as_deref().map(|text| ("tag".to_owned(), super::journal::tag(text, of))));
        let attrs = if attrs.is_empty() { String::new() } else { serde_json::json!(attrs).to_string() };
        let mut writer = Self { dir, config, journal, file: None, size: 0, lost: 0, buffer: Vec::new(), attrs };
        writer.open();
        writer
    }

    fn open(&mut self) {
        if self.config.driver.format().is_none() {
            return;
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW;
        self.file = sys::fs::open_beneath(&self.dir, name(0), flags, Mode::from_raw_mode(0o600)).ok();
        let size = self.file.as_ref().and_then(|file| rustix::fs::fstat(file).ok());
        self.size = size.map_or(0, |stat| stat.st_size as u64);
    }

    /// Writes what was read from a stream just now.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(journal) = &mut self.journal {
            return journal.write(stream, bytes);
        }
        let Some(format) = self.config.driver.format() else { return };
        let time = Line::now();
        self.buffer.clear();
        if self.lost > 0 {
            let text = format!("[{} bytes of output were lost: the log could not be written]", self.lost).into_bytes();
            Line { time, stream: Stream::Error, whole: true, text }.write(format, &self.attrs, &mut self.buffer);
        }
        let mut pending = 0;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let line = Line { time, stream, whole: text.len() < piece.len(), text: text.to_vec() };
            let before = self.buffer.len();
            line.write(format, &self.attrs, &mut self.buffer);
            if before > 0 && self.size + self.buffer.len() as u64 > self.config.max_size {
                let line = self.buffer.split_off(before);
                self.flush(pending);
                self.buffer = line;
                pending = 0;
            }
            pending += piece.len();
        }
        self.flush(pending);
    }

    /// Writes the buffer, which holds so many bytes of output, into a file that has room for it.
    fn flush(&mut self, bytes: usize) {
        if self.size > 0 && self.size + self.buffer.len() as u64 > self.config.max_size {
            self.turn_over();
        }
        if self.file.is_none() {
            self.open();
        }
        if self.file.as_ref().is_some_and(|file| self.append(file)) {
            self.size += self.buffer.len() as u64;
            self.lost = 0;
        } else {
            self.lost += bytes as u64;
        }
        self.buffer.clear();
    }

    /// Appends the buffer, all of it or nothing.
    fn append(&self, file: &OwnedFd) -> bool {
        if sys::fs::write_all(file, &self.buffer).is_ok() {
            return true;
        }
        // Half a line would be a damaged one.
        let _ = rustix::fs::ftruncate(file, self.size);
        false
    }

    /// Every file gets the next number; the last one goes.
    fn turn_over(&mut self) {
        self.file = None;
        if self.config.max_files <= 1 {
            let _ = sys::fs::unlinkat(&self.dir, name(0), rustix::fs::AtFlags::empty());
        }
        for number in (1..self.config.max_files).rev() {
            let _ = sys::fs::renameat(&self.dir, name(number - 1), &self.dir, name(number), RenameFlags::empty());
        }
        self.open();
    }
}
