//! Compression, told by its magic number and never by a name or media type, which may lie.

use crate::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::io::{BufReader, Chain, Cursor, Read};

/// How a blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, of one or many members (pigz and eStargz make many).
    Gzip,
    /// zstd, of one or many frames, skippable ones among them (zstd:chunked has these).
    Zstd,
}

/// The most memory that a zstd frame may want as its window, as a power of two: 128 MiB, the limit of zstd(1) itself.
/// A frame of a few bytes may ask for 2 GiB.
const WINDOW_LOG: u32 = 27;
const BUFFER: usize = 128 << 10;
/// The longest magic number that we look for.
const MAGIC: usize = 6;

impl Compression {
    /// Judges by the first bytes.
    pub fn detect(start: &[u8]) -> Result<Self> {
        match start {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(Error::Compression("xz")),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, ..] => Err(Error::Compression("bzip2")),
            [0x04, 0x22, 0x4d, 0x18, ..] => Err(Error::Compression("lz4")),
            _ => Ok(Self::None),
        }
    }
}

type Source<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// Inflates whatever it is given.
pub struct Decoder<R: Read> {
    kind: Decoding<R>,
}

enum Decoding<R: Read> {
    Plain(Source<R>),
    Gzip(Box<MultiGzDecoder<Source<R>>>),
    Zstd(zstd::stream::read::Decoder<'static, Source<R>>),
}

impl<R: Read> Decoder<R> {
    /// Reads the first bytes and sees what it is.
    pub fn new(mut source: R) -> Result<Self> {
        let unreadable = |source| Error::Read { offset: 0, source };
        let mut start = Vec::with_capacity(MAGIC);
        (&mut source).take(MAGIC as u64).read_to_end(&mut start).map_err(unreadable)?;
        let compression = Compression::detect(&start)?;
        let source = BufReader::with_capacity(BUFFER, Cursor::new(start).chain(source));
        let kind = match compression {
            Compression::None => Decoding::Plain(source),
            Compression::Gzip => Decoding::Gzip(Box::new(MultiGzDecoder::new(source))),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source).map_err(unreadable)?;
                decoder.window_log_max(WINDOW_LOG).map_err(unreadable)?;
                Decoding::Zstd(decoder)
            }
        };
        Ok(Self { kind })
    }

    /// What it is.
    pub fn compression(&self) -> Compression {
        match self.kind {
            Decoding::Plain(_) => Compression::None,
            Decoding::Gzip(_) => Compression::Gzip,
            Decoding::Zstd(_) => Compression::Zstd,
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.kind {
            Decoding::Plain(source) => source.read(buffer),
            Decoding::Gzip(decoder) => decoder.read(buffer),
            Decoding::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

impl<R: Read> std::fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("compression", &self.compression()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn decoded(bytes: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let mut decoder = Decoder::new(bytes).map_err(|error| error.to_string())?;
        let mut text = Vec::new();
        decoder.read_to_end(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).expect("in memory");
        encoder.finish().expect("in memory")
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 1).expect("in memory")
    }

    #[test]
    fn many_members_are_one_text() {
        let both = |encode: fn(&[u8]) -> Vec<u8>| [encode(b"one "), encode(b"two")].concat();
        assert_eq!(decoded(&both(gzip)).as_deref(), Ok(&b"one two"[..]));
        assert_eq!(decoded(&both(zstd)).as_deref(), Ok(&b"one two"[..]));
        assert_eq!(decoded(b"plain").as_deref(), Ok(&b"plain"[..]));
        assert_eq!(decoded(b"").as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn skippable_frames_are_skipped_wherever_they_stand() {
        let skippable = [&[0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let bytes = [&skippable[..], &zstd(b"one "), &skippable, &zstd(b"two"), &skippable].concat();
        assert_eq!(decoded(&bytes).as_deref(), Ok(&b"one two"[..]));
    }

    #[test]
    fn a_cut_or_garbled_stream_is_an_error() {
        for whole in [gzip(&[7; 1000]), zstd(&[7; 1000])] {
            assert!(decoded(&whole[..whole.len() - 1]).is_err());
            assert!(decoded(&[&whole[..], b"garbage"].concat()).is_err());
        }
        let mut wrong_sum = gzip(&[7; 1000]);
        let at = wrong_sum.len() - 8;
        wrong_sum[at] ^= 1;
        assert!(decoded(&wrong_sum).is_err());
    }

    #[test]
    fn a_window_beyond_the_limit_is_an_error() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
        encoder.window_log(30).expect("a window");
        encoder.write_all(b"x").expect("in memory");
        assert!(decoded(&encoder.finish().expect("in memory")).is_err());
    }

    #[test]
    fn others_are_named() {
        assert!(decoded(b"\xfd7zXZ\0rest").is_err_and(|error| error.contains("xz")));
        assert!(decoded(b"BZh91AY").is_err_and(|error| error.contains("bzip2")));
    }
}
