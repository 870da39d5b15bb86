//! Where the data of a sparse file lie: GNU's own header, and its three forms in PAX records.

use crate::number::{decimal, unsigned};

/// The most extents of one file. (A file with more is read as nothing sensible by anyone.)
const MOST: usize = 1 << 20;

/// A stretch of data; between two of them is a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where in the file.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// A sparse file's map while it is being gathered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Map {
    /// The extents so far.
    pub extents: Vec<Extent>,
    /// An offset whose length is still to come (PAX 0.0).
    offset: Option<u64>,
}

impl Map {
    /// Adds the pairs of a GNU header or of one of its extension blocks: 12 bytes of offset, 12 of length, until an
    /// empty one.
    pub fn add_header(&mut self, fields: &[u8]) -> Option<()> {
        for pair in fields.as_chunks::<24>().0 {
            if pair[0] == 0 || pair[12] == 0 {
                break;
            }
            let (offset, length) = (unsigned(&pair[..12])?, unsigned(&pair[12..])?);
            self.add(offset, length)?;
        }
        Some(())
    }

    /// A record `GNU.sparse.offset` (PAX 0.0).
    pub fn add_offset(&mut self, value: &[u8]) -> Option<()> {
        self.offset.replace(decimal(value)?).is_none().then_some(())
    }

    /// A record `GNU.sparse.numbytes` (PAX 0.0).
    pub fn add_length(&mut self, value: &[u8]) -> Option<()> {
        let offset = self.offset.take()?;
        self.add(offset, decimal(value)?)
    }

    /// A record `GNU.sparse.map` (PAX 0.1): `offset,length,offset,length…`.
    pub fn add_list(&mut self, value: &[u8]) -> Option<()> {
        let mut numbers = value.split(|&byte| byte == b',').map(decimal);
        while let Some(offset) = numbers.next() {
            self.add(offset?, numbers.next()??)?;
        }
        Some(())
    }

    /// One extent.
    pub fn add(&mut self, offset: u64, length: u64) -> Option<()> {
        self.extents.push(Extent { offset, length });
        (self.extents.len() <= MOST).then_some(())
    }

    /// The extents, if they follow each other without overlap, end within the file, and together are the data stored.
    pub fn checked(self, size: u64, stored: u64) -> Option<Vec<Extent>> {
        let mut end = 0;
        let mut sum = 0u64;
        for extent in &self.extents {
            if extent.offset < end {
                return None;
            }
            end = extent.offset.checked_add(extent.length)?;
            sum = sum.checked_add(extent.length)?;
        }
        (self.offset.is_none() && end <= size && sum == stored).then_some(self.extents)
    }
}

/// Reads the map that stands before the data (PAX 1.0): decimal lines, the number of extents first. `next` yields
/// blocks of 512 bytes; the map fills whole ones.
pub fn leading_map<E>(mut next: impl FnMut() -> Result<[u8; 512], E>) -> Result<Option<Map>, E> {
    let mut block = next()?;
    let mut at = 0;
    let mut number = || -> Result<Option<u64>, E> {
        let mut digits = Vec::new();
        loop {
            if at == block.len() {
                block = next()?;
                at = 0;
            }
            let byte = block[at];
            at += 1;
            match byte {
                b'\n' if !digits.is_empty() => return Ok(decimal(&digits)),
                b'0'..=b'9' if digits.len() < 20 => digits.push(byte),
                _ => return Ok(None),
            }
        }
    };
    let mut map = Map::default();
    let Some(count) = number()?.filter(|&count| count <= MOST as u64) else { return Ok(None) };
    for _ in 0..count {
        let (Some(offset), Some(length)) = (number()?, number()?) else { return Ok(None) };
        if map.add(offset, length).is_none() {
            return Ok(None);
        }
    }
    Ok(Some(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_must_be_in_order_and_add_up() {
        let map = |list: &str| {
            let mut map = Map::default();
            map.add_list(list.as_bytes()).map(|()| map)
        };
        let checked = |list: &str, size, stored| map(list).and_then(|map| map.checked(size, stored));
        assert!(checked("0,5,10,5", 20, 10).is_some());
        assert!(checked("0,5,4,5", 20, 10).is_none(), "overlap");
        assert!(checked("10,5,0,5", 20, 10).is_none(), "backwards");
        assert!(checked("0,5,10,5", 14, 10).is_none(), "beyond the end");
        assert!(checked("0,5,10,5", 20, 11).is_none(), "more data than extents");
        assert!(checked("18446744073709551615,5", 20, 5).is_none(), "overflow");
        assert!(map("1,2,3").is_none(), "half a pair");
    }
}
