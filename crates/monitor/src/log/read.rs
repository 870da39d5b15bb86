//! Reading a log, oldest line first, over all its files, and following it while it grows and is turned over.

use super::line::{Format, Line};
use super::name;
use rustix::fs::{Mode, OFlags};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::{AsFd, OwnedFd};

/// Reads one container's log.
#[derive(Debug)]
pub struct Reader<D> {
    dir: D,
    format: Format,
    /// Files that are still to be read, oldest first.
    ahead: VecDeque<File>,
    /// The one that is being read, and its inode.
    file: Option<BufReader<File>>,
    /// The beginning of a line whose rest is not written yet.
    rest: Vec<u8>,
}

/// Lines come from files that a container has caused: one that long is no line.
const LONGEST: usize = 1 << 20;

impl<D: AsFd> Reader<D> {
    /// For a container's directory.
    pub fn new(dir: D, format: Format) -> Self {
        let mut ahead = VecDeque::new();
        let mut number = 0;
        while let Some(file) = open(&dir, number) {
            ahead.push_front(file);
            number += 1;
        }
        Self { dir, format, ahead, file: None, rest: Vec::new() }
    }

    /// The next line, if there is one already. What is damaged is passed over.
    pub fn next_line(&mut self) -> Option<Line> {
        loop {
            let Some(file) = &mut self.file else {
                self.file = Some(BufReader::new(self.ahead.pop_front()?));
                continue;
            };
            let mut limited = std::io::Read::take(&mut *file, LONGEST as u64);
            let length = limited.read_until(b'\n', &mut self.rest).unwrap_or(0);
            if self.rest.last() == Some(&b'\n') {
                self.rest.pop();
                let line = Line::parse(self.format, &self.rest);
                self.rest.clear();
                if line.is_some() {
                    return line;
                }
            } else if self.rest.len() >= LONGEST {
                self.rest.clear();
            } else if length == 0 {
                if self.ahead.is_empty() && !self.turned_over() {
                    return None;
                }
                self.rest.clear();
                self.file = None;
            }
        }
    }

    /// The file that we have read to its end is not the one that is written to any more: those that came after it are
    /// still to be read.
    fn turned_over(&mut self) -> bool {
        let inode = |file: &File| rustix::fs::fstat(file).ok().map(|stat| stat.st_ino);
        let Some(ours) = self.file.as_ref().and_then(|file| inode(file.get_ref())) else { return false };
        let mut number = 0;
        let mut newer = VecDeque::new();
        while let Some(file) = open(&self.dir, number) {
            if inode(&file) == Some(ours) {
                break;
            }
            newer.push_front(file);
            number += 1;
        }
        self.ahead = newer;
        !self.ahead.is_empty()
    }
}

fn open(dir: impl AsFd, number: u32) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    sys::fs::open_beneath(dir, name(number), flags, Mode::empty()).ok().map(|fd: OwnedFd| File::from(fd))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Of, Writer};
    use super::*;
    use crate::streams::Stream;

    fn dir() -> (tempfile::TempDir, OwnedFd) {
        let dir = tempfile::tempdir().expect("a directory");
        let fd = sys::fs::open(dir.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).expect("opened");
        (dir, fd)
    }

    fn texts(reader: &mut Reader<&OwnedFd>) -> Vec<String> {
        std::iter::from_fn(|| reader.next_line()).map(|line| String::from_utf8(line.text).expect("text")).collect()
    }

    #[test]
    fn a_log_that_is_turned_over_keeps_its_last_files_and_is_followed_over_them() {
        let (_dir, fd) = dir();
        let config = Config { max_size: 200, ..Config::default() };
        let mut writer = Writer::new(fd.try_clone().expect("a copy"), config, &Of::default());
        let mut following = Reader::new(&fd, Format::Plain);
        let mut followed = Vec::new();
        for number in 0..50 {
            writer.write(Stream::Output, format!("line {number}\n").as_bytes());
            followed.extend(texts(&mut following));
        }
        let all: Vec<String> = (0..50).map(|number| format!("line {number}")).collect();
        assert_eq!(followed, all);
        let kept = texts(&mut Reader::new(&fd, Format::Plain));
        assert!(kept.len() < 20 && !kept.is_empty(), "{kept:?}");
        assert_eq!(kept, all[50 - kept.len()..]);
        assert!(rustix::fs::statat(&fd, "log.3", rustix::fs::AtFlags::empty()).is_err());
    }

    #[test]
    fn what_is_damaged_is_passed_over() {
        let (dir, fd) = dir();
        let mut writer = Writer::new(fd.try_clone().expect("a copy"), Config::default(), &Of::default());
        writer.write(Stream::Output, b"before\n");
        std::fs::OpenOptions::new()
            .append(true)
            .open(dir.path().join("log"))
            .and_then(|mut file| std::io::Write::write_all(&mut file, b"\0\xff rubbish\n"))
            .expect("rubbish");
        writer.write(Stream::Error, b"after");
        assert_eq!(texts(&mut Reader::new(&fd, Format::Plain)), ["before", "after"]);
    }
}
