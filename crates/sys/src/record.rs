//! The step recorder's format: what each state-changing call was, what it answered, and when.
//!
//! Records lie one behind the other in a piece of shared memory that is made before the clone and kept over the stub's exec,
//! so that parent and stub write into one list; each carries the index of the plan step it belongs to, and `explain` joins
//! it with that step's intent and origin. When nobody asked, there is no such memory, and the cost is one comparison a
//! call. Knows only `core`; shared with `init`.

use crate::capture::Captured;
use core::sync::atomic::{AtomicU32, Ordering};

/// Bytes of a ring for records; what does not fit any more is dropped.
pub const CAPACITY: usize = (512 << 10) - size_of::<[u64; 8]>();

/// No plan step: the call belongs to the work around the plan.
pub const NO_STEP: u32 = u32::MAX;

/// In a step's number: a part of the work around the plan, by whoever does it.
pub const PART: u32 = 1 << 31;

/// In the number of a part: what it writes may be told, for it is limits and id maps, and no secret.
pub const OPEN: u32 = 1 << 30;

/// In the place of a call's number: none was made, a step has begun.
pub const BEGUN: u32 = u32::MAX;

/// The beginning of a record; what was captured of the call's pointers is behind it, filled up to eight bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Bytes of the whole record.
    pub size: u32,
    /// Set to 1 last, so that a reader never takes a half-written record.
    pub complete: u32,
    /// Index of the plan step, [`NO_STEP`] or a [`PART`].
    pub step: u32,
    /// System call number, or [`BEGUN`].
    pub number: u32,
    /// 0: the parent; 1: the stub.
    pub side: u32,
    /// Bytes that were captured.
    pub captured: u32,
    /// Arguments as registers.
    pub args: [u64; 6],
    /// Result, or the negative error number.
    pub result: i64,
    /// CLOCK_BOOTTIME before the call, nanoseconds.
    pub start: u64,
    /// CLOCK_BOOTTIME after it, nanoseconds.
    pub end: u64,
}

impl Head {
    /// Bytes of it.
    pub const SIZE: usize = size_of::<Self>();
}

/// The ring as it lies in shared memory.
#[repr(C)]
pub struct Ring {
    /// Bytes claimed so far, by both sides; may run past [`CAPACITY`].
    pub claimed: AtomicU32,
    /// Keeps the records aligned.
    pub reserved: [u32; 15],
    /// The records.
    pub words: [u64; CAPACITY / 8],
}

impl core::fmt::Debug for Ring {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Ring")
    }
}

impl Ring {
    /// Bytes of a ring.
    pub const SIZE: usize = size_of::<Self>();

    /// Claims the place of a record with so many captured bytes; `None` when the ring is full.
    ///
    /// # Safety
    /// `ring` is mapped, all of it, and nobody but records is in it.
    pub unsafe fn claim(ring: *mut Self, captured: &Captured) -> Option<*mut Head> {
        let size = (Head::SIZE + captured.used().len()).next_multiple_of(8);
        // SAFETY: promised by the caller.
        let at = unsafe { (*ring).claimed.fetch_add(size as u32, Ordering::Relaxed) } as usize;
        if at + size > CAPACITY {
            return None;
        }
        // SAFETY: it lies within the ring, as was just seen; records begin at multiples of eight.
        let head = unsafe { (&raw mut (*ring).words).cast::<u64>().add(at / 8).cast::<Head>() };
        // A reader finds the next one also where this one is never written.
        // SAFETY: the place is ours alone.
        unsafe { (&raw mut (*head).size).write_volatile(size as u32) };
        Some(head)
    }

    /// Writes a record to the place that was claimed for it.
    ///
    /// # Safety
    /// The place was claimed with the same captured bytes, and nobody else writes to it.
    pub unsafe fn write(place: *mut Head, head: &Head, captured: &Captured) {
        let used = captured.used();
        // SAFETY: promised by the caller: there is room for head and bytes.
        unsafe {
            let size = (&raw const (*place).size).read();
            core::ptr::copy_nonoverlapping(used.as_ptr(), place.add(1).cast(), used.len());
            place.write_volatile(Head { size, complete: 1, captured: used.len() as u32, ..*head });
        }
    }
}
