//! Compressing a tar as it is read. The same bytes in give the same bytes out, as long as the library is the same; so what
//! came out once is named by its digest, and never made again to find it.

use crate::Compression;
use flate2::read::GzEncoder;
use std::io::Read;

/// What docker and podman compress with: Go's level of gzip, zstd's own.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// Reads a stream compressed.
pub struct Encoder<R: Read> {
    kind: Encoding<R>,
}

enum Encoding<R: Read> {
    Plain(R),
    Gzip(Box<GzEncoder<R>>),
    Zstd(zstd::stream::read::Encoder<'static, std::io::BufReader<R>>),
}

impl<R: Read> Encoder<R> {
    /// Compresses what `source` gives, at this level or the usual one; gzip has 1 to 9, zstd 1 to 22.
    pub fn new(source: R, compression: Compression, level: Option<i32>) -> std::io::Result<Self> {
        let kind = match compression {
            Compression::None => Encoding::Plain(source),
            Compression::Gzip => {
                let level = level.map_or(GZIP_LEVEL, |level| level.clamp(0, 9) as u32);
                Encoding::Gzip(Box::new(GzEncoder::new(source, flate2::Compression::new(level))))
            }
            Compression::Zstd => {
                let level = level.map_or(ZSTD_LEVEL, |level| level.clamp(1, 22));
                let mut encoder = zstd::stream::read::Encoder::new(source, level)?;
                encoder.include_checksum(true)?;
                Encoding::Zstd(encoder)
            }
        };
        Ok(Self { kind })
    }
}

impl<R: Read> Read for Encoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.kind {
            Encoding::Plain(source) => source.read(buffer),
            Encoding::Gzip(encoder) => encoder.read(buffer),
            Encoding::Zstd(encoder) => encoder.read(buffer),
        }
    }
}

impl<R: Read> std::fmt::Debug for Encoder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decoder;

    #[test]
    fn what_is_compressed_is_inflated_to_the_same_and_always_to_the_same() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let encoded = || {
                let mut bytes = Vec::new();
                let mut encoder = Encoder::new(text.as_slice(), compression, None).expect("an encoder");
                encoder.read_to_end(&mut bytes).expect("in memory");
                bytes
            };
            let bytes = encoded();
            assert_eq!(bytes, encoded());
            let mut decoder = Decoder::new(bytes.as_slice()).expect("a decoder");
            assert_eq!(decoder.compression(), compression);
            let mut back = Vec::new();
            decoder.read_to_end(&mut back).expect("whole");
            assert!(back == text);
        }
    }
}
