//! perf_event_open(2), as far as one tracepoint followed down a tree of processes needs it.
//!
//! A process and all that it starts from then on write into one ring for each processor, for an event that is inherited
//! may have no other. A ring that nobody empties drops what is new, and counts it: it never stops who writes.

use crate::call::call;
use crate::{Error, Result, nr};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a ring tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The tracepoint was passed.
    Sample {
        /// The process.
        pid: u32,
        /// The thread.
        tid: u32,
        /// Where in the kernel, innermost first.
        chain: Vec<u64>,
        /// The tracepoint's fields, as its format lays them.
        fields: Vec<u8>,
    },
    /// A thread has this name from now on.
    Named {
        /// The process.
        pid: u32,
        /// The thread.
        tid: u32,
        /// At most 15 bytes, of any kind.
        name: Vec<u8>,
    },
    /// A process or thread was born.
    Born {
        /// The process.
        pid: u32,
        /// Its parent.
        parent: u32,
        /// The thread.
        tid: u32,
        /// The thread that made it.
        maker: u32,
    },
    /// So many did not fit.
    Lost(u64),
}

/// A processor's ring.
#[derive(Debug)]
pub struct Ring {
    fd: OwnedFd,
    /// A page that says how far it is filled, and the data behind it; mapped, so aligned to a page.
    memory: NonNull<AtomicU64>,
}

const PAGE: usize = 4096;
/// Of data: a power of two.
const DATA: usize = 64 * PAGE;
/// `struct perf_event_mmap_page`.
const HEAD: usize = 1024 / size_of::<AtomicU64>();
const TAIL: usize = 1032 / size_of::<AtomicU64>();

const TYPE_TRACEPOINT: u64 = 2;
/// `PERF_SAMPLE_TID`, `…TIME`, `…CALLCHAIN` and `…RAW`.
const SAMPLE: u64 = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 10;
/// Bits of the attributes: inherit, comm, task, watermark, sample_id_all, exclude_callchain_user.
const FLAGS: u64 = 1 << 1 | 1 << 9 | 1 << 13 | 1 << 14 | 1 << 18 | 1 << 22;
const FD_CLOEXEC: usize = 8;
/// `PERF_EVENT_IOC_SET_FILTER`.
const SET_FILTER: usize = 0x4008_2406;

impl Ring {
    /// Follows `pid`, and all that it starts from now on, on one processor. `filter` is one of the tracepoint's fields
    /// (`ret != 0`), or empty.
    ///
    /// # Errors
    /// EACCES and EPERM where we may not (perf_event_paranoid, CAP_PERFMON); ENODEV for a processor that is off.
    pub fn open(tracepoint: u64, pid: i32, processor: u32, filter: &CStr) -> Result<Self> {
        let failed = |errno| Error::new("perf_event_open", format!("tracepoint {tracepoint}, {pid}"), errno);
        let mut attributes = [0_u64; 16];
        attributes[0] = TYPE_TRACEPOINT | (size_of_val(&attributes) as u64) << 32;
        attributes[1] = tracepoint;
        attributes[2] = 1;
        attributes[3] = SAMPLE;
        attributes[5] = FLAGS;
        attributes[6] = DATA as u64 / 4;
        let args = [attributes.as_ptr() as usize, pid as usize, processor as usize, usize::MAX, FD_CLOEXEC, 0];
        // SAFETY: the kernel only reads the attributes, whose length is in them.
        let fd = unsafe { call(nr::perf_event_open, args) }.map_err(failed)?;
        // SAFETY: the kernel just made this fd for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        if !filter.is_empty() {
            // SAFETY: the kernel only reads the text.
            unsafe { call(nr::ioctl, [fd.as_raw_fd() as usize, SET_FILTER, filter.as_ptr() as usize, 0, 0, 0]) }
                .map_err(|errno| Error::new("ioctl", "PERF_EVENT_IOC_SET_FILTER", errno))?;
        }
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let memory = unsafe {
            mmap(std::ptr::null_mut(), PAGE + DATA, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &fd, 0)
        };
        let memory = memory.and_then(|memory| NonNull::new(memory.cast()).ok_or(Errno::NOMEM));
        Ok(Self { fd, memory: memory.map_err(|errno| Error::new("mmap", "a ring of events", errno))? })
    }

    /// Takes out what is in it, each with its time: what one ring holds may have come before what another does.
    pub fn read(&mut self, mut take: impl FnMut(u64, Event)) {
        // SAFETY: both words lie within the mapping, aligned, for as long as we do; the kernel shares them as atomics.
        let (head, tail) = unsafe { (self.memory.add(HEAD).as_ref(), self.memory.add(TAIL).as_ref()) };
        let end = head.load(Ordering::Acquire);
        let mut at = tail.load(Ordering::Relaxed);
        while at < end {
            let header = self.copy(at, 8);
            let size = header.get(6..8).and_then(|size| size.try_into().ok()).map_or(0, u16::from_ne_bytes);
            if size < 8 {
                at = end;
                break;
            }
            if let Some((time, event)) = parse(&self.copy(at, size.into())) {
                take(time, event);
            }
            at += u64::from(size);
        }
        tail.store(at, Ordering::Release);
    }

    /// Bytes of the data, which may go over its end.
    fn copy(&self, at: u64, length: usize) -> Vec<u8> {
        let byte = |index: usize| {
            let offset = PAGE + (at as usize).wrapping_add(index) % DATA;
            // SAFETY: the offset lies within the mapping; the kernel writes nothing before the tail has passed it.
            unsafe { self.memory.cast::<u8>().add(offset).read_volatile() }
        };
        (0..length).map(byte).collect()
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone, and nobody uses it after us.
        let _ = unsafe { munmap(self.memory.as_ptr().cast(), PAGE + DATA) };
    }
}

