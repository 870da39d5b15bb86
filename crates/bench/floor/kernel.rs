//! The calls, without anything between.

use crate::Text;
pub(crate) use crate::nr;
use crate::raw;

/// mount(2).
pub const MOUNT: u32 = if cfg!(target_arch = "x86_64") { 165 } else { 40 };
/// socket(2).
pub const SOCKET: u32 = if cfg!(target_arch = "x86_64") { 41 } else { 198 };
/// The current directory, as a directory.
pub const AT_FDCWD: usize = -100_isize as usize;
/// Write only, closed at exec.
pub const WRITE: usize = 0o2_000_001;

/// A call that must succeed, with pointers to what lives long enough.
pub fn call<const N: usize>(number: u32, args: [usize; N]) -> usize {
    match attempt(number, args) {
        Ok(value) => value,
        Err(_) => exit(100 + (number % 100) as i32),
    }
}

/// A call that may fail.
pub fn attempt<const N: usize>(number: u32, args: [usize; N]) -> Result<usize, i32> {
    let mut all = [0; 6];
    for (place, value) in all.iter_mut().zip(args) {
        *place = value;
    }
    // SAFETY: all pointers that this program passes are to its own bytes, its arguments or its stack.
    unsafe { raw::syscall(number, all) }
}

/// mount(2), of which everything may be null.
pub fn mount(source: Text, target: Text, kind: Text, flags: usize, options: Text) {
    call(MOUNT, [source as usize, target as usize, kind as usize, flags, options as usize]);
}

/// mount(2) onto something that this machine may lack.
pub fn mount_if_there(source: Text, target: Text, flags: usize) -> bool {
    attempt(MOUNT, [source as usize, target as usize, 0, flags, 0]).is_ok()
}

/// Opens a control file.
pub fn open(path: Text) -> usize {
    call(nr::openat, [AT_FDCWD, path as usize, WRITE])
}

/// Writes a text.
pub fn write(fd: usize, text: Text) {
    call(nr::write, [fd, text as usize, length(text)]);
}

/// The length of a text.
pub fn length(text: Text) -> usize {
    let mut length = 0;
    // SAFETY: texts end with a zero.
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}

/// Ends this process.
pub fn exit(code: i32) -> ! {
    loop {
        let _ = attempt(nr::exit_group, [code as usize]);
    }
}
