//! A tar as a stream of entries: ustar, GNU, and PAX, as POSIX, GNU tar and Go's archive/tar write them.
//!
//! Whoever reads a tar otherwise than the tools that made and scanned the image sees other files (CVE-2025-62518 was a
//! size taken from the wrong header). So where formats leave room, this reads as Go does, which docker, podman and
//! containerd are written in: a PAX size holds for the data that follow *and* for where the next header is; entries
//! other than files have no data whatever their size says; global PAX headers are ignored.

use crate::entry::{Entry, Kind, Time};
use crate::error::{Error, Refusal, Result};
use crate::number;
use crate::pax;
use crate::sparse::{Map, leading_map};
use std::io::BufRead;
use tar::{EntryType, Header};

const BLOCK: usize = 512;
/// The longest PAX header or GNU long name, as in Go.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// A tar that is being read.
#[derive(Debug)]
pub struct Archive<R> {
    input: R,
    /// Bytes read so far.
    offset: u64,
    /// Bytes of the current entry's data that were not read yet.
    data: u64,
    /// Zeroes that follow them.
    padding: u64,
}

/// What the extension headers before an entry said.
#[derive(Debug, Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    gnu_path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<i64>,
    gid: Option<i64>,
    mtime: Option<Time>,
    atime: Option<Time>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    sparse: Option<Sparse>,
}

#[derive(Debug, Default)]
struct Sparse {
    map: Map,
    name: Option<Vec<u8>>,
    size: Option<u64>,
    major: Option<u64>,
    minor: Option<u64>,
}

impl<R: BufRead> Archive<R> {
    /// Starts to read.
    pub fn new(input: R) -> Self {
        Self { input, offset: 0, data: 0, padding: 0 }
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next entry; what is left of the current one's data is skipped. `None` at the end.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let mut extensions = Extensions::default();
        let mut extended = false;
        loop {
            self.skip_data()?;
            let offset = self.offset;
            let Some(block) = self.header_block()? else {
                return if extended {
                    Err(Error::Truncated { offset, within: "an extended header" })
                } else {
                    Ok(None)
                };
            };
            if block.iter().all(|&byte| byte == 0) {
                if extended {
                    return Err(header(offset, "an extended header without an entry"));
                }
                self.end()?;
                return Ok(None);
            }
            let block = Header::from_byte_slice(&block);
            check_sum(block, offset)?;
            match block.entry_type() {
                EntryType::XHeader => {
                    let records = self.extension(block, offset)?;
                    extensions.read(&records).ok_or_else(|| header(offset, "a malformed PAX record"))?;
                }
                EntryType::XGlobalHeader => drop(self.extension(block, offset)?),
                EntryType::GNULongName => extensions.gnu_path = Some(until_nul(self.extension(block, offset)?)),
                EntryType::GNULongLink => extensions.gnu_link = Some(until_nul(self.extension(block, offset)?)),
                _ => return self.entry(block, offset, extensions).map(Some),
            }
            extended |= block.entry_type() != EntryType::XGlobalHeader;
        }
    }

    /// The next piece of the current entry's data, of whatever length is at hand; empty at their end.
    pub fn data(&mut self) -> Result<&[u8]> {
        if self.data == 0 {
            return Ok(&[]);
        }
        let (offset, left) = (self.offset, self.data);
        let piece = self.input.fill_buf().map_err(|source| Error::Read { offset, source })?;
        if piece.is_empty() {
            return Err(Error::Truncated { offset, within: "a file" });
        }
        Ok(&piece[..usize::try_from(left).unwrap_or(usize::MAX).min(piece.len())])
    }

    /// Says how much of the last piece of data was used.
    pub fn consume(&mut self, length: usize) {
        self.input.consume(length);
        self.offset += length as u64;
        self.data -= length as u64;
    }

    /// The input, once all is read.
    pub fn into_inner(self) -> R {
        self.input
    }

