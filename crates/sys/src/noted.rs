//! Records as they are read, from a ring or from where its bytes were kept.

use crate::record::Head;

/// One system call, or the beginning of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Index of the plan step, [`NO_STEP`](crate::record::NO_STEP) or a [`PART`](crate::record::PART).
    pub step: u32,
    /// System call number, or [`BEGUN`](crate::record::BEGUN).
    pub number: u32,
    /// Arguments as registers.
    pub args: [u64; 6],
    /// What its pointers pointed to, as [`capture`](crate::capture::capture) takes it.
    pub captured: Vec<u8>,
    /// Result, or the negative error number.
    pub result: i64,
    /// CLOCK_BOOTTIME before the call, nanoseconds.
    pub start: u64,
    /// CLOCK_BOOTTIME after it, nanoseconds.
    pub end: u64,
    /// The stub made it; else its parent.
    pub inside: bool,
}

impl Record {
    /// The records in `bytes`, in the order in which the calls began; those that were never finished are left out, and so is
    /// all behind one that makes no sense.
    pub fn read(bytes: &[u8]) -> Vec<Self> {
        let mut records = Vec::new();
        let mut rest = bytes;
        while let Some((size, complete)) = word(rest, 0).zip(word(rest, 4)) {
            let Some((whole, behind)) = rest.split_at_checked(size as usize).filter(|(whole, _)| !whole.is_empty())
            else {
                break;
            };
            rest = behind;
            if complete == 1 {
                let Some(record) = Self::of(whole) else { break };
                records.push(record);
            }
        }
        records.sort_by_key(|record| record.start);
        records
    }

    /// That which fills `bytes`, in the order of [`Head`]'s fields.
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut args = [0; 6];
        for (index, arg) in args.iter_mut().enumerate() {
            *arg = long(bytes, 24 + 8 * index)?;
        }
        let captured = word(bytes, 20)? as usize;
        Some(Self {
            step: word(bytes, 8)?,
            number: word(bytes, 12)?,
            inside: word(bytes, 16)? == 1,
            args,
            result: long(bytes, 72)? as i64,
            start: long(bytes, 80)?,
            end: long(bytes, 88)?,
            captured: bytes.get(Head::SIZE..Head::SIZE.checked_add(captured)?)?.to_vec(),
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::capture;
    use crate::record::Ring;
    use std::mem::offset_of;

    /// A ring of its own, with so many calls in it.
    fn recorded(calls: usize) -> Vec<u8> {
        // SAFETY: zeroes are a ring; it is ours alone; the pointers are those of a call.
        unsafe {
            let mut ring: Box<Ring> = Box::new_zeroed().assume_init();
            for index in 0..calls {
                let captured = capture(crate::nr::chdir, [c"/somewhere".as_ptr() as usize, 0, 0, 0, 0, 0]);
                let place = Ring::claim(&raw mut *ring, &captured);
                let (number, start) = (crate::nr::chdir, index as u64);
                let head = Head {
                    size: 0,
                    complete: 0,
                    step: 7,
                    number,
                    side: 1,
                    captured: 0,
                    args: [1; 6],
                    result: -2,
                    start,
                    end: 9,
                };
                if let Some(place) = place {
                    Ring::write(place, &head, &captured);
                }
            }
            ring.words.iter().flat_map(|word| word.to_ne_bytes()).collect()
        }
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(offset_of!(Head, args), 24);
        assert_eq!(offset_of!(Head, end), 88);
        let bytes = recorded(3);
        let records = Record::read(&bytes);
        let captured = b"\x0a/somewhere".to_vec();
        let first = Record {
            step: 7,
            number: crate::nr::chdir,
            args: [1; 6],
            captured,
            result: -2,
            start: 0,
            end: 9,
            inside: true,
        };
        assert_eq!(records.first(), Some(&first));
        assert_eq!(records.len(), 3);
        // A cut anywhere leaves whole records.
        for cut in 0..400 {
            assert!(Record::read(&bytes[..cut]).len() <= 3);
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let bytes = recorded(10_000);
        let records = Record::read(&bytes);
        assert_eq!(records.len(), bytes.len() / 112);
    }
}
