//! When the parts of a start began: a few numbers that are noted at every start, recorded or not, for they cost nothing.

use crate::now;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// More parts than a start has; later ones are not noted.
const MOST: usize = 64;

static BEGAN: AtomicU64 = AtomicU64::new(0);
static COUNT: AtomicUsize = AtomicUsize::new(0);
static PARTS: [AtomicU32; MOST] = [const { AtomicU32::new(0) }; MOST];
static TIMES: [AtomicU64; MOST] = [const { AtomicU64::new(0) }; MOST];

/// A program, or one that it has forked for another start, says that it begins: from here on time counts, and also for
/// those that it forks.
pub fn begin() {
    COUNT.store(0, Ordering::Relaxed);
    BEGAN.store(now(), Ordering::Relaxed);
}

/// When the program began (CLOCK_BOOTTIME, nanoseconds); of one that has not said so, now.
pub fn began() -> u64 {
    match BEGAN.load(Ordering::Relaxed) {
        0 => now(),
        began => began,
    }
}

/// A part begins.
pub(crate) fn mark(part: u32) {
    let index = COUNT.load(Ordering::Relaxed);
    if let (Some(place), Some(time)) = (PARTS.get(index), TIMES.get(index)) {
        place.store(part, Ordering::Relaxed);
        time.store(now(), Ordering::Relaxed);
        COUNT.store(index + 1, Ordering::Relaxed);
    }
}

/// The parts ([`PART`](crate::record::PART)) that have begun, and when (CLOCK_BOOTTIME, nanoseconds), in their order.
pub fn marks() -> Vec<(u32, u64)> {
    let all = PARTS.iter().zip(&TIMES).take(COUNT.load(Ordering::Relaxed));
    all.map(|(part, time)| (part.load(Ordering::Relaxed), time.load(Ordering::Relaxed))).collect()
}
