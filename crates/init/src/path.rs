//! Paths in the coming root, always through its fd: a link in an image cannot lead out of it.
//!
//! openat2(2) with `RESOLVE_IN_ROOT` does the safe walk. What it cannot do is make what is missing at the end of a
//! dangling link (`/etc/resolv.conf` → `../run/systemd/…` in many images), so [`create`] walks by hand, one component
//! at a time, and opens each through the same safe call.

use crate::kernel::{
    self, EEXIST, ELOOP, ENAMETOOLONG, ENOENT, Failure, O_DIRECTORY, O_NOFOLLOW, O_PATH, Outcome,
    RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, S_IFLNK, S_IFREG, fail, nr,
};
use core::ffi::CStr;

const MOST: usize = 4096;

/// A C string on the stack.
pub struct Buffer {
    bytes: [u8; MOST],
    length: usize,
}

impl Buffer {
    pub const fn new() -> Self {
        Self { bytes: [0; MOST], length: 0 }
    }

    pub fn push(&mut self, bytes: &[u8]) -> Outcome {
        if self.length + bytes.len() >= MOST {
            return fail(nr::openat2, ENAMETOOLONG);
        }
        for byte in bytes {
            self.bytes[self.length] = *byte;
            self.length += 1;
        }
        self.bytes[self.length] = 0;
        Ok(())
    }

    /// Adds a number in decimal.
    pub fn push_number(&mut self, number: u32) -> Outcome {
        let mut digits = [0u8; 10];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return self.push(&digits[at..]);
            }
        }
    }

    /// Becomes what the link behind an `O_PATH` fd says.
    pub fn read_link(&mut self, link: i32) -> Outcome {
        let (buffer, empty) = (self.bytes.as_mut_ptr() as usize, c"".as_ptr() as usize);
        // SAFETY: the kernel reads the empty path and writes less than the buffer's length.
        let length = unsafe { kernel::call(nr::readlinkat, [link as usize, empty, buffer, MOST - 1, 0, 0]) }?;
        self.length = length.min(MOST - 1);
        self.bytes[self.length] = 0;
        Ok(())
    }

    pub fn truncate(&mut self, length: usize) {
        if length <= self.length {
            self.length = length;
            self.bytes[length] = 0;
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub fn as_cstr(&self) -> &CStr {
        // The bytes are zero from `length` on, so there is an end within the array.
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

/// Opens what is at `path` in the root, `O_PATH`.
pub fn find(root: i32, path: &CStr, links: bool) -> Outcome<i32> {
    let resolve = if links { 0 } else { RESOLVE_NO_SYMLINKS };
    let path = if path.is_empty() { c"." } else { path };
    kernel::openat2(root, path, O_PATH, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve)
}

/// What [`create`] makes at the end of a path.
#[derive(Clone, Copy, PartialEq)]
pub enum Make {
    Directory(u32),
    File,
}

/// Opens `path` in the root, `O_PATH`, and makes what is missing of it.
pub fn create(root: i32, path: &CStr, links: bool, make: Make) -> Outcome<i32> {
    match find(root, path, links) {
        Err(Failure { errno: ENOENT, .. }) => {}
        other => return other,
    }
    if let Some(fd) = create_last(root, path, links, make)? {
        return Ok(fd);
    }
    let mut todo = Buffer::new();
    todo.push(path.to_bytes())?;
    let mut done = Buffer::new();
    let mut followed = 0;
    let mut at = 0;
    loop {
        while todo.as_bytes().get(at) == Some(&b'/') {
            at += 1;
        }
        let rest = todo.as_bytes().get(at..).unwrap_or_default();
        if rest.is_empty() {
            let path = if done.as_bytes().is_empty() { c"." } else { done.as_cstr() };
            return find(root, path, links);
        }
        let length = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let (component, rest) = rest.split_at(length);
        at += length;
        if component == b"." {
            continue;
        }
        if component == b".." {
            let parent = done.as_bytes().iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            done.truncate(parent);
            continue;
        }
        let parent_length = done.as_bytes().len();
        if parent_length > 0 {
            done.push(b"/")?;
        }
        done.push(component)?;
        let safe = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
        match kernel::openat2(root, done.as_cstr(), O_PATH | O_NOFOLLOW, 0, safe) {
            Ok(fd) => {
                let is_link = kernel::stat(fd)?.kind() == S_IFLNK;
                if !is_link {
                    kernel::close(fd);
                    continue;
                }
                followed += 1;
                if !links || followed > 40 {
                    return fail(nr::openat2, ELOOP);
                }
                let mut target = Buffer::new();
                target.read_link(fd)?;
                kernel::close(fd);
                let target = target.as_bytes();
                let mut next = Buffer::new();
                next.push(target)?;
                next.push(b"/")?;
                next.push(rest)?;
                done.truncate(if target.first() == Some(&b'/') { 0 } else { parent_length });
                todo = next;
                at = 0;
            }
            Err(Failure { errno: ENOENT, .. }) => {
                let last = rest.iter().all(|byte| *byte == b'/');
                let mut parent = Buffer::new();
                parent.push(done.as_bytes().get(..parent_length).unwrap_or_default())?;
                let parent = if parent_length == 0 { c"." } else { parent.as_cstr() };
                let dir = kernel::openat2(root, parent, O_PATH | O_DIRECTORY, 0, safe)?;
                let mut name = Buffer::new();
                name.push(component)?;
                let made = match make {
                    Make::File if last => kernel::mknodat(dir, name.as_cstr(), S_IFREG | 0o644, 0),
                    Make::Directory(mode) if last => kernel::mkdirat(dir, name.as_cstr(), mode),
                    _ => kernel::mkdirat(dir, name.as_cstr(), 0o755),
                };
                kernel::close(dir);
                match made {
                    // Somebody else made it meanwhile; what it is shows when it is opened.
                    Ok(()) | Err(Failure { errno: EEXIST, .. }) => {}
                    Err(failure) => return Err(failure),
                }
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// The usual case, where nothing but the last name is missing; `None` where more is, or a link stands there.
fn create_last(root: i32, path: &CStr, links: bool, make: Make) -> Outcome<Option<i32>> {
    let mut name = Buffer::new();
    let mut dir = Buffer::new();
    let bytes = path.to_bytes();
    let at = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let (before, last) = bytes.split_at(at);
    if matches!(last, b"" | b"." | b"..") {
        return Ok(None);
    }
    dir.push(before)?;
    name.push(last)?;
    let Ok(dir) = find(root, dir.as_cstr(), links) else { return Ok(None) };
    let made = match make {
        Make::File => kernel::mknodat(dir, name.as_cstr(), S_IFREG | 0o644, 0),
        Make::Directory(mode) => kernel::mkdirat(dir, name.as_cstr(), mode),
    };
    let opened = match made {
        Ok(()) => kernel::openat2(dir, name.as_cstr(), O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH).map(Some),
        Err(Failure { errno: EEXIST, .. }) => Ok(None),
        Err(failure) => Err(failure),
    };
    kernel::close(dir);
    opened
}

/// Splits a path into its directory, made where missing and opened, and its last name.
pub fn parent(root: i32, path: &CStr, name: &mut Buffer) -> Outcome<i32> {
    let bytes = path.to_bytes();
    let at = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let (dir, last) = bytes.split_at(at);
    let mut buffer = Buffer::new();
    buffer.push(dir)?;
    name.truncate(0);
    name.push(last)?;
    create(root, buffer.as_cstr(), true, Make::Directory(0o755))
}
