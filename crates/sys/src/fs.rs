//! Files and directories, always relative to an fd.
//!
//! [`RootDir`] is a directory that somebody else may write: every path in it is resolved with `RESOLVE_IN_ROOT`, so a
//! link in it cannot lead out (CVE-2021-30465, CVE-2024-45310, CVE-2025-31133 were all paths resolved some other way).

use crate::call::call;
use crate::{Error, Result, nr};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::path::Arg;
use std::ffi::{CStr, CString};
use std::fmt::Write as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Runs `f` with the path as a C string and its text for errors.
pub(crate) fn with_path<T>(
    call: &'static str,
    path: impl Arg,
    f: impl FnOnce(&CStr) -> std::result::Result<T, Errno>,
    detail: impl FnOnce(&str) -> String,
) -> Result<T> {
    let mut shown = None;
    let result = path.into_with_c_str(|path| {
        let result = f(path);
        if result.is_err() {
            shown = Some(path.to_string_lossy().into_owned());
        }
        result
    });
    result.map_err(|errno| Error::new(call, detail(shown.as_deref().unwrap_or("?")), errno))
}

/// The path behind an fd, as procfs tells it; for error texts only.
pub fn shown(fd: BorrowedFd<'_>) -> String {
    if fd.as_raw_fd() == rustix::fs::CWD.as_raw_fd() {
        return String::new();
    }
    rustix::fs::readlink(format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new())
        .map_or_else(|_| format!("fd {}", fd.as_raw_fd()), |path| path.to_string_lossy().into_owned())
}

/// The names in a directory in the order of their bytes, without `.` and `..`. The error is getdents64(2)'s; only the caller
/// has the words for it.
pub fn sorted_names(dir: impl AsFd) -> core::result::Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn at(dir: BorrowedFd<'_>, path: &str) -> String {
    if path.starts_with('/') || dir.as_raw_fd() == rustix::fs::CWD.as_raw_fd() {
        return path.to_owned();
    }
    let mut text = shown(dir);
    let _ = write!(text, "/{path}");
    text
}

fn raw(fd: BorrowedFd<'_>) -> usize {
    fd.as_raw_fd() as isize as usize
}

/// The kernel's `struct open_how`.
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// openat2(2); `O_CLOEXEC` is always added.
pub fn openat2(dir: impl AsFd, path: impl Arg, flags: OFlags, mode: Mode, resolve: ResolveFlags) -> Result<OwnedFd> {
    let dir = dir.as_fd();
    let how = OpenHow {
        flags: u64::from((flags | OFlags::CLOEXEC).bits()),
        mode: u64::from(mode.bits()),
        resolve: resolve.bits(),
    };
    with_path(
        "openat2",
        path,
        |path| loop {
            // SAFETY: path and how are valid for the call, which only reads them; a result is a new fd.
            let result = unsafe {
                call(
                    nr::openat2,
                    [raw(dir), path.as_ptr() as usize, &raw const how as usize, size_of::<OpenHow>(), 0, 0],
                )
            };
            match result {
                // A rename anywhere on the system raced with the walk (openat2(2)): try again.
                Err(Errno::AGAIN) if !resolve.is_empty() => {}
                Err(Errno::INTR) => {}
                // SAFETY: the kernel just made this fd for us.
                other => return other.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) }),
            }
        },
        |path| format!("{}, {flags:?}", at(dir, path)),
    )
}

/// openat2(2) without restrictions on the walk, for paths that are ours or the user's own words.
pub fn open(path: impl Arg, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    openat2(rustix::fs::CWD, path, flags, mode, ResolveFlags::empty())
}

/// openat2(2) that stays below `dir` and follows no link at all; for directories that are ours.
pub fn open_beneath(dir: impl AsFd, path: impl Arg, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    openat2(dir, path, flags, mode, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS)
}

/// mkdirat(2).
pub fn mkdirat(dir: impl AsFd, path: impl Arg, mode: Mode) -> Result<()> {
    let dir = dir.as_fd();
    with_path(
        "mkdirat",
        path,
        // SAFETY: the kernel only reads the path.
        |p| unsafe { call(nr::mkdirat, [raw(dir), p.as_ptr() as usize, mode.bits() as usize, 0, 0, 0]) }.map(drop),
        |p| format!("{}, 0{:o}", at(dir, p), mode.bits()),
    )
}

