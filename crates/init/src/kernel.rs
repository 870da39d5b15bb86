//! The stub's calls into the kernel: each notes itself in the recorder's ring, if there is one, and remembers its
//! number, so that a failure can name it.

use crate::capture::capture;
use crate::raw;
use crate::record::{Head, Ring};
use core::ffi::CStr;
use core::ptr::{addr_of_mut, null_mut};

pub(crate) use crate::nr;

/// A failed step: the error number, and the call that gave it.
#[derive(Clone, Copy)]
pub struct Failure {
    pub number: u32,
    pub errno: i32,
}

pub type Outcome<T = ()> = Result<T, Failure>;

pub const EPERM: i32 = 1;
pub const ENOENT: i32 = 2;
pub const EINTR: i32 = 4;
pub const EAGAIN: i32 = 11;
pub const EACCES: i32 = 13;
pub const EEXIST: i32 = 17;
pub const ENOTDIR: i32 = 20;
pub const EINVAL: i32 = 22;
pub const EMFILE: i32 = 24;
pub const ELOOP: i32 = 40;
pub const ENAMETOOLONG: i32 = 36;
pub const ENOSYS: i32 = 38;
pub const ESTALE: i32 = 116;
pub const EOPNOTSUPP: i32 = 95;
pub const EDQUOT: i32 = 122;

pub const AT_FDCWD: i32 = -100;
pub const O_WRONLY: u64 = 1;
pub const O_RDWR: u64 = 2;
pub const O_NOCTTY: u64 = 0o400;
pub const O_DIRECTORY: u64 = 0o200_000;
pub const O_NOFOLLOW: u64 = 0o400_000;
pub const O_CLOEXEC: u64 = 0o2_000_000;
pub const O_PATH: u64 = 0o10_000_000;

pub const RESOLVE_NO_XDEV: u64 = 1;
pub const RESOLVE_NO_MAGICLINKS: u64 = 2;
pub const RESOLVE_NO_SYMLINKS: u64 = 4;
pub const RESOLVE_BENEATH: u64 = 8;
pub const RESOLVE_IN_ROOT: u64 = 16;

static mut RING: *mut Ring = null_mut();
static mut STEP: u32 = u32::MAX;
/// When the call before ended; zero before the first.
static mut LAST: u64 = 0;

/// From here on calls are noted in the ring behind `fd`.
pub fn record_into(fd: i32) {
    // SAFETY: a new shared mapping; the stub has one thread.
    unsafe {
        if let Ok(address) = raw::syscall(nr::mmap, [0, Ring::SIZE, 3, 1, fd as usize, 0]) {
            addr_of_mut!(RING).write(address as *mut Ring);
        }
    }
}

/// The step that the calls which follow belong to.
pub fn step(index: u32) {
    // SAFETY: the stub has one thread.
    unsafe { addr_of_mut!(STEP).write(index) }
}

fn now() -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes two words.
    let _ = unsafe { raw::syscall(nr::clock_gettime, [7, time.as_mut_ptr() as usize, 0, 0, 0, 0]) };
    time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1])
}

/// One system call.
///
/// # Safety
/// As for [`raw::syscall`].
pub unsafe fn call(number: u32, args: [usize; 6]) -> Outcome<usize> {
    // SAFETY: the stub has one thread.
    let (ring, step) = unsafe { (addr_of_mut!(RING).read(), addr_of_mut!(STEP).read()) };
    if ring.is_null() {
        // SAFETY: passed on to the caller.
        return unsafe { raw::syscall(number, args) }.map_err(|errno| Failure { number, errno });
    }
    // SAFETY: the arguments are those of a call as it is made here, so that they may be followed.
    let captured = unsafe { capture(number, args) };
    // SAFETY: the ring stays mapped.
    let place = unsafe { Ring::claim(ring, &captured) };
    let note = |start, end, result: Result<usize, i32>| {
        let Some(place) = place else { return };
        let head = Head {
            size: 0,
            complete: 0,
            step,
            number,
            side: 1,
            captured: 0,
            args: args.map(|a| a as u64),
            result: match result {
                Ok(value) => value as i64,
                Err(errno) => -i64::from(errno),
            },
            start,
            end,
        };
        // SAFETY: the place was claimed for this record.
        unsafe { Ring::write(place, &head, &captured) };
    };
    // The kernel is asked for the time once a call: there is next to nothing between two.
    // SAFETY: the stub has one thread.
    let start = match unsafe { addr_of_mut!(LAST).read() } {
        0 => now(),
        last => last,
    };
    if number == nr::execve {
        // It returns only where it fails.
        note(start, now(), Ok(0));
    }
    // SAFETY: passed on to the caller.
    let result = unsafe { raw::syscall(number, args) };
    let end = now();
    // SAFETY: the stub has one thread.
    unsafe { addr_of_mut!(LAST).write(end) };
    note(start, end, result);
    result.map_err(|errno| Failure { number, errno })
}

