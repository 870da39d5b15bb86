//! A tar as a stream of entries, the other side of [`crate::Archive`]: ustar headers, with a PAX header before those that
//! say more than ustar can (long names, large ids and files, nanoseconds, attributes, holes).
//!
//! The same entries give the same bytes, whoever writes them and when.

use crate::entry::{Entry, Kind, Time};
use crate::sparse::Extent;
use std::io::{Error, ErrorKind, Result, Write};

const BLOCK: usize = 512;
/// Octal digits of a header's field for ids, and for lengths and times.
const LARGEST_ID: i64 = 0o777_7777;
const LARGEST_NUMBER: u64 = 0o777_7777_7777;

/// A tar that is being written.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// Bytes of the current entry that are still to come.
    left: u64,
    /// Zeroes after them.
    padding: usize,
}

impl<W: Write> Writer<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, left: 0, padding: 0 }
    }

    /// Starts an entry. The data of a file follow, all of them: of one with extents those in them alone.
    pub fn entry(&mut self, entry: &Entry) -> Result<()> {
        if self.left > 0 {
            return Err(Error::other("the entry before is not complete"));
        }
        let mut pax = Pax::default();
        let mut header = Header([0; BLOCK]);
        let map = entry.extents.as_deref().map(|extents| sparse_map(extents, entry.size));
        let data = match (entry.kind, &entry.extents) {
            (Kind::File, Some(extents)) => extents.iter().map(|extent| extent.length).sum(),
            (Kind::File, None) => entry.size,
            _ => 0,
        };
        let length = data + map.as_ref().map_or(0, |map| map.len() as u64);
        if map.is_some() {
            pax.add("GNU.sparse.major", b"1");
            pax.add("GNU.sparse.minor", b"0");
            pax.add("GNU.sparse.name", &entry.path);
            pax.add("GNU.sparse.realsize", entry.size.to_string().as_bytes());
        } else if entry.path.len() > 100 {
            pax.add("path", &entry.path);
        }
        header.text(0, &entry.path, 100);
        if entry.link.len() > 100 {
            pax.add("linkpath", &entry.link);
        }
        header.text(157, &entry.link, 100);
        for (key, at, id) in [("uid", 108, entry.uid), ("gid", 116, entry.gid)] {
            if (0..=LARGEST_ID).contains(&id) {
                header.octal(at, 8, id as u64);
            } else {
                pax.add(key, id.to_string().as_bytes());
            }
        }
        if length > LARGEST_NUMBER {
            pax.add("size", length.to_string().as_bytes());
        } else {
            header.octal(124, 12, length);
        }
        match u64::try_from(entry.mtime.seconds) {
            Ok(seconds) if seconds <= LARGEST_NUMBER && entry.mtime.nanoseconds == 0 => header.octal(136, 12, seconds),
            seconds => {
                header.octal(136, 12, seconds.unwrap_or(0).min(LARGEST_NUMBER));
                pax.add("mtime", decimal(entry.mtime).as_bytes());
            }
        }
        for (name, value) in &entry.xattrs {
            let key = [b"SCHILY.xattr.", &**name].concat();
            pax.record(&key, value);
        }
        header.octal(100, 8, entry.mode.into());
        header.0[156] = kind(entry.kind);
        if matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice) {
            header.octal(329, 8, entry.device.0.into());
            header.octal(337, 8, entry.device.1.into());
        }
        self.pax(&pax.0)?;
        self.header(header, length)?;
        map.map_or(Ok(()), |map| self.data(&map))
    }

    /// Data of the entry.
    pub fn data(&mut self, bytes: &[u8]) -> Result<()> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(ErrorKind::FileTooLarge)?;
        self.out.write_all(bytes)?;
        if self.left == 0 {
            self.out.write_all(&[0; BLOCK][..std::mem::take(&mut self.padding)])?;
        }
        Ok(())
    }

    /// Ends the tar.
    pub fn finish(mut self) -> Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn pax(&mut self, records: &[u8]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut header = Header([0; BLOCK]);
        header.text(0, b"PaxHeaders/entry", 100);
        header.octal(100, 8, 0o644);
        header.octal(108, 8, 0);
        header.octal(116, 8, 0);
        header.octal(124, 12, records.len() as u64);
        header.octal(136, 12, 0);
        header.0[156] = b'x';
        self.header(header, records.len() as u64)?;
        self.data(records)
    }

    fn header(&mut self, mut header: Header, length: u64) -> Result<()> {
        header.sum();
        self.out.write_all(&header.0)?;
        self.left = length;
        self.padding = (length.next_multiple_of(BLOCK as u64) - length) as usize;
        Ok(())
    }
}

struct Header([u8; BLOCK]);

impl Header {
    fn text(&mut self, at: usize, text: &[u8], longest: usize) {
        let text = &text[..text.len().min(longest)];
        self.0[at..at + text.len()].copy_from_slice(text);
    }