/// mkdirat(2) that is content with a directory that is there already; `true` if it made one.
pub fn ensure_dir(dir: impl AsFd, path: impl Arg, mode: Mode) -> Result<bool> {
    match mkdirat(dir, path, mode) {
        Ok(()) => Ok(true),
        Err(error) if error.errno == Errno::EXIST => Ok(false),
        Err(error) => Err(error),
    }
}

/// mknodat(2); `device` matters for device types only.
pub fn mknodat(dir: impl AsFd, path: impl Arg, kind: FileType, mode: Mode, device: u64) -> Result<()> {
    let dir = dir.as_fd();
    let bits = kind.as_raw_mode() | mode.bits();
    with_path(
        "mknodat",
        path,
        |p| {
            let args = [raw(dir), p.as_ptr() as usize, bits as usize, device as usize, 0, 0];
            // SAFETY: the kernel only reads the path.
            unsafe { call(nr::mknodat, args) }.map(drop)
        },
        |p| format!("{}, {kind:?} 0{:o}, {device:#x}", at(dir, p), mode.bits()),
    )
}

/// symlinkat(2): makes `path` point to `target`.
pub fn symlinkat(target: impl Arg, dir: impl AsFd, path: impl Arg) -> Result<()> {
    let dir = dir.as_fd();
    let mut shown_target = String::new();
    let result = target.into_with_c_str(|target| {
        path.into_with_c_str(|path| {
            let args = [target.as_ptr() as usize, raw(dir), path.as_ptr() as usize, 0, 0, 0];
            // SAFETY: the kernel only reads both strings.
            let result = unsafe { call(nr::symlinkat, args) };
            if result.is_err() {
                shown_target = format!("{} -> {}", at(dir, &path.to_string_lossy()), target.to_string_lossy());
            }
            result.map(drop)
        })
    });
    result.map_err(|errno| Error::new("symlinkat", shown_target, errno))
}

/// linkat(2).
pub fn linkat(old_dir: impl AsFd, old: impl Arg, new_dir: impl AsFd, new: impl Arg, flags: AtFlags) -> Result<()> {
    let (old_dir, new_dir) = (old_dir.as_fd(), new_dir.as_fd());
    two_paths("linkat", nr::linkat, (old_dir, old), (new_dir, new), flags.bits())
}

/// renameat2(2).
pub fn renameat(
    old_dir: impl AsFd,
    old: impl Arg,
    new_dir: impl AsFd,
    new: impl Arg,
    flags: RenameFlags,
) -> Result<()> {
    let (old_dir, new_dir) = (old_dir.as_fd(), new_dir.as_fd());
    two_paths("renameat2", nr::renameat2, (old_dir, old), (new_dir, new), flags.bits())
}