pub fn fail<T>(number: u32, errno: i32) -> Outcome<T> {
    Err(Failure { number, errno })
}

pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: ends the process.
        let _ = unsafe { raw::syscall(nr::exit_group, [code as usize, 0, 0, 0, 0, 0]) };
    }
}

fn fd(fd: i32) -> usize {
    fd as isize as usize
}

fn ptr(text: &CStr) -> usize {
    text.as_ptr() as usize
}

/// A call whose arguments are numbers only.
pub fn plain(number: u32, args: [usize; 6]) -> Outcome<usize> {
    // SAFETY: callers pass no pointers.
    unsafe { call(number, args) }
}

pub fn close(descriptor: i32) {
    let _ = plain(nr::close, [fd(descriptor), 0, 0, 0, 0, 0]);
}

pub fn openat2(dir: i32, path: &CStr, flags: u64, mode: u64, resolve: u64) -> Outcome<i32> {
    let how = [flags | O_CLOEXEC, mode, resolve];
    for _ in 0..64 {
        // SAFETY: the kernel reads path and how.
        match unsafe { call(nr::openat2, [fd(dir), ptr(path), how.as_ptr() as usize, 24, 0, 0]) } {
            // A rename somewhere raced with a scoped walk (openat2(2)).
            Err(Failure { errno: EAGAIN | EINTR, .. }) => {}
            other => return other.map(|fd| fd as i32),
        }
    }
    fail(nr::openat2, EAGAIN)
}

pub fn write(descriptor: i32, bytes: &[u8]) -> Outcome {
    // SAFETY: the kernel reads the bytes.
    let written = unsafe { call(nr::write, [fd(descriptor), bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]) }?;
    if written == bytes.len() { Ok(()) } else { fail(nr::write, 5) }
}

/// What fstat(2) says that we want.
pub struct Stat {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub rdev: u64,
    pub size: u64,
}

impl Stat {
    pub fn kind(&self) -> u32 {
        self.mode & 0o170_000
    }
}

pub const S_IFDIR: u32 = 0o040_000;
pub const S_IFCHR: u32 = 0o020_000;
pub const S_IFLNK: u32 = 0o120_000;
pub const S_IFREG: u32 = 0o100_000;

pub fn stat(descriptor: i32) -> Outcome<Stat> {
    let mut buffer = [0u64; 18];
    const EMPTY_PATH: usize = 0x1000;
    // SAFETY: the kernel writes one struct stat, 144 bytes on x86-64 and 128 on arm64.
    unsafe {
        call(nr::newfstatat, [fd(descriptor), ptr(c""), buffer.as_mut_ptr() as usize, EMPTY_PATH, 0, 0])?;
    }
    #[cfg(target_arch = "x86_64")]
    let ([_, _, _, ids, group, rdev, size, ..], mode) = (buffer, buffer[3] as u32);
    #[cfg(target_arch = "x86_64")]
    let (uid, gid) = ((ids >> 32) as u32, group as u32);
    #[cfg(target_arch = "aarch64")]
    let ([_, _, _, ids, rdev, _, size, ..], mode) = (buffer, buffer[2] as u32);
    #[cfg(target_arch = "aarch64")]
    let (uid, gid) = (ids as u32, (ids >> 32) as u32);
    Ok(Stat { mode, uid, gid, rdev, size })
}

/// The id of the mount behind an fd; `which` is the bit of statx(2)'s mask that asks for it. Unknown to the kernel, it
/// is an id that no mount has.
pub fn mount_id(descriptor: i32, which: u64) -> Outcome<u64> {
    let mut buffer = [0u64; 32];
    const EMPTY_PATH: usize = 0x1000;
    // SAFETY: the kernel writes one struct statx, 256 bytes.
    unsafe {
        let at = buffer.as_mut_ptr() as usize;
        call(nr::statx, [fd(descriptor), ptr(c""), EMPTY_PATH, which as usize, at, 0])?;
    }
    // stx_mask stands at the beginning, stx_mnt_id at byte 144.
    Ok(if buffer[0] & which == 0 { 0 } else { buffer[18] })
}

/// What statfs(2) says that we want: the file system's magic number, how many inodes it may have, and the mount's `ST_…`
/// flags.
pub struct StatFs {
    pub magic: u64,
    pub inodes: u64,
    pub flags: u64,
}