    fn entry(&mut self, block: &Header, offset: u64, extensions: Extensions) -> Result<Entry> {
        let bad = |reason: &str| header(offset, reason);
        let old = block.as_old();
        let own_size = number::unsigned(&old.size).ok_or_else(|| bad("its size is no number"))?;
        let stored = extensions.size.unwrap_or(own_size);
        let path = block.path_bytes();
        let kind = match block.entry_type().as_byte() {
            // Before POSIX a directory was a file whose name ends so.
            0 if path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => {
                let (name, reason) = (crate::entry::shown(&path), Refusal::Kind(char::from(other)));
                return Err(Error::Refused { name, offset, reason });
            }
        };
        let number =
            |field: &[u8], what: &str| number::field(field).ok_or_else(|| bad(&format!("its {what} is no number")));
        let device = match kind {
            Kind::CharDevice | Kind::BlockDevice => device(block).ok_or_else(|| bad("its device is no number"))?,
            _ => (0, 0),
        };
        let mtime = Time { seconds: number(&old.mtime, "time")?, nanoseconds: 0 };
        let mut entry = Entry {
            offset,
            kind,
            link: extensions.gnu_link.or(extensions.link).unwrap_or_else(|| until_nul(old.linkname.to_vec())),
            mode: number(&old.mode, "mode")? as u32 & 0o7777,
            uid: extensions.uid.map_or_else(|| number(&old.uid, "user id"), Ok)?,
            gid: extensions.gid.map_or_else(|| number(&old.gid, "group id"), Ok)?,
            size: stored,
            stored,
            mtime: extensions.mtime.unwrap_or(mtime),
            atime: extensions.atime,
            device,
            xattrs: extensions.xattrs,
            extents: None,
            path: path.into_owned(),
        };
        let sparse_name = extensions.sparse.as_ref().and_then(|sparse| sparse.name.clone());
        if let Some(path) = sparse_name.or(extensions.gnu_path).or(extensions.path) {
            entry.path = path;
        }
        if kind != Kind::File {
            (entry.size, entry.stored) = (0, 0);
            return Ok(entry);
        }
        self.data = stored;
        self.padding = stored.next_multiple_of_block().ok_or_else(|| bad("its size is impossible"))? - stored;
        if block.entry_type() == EntryType::GNUSparse {
            self.old_sparse(block, &mut entry)?;
        } else if let Some(sparse) = extensions.sparse {
            self.pax_sparse(sparse, &mut entry)?;
        }
        Ok(entry)
    }

    /// GNU's sparse header: four extents in the header, more in blocks between it and the data.
    fn old_sparse(&mut self, block: &Header, entry: &mut Entry) -> Result<()> {
        let offset = entry.offset;
        let bad = || header(offset, "a malformed sparse map");
        let gnu = block.as_gnu().ok_or_else(bad)?;
        let mut map = Map::default();
        let bytes = block.as_bytes();
        map.add_header(&bytes[386..386 + 4 * 24]).ok_or_else(bad)?;
        let mut more = gnu.isextended[0] != 0;
        let (data, padding) = (std::mem::take(&mut self.data), std::mem::take(&mut self.padding));
        while more {
            let extension = self.block("a sparse map")?;
            map.add_header(&extension[..21 * 24]).ok_or_else(bad)?;
            more = extension[21 * 24] != 0;
        }
        (self.data, self.padding) = (data, padding);
        entry.size = number::unsigned(&gnu.realsize).ok_or_else(bad)?;
        entry.extents = Some(map.checked(entry.size, entry.stored).ok_or_else(bad)?);
        Ok(())
    }

    fn pax_sparse(&mut self, sparse: Sparse, entry: &mut Entry) -> Result<()> {
        let offset = entry.offset;
        let bad = || header(offset, "a malformed sparse map");
        entry.size = sparse.size.ok_or_else(bad)?;
        let map = match (sparse.major, sparse.minor) {
            (Some(1), Some(0)) => {
                let map = leading_map(|| {
                    // The map is a part of the data.
                    self.data = self.data.checked_sub(BLOCK as u64).ok_or_else(bad)?;
                    self.block("a sparse map")
                })?;
                entry.stored = self.data;
                map.ok_or_else(bad)?
            }
            (None | Some(0), _) => sparse.map,
            _ => return Err(header(offset, "an unknown version of sparse files")),
        };
        entry.extents = Some(map.checked(entry.size, entry.stored).ok_or_else(bad)?);
        Ok(())
    }

    /// The content of an extension header.
    fn extension(&mut self, block: &Header, offset: u64) -> Result<Vec<u8>> {
        let size = number::unsigned(&block.as_old().size).ok_or_else(|| header(offset, "its size is no number"))?;
        if size > LONGEST_EXTENSION {
            return Err(header(offset, "an extended header of more than 1 MiB"));
        }
        let mut content = Vec::with_capacity(size as usize);
        self.data = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        while self.data > 0 {
            let piece = self.data()?;
            let length = piece.len();
            content.extend_from_slice(piece);
            self.consume(length);
        }
        Ok(content)
    }

