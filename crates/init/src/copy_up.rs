//! What a tmpfs takes over from the directory below it: its owner, all that is in it (`tmpcopyup`). Its mode it has
//! from the start, as an option.
//!
//! Source and copy are walked by fds; links are copied and never followed. The tmpfs is not attached yet, so that
//! nobody can interfere with the copy, and its size bounds it; the depth is bounded by the stub's stack and fds.

use crate::kernel::{
    self, EINVAL, ENOENT, ENOTDIR, EPERM, Failure, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_WRONLY, Outcome, RESOLVE_BENEATH,
    RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, S_IFDIR, S_IFLNK, S_IFREG, Stat, fail, nr, plain,
};
use crate::plan::copy_up;
use core::ffi::CStr;

/// Directories in directories; each holds two fds and a buffer on the stack.
const DEEPEST: u32 = 128;

/// Gives `mount` what the directory at `path` in the root has; nothing where there is none.
pub fn copy_up(root: i32, path: &CStr, mount: i32, flags: u64) -> Outcome {
    let safe = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    let path = if path.is_empty() { c"." } else { path };
    let from = match kernel::openat2(root, path, O_DIRECTORY, 0, safe) {
        Err(Failure { errno: ENOENT | ENOTDIR, .. }) => return Ok(()),
        other => other?,
    };
    let to = kernel::openat2(mount, c".", O_DIRECTORY, 0, RESOLVE_BENEATH)?;
    let there = kernel::stat(from)?;
    if flags & copy_up::CONTENT != 0 {
        directory(from, to, DEEPEST)?;
    }
    if flags & copy_up::OWNER != 0 {
        own(to, &there)?;
    }
    kernel::close(from);
    kernel::close(to);
    Ok(())
}

/// An owner that the container's user namespace does not know cannot be given: it stays root's.
fn own(fd: i32, there: &Stat) -> Outcome {
    match kernel::fchown(fd, there.uid, there.gid) {
        Err(Failure { errno: EINVAL | EPERM, .. }) => Ok(()),
        other => other,
    }
}

fn directory(from: i32, to: i32, depth: u32) -> Outcome {
    if depth == 0 {
        return fail(nr::openat2, kernel::ELOOP);
    }
    let mut buffer = [0u64; 256];
    loop {
        // SAFETY: the kernel writes at most the buffer's length.
        let length = unsafe {
            let at = buffer.as_mut_ptr() as usize;
            kernel::call(nr::getdents64, [from as usize, at, size_of_val(&buffer), 0, 0, 0])
        }?;
        if length == 0 {
            return Ok(());
        }
        // SAFETY: the kernel has filled this many bytes of the buffer.
        let bytes = unsafe { core::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), length) };
        for name in names(bytes).filter(|name| *name != c"." && *name != c"..") {
            entry(from, to, name, depth)?;
        }
    }
}

/// The names in what getdents64(2) has written.
pub fn names(mut bytes: &[u8]) -> impl Iterator<Item = &CStr> {
    core::iter::from_fn(move || {
        // struct linux_dirent64: number, offset, length, kind, name.
        let [low, high, _, rest @ ..] = bytes.get(16..)? else { return None };
        let name = CStr::from_bytes_until_nul(rest).ok()?;
        bytes = bytes.get(usize::from(u16::from_le_bytes([*low, *high])).max(1)..)?;
        Some(name)
    })
}

fn entry(from: i32, to: i32, name: &CStr, depth: u32) -> Outcome {
    let there = match kernel::openat2(from, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH) {
        // Somebody else has removed it meanwhile.
        Err(Failure { errno: ENOENT, .. }) => return Ok(()),
        other => other?,
    };
    let stat = kernel::stat(there)?;
    let mode = stat.mode & 0o7777;
    match stat.kind() {
        S_IFDIR => {
            kernel::mkdirat(to, name, 0o700)?;
            let inner_from = kernel::openat2(from, name, O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_BENEATH)?;
            let inner_to = kernel::openat2(to, name, O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_BENEATH)?;
            directory(inner_from, inner_to, depth - 1)?;
            own(inner_to, &stat)?;
            kernel::fchmod(inner_to, mode)?;
            kernel::close(inner_from);
            kernel::close(inner_to);
        }
        S_IFREG => file(from, to, name, &stat)?,
        S_IFLNK => {
            let mut target = crate::path::Buffer::new();
            target.read_link(there)?;
            kernel::symlinkat(target.as_cstr(), to, name)?;
            let made = kernel::openat2(to, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH)?;
            own(made, &stat)?;
            kernel::close(made);
        }
        _ => match kernel::mknodat(to, name, stat.mode, stat.rdev) {
            // In a user namespace nobody makes devices.
            Err(Failure { errno: EPERM, .. }) => {}
            made => {
                made?;
                let made = kernel::openat2(to, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH)?;
                own(made, &stat)?;
                kernel::close(made);
            }
        },
    }
    kernel::close(there);
    Ok(())
}

fn file(from: i32, to: i32, name: &CStr, stat: &Stat) -> Outcome {
    const O_CREAT_EXCL: u64 = 0o300;
    const O_NONBLOCK: u64 = 0o4000;
    // It was a regular file a moment ago; should it be a FIFO now, opening it does not wait.
    let source = kernel::openat2(from, name, O_NOFOLLOW | O_NONBLOCK, 0, RESOLVE_BENEATH)?;
    let copy = kernel::openat2(to, name, O_WRONLY | O_CREAT_EXCL, 0o600, RESOLVE_BENEATH)?;
    const AT_MOST: usize = 1 << 30;
    // To the end, and a file that grows meanwhile no further than to twice what it was.
    let mut left = stat.size.saturating_mul(2).saturating_add(1 << 20);
    while left > 0 {
        let copied = plain(nr::sendfile, [copy as usize, source as usize, 0, AT_MOST.min(left as usize), 0, 0])?;
        if copied == 0 {
            break;
        }
        left = left.saturating_sub(copied as u64);
    }
    own(copy, stat)?;
    kernel::fchmod(copy, stat.mode & 0o7777)?;
    kernel::close(source);
    kernel::close(copy);
    Ok(())
}