fn two_paths(
    name: &'static str,
    number: u32,
    (old_dir, old): (BorrowedFd<'_>, impl Arg),
    (new_dir, new): (BorrowedFd<'_>, impl Arg),
    flags: u32,
) -> Result<()> {
    let mut detail = String::new();
    let result = old.into_with_c_str(|old| {
        new.into_with_c_str(|new| {
            let args = [raw(old_dir), old.as_ptr() as usize, raw(new_dir), new.as_ptr() as usize, flags as usize, 0];
            // SAFETY: the kernel only reads both strings.
            let result = unsafe { call(number, args) };
            if result.is_err() {
                detail = format!("{}, {}", at(old_dir, &old.to_string_lossy()), at(new_dir, &new.to_string_lossy()));
            }
            result.map(drop)
        })
    });
    result.map_err(|errno| Error::new(name, detail, errno))
}

/// unlinkat(2); `AtFlags::REMOVEDIR` for directories.
pub fn unlinkat(dir: impl AsFd, path: impl Arg, flags: AtFlags) -> Result<()> {
    let dir = dir.as_fd();
    with_path(
        "unlinkat",
        path,
        // SAFETY: the kernel only reads the path.
        |p| unsafe { call(nr::unlinkat, [raw(dir), p.as_ptr() as usize, flags.bits() as usize, 0, 0, 0]) }.map(drop),
        |p| at(dir, p),
    )
}

/// fchmod(2).
pub fn fchmod(fd: impl AsFd, mode: Mode) -> Result<()> {
    let fd = fd.as_fd();
    // SAFETY: no pointers.
    unsafe { call(nr::fchmod, [raw(fd), mode.bits() as usize, 0, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("fchmod", format!("{}, 0{:o}", shown(fd), mode.bits()), errno))
}

/// sync_file_range(2): has the kernel begin to write a part of a file to disk. What goes wrong is told by the fsync(2) that
/// has to follow in any case, so nothing is returned.
pub fn begin_write_back(fd: impl AsFd, offset: u64, length: u64) {
    const WRITE: usize = 2;
    // SAFETY: no pointers.
    let _ = unsafe { call(nr::sync_file_range, [raw(fd.as_fd()), offset as usize, length as usize, WRITE, 0, 0]) };
}

/// syncfs(2) of the file system that `fd` lies on.
pub fn syncfs(fd: impl AsFd) -> Result<()> {
    let fd = fd.as_fd();
    // SAFETY: no pointers.
    unsafe { call(nr::syncfs, [raw(fd), 0, 0, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("syncfs", shown(fd), errno))
}

/// fchmodat(2): follows a link at the end of `path`, so give it only names that cannot be one.
pub fn fchmodat(dir: impl AsFd, path: impl Arg, mode: Mode) -> Result<()> {
    let dir = dir.as_fd();
    with_path(
        "fchmodat",
        path,
        // SAFETY: the kernel only reads the path.
        |p| unsafe { call(nr::fchmodat, [raw(dir), p.as_ptr() as usize, mode.bits() as usize, 0, 0, 0]) }.map(drop),
        |p| format!("{}, 0{:o}", at(dir, p), mode.bits()),
    )
}

/// fchownat(2); with `AtFlags::EMPTY_PATH` and an empty path it acts on `dir` itself.
pub fn fchownat(dir: impl AsFd, path: impl Arg, uid: Option<Uid>, gid: Option<Gid>, flags: AtFlags) -> Result<()> {
    let dir = dir.as_fd();
    let id = |id: Option<u32>| id.unwrap_or(u32::MAX) as usize;
    let (uid, gid) = (id(uid.map(Uid::as_raw)), id(gid.map(Gid::as_raw)));
    with_path(
        "fchownat",
        path,
        |p| {
            let args = [raw(dir), p.as_ptr() as usize, uid, gid, flags.bits() as usize, 0];
            // SAFETY: the kernel only reads the path.
            unsafe { call(nr::fchownat, args) }.map(drop)
        },
        |p| format!("{}, {}:{}", at(dir, p), uid as u32 as i32, gid as u32 as i32),
    )
}

/// Opens an existing file below `dir` and writes `bytes` in one write(2), as control files want it.
pub fn write_file(dir: impl AsFd, path: impl Arg + Copy, bytes: &[u8]) -> Result<()> {
    let file = openat2(dir, path, OFlags::WRONLY | OFlags::NOFOLLOW, Mode::empty(), ResolveFlags::NO_MAGICLINKS)?;
    write_once(&file, bytes)
}

/// As [`write_file`], below `dir` and without following a link out of it; for procfs handles. What somebody has
/// mounted over the file is not written (CVE-2025-52881).
pub fn write_beneath(dir: impl AsFd, path: impl Arg, bytes: &[u8]) -> Result<()> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV;
    let file = openat2(dir, path, OFlags::WRONLY | OFlags::NOFOLLOW, Mode::empty(), resolve)?;
    write_once(&file, bytes)
}

/// Writes all of `bytes`, in as many calls as that takes: a file system that is full takes what fits and refuses the rest.
pub fn write_all(fd: impl AsFd, bytes: &[u8]) -> Result<()> {
    let fd = fd.as_fd();
    let mut rest = bytes;
    while !rest.is_empty() {
        // SAFETY: the kernel only reads the bytes.
        match unsafe { call(nr::write, [raw(fd), rest.as_ptr() as usize, rest.len(), 0, 0, 0]) } {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::new("write", format!("{}, {} bytes", shown(fd), bytes.len()), errno)),
        }
    }
    Ok(())
}

/// One write(2) of all of `bytes`; a short one is `EIO`. The bytes stand in the error.
pub fn write_once(fd: impl AsFd, bytes: &[u8]) -> Result<()> {
    let fd = fd.as_fd();
    // SAFETY: the kernel only reads the bytes.
    let result = unsafe { call(nr::write, [raw(fd), bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]) };
    let errno = match result {
        Ok(written) if written == bytes.len() => return Ok(()),
        Ok(_) => Errno::IO,
        Err(errno) => errno,
    };
    let value = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).trim_end().to_owned();
    Err(Error::new("write", format!("{}, {value:?}", shown(fd)), errno))
}

/// A directory whose contents somebody else may have written: a container's root, an unpacked layer.
#[derive(Debug)]
pub struct RootDir {
    fd: OwnedFd,
}

impl RootDir {
    /// Takes the directory behind `fd` as a root.
    pub fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Opens a path in the root; `..`, absolute links and magic links stay inside.
    pub fn open(&self, path: impl Arg, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        openat2(&self.fd, path, flags, mode, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    }

    /// The fd, for calls that take the whole root.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for RootDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Makes standard input read nothing.
pub fn stdin_from_null() -> Result<()> {
    put(open("/dev/null", OFlags::RDONLY, Mode::empty())?.as_fd(), 0)
}

/// Lets go of standard output and error: what is written to them is thrown away.
pub fn output_to_null() -> Result<()> {
    let null = open("/dev/null", OFlags::WRONLY, Mode::empty())?;
    put(null.as_fd(), 1).and_then(|()| put(null.as_fd(), 2))
}

/// The standard streams as they were, while others stand in their place: children get those. Dropping it puts them back.
#[derive(Debug)]
pub struct Standard([OwnedFd; 3]);

impl Standard {
    /// Puts others in their place.
    pub fn replace(with: [BorrowedFd<'_>; 3]) -> Result<Self> {
        let ours = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        let keep = |fd: BorrowedFd<'static>| {
            rustix::io::fcntl_dupfd_cloexec(fd, 3).map_err(|errno| Error::new("fcntl", "F_DUPFD_CLOEXEC", errno))
        };
        let kept = Self([keep(ours[0])?, keep(ours[1])?, keep(ours[2])?]);
        for (number, fd) in with.iter().enumerate() {
            put(*fd, number)?;
        }
        Ok(kept)
    }

    /// What was standard error before.
    pub fn error(&self) -> BorrowedFd<'_> {
        self.0[2].as_fd()
    }
}

impl Drop for Standard {
    fn drop(&mut self) {
        for (number, fd) in self.0.iter().enumerate() {
            let _ = put(fd.as_fd(), number);
        }
    }
}

fn put(fd: BorrowedFd<'_>, number: usize) -> Result<()> {
    // SAFETY: no pointers; a standard stream is replaced, as is meant.
    unsafe { call(nr::dup3, [raw(fd), number, 0, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("dup3", format!("{}, {number}", shown(fd)), errno))
}

/// An fd that children get while this lives; it closes at exec before and after.
#[derive(Debug)]
pub struct Kept<'a>(BorrowedFd<'a>);

impl<'a> Kept<'a> {
    /// Keeps it open over exec.
    pub fn new(fd: BorrowedFd<'a>) -> Result<Self> {
        use rustix::io::{FdFlags, fcntl_setfd};
        let failed = |errno| Error::new("fcntl", format!("{}, F_SETFD", shown(fd)), errno);
        fcntl_setfd(fd, FdFlags::empty()).map_err(failed)?;
        Ok(Self(fd))
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let _ = rustix::io::fcntl_setfd(self.0, rustix::io::FdFlags::CLOEXEC);
    }
}
