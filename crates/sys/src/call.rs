//! The one gate through which our wrappers reach the kernel, and the recorder at it.

use crate::capture::{Captured, capture};
use crate::nr;
use crate::raw;
use crate::record::{BEGUN, Head, NO_STEP, OPEN, PART, Ring};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

static RING: AtomicPtr<Ring> = AtomicPtr::new(std::ptr::null_mut());
static STEP: AtomicU32 = AtomicU32::new(NO_STEP);

/// From here on, every call of this process that goes through this crate is noted in the ring in `memory`, a memfd of
/// at least [`Ring::SIZE`] bytes. The mapping stays until the process ends.
///
/// # Errors
/// The memory cannot be mapped.
fn record_into(memory: impl AsFd) -> crate::Result<&'static Ring> {
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

/// Says to which step of the plan, or to which part of the work around it ([`PART`]), belongs what follows.
pub fn step(index: u32) {
    STEP.store(index, Ordering::Relaxed);
    if index != NO_STEP && index & PART != 0 {
        crate::marks::mark(index);
    }
    note(start(), BEGUN, [0; 6], &Captured::NOTHING, Ok(0));
}

/// What was written may be told. What is not known to be harmless may be a secret.
fn is_open() -> bool {
    let step = STEP.load(Ordering::Relaxed);
    step != NO_STEP && step & PART != 0 && step & OPEN != 0
}

/// Calls the kernel, and notes the call when a ring is there.
///
/// # Safety
/// As for [`raw::syscall`].
pub(crate) unsafe fn call(number: u32, args: [usize; 6]) -> Result<usize, Errno> {
    let begun = start();
    // SAFETY: passed on to the caller.
    let result = unsafe { raw::syscall(number, args) };
    if begun.is_some() {
        // Its flags are in what its first argument points to; they stand for it.
        let by_pointer = number == nr::clone3 && args[1] != 0;
        // SAFETY: clone3(2) was just given it: the flags are its first word.
        let args = if by_pointer { [unsafe { *(args[0] as *const usize) }, 0, 0, 0, 0, 0] } else { args };
        let hidden = number == nr::write && !is_open();
        // SAFETY: the arguments are those of the call that was just made.
        let captured = if hidden { Captured::NOTHING } else { unsafe { capture(number, args) } };
        note(begun, number, args, &captured, result);
    }
    result.map_err(Errno::from_raw_os_error)
}

/// The time, if somebody wants to know it.
pub(crate) fn start() -> Option<u64> {
    (!RING.load(Ordering::Relaxed).is_null()).then(now)
}

/// Notes a call that began at `begun`.
pub(crate) fn note(begun: Option<u64>, number: u32, args: [usize; 6], captured: &Captured, result: Result<usize, i32>) {
    let Some(start) = begun else { return };
    let ring = RING.load(Ordering::Relaxed);
    let head = Head {
        size: 0,
        complete: 0,
        step: STEP.load(Ordering::Relaxed),
        number,
        side: 0,
        captured: 0,
        args: args.map(|a| a as u64),
        result: result.map_or_else(|errno| -i64::from(errno), |value| value as i64),
        start,
        end: now(),
    };
    // SAFETY: a ring, once set, stays mapped; the place is claimed for this record.
    unsafe {
        if let Some(place) = Ring::claim(ring, captured) {
            Ring::write(place, &head, captured);
        }
    }
}

/// CLOCK_BOOTTIME in nanoseconds.
pub fn now() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// The recorder of this process and of the stub that it makes.
#[derive(Debug)]
pub struct Recorder {
    memory: OwnedFd,
    ring: &'static Ring,
}

impl Recorder {
    /// Makes the ring, and notes every call from here on.
    pub fn start() -> crate::Result<Self> {
        let memory = crate::memfd::zeroed(c"coracle-record", Ring::SIZE)?;
        let ring = record_into(&memory)?;
        Ok(Self { memory, ring })
    }

    /// The shared memory, for the stub.
    pub fn memory(&self) -> &OwnedFd {
        &self.memory
    }

    /// What was noted so far, as it lies in the ring: [`Record::read`] reads it.
    pub fn bytes(&self) -> Vec<u8> {
        let claimed = (self.ring.claimed.load(Ordering::Acquire) as usize).min(crate::record::CAPACITY);
        let mut bytes = Vec::with_capacity(claimed);
        // SAFETY: they lie within the ring, which stays mapped. Who writes to it meanwhile writes a record that is not
        // complete in this copy, or is; neither is taken for something else.
        unsafe {
            (&raw const self.ring.words).cast::<u8>().copy_to_nonoverlapping(bytes.as_mut_ptr(), claimed);
            bytes.set_len(claimed);
        }
        bytes
    }
}
