//! Layers as they arrive: one pass from the network to the disk.
//!
//! Three threads, each as fast as it can: the first reads, hashes the blob and writes it down; the second inflates; the
//! third hashes the tar and unpacks it. Nothing is read a second time, and a layer is never put on those below it: one
//! that turns out to need them is unpacked again when they are there (see [`layer::apply`]).
//!
//! A blob that is not complete keeps what it has under `partial/`, so that the next pull goes on where this one was cut
//! off. Whoever receives a blob holds the lock of that file; the others wait, and find the blob.

use crate::lease::Flock;
use crate::temporary::still_named;
use crate::unpacked::Unpacked;
use crate::{Error, Lease, Result, Store};
use layer::Pieces;
use oci::digest::{DiffId, Hasher};
use oci::image::Descriptor;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{SyncSender, sync_channel};
use sys::direct::Direct;

/// Blobs that are not complete.
pub(crate) const PARTIAL: &str = "partial";
/// How much is read at once.
const PIECE: usize = 256 << 10;
/// How many pieces may wait to be inflated.
const WAITING: usize = 8;

/// Where a layer that arrives stands in its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The digest that its tar is to have.
    pub diff_id: DiffId,
    /// It is the lowest layer: what needs the layers below needs nothing.
    pub lowest: bool,
}

/// A source of a blob's bytes, and how many of its first bytes it leaves out.
pub type From<R> = (R, u64);

impl Store {
    /// Takes in a blob, and unpacks it on the way if it is a layer. `fetch` is asked for the blob from some byte on, and
    /// may give it from its start instead. `arrived` is told how many bytes are there, as they come.
    ///
    /// Its content and that of the layer are on disk when this returns, their names when the image has arrived.
    ///
    /// A blob that is there already is not fetched. What was fetched before an error is kept for the next time, unless it
    /// was wrong; what is wrong with a kept part in front of it is fetched once more from its start.
    pub fn receive<R: Read + Send>(
        &self,
        blob: &Descriptor,
        expected: Option<Expected>,
        _lease: &Lease,
        mut fetch: impl FnMut(u64) -> Result<From<R>>,
        arrived: &(dyn Fn(u64) + Sync),
    ) -> Result<()> {
        let what = format!("blob {}", blob.digest);
        let dir = self.partial()?;
        let Some((mut file, _lock)) = self.lock_partial(&dir, blob)? else { return Ok(()) };
        let name = blob.digest.hex();
        let mut kept = file.metadata().map_err(Error::io(format!("cannot stat {what}")))?.len();
        if kept > blob.size {
            kept = 0;
        }
        let unpacked = loop {
            let result = fetch(kept).and_then(|(from, starts_at)| {
                if starts_at != kept {
                    kept = 0;
                }
                file.set_len(kept).map_err(Error::io(format!("cannot write {what}")))?;
                self.stream(blob, expected, &mut file, kept, from, arrived)
            });
            let error = match result {
                Ok(unpacked) => break unpacked,
                Err(error) => error,
            };
            let wrong = matches!(error, Error::SizeMismatch { .. } | Error::DigestMismatch { .. });
            if wrong && kept > 0 {
                // It may be what was kept that is wrong.
                kept = 0;
                continue;
            }
            // Whoever tries again must not build on what is wrong, and can build on nothing but a part.
            let part = file.metadata().is_ok_and(|kept| (1..blob.size).contains(&kept.len()));
            if wrong || !part {
                let _ = sys::fs::unlinkat(&dir, &*name, AtFlags::empty());
            }
            return Err(error);
        };
        sys::fs::renameat(&dir, &*name, &self.blobs_for(blob.digest.algorithm())?, &*name, RenameFlags::empty())?;
        if let (Some(unpacked), Some(expected)) = (unpacked?, expected) {
            self.take_layer(unpacked, blob, expected)?;
        }
        Ok(())
    }

    fn partial(&self) -> Result<OwnedFd> {
        sys::fs::ensure_dir(self.root(), PARTIAL, Mode::RWXU)?;
        self.dir(PARTIAL)
    }

    /// The file for a blob that is not there, ours alone; none when the blob is there.
    fn lock_partial(&self, dir: &OwnedFd, blob: &Descriptor) -> Result<Option<(File, Flock)>> {
        let name = blob.digest.hex();
        loop {
            if self.has_blob(blob) {
                return Ok(None);
            }
            let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
            let fd = sys::fs::open_beneath(dir, &*name, OFlags::RDWR | OFlags::CREATE, mode)?;
            let lock = fd.try_clone().map_err(Error::io("cannot lock a blob that is not complete"))?;
            let lock = Flock::exclusive(lock)?;
            // Who had it before us has finished it, or has thrown it away.
            if still_named(dir.as_fd(), &name, &fd) {
                return Ok(Some((File::from(fd), lock)));
            }
        }
    }

