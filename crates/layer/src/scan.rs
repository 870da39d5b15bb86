//! Reading a tar for what it is, without unpacking it.

use crate::archive::Archive;
use crate::compression::Compression;
use crate::name;
use crate::pipeline::inflated;
use crate::{Error, Result};
use oci::digest::DiffId;
use std::io::Read;

/// What a tar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanned {
    /// The digest of the tar, uncompressed.
    pub diff_id: DiffId,
    /// Its length, uncompressed, in bytes.
    pub size: u64,
    /// How many entries it has.
    pub entries: u64,
    /// How it is compressed.
    pub compression: Compression,
}

/// Reads a tar to its end, plain or compressed, and refuses what is none, or has names that no layer may have.
pub fn scan(source: impl Read + Send) -> Result<Scanned> {
    let (entries, stream) = inflated(source, |pieces| {
        let mut archive = Archive::new(pieces);
        let mut entries = 0;
        while let Some(entry) = archive.next_entry()? {
            // What cannot be applied for its name alone is refused before it is stored.
            let refused = |reason| Error::Refused { name: entry.shown(), offset: entry.offset, reason };
            name::parse(&entry.path).map_err(refused)?;
            entries += 1;
        }
        Ok(entries)
    })?;
    Ok(Scanned { diff_id: stream.diff_id, size: stream.size, entries, compression: stream.compression })
}
