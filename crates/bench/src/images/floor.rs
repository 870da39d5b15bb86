//! The floor of an unpacking: a blob is inflated on one thread, and what comes of it hashed and written to one file, one
//! piece after the other and past the page cache, on another. No tar is read, no file made; the end is on disk.
//!
//! Inflating a layer is one thread's work whoever does it (a stream of gzip cannot be entered in the middle), so the
//! largest layer of an image says how long its unpacking takes at least.

use crate::error::{Doing as _, Result};
use flate2::read::MultiGzDecoder;
use oci::digest::Hasher;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use sys::direct::Direct;

const PIECE: usize = 256 << 10;

/// Inflates a blob into a new file. Returns the digest of what came.
pub fn inflate(blob: &Path, output: &Path) -> Result<String> {
    let doing = || format!("inflating {}", blob.display());
    let mut magic = [0; 4];
    File::open(blob).and_then(|mut file| file.read_exact(&mut magic)).doing(doing)?;
    let file = File::open(blob).doing(doing)?;
    let mut decoder: Box<dyn Read + Send> = match magic {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(std::io::BufReader::with_capacity(PIECE, file))),
        _ => Box::new(zstd::stream::read::Decoder::new(file).doing(doing)?),
    };
    let output = File::create(output).doing(|| format!("making {}", output.display()))?;
    let (filled, pieces) = sync_channel::<Vec<u8>>(4);
    let (empty, returned) = sync_channel::<Vec<u8>>(8);
    std::thread::scope(|scope| {
        let inflating = scope.spawn(move || {
            loop {
                let mut piece = returned.try_recv().unwrap_or_default();
                piece.resize(PIECE, 0);
                let mut length = 0;
                while length < PIECE {
                    match decoder.read(&mut piece[length..])? {
                        0 => break,
                        more => length += more,
                    }
                }
                piece.truncate(length);
                if length == 0 || filled.send(piece).is_err() {
                    return Ok::<_, std::io::Error>(());
                }
            }
        });
        let (mut hasher, mut written) = (Hasher::default(), Direct::new(0));
        for piece in pieces {
            hasher.update(&piece);
            written.append(&output, &piece).doing(|| "writing".into())?;
            let _ = empty.try_send(piece);
        }
        inflating.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).doing(doing)?;
        written.flush(&output).and_then(|()| output.sync_data()).doing(|| "syncing".into())?;
        Ok(hasher.finish().to_string())
    })
}
