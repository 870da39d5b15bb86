//! Which number a call has on which ABI.
//!
//! The readable rows stand in `a_to_l` and `m_to_z`, sorted by name. They never reach the binary as they are: 485 `&str`
//! would be 485 relocations, which a static-pie program pays for at every start. What is stored, all of it computed by
//! the compiler, is one string of all names, the numbers, a hash index from name to row, and for each ABI the rows in
//! the order of their numbers.

mod a_to_l;
mod m_to_z;

use crate::abi::Abi;

/// The call does not exist on that ABI.
const NO: i32 = -1;

/// A name and its number on each ABI, in the order of [`Abi`].
struct Row {
    name: &'static str,
    numbers: [i32; Abi::COUNT],
}

const fn row(name: &'static str, numbers: [i32; Abi::COUNT]) -> Row {
    Row { name, numbers }
}

/// How many calls there are.
pub(crate) const COUNT: usize = a_to_l::ROWS.len() + m_to_z::ROWS.len();

/// Slots of the hash index: a power of two, less than half of them taken.
const SLOTS: usize = 1 << SLOT_BITS;

const SLOT_BITS: u32 = 10;

/// A slot that holds nothing.
const EMPTY: u16 = u16::MAX;

const fn at(index: usize) -> &'static Row {
    if index < a_to_l::ROWS.len() { &a_to_l::ROWS[index] } else { &m_to_z::ROWS[index - a_to_l::ROWS.len()] }
}

const NAME_BYTES: usize = {
    let (mut total, mut index) = (0, 0);
    while index < COUNT {
        total += at(index).name.len();
        index += 1;
    }
    total
};

/// All names, one after the other.
static NAMES: [u8; NAME_BYTES] = {
    let mut names = [0; NAME_BYTES];
    let (mut filled, mut index) = (0, 0);
    while index < COUNT {
        let name = at(index).name.as_bytes();
        let mut byte = 0;
        while byte < name.len() {
            names[filled] = name[byte];
            filled += 1;
            byte += 1;
        }
        index += 1;
    }
    names
};

/// Where each name begins in [`NAMES`]; one more for the end of the last.
static STARTS: [u16; COUNT + 1] = {
    let mut starts = [0; COUNT + 1];
    let mut index = 0;
    while index < COUNT {
        starts[index + 1] = starts[index] + at(index).name.len() as u16;
        index += 1;
    }
    starts
};

static NUMBERS: [[i32; Abi::COUNT]; COUNT] = {
    let mut numbers = [[NO; Abi::COUNT]; COUNT];
    let mut index = 0;
    while index < COUNT {
        numbers[index] = at(index).numbers;
        index += 1;
    }
    numbers
};

/// Open addressing: a name's row stands at its hash or in the slots behind it.
static INDEX: [u16; SLOTS] = {
    let mut slots = [EMPTY; SLOTS];
    let mut index = 0;
    while index < COUNT {
        let mut slot = hash(at(index).name.as_bytes());
        while slots[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = index as u16;
        index += 1;
    }
    slots
};

/// For each ABI the rows by ascending number; those without one come first.
static BY_NUMBER: [[u16; COUNT]; Abi::COUNT] = {
    let mut sorted = [[0; COUNT]; Abi::COUNT];
    let mut abi = 0;
    while abi < Abi::COUNT {
        let mut index = 0;
        while index < COUNT {
            let number = at(index).numbers[abi];
            let mut place = index;
            while place > 0 && at(sorted[abi][place - 1] as usize).numbers[abi] > number {
                sorted[abi][place] = sorted[abi][place - 1];
                place -= 1;
            }
            sorted[abi][place] = index as u16;
            index += 1;
        }
        abi += 1;
    }
    sorted
};

/// Eight bytes at a time: this runs for each name of a profile.
const fn hash(name: &[u8]) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (chunks, rest) = name.as_chunks::<8>();
    let (mut hash, mut tail, mut index) = (name.len() as u64, 0, 0);
    while index < chunks.len() {
        hash = (hash ^ u64::from_le_bytes(chunks[index])).wrapping_mul(FACTOR);
        hash ^= hash >> 32;
        index += 1;
    }
    index = 0;
    while index < rest.len() {
        tail = tail << 8 | rest[index] as u64;
        index += 1;
    }
    hash = (hash ^ tail).wrapping_mul(FACTOR);
    (hash >> (u64::BITS - SLOT_BITS)) as usize
}

/// A call, whatever its number: its row in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call(u16);

impl Call {
    /// The call of that name; `None` when no ABI that we know has it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut slot = hash(name.as_bytes());
        while INDEX[slot] != EMPTY {
            let call = Self(INDEX[slot]);
            if call.name_bytes() == name.as_bytes() {
                return Some(call);
            }
            slot = (slot + 1) % SLOTS;
        }
        None
    }

    /// Its number on an ABI, without x32's bit 30; `None` when it does not exist there.
    pub(crate) fn number(self, abi: Abi) -> Option<u32> {
        u32::try_from(NUMBERS[self.row()][abi as usize]).ok()
    }

    /// All calls of an ABI by ascending number.
    pub(crate) fn of(abi: Abi) -> impl Iterator<Item = (u32, Self)> {
        BY_NUMBER[abi as usize].iter().filter_map(move |row| {
            let call = Self(*row);
            call.number(abi).map(|number| (number, call))
        })
    }

    /// A number below [`COUNT`].
    pub(crate) fn row(self) -> usize {
        usize::from(self.0)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        std::str::from_utf8(self.name_bytes()).unwrap_or_default()
    }

    fn name_bytes(self) -> &'static [u8] {
        &NAMES[usize::from(STARTS[self.row()])..usize::from(STARTS[self.row() + 1])]
    }
}

/// The number of a call on an ABI, with x32's bit 30 where that is the ABI; `None` when there is no such call.
///
/// The tables go up to Linux 7.0 (`rseq_slice_yield`, 471).
pub fn number(name: &str, abi: Abi) -> Option<u32> {
    Call::named(name)?.number(abi).map(|number| number | abi.base())
}

/// All names in the tables, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    (0..COUNT as u16).map(|row| Call(row).name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_at_its_own_row() {
        for (index, name) in names().enumerate() {
            assert_eq!(Call::named(name).map(Call::row), Some(index), "{name}");
        }
        assert!(names().is_sorted());
        assert_eq!(Call::named("no_such_call"), None);
    }

    #[test]
    fn no_number_is_taken_twice_on_an_abi() {
        for abi in Abi::ALL {
            let numbers: Vec<u32> = Call::of(abi).map(|(number, _)| number).collect();
            assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{abi:?}");
            assert!(numbers.len() > 300, "{abi:?}");
        }
    }

    #[test]
    fn calls_since_5_1_have_one_number_everywhere() {
        // From pidfd_send_signal (424) on every architecture numbers alike (Documentation/process/adding-syscalls.rst).
        for (number, call) in Call::of(Abi::X86_64).filter(|(number, _)| *number >= 424) {
            for abi in Abi::ALL {
                assert!(call.number(abi).is_none_or(|other| other == number), "{} {abi:?}", call.name());
            }
        }
        assert_eq!(number("mseal", Abi::Aarch64), Some(462));
    }

    #[test]
    fn x32_has_its_bit_and_its_own_numbers() {
        assert_eq!(number("read", Abi::X32), Some(0x4000_0000));
        assert_eq!(number("rt_sigaction", Abi::X32), Some(0x4000_0000 + 512));
        assert_eq!(number("pwritev2", Abi::X32), Some(0x4000_0000 + 547));
        assert_eq!(number("uselib", Abi::X32), None);
    }
}