pub fn statfs(descriptor: i32) -> Outcome<StatFs> {
    let mut buffer = [0u64; 15];
    // SAFETY: the kernel writes one struct statfs, 120 bytes.
    unsafe { call(nr::fstatfs, [fd(descriptor), buffer.as_mut_ptr() as usize, 0, 0, 0, 0]) }?;
    Ok(StatFs { magic: buffer[0], inodes: buffer[5], flags: buffer[10] })
}

pub const TMPFS_MAGIC: u64 = 0x0102_1994;
pub const PROC_SUPER_MAGIC: u64 = 0x9fa0;
pub const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;

/// mount(2) of what is mounted at a path already: a remount or a change of propagation.
pub fn mount(path: &CStr, flags: u64) -> Outcome {
    // SAFETY: the kernel reads the path; neither source, type nor data.
    unsafe { call(nr::mount, [0, ptr(path), 0, flags as usize, 0, 0]) }.map(drop)
}

pub fn mkdirat(dir: i32, name: &CStr, mode: u32) -> Outcome {
    // SAFETY: the kernel reads the name.
    unsafe { call(nr::mkdirat, [fd(dir), ptr(name), mode as usize, 0, 0, 0]) }.map(drop)
}

pub fn mknodat(dir: i32, name: &CStr, mode: u32, device: u64) -> Outcome {
    // SAFETY: the kernel reads the name.
    unsafe { call(nr::mknodat, [fd(dir), ptr(name), mode as usize, device as usize, 0, 0]) }.map(drop)
}

pub fn symlinkat(target: &CStr, dir: i32, name: &CStr) -> Outcome {
    // SAFETY: the kernel reads both.
    unsafe { call(nr::symlinkat, [ptr(target), fd(dir), ptr(name), 0, 0, 0]) }.map(drop)
}

pub fn fchown(dir: i32, uid: u32, gid: u32) -> Outcome {
    const EMPTY_PATH: usize = 0x1000;
    // SAFETY: the kernel reads the empty path.
    unsafe { call(nr::fchownat, [fd(dir), ptr(c""), uid as usize, gid as usize, EMPTY_PATH, 0]) }.map(drop)
}

pub fn fchmod(descriptor: i32, mode: u32) -> Outcome {
    plain(nr::fchmod, [fd(descriptor), mode as usize, 0, 0, 0, 0]).map(drop)
}

/// Follows a link at the end of `name`.
pub fn fchmodat(dir: i32, name: &CStr, mode: u32) -> Outcome {
    // SAFETY: the kernel reads the name.
    unsafe { call(nr::fchmodat, [fd(dir), ptr(name), mode as usize, 0, 0, 0]) }.map(drop)
}

pub fn ioctl(descriptor: i32, request: usize, argument: usize) -> Outcome<usize> {
    // SAFETY: callers pass a pointer that fits the request, or a number.
    unsafe { call(nr::ioctl, [fd(descriptor), request, argument, 0, 0, 0]) }
}

pub fn open_tree(dir: i32, path: &CStr, flags: u64) -> Outcome<i32> {
    const CLOEXEC: u64 = 0o2_000_000;
    // SAFETY: the kernel reads the path.
    unsafe { call(nr::open_tree, [fd(dir), ptr(path), (flags | CLOEXEC) as usize, 0, 0, 0]) }.map(|fd| fd as i32)
}

pub fn move_mount(from: i32, to_dir: i32, to: &CStr) -> Outcome {
    const FROM_EMPTY: usize = 0x4;
    const TO_EMPTY: usize = 0x40;
    let flags = FROM_EMPTY | if to.is_empty() { TO_EMPTY } else { 0 };
    // SAFETY: the kernel reads both paths.
    unsafe { call(nr::move_mount, [fd(from), ptr(c""), fd(to_dir), ptr(to), flags, 0]) }.map(drop)
}

pub fn mount_setattr(dir: i32, path: &CStr, flags: u64, attributes: &[u64; 4]) -> Outcome {
    // SAFETY: the kernel reads path and attributes.
    unsafe {
        call(nr::mount_setattr, [fd(dir), ptr(path), flags as usize, attributes.as_ptr() as usize, 32, 0])
    }
    .map(drop)
}

/// A path or text argument and nothing else that points.
pub fn with_text(number: u32, text: &CStr, rest: [usize; 4]) -> Outcome<usize> {
    // SAFETY: the kernel reads the text.
    unsafe { call(number, [ptr(text), rest[0], rest[1], rest[2], rest[3], 0]) }
}
