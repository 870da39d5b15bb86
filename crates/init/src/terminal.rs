//! The container's terminal: a pseudo-terminal of its own devpts, whose master goes to the parent.

use crate::kernel::{
    self, DEVPTS_SUPER_MAGIC, EINVAL, Failure, O_CLOEXEC, O_DIRECTORY, O_NOCTTY, O_NOFOLLOW, O_PATH, O_RDWR, Outcome,
    RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, fail, nr, plain,
};
use crate::path::{self, Make};
use crate::plan::newline;

const TIOCSPTLCK: usize = 0x4004_5431;
const TIOCGPTPEER: usize = 0x5441;
const TIOCSWINSZ: usize = 0x5414;
const TIOCSCTTY: usize = 0x540e;

/// Opens the terminal, makes it the standard streams, and returns the master.
///
/// The slave comes by `TIOCGPTPEER`, never by its name, which somebody could swap (CVE-2025-52565); nor is
/// /dev/console opened through a link (CVE-2026-88264).
pub fn open(root: i32, owner: u32, size: u64, console: bool, newlines: u64) -> Outcome<i32> {
    let safe = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
    let devpts = kernel::openat2(root, c"dev/pts", O_PATH | O_DIRECTORY, 0, safe)?;
    if kernel::statfs(devpts)?.magic != DEVPTS_SUPER_MAGIC {
        return fail(nr::fstatfs, EINVAL);
    }
    let master = kernel::openat2(devpts, c"ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW, 0, RESOLVE_BENEATH)?;
    kernel::close(devpts);
    let unlock = 0i32;
    kernel::ioctl(master, TIOCSPTLCK, &raw const unlock as usize)?;
    let slave = kernel::ioctl(master, TIOCGPTPEER, (O_RDWR | O_NOCTTY | O_CLOEXEC) as usize)? as i32;
    let (rows, columns) = ((size >> 32) as u16, size as u16);
    if rows != 0 && columns != 0 {
        let window = [rows, columns, 0, 0];
        kernel::ioctl(slave, TIOCSWINSZ, window.as_ptr() as usize)?;
    }
    if newlines == newline::AS_WRITTEN {
        keep_newlines(slave)?;
    }
    kernel::fchown(slave, owner, u32::MAX)?;
    if console {
        let place = path::create(root, c"dev/console", false, Make::File)?;
        const CLONE_EMPTY: u64 = 0x1001;
        let copy = kernel::open_tree(slave, c"", CLONE_EMPTY)?;
        kernel::move_mount(copy, place, c"")?;
        kernel::close(copy);
        kernel::close(place);
    }
    session();
    kernel::ioctl(slave, TIOCSCTTY, 0)?;
    for stream in 0..3 {
        plain(nr::dup3, [slave as usize, stream, 0, 0, 0, 0])?;
    }
    kernel::close(slave);
    Ok(master)
}

/// No carriage return before a newline: whoever shows the output has a terminal that adds it, or none.
fn keep_newlines(slave: i32) -> Outcome {
    const TCGETS: usize = 0x5401;
    const TCSETS: usize = 0x5402;
    const ONLCR: u32 = 4;
    // struct termios of the kernel: four words of modes, of which the second is for output, and 20 bytes.
    let mut termios = [0u32; 9];
    kernel::ioctl(slave, TCGETS, termios.as_mut_ptr() as usize)?;
    termios[1] &= !ONLCR;
    kernel::ioctl(slave, TCSETS, termios.as_ptr() as usize).map(drop)
}

/// A session of our own: no terminal of the host's is ours (CVE-2017-5226). Leading one already is as good.
pub fn session() {
    let _: Result<usize, Failure> = plain(nr::setsid, [0; 6]);
}