    fn octal(&mut self, at: usize, length: usize, number: u64) {
        let digits = format!("{number:0width$o}", width = length - 1);
        self.text(at, digits.as_bytes(), length - 1);
    }

    fn sum(&mut self) {
        self.text(257, b"ustar\x0000", 8);
        self.0[148..156].fill(b' ');
        let sum: u64 = self.0.iter().map(|&byte| u64::from(byte)).sum();
        let digits = format!("{sum:06o}\0");
        self.text(148, digits.as_bytes(), 7);
    }
}

#[derive(Default)]
struct Pax(Vec<u8>);

impl Pax {
    fn add(&mut self, key: &str, value: &[u8]) {
        self.record(key.as_bytes(), value);
    }

    fn record(&mut self, key: &[u8], value: &[u8]) {
        // A blank, an equals sign and a line feed; the length counts its own digits.
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while rest + length.to_string().len() != length {
            length = rest + length.to_string().len();
        }
        self.0.extend(format!("{length} ").into_bytes());
        self.0.extend_from_slice(key);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }
}

/// The map of a sparse file (PAX 1.0): decimal lines, in whole blocks. The last extent is at the file's end, as GNU tar
/// has it.
fn sparse_map(extents: &[Extent], size: u64) -> Vec<u8> {
    let ends = extents.last().is_some_and(|last| last.offset + last.length == size);
    let end = (!ends).then_some(Extent { offset: size, length: 0 });
    let mut map = format!("{}\n", extents.len() + usize::from(!ends)).into_bytes();
    for Extent { offset, length } in extents.iter().copied().chain(end) {
        map.extend(format!("{offset}\n{length}\n").into_bytes());
    }
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}

fn decimal(time: Time) -> String {
    // −1.25 is kept as two seconds before and three quarters after that.
    let (sign, seconds, nanoseconds) = match (time.seconds, time.nanoseconds) {
        (seconds @ ..0, 0) => ("-", seconds.unsigned_abs(), 0),
        (seconds @ ..0, nanoseconds) => ("-", seconds.unsigned_abs() - 1, 1_000_000_000 - nanoseconds),
        (seconds, nanoseconds) => ("", seconds.unsigned_abs(), nanoseconds),
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn kind(kind: Kind) -> u8 {
    match kind {
        Kind::File => b'0',
        Kind::HardLink => b'1',
        Kind::Symlink => b'2',
        Kind::CharDevice => b'3',
        Kind::BlockDevice => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Archive;

    fn entry(path: &[u8], kind: Kind) -> Entry {
        Entry { path: path.to_vec(), ..Entry::new(kind) }
    }

    #[track_caller]
    fn reads_back(entry: &Entry, data: &[u8]) {
        let mut writer = Writer::new(Vec::new());
        writer.entry(entry).expect("an entry");
        writer.data(data).expect("data");
        let tar = writer.finish().expect("a tar");
        let mut archive = Archive::new(&tar[..]);
        let read = archive.next_entry().expect("a header").expect("an entry");
        let same = Entry { offset: read.offset, stored: read.stored, ..entry.clone() };
        assert_eq!(read, same);
        let mut content = Vec::new();
        loop {
            let piece = archive.data().expect("data").to_vec();
            if piece.is_empty() {
                break;
            }
            archive.consume(piece.len());
            content.extend(piece);
        }
        assert_eq!(content, data);
        assert!(archive.next_entry().expect("an end").is_none());
    }

    #[test]
    fn what_ustar_cannot_say_reads_back() {
        let file = entry(b"file", Kind::File);
        reads_back(&Entry { size: 3, ..file.clone() }, b"abc");
        reads_back(&entry(&b"d/".repeat(300), Kind::Directory), b"");
        reads_back(&Entry { link: vec![b'l'; 300], ..entry(b"\xff\xfe", Kind::Symlink) }, b"");
        reads_back(&Entry { uid: 1 << 30, gid: 4_000_000_000, ..file.clone() }, b"");
        for (seconds, nanoseconds) in [(1, 500_000_000), (-2, 750_000_000), (-7, 0), (1 << 40, 1), (0, 1)] {
            reads_back(&Entry { mtime: Time { seconds, nanoseconds }, ..file.clone() }, b"");
        }
        let xattrs = vec![(b"user.x".to_vec(), b"a\nb\0=".to_vec()), (b"user.y".to_vec(), vec![b'z'; 2000])];
        reads_back(&Entry { xattrs, ..file.clone() }, b"");
        let extent = |offset, length| Extent { offset, length };
        let extents = Some(vec![extent(4096, 2), extent(1 << 40, 1), extent(1 << 41, 0)]);
        reads_back(&Entry { size: 1 << 41, extents, ..file }, b"abc");
        reads_back(&Entry { device: (1, 3), ..entry(b"null", Kind::CharDevice) }, b"");
    }
}