    fn skip_data(&mut self) -> Result<()> {
        self.data += std::mem::take(&mut self.padding);
        while self.data > 0 {
            let length = self.data()?.len();
            self.consume(length);
        }
        Ok(())
    }

    /// A block of 512 bytes that must be there.
    fn block(&mut self, within: &'static str) -> Result<[u8; BLOCK]> {
        let offset = self.offset;
        self.header_block()?.ok_or(Error::Truncated { offset, within })
    }

    /// A block of 512 bytes; `None` when nothing is left at all.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let offset = self.offset;
            let piece = self.input.fill_buf().map_err(|source| Error::Read { offset, source })?;
            if piece.is_empty() {
                return if filled == 0 { Ok(None) } else { Err(Error::Truncated { offset, within: "a header" }) };
            }
            let length = piece.len().min(BLOCK - filled);
            block[filled..filled + length].copy_from_slice(&piece[..length]);
            self.input.consume(length);
            self.offset += length as u64;
            filled += length;
        }
        Ok(Some(block))
    }

    /// After the first block of zeroes only zeroes may follow, to the end of the input: whatever else stood there,
    /// some other reader of the tar would find it.
    fn end(&mut self) -> Result<()> {
        loop {
            let offset = self.offset;
            let piece = self.input.fill_buf().map_err(|source| Error::Read { offset, source })?;
            if piece.is_empty() {
                return Ok(());
            }
            if let Some(at) = piece.iter().position(|&byte| byte != 0) {
                return Err(Error::Trailing { offset: offset + at as u64 });
            }
            let length = piece.len();
            self.input.consume(length);
            self.offset += length as u64;
        }
    }
}

impl Extensions {
    fn read(&mut self, bytes: &[u8]) -> Option<()> {
        for (key, value) in pax::records(bytes)? {
            self.record(key, value)?;
        }
        Some(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let id = |value| number::decimal(value).and_then(|id| i64::try_from(id).ok());
        // An empty value takes a record back.
        let text = || (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            b"size" if !value.is_empty() => self.size = Some(number::decimal(value)?),
            b"uid" if !value.is_empty() => self.uid = Some(id(value)?),
            b"gid" if !value.is_empty() => self.gid = Some(id(value)?),
            b"mtime" if !value.is_empty() => self.mtime = Some(pax::time(value)?),
            b"atime" if !value.is_empty() => self.atime = Some(pax::time(value)?),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.retain(|(other, _)| other != name);
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(name) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.get_or_insert_default().record(name, value)?;
                }
            }
        }
        Some(())
    }
}

impl Sparse {
    fn record(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        match name {
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(number::decimal(value)?),
            b"major" => self.major = Some(number::decimal(value)?),
            b"minor" => self.minor = Some(number::decimal(value)?),
            b"offset" => self.map.add_offset(value)?,
            b"numbytes" => self.map.add_length(value)?,
            b"map" => self.map.add_list(value)?,
            _ => {}
        }
        Some(())
    }
}

trait BlockMultiple {
    fn next_multiple_of_block(self) -> Option<u64>;
}

impl BlockMultiple for u64 {
    /// The next multiple of 512 that an `i64` can hold: no file is longer.
    fn next_multiple_of_block(self) -> Option<u64> {
        self.checked_next_multiple_of(BLOCK as u64).filter(|&size| i64::try_from(size).is_ok())
    }
}

fn header(offset: u64, reason: &str) -> Error {
    Error::Header { offset, reason: reason.to_owned() }
}

/// The sum over the header with its own field as spaces; some old tars summed signed bytes.
fn check_sum(block: &Header, offset: u64) -> Result<()> {
    let stored = number::field(&block.as_old().cksum);
    let sum = |value: fn(u8) -> i64| {
        let byte = |(at, &byte): (usize, &u8)| value(if (148..156).contains(&at) { b' ' } else { byte });
        block.as_bytes().iter().enumerate().map(byte).sum::<i64>()
    };
    let matches = stored == Some(sum(i64::from)) || stored == Some(sum(|byte| i64::from(byte as i8)));
    if matches { Ok(()) } else { Err(header(offset, "its checksum is wrong")) }
}

fn device(block: &Header) -> Option<(u32, u32)> {
    let bytes = block.as_bytes();
    let number = |range| u32::try_from(number::unsigned(&bytes[range])?).ok();
    Some((number(329..337)?, number(337..345)?))
}

fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}
