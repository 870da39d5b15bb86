//! A failed system call, told the way strace tells it.

use rustix::io::Errno;
use std::fmt;

/// A system call that failed: `openat2(/etc/passwd, O_RDONLY) = ENOENT (no such file or directory)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The call's name.
    pub call: &'static str,
    /// Its arguments as a person would write them, with the path behind each fd.
    pub detail: Box<str>,
    /// Why.
    pub errno: Errno,
}

/// What our wrappers return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure of `call` with arguments `detail`.
    pub fn new(call: &'static str, detail: impl Into<Box<str>>, errno: Errno) -> Self {
        Self { call, detail: detail.into(), errno }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}) = {}", self.call, self.detail, Named(self.errno))
    }
}

impl std::error::Error for Error {}

/// An error number with its name and text: `ENOENT (no such file or directory)`.
#[derive(Debug, Clone, Copy)]
pub struct Named(pub Errno);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match text(self.0) {
            Some((name, text)) => write!(f, "{name} ({text})"),
            None => write!(f, "errno {}", self.0.raw_os_error()),
        }
    }
}

macro_rules! errors {
    ($($name:ident $code:literal $text:literal)*) => {
        /// Name and text of an error number (errno(3), errno-base.h).
        pub fn text(errno: Errno) -> Option<(&'static str, &'static str)> {
            match errno.raw_os_error() {
                $($code => Some((stringify!($name), $text)),)*
                _ => None,
            }
        }
    };
}

errors! {
    EPERM 1 "operation not permitted"
    ENOENT 2 "no such file or directory"
    ESRCH 3 "no such process"
    EINTR 4 "interrupted system call"
    EIO 5 "input/output error"
    ENXIO 6 "no such device or address"
    E2BIG 7 "argument list too long"
    ENOEXEC 8 "exec format error"
    EBADF 9 "bad file descriptor"
    ECHILD 10 "no child processes"
    EAGAIN 11 "resource temporarily unavailable"
    ENOMEM 12 "cannot allocate memory"
    EACCES 13 "permission denied"
    EFAULT 14 "bad address"
    ENOTBLK 15 "block device required"
    EBUSY 16 "device or resource busy"
    EEXIST 17 "file exists"
    EXDEV 18 "invalid cross-device link"
    ENODEV 19 "no such device"
    ENOTDIR 20 "not a directory"
    EISDIR 21 "is a directory"
    EINVAL 22 "invalid argument"
    ENFILE 23 "too many open files in system"
    EMFILE 24 "too many open files"
    ENOTTY 25 "inappropriate ioctl for device"
    ETXTBSY 26 "text file busy"
    EFBIG 27 "file too large"
    ENOSPC 28 "no space left on device"
    ESPIPE 29 "illegal seek"
    EROFS 30 "read-only file system"
    EMLINK 31 "too many links"
    EPIPE 32 "broken pipe"
    ERANGE 34 "numerical result out of range"
    ENAMETOOLONG 36 "file name too long"
    ENOSYS 38 "function not implemented"
    ENOTEMPTY 39 "directory not empty"
    ELOOP 40 "too many levels of symbolic links"
    ENODATA 61 "no data available"
    EOVERFLOW 75 "value too large for defined data type"
    EUSERS 87 "too many users"
    ENOTSOCK 88 "socket operation on non-socket"
    EMSGSIZE 90 "message too long"
    EOPNOTSUPP 95 "operation not supported"
    EAFNOSUPPORT 97 "address family not supported by protocol"
    EADDRINUSE 98 "address already in use"
    EADDRNOTAVAIL 99 "cannot assign requested address"
    ENETDOWN 100 "network is down"
    ENETUNREACH 101 "network is unreachable"
    ECONNRESET 104 "connection reset by peer"
    ETIMEDOUT 110 "connection timed out"
    ECONNREFUSED 111 "connection refused"
    EHOSTUNREACH 113 "no route to host"
    ESTALE 116 "stale file handle"
    EDQUOT 122 "disk quota exceeded"
    EKEYREJECTED 129 "key was rejected by service"
}
