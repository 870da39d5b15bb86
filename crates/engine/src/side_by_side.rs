//! Doing the same for several things, some at once.

use crate::error::{Error, Result};
use oci::image::Descriptor;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many layers are on their way at once; docker's default.
const AT_ONCE: usize = 3;
/// As many as podman's where all are small: they wait for answers and for the disk more than they compute.
const SMALL_AT_ONCE: usize = 6;
/// In bytes, as they come.
const SMALL: u64 = 4 << 20;

/// How many of these layers are to be on their way at once.
pub fn at_once(layers: &[Descriptor]) -> usize {
    if layers.iter().all(|layer| layer.size <= SMALL) { SMALL_AT_ONCE } else { AT_ONCE }
}

/// Does it for each, so many at once; the first error ends it. All threads have ended when it returns.
pub fn side_by_side<T: Sync>(at_once: usize, things: &[T], act: impl Fn(usize, &T) -> Result<()> + Sync) -> Result<()> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None::<Error>));
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(thing) = things.get(at) else { return };
            if let Err(error) = act(at, thing) {
                next.store(things.len(), Ordering::Relaxed);
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(things.len()) {
            scope.spawn(work);
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}
