//! `HOME` where the specification does not say it: what the container's own /etc/passwd has for the user, as login(1)
//! would set it.
//!
//! The file is the image's and may be anything: it is opened without following a magic link or waiting for a fifo's
//! other end, and read through a small buffer, whatever its length.

use crate::kernel::{self, AT_FDCWD, Outcome, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, S_IFREG, nr};
use crate::path::Buffer;

const O_NONBLOCK: u64 = 0o4000;
const UID: u32 = 2;
const HOME: u32 = 5;

/// Makes the variable; `/` for a user whom the file does not know.
pub fn find(uid: u32, variable: &mut Buffer) -> Outcome {
    variable.truncate(0);
    variable.push(b"HOME=")?;
    let start = variable.as_cstr().to_bytes().len();
    let resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    if let Ok(file) = kernel::openat2(AT_FDCWD, c"/etc/passwd", O_NONBLOCK, 0, resolve) {
        let found = kernel::stat(file).is_ok_and(|stat| stat.kind() == S_IFREG) && search(file, uid, variable, start);
        kernel::close(file);
        if found {
            return Ok(());
        }
    }
    variable.truncate(start);
    variable.push(b"/")
}

/// Reads lines of `name:password:uid:gid:gecos:home:shell` up to the user's, and pushes his home. False if there is none.
fn search(file: i32, uid: u32, variable: &mut Buffer, start: usize) -> bool {
    let mut chunk = [0u8; 512];
    let mut line = Line { field: 0, number: None };
    loop {
        // SAFETY: the kernel writes at most the chunk's length.
        let read = unsafe { kernel::call(nr::read, [file as usize, chunk.as_mut_ptr() as usize, chunk.len(), 0, 0, 0]) };
        let length = read.unwrap_or(0).min(chunk.len());
        for byte in &chunk[..length] {
            let mine = line.number == Some(uid);
            match byte {
                b':' | b'\n' if mine && line.field == HOME => return variable.as_cstr().to_bytes().len() > start,
                b'\n' => line = Line { field: 0, number: None },
                b':' => line.field += 1,
                byte if line.field == UID => line.digit(*byte),
                byte if mine && line.field == HOME && variable.push(&[*byte]).is_err() => return false,
                _ => {}
            }
        }
        if length == 0 {
            let mine = line.number == Some(uid) && line.field == HOME;
            return mine && variable.as_cstr().to_bytes().len() > start;
        }
    }
}

struct Line {
    field: u32,
    number: Option<u32>,
}

impl Line {
    /// One more character of the uid. One that is none makes it nobody's.
    fn digit(&mut self, byte: u8) {
        const NOBODY: u32 = u32::MAX;
        let next = match (self.number, byte) {
            (Some(NOBODY), _) => None,
            (number, b'0'..=b'9') => number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add((byte - b'0').into())),
            _ => None,
        };
        self.number = Some(next.unwrap_or(NOBODY));
    }
}
