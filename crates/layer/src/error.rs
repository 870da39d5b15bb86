//! Why a tar cannot be read or applied. Offsets count bytes of the uncompressed tar.

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a tar cannot be read or applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source cannot be read, or does not inflate.
    #[error("cannot read the tar at byte {offset}")]
    Read {
        /// Where.
        offset: u64,
        /// Why.
        source: std::io::Error,
    },
    /// A compression that we do not inflate.
    #[error("compressed with {0}, which is not supported; only gzip and zstd are")]
    Compression(&'static str),
    /// The tar ends in the middle of something.
    #[error("the tar ends at byte {offset}, in the middle of {within}")]
    Truncated {
        /// Where.
        offset: u64,
        /// Of what.
        within: &'static str,
    },
    /// A header that is none.
    #[error("no valid tar header at byte {offset}: {reason}")]
    Header {
        /// Where the header starts.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry that is refused.
    #[error("entry {name:?} at byte {offset}: {reason}")]
    Refused {
        /// Its name, shortened, with other than UTF-8 replaced.
        name: String,
        /// Where its header starts.
        offset: u64,
        /// Why.
        reason: Refusal,
    },
    /// An entry that the kernel does not take.
    #[error("cannot make entry {name:?} at byte {offset}")]
    Entry {
        /// Its name, shortened, with other than UTF-8 replaced.
        name: String,
        /// Where its header starts.
        offset: u64,
        /// Why.
        source: sys::Error,
    },
    /// An entry whose content cannot be written.
    #[error("cannot write entry {name:?} at byte {offset}")]
    Write {
        /// Its name, shortened, with other than UTF-8 replaced.
        name: String,
        /// Where its header starts.
        offset: u64,
        /// Why.
        source: std::io::Error,
    },
    /// Something of a tree that cannot be copied.
    #[error("cannot copy {name:?}")]
    Copy {
        /// Its path, shortened, with other than UTF-8 replaced.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An entry that an image cannot hold.
    #[error("cannot write entry {name:?} at byte {offset} to the image")]
    Image {
        /// Its name, shortened, with other than UTF-8 replaced.
        name: String,
        /// Where its header starts.
        offset: u64,
        /// Why.
        source: erofs::Error,
    },
    /// The image cannot be completed.
    #[error("cannot complete the image")]
    Incomplete(#[source] erofs::Error),
    /// Something other than zeroes after the end of the tar.
    #[error("something follows the end of the tar, at byte {offset}")]
    Trailing {
        /// Where.
        offset: u64,
    },
    /// More than [`crate::Limits`] allows.
    #[error("the tar has more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
    /// Something in a tree that cannot be read.
    #[error("cannot read {name:?}")]
    Unreadable {
        /// Its path, shortened, with other than UTF-8 replaced.
        name: String,
        /// Why.
        source: sys::Error,
    },
    /// A file whose content cannot be read, or written on.
    #[error("cannot copy the content of {name:?}")]
    Content {
        /// Its path, shortened, with other than UTF-8 replaced.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The tar cannot be written.
    #[error("cannot write the tar")]
    Output(#[source] std::io::Error),
    /// A system call that belongs to no entry failed.
    #[error(transparent)]
    Sys(#[from] sys::Error),
}

/// Why an entry is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A component `..`.
    #[error("a name with .. could lead out of the directory")]
    DotDot,
    /// A NUL byte in a name or link.
    #[error("a name cannot hold a zero byte")]
    Nul,
    /// No name at all.
    #[error("it has no name")]
    NoName,
    /// A name longer than paths can be.
    #[error("the name has {0} bytes; the most is 4095")]
    TooLong(usize),
    /// `.wh.`, `.wh..` or `.wh...`.
    #[error("a whiteout of nothing, or of the directory that it stands in")]
    Whiteout,
    /// A whiteout's name in the middle of a path.
    #[error("a whiteout used as a directory")]
    WhiteoutDirectory,
    /// Something other than a directory for the root itself.
    #[error("the root can only be a directory")]
    Root,
    /// A path that leads through a file.
    #[error("{0:?} is not a directory")]
    NotADirectory(String),
    /// Links that lead to each other.
    #[error("too many symbolic links on the way")]
    LinkLoop,
    /// A hard link to something that is not there.
    #[error("the target {0:?} of the hard link is not there")]
    NoLinkTarget(String),
    /// A hard link to a directory.
    #[error("the target {0:?} of the hard link is a directory")]
    LinkToDirectory(String),
    /// A character device with number 0:0.
    #[error("a character device 0:0 would be a whiteout of overlayfs")]
    WhiteoutDevice,
    /// A type of entry that has no meaning in a layer.
    #[error("unknown type of entry {0:?}")]
    Kind(char),
    /// The id of nobody in particular.
    #[error("{what} {id} is not valid")]
    Id {
        /// User or group.
        what: &'static str,
        /// The number.
        id: i64,
    },
    /// An owner that the user namespace does not know.
    #[error("owner {uid}:{gid} is not mapped in this user namespace; a larger range of subordinate ids is needed")]
    Unmapped {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}