    /// The bytes on their way: what is there already, then what comes.
    fn stream<R: Read + Send>(
        &self,
        blob: &Descriptor,
        expected: Option<Expected>,
        file: &mut File,
        kept: u64,
        from: R,
        arrived: &(dyn Fn(u64) + Sync),
    ) -> Result<Result<Option<Unpacked>>> {
        let Some(expected) = expected else {
            return arrive(blob, file, kept, from, None, arrived).map(|()| Ok(None));
        };
        let mode = self.layer_mode()?;
        let options = crate::layers::options(&mode, crate::layers::plain(&mode));
        let (pieces, waiting) = sync_channel(WAITING);
        std::thread::scope(|scope| {
            let arriving = scope.spawn(|| arrive(blob, file, kept, from, Some(pieces), arrived));
            let unpacked = Unpacked::make(self, Pieces::new(waiting), expected.diff_id, &options, None);
            // A panic over there is a bug here, and panics are not caught.
            let result = arriving.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            // A blob that is not what it is called explains all that is wrong with its content.
            result.map(|()| unpacked.map(Some))
        })
    }

    /// Gives an unpacked layer its name, unless it has to be made again above the others.
    fn take_layer(&self, unpacked: Unpacked, blob: &Descriptor, expected: Expected) -> Result<()> {
        if unpacked.diff_id() != expected.diff_id {
            let (layer, expected, found) = (blob.digest, expected.diff_id, unpacked.diff_id());
            return Err(Error::diff_id(layer, expected, found));
        }
        if unpacked.depends_on_lowers() && !expected.lowest {
            return Ok(());
        }
        unpacked.place_alone(self)
    }

    /// Throws away what was kept of blobs that did not become complete, unless somebody is at it now.
    pub fn forget_partial(&self) -> Result<u64> {
        let mut bytes = 0;
        let dir = match self.dir(PARTIAL) {
            Err(error) if error.is_absent() => return Ok(0),
            other => other?,
        };
        let _lock = Flock::exclusive(self.dir(PARTIAL)?)?;
        for name in crate::file::names(dir.as_fd())? {
            let Ok(fd) = sys::fs::open_beneath(&dir, &*name, OFlags::RDONLY, Mode::empty()) else { continue };
            let length = rustix::fs::fstat(&fd).map_or(0, |stat| stat.st_size as u64);
            let Some(_lock) = Flock::try_exclusive(fd)? else { continue };
            bytes += length;
            sys::fs::unlinkat(&dir, &*name, AtFlags::empty())?;
        }
        Ok(bytes)
    }
}

/// Reads, hashes, writes down and hands on.
fn arrive(
    blob: &Descriptor,
    file: &mut File,
    kept: u64,
    mut from: impl Read,
    mut pieces: Option<SyncSender<std::io::Result<Vec<u8>>>>,
    arrived: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    let what = format!("blob {}", blob.digest);
    let mut hasher = Hasher::of(blob.digest.algorithm());
    let mut hand_on = |piece: Vec<u8>, hasher: &mut Hasher| {
        hasher.update(&piece);
        arrived(hasher.length());
        // Who has seen enough of a bad layer does not listen any more; the blob is judged to its end all the same.
        pieces = pieces.take().filter(|pieces| pieces.send(Ok(piece)).is_ok());
    };
    file.seek(SeekFrom::Start(0)).map_err(Error::io(format!("cannot read {what}")))?;
    while hasher.length() < kept {
        let piece = piece(&mut (&mut *file).take(kept - hasher.length()), &what)?;
        if piece.is_empty() {
            break;
        }
        hand_on(piece, &mut hasher);
    }
    let mut written = Direct::new(kept);
    let ended = loop {
        let piece = match piece(&mut from, &what) {
            Ok(piece) if piece.is_empty() => break Ok(()),
            Ok(piece) => piece,
            Err(error) => break Err(error),
        };
        written.append(file, &piece).map_err(Error::io(format!("cannot write {what}")))?;
        hand_on(piece, &mut hasher);
        if hasher.length() > blob.size {
            break Ok(());
        }
    };
    // What has come before an error is kept, too.
    written.flush(file).map_err(Error::io(format!("cannot write {what}")))?;
    drop(pieces);
    ended?;
    let (expected, found) = (blob.size, hasher.length());
    if expected != found {
        // One that was cut off is told by its length, and can be gone on with.
        let short = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, format!("{found} of {expected} bytes came"));
        return Err(if found < expected {
            Error::io(format!("{what} did not come to its end"))(short)
        } else {
            Error::SizeMismatch { what, expected, found }
        });
    }
    let (expected, found) = (blob.digest, hasher.finish());
    if expected != found {
        return Err(Error::digest(what, expected, found));
    }
    // Here, while the layer is unpacked still: the disk takes what both have for it together.
    file.sync_data().map_err(Error::io(format!("cannot sync {what}")))
}

/// A full piece, or what is left.
fn piece(from: &mut impl Read, what: &str) -> Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(PIECE);
    from.take(PIECE as u64).read_to_end(&mut piece).map_err(Error::io(format!("cannot read {what}")))?;
    Ok(piece)
}
