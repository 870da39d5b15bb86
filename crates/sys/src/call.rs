//! The one gate through which our wrappers reach the kernel, and the recorder at it.

use crate::raw;
use crate::record::{NO_STEP, Record, Ring};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

static RING: AtomicPtr<Ring> = AtomicPtr::new(std::ptr::null_mut());
static STEP: AtomicU32 = AtomicU32::new(NO_STEP);

/// From here on, every call of this process that goes through this crate is noted in the ring in `memory`, a memfd of
/// at least [`Ring::SIZE`] bytes. The mapping stays until the process ends.
///
/// # Errors
/// The memory cannot be mapped.
pub fn record_into(memory: impl AsFd) -> crate::Result<&'static Ring> {
    let ring = map(memory.as_fd())?;
    RING.store(ring.as_ptr(), Ordering::Release);
    // SAFETY: the mapping is never removed, is as large as a ring, and zeroes are a valid ring.
    Ok(unsafe { ring.as_ref() })
}

fn map(memory: BorrowedFd<'_>) -> crate::Result<NonNull<Ring>> {
    use rustix::mm::{MapFlags, ProtFlags, mmap};
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
    let address = unsafe {
        mmap(std::ptr::null_mut(), Ring::SIZE, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, memory, 0)
    };
    let address = address.map_err(|errno| crate::Error::new("mmap", "the recorder's ring", errno))?;
    NonNull::new(address.cast()).ok_or_else(|| crate::Error::new("mmap", "the recorder's ring", Errno::NOMEM))
}

/// Says to which step of the plan the calls that follow belong.
pub fn step(index: u32) {
    STEP.store(index, Ordering::Relaxed);
}

/// Calls the kernel, and notes the call when a ring is there.
///
/// # Safety
/// As for [`raw::syscall`].
pub(crate) unsafe fn call(number: u32, args: [usize; 6]) -> Result<usize, Errno> {
    let begun = start();
    // SAFETY: passed on to the caller.
    let result = unsafe { raw::syscall(number, args) };
    note(begun, number, args, result);
    result.map_err(Errno::from_raw_os_error)
}

/// The time, if somebody wants to know it.
pub(crate) fn start() -> Option<u64> {
    (!RING.load(Ordering::Relaxed).is_null()).then(now)
}

/// Notes a call that began at `begun`.
pub(crate) fn note(begun: Option<u64>, number: u32, args: [usize; 6], result: Result<usize, i32>) {
    let Some(start) = begun else { return };
    let ring = RING.load(Ordering::Relaxed);
    let record = Record {
        step: STEP.load(Ordering::Relaxed),
        number,
        args: args.map(|a| a as u64),
        result: result.map_or_else(|errno| -i64::from(errno), |value| value as i64),
        start,
        end: now(),
        side: 0,
        complete: 1,
    };
    // SAFETY: a ring, once set, stays mapped; the slot is claimed by us alone and lies within the ring.
    unsafe {
        if let Some(slot) = (*ring).claim() {
            (&raw mut (*ring).records).cast::<Record>().add(slot).write_volatile(record);
        }
    }
}

/// CLOCK_BOOTTIME in nanoseconds.
pub fn now() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}
