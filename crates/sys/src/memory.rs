//! Memory of a process that is going to wait for long: what comes back by itself is given away.

use crate::{nr, raw};

/// The kernel's `Elf64_Phdr`.
#[repr(C)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: usize,
    address: usize,
    physical: usize,
    file_size: usize,
    size: usize,
    align: usize,
}

const PT_LOAD: u32 = 1;
/// How long the kernel's `Elf64_Ehdr` is.
const HEADER: usize = 64;
const PF_W: u32 = 2;
const AT_PHDR: usize = 3;
const AT_PHNUM: usize = 5;
const MADV_DONTNEED: usize = 4;
const PAGE: usize = 4096;

/// How far below us the stack may have been used by what has come to its end.
const DEPTH: usize = 256 << 10;
/// What we and the calls that we make need of it.
const FRAMES: usize = 2 * PAGE;

/// Gives away the pages of the program's own code and constants, which are read again from its file when they are
/// needed, and those of the stack below the caller, which hold nothing any more. To be called by the main thread of a
/// process that has no other. What fails changes nothing.
pub fn let_go() {
    program();
    let here = 0_u8;
    let top = (&raw const here as usize).saturating_sub(FRAMES) & !(PAGE - 1);
    forget(top.saturating_sub(DEPTH), DEPTH);
}

fn program() -> Option<()> {
    // The kernel puts it where it puts the environment, from which a library reads nothing.
    let auxiliary = std::fs::read("/proc/self/auxv").ok()?;
    let words: Vec<usize> =
        auxiliary.as_chunks().0.iter().map(|bytes: &[u8; size_of::<usize>()]| usize::from_ne_bytes(*bytes)).collect();
    let value = |name| words.chunks(2).find(|pair| pair.first() == Some(&name))?.get(1).copied();
    let (table, count) = (value(AT_PHDR)?, value(AT_PHNUM)?);
    // SAFETY: the kernel says that so many headers of the program lie there, mapped for as long as it runs.
    let segments = unsafe { std::slice::from_raw_parts(table as *const Segment, count) };
    // They stand right behind the file's header, which the first segment begins with.
    let first = segments.iter().find(|segment| segment.kind == PT_LOAD && segment.offset == 0)?;
    let base = table.wrapping_sub(HEADER).wrapping_sub(first.address);
    // What can be written has been: it comes back from nowhere.
    for segment in segments.iter().filter(|segment| segment.kind == PT_LOAD && segment.flags & PF_W == 0) {
        let begin = base.wrapping_add(segment.address);
        let aligned = begin & !(PAGE - 1);
        forget(aligned, begin - aligned + segment.size);
    }
    Some(())
}

fn forget(address: usize, length: usize) {
    // SAFETY: the pages are either those of a file, mapped read-only, or below all frames of the only stack.
    let _ = unsafe { raw::syscall(nr::madvise, [address, length, MADV_DONTNEED, 0, 0, 0]) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_constants_and_what_was_written_are_as_before() {
        let written = vec![7_u8; 3 * PAGE];
        // The headers are found, and what they name can be read again.
        assert!(program().is_some());
        assert_eq!(written.iter().map(|byte| usize::from(*byte)).sum::<usize>(), 7 * 3 * PAGE);
        assert_eq!("constant".len(), std::hint::black_box(8));
    }
}
