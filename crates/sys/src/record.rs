//! The step recorder's format: what each state-changing call was, what it answered, and when.
//!
//! Records are fixed-size and lie in a ring of shared memory that is made before the clone and kept over the stub's
//! exec, so that parent and stub write into one list; a record carries the index of the plan step it belongs to, and
//! `explain` joins it with that step's intent and origin. When nobody asked, there is no ring, and the cost is one
//! comparison a call. Knows only `core`; shared with `init`.

use crate::capture::CAPTURE;
use core::sync::atomic::{AtomicU32, Ordering};

/// How many records a ring holds; later ones are counted and dropped.
pub const CAPACITY: usize = 2040;

/// No plan step: the call belongs to the work around the plan.
pub const NO_STEP: u32 = u32::MAX;

/// In a step's number: a part of the work around the plan, by whoever does it.
pub const PART: u32 = 1 << 31;

/// In the number of a part: what it writes may be told, for it is limits and id maps, and no secret.
pub const OPEN: u32 = 1 << 30;

/// In the place of a call's number: none was made, a step has begun.
pub const BEGUN: u32 = u32::MAX;

/// One system call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// Index of the plan step, or [`NO_STEP`].
    pub step: u32,
    /// System call number.
    pub number: u32,
    /// Arguments as registers; what pointers point to is in `captured`.
    pub args: [u64; 6],
    /// Result, or the negative error number.
    pub result: i64,
    /// CLOCK_BOOTTIME before the call, nanoseconds.
    pub start: u64,
    /// CLOCK_BOOTTIME after it, nanoseconds.
    pub end: u64,
    /// What its pointers pointed to, as [`capture`](crate::capture::capture) takes it.
    pub captured: [u8; CAPTURE],
    /// 0: the parent; 1: the stub.
    pub side: u32,
    /// Set to 1 last, so that a reader never takes a half-written record.
    pub complete: u32,
}

/// The ring as it lies in shared memory.
#[repr(C)]
pub struct Ring {
    /// Slots claimed so far, by both sides; may run past [`CAPACITY`].
    pub claimed: AtomicU32,
    /// Keeps the records aligned.
    pub reserved: [u32; 15],
    /// The records.
    pub records: [Record; CAPACITY],
}

impl core::fmt::Debug for Ring {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Ring")
    }
}

impl Ring {
    /// Bytes of a ring.
    pub const SIZE: usize = size_of::<Self>();

    /// Claims the next slot; `None` when the ring is full.
    pub fn claim(&self) -> Option<usize> {
        let slot = self.claimed.fetch_add(1, Ordering::Relaxed) as usize;
        (slot < CAPACITY).then_some(slot)
    }
}
