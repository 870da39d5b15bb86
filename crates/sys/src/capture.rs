//! What a recorded call's pointers pointed to: a few bytes of each, taken while they are there. Knows only `core`; shared
//! with `init`.

use crate::nr;

/// The most bytes that are taken of a call.
pub const CAPTURE: usize = 128;

/// What was captured of a call.
#[derive(Clone, Copy)]
pub struct Captured {
    bytes: [u8; CAPTURE],
    used: usize,
}

impl Captured {
    /// Nothing.
    pub const NOTHING: Self = Self { bytes: [0; CAPTURE], used: 0 };

    /// The bytes.
    pub fn used(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }
}

/// The length that stands for a null pointer.
pub const ABSENT: u8 = 0xff;

/// Set in a length: there was more.
pub const CUT: u8 = 0x80;

/// What a pointer among the arguments points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointer {
    /// Argument by index: a text that ends with a zero byte.
    Text(usize),
    /// Argument by index: so many bytes.
    Bytes(usize, usize),
    /// Argument by index, and which argument says how many bytes.
    Counted(usize, usize),
}

/// The pointers of a call that are worth to be followed.
pub fn pointers(number: u32) -> &'static [Pointer] {
    use Pointer::{Bytes, Counted, Text};
    match number {
        nr::openat2 => &[Text(1), Bytes(2, 24)],
        nr::openat
        | nr::mkdirat
        | nr::mknodat
        | nr::fchownat
        | nr::fchmodat
        | nr::unlinkat
        | nr::newfstatat
        | nr::readlinkat
        | nr::faccessat
        | nr::faccessat2
        | nr::statx
        | nr::utimensat
        | nr::open_tree
        | nr::execveat
        | nr::fsetxattr
        | nr::fremovexattr
        | nr::keyctl => &[Text(1)],
        nr::linkat | nr::renameat2 | nr::move_mount => &[Text(1), Text(3)],
        nr::symlinkat => &[Text(0), Text(2)],
        nr::pivot_root | nr::setxattr | nr::lsetxattr => &[Text(0), Text(1)],
        nr::mount => &[Text(0), Text(1), Text(2)],
        nr::execve | nr::chdir | nr::umount2 | nr::fsopen | nr::memfd_create => &[Text(0)],
        nr::fsconfig => &[Text(2), Text(3)],
        nr::mount_setattr => &[Text(1), Bytes(3, 32)],
        nr::write => &[Counted(1, 2)],
        nr::sethostname | nr::setdomainname => &[Counted(0, 1)],
        nr::capset => &[Bytes(1, 24)],
        nr::prlimit64 => &[Bytes(2, 16)],
        _ => &[],
    }
}

/// Takes them: for each a byte that says how many follow, with [`CUT`] set where there were more.
///
/// # Safety
/// The arguments are those of a call as our wrappers make it: a pointer is null or points to what the call reads.
pub unsafe fn capture(number: u32, args: [usize; 6]) -> Captured {
    let mut taken = [0; CAPTURE];
    let mut at = 0;
    for pointer in pointers(number) {
        let (argument, most, text) = match *pointer {
            Pointer::Text(argument) => (argument, usize::MAX, true),
            Pointer::Bytes(argument, size) => (argument, size, false),
            Pointer::Counted(argument, count) => (argument, args[count], false),
        };
        if at >= CAPTURE {
            break;
        }
        let from = args[argument] as *const u8;
        if from.is_null() {
            taken[at] = ABSENT;
            at += 1;
            continue;
        }
        // A length is below CUT | 0x7f, which stands for a null pointer.
        let room = (CAPTURE - at - 1).min(126);
        let mut length = 0;
        let mut cut = false;
        while length < most {
            // SAFETY: promised by the caller; a text is read no further than its end.
            let byte = unsafe { *from.add(length) };
            if text && byte == 0 {
                break;
            }
            if length == room {
                cut = true;
                break;
            }
            taken[at + 1 + length] = byte;
            length += 1;
        }
        taken[at] = length as u8 | if cut { CUT } else { 0 };
        at += 1 + length;
    }
    Captured { bytes: taken, used: at }
}