/// One record: `struct perf_event_header` and what its type says.
fn parse(record: &[u8]) -> Option<(u64, Event)> {
    const LOST: u32 = 2;
    const COMM: u32 = 3;
    const FORK: u32 = 7;
    const OF_TRACEPOINT: u32 = 9;
    let half = |at: usize| Some(u32::from_ne_bytes(record.get(at..at + 4)?.try_into().ok()?));
    let word = |at: usize| Some(u64::from_ne_bytes(record.get(at..at + 8)?.try_into().ok()?));
    // What is no sample has its time at the end.
    let last = record.len().checked_sub(8).and_then(word);
    match half(0)? {
        OF_TRACEPOINT => {
            let count = word(24)? as usize;
            let chain = (0..count).map(|index| word(32 + 8 * index)).collect::<Option<_>>()?;
            let raw = 32 + 8 * count;
            let length = half(raw)? as usize;
            let fields = record.get(raw + 4..raw + 4 + length)?.to_vec();
            Some((word(16)?, Event::Sample { pid: half(8)?, tid: half(12)?, chain, fields }))
        }
        COMM => {
            let name = record.get(16..)?.split(|byte| *byte == 0).next()?.to_vec();
            Some((last?, Event::Named { pid: half(8)?, tid: half(12)?, name }))
        }
        FORK => Some((last?, Event::Born { pid: half(8)?, parent: half(12)?, tid: half(16)?, maker: half(20)? })),
        LOST => Some((last?, Event::Lost(word(16)?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, body: &[&[u8]]) -> Vec<u8> {
        let body = body.concat();
        [&kind.to_ne_bytes()[..], &0_u16.to_ne_bytes(), &(8 + body.len() as u16).to_ne_bytes(), &body].concat()
    }

    #[test]
    fn records_are_read_as_the_manual_lays_them() {
        let (pid, tid) = (7_u32.to_ne_bytes(), 8_u32.to_ne_bytes());
        let chain = [1_u64.to_ne_bytes(), 0xffff_u64.to_ne_bytes()].concat();
        let time = 99_u64.to_ne_bytes();
        let sample = record(9, &[&pid, &tid, &time, &chain, &4_u32.to_ne_bytes(), b"abcd"]);
        let expected = Event::Sample { pid: 7, tid: 8, chain: vec![0xffff], fields: b"abcd".to_vec() };
        assert_eq!(parse(&sample), Some((99, expected)));
        let named = record(3, &[&pid, &tid, b"sh\0\0\0\0\0\0", &pid, &tid, &time]);
        assert_eq!(parse(&named), Some((99, Event::Named { pid: 7, tid: 8, name: b"sh".to_vec() })));
        let lost = record(2, &[&[0; 8], &3_u64.to_ne_bytes(), &pid, &tid, &time]);
        assert_eq!(parse(&lost), Some((99, Event::Lost(3))));
        for length in 0..sample.len() {
            assert_eq!(parse(&sample[..length]), None);
        }
    }
}
