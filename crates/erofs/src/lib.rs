//! A writer of EROFS images, the kernel's read-only file system, made in one pass while files stream by.
//!
//! A layer of a hundred thousand files becomes one file that is written front to back: content goes out as it comes, an
//! inode as soon as its file is complete. What is held in memory is the directories, since a tar describes them in any
//! order; they are written last. Nothing is compressed: the blob that the image is made of is kept anyway.
//!
//! The format is that of Linux 5.4, before compression, shared attributes and chunks (`Documentation/filesystems/erofs.rst`,
//! `fs/erofs/erofs_fs.h`), in blocks of 4096 bytes. The end of a file that fills no block stands right behind its inode, so
//! that a small file costs no block of its own. One image of given files is always the same bytes.

#![forbid(unsafe_code)]

mod directory;
mod error;
mod format;
mod output;
mod writer;
mod xattr;

pub use directory::{Child, Directory};
pub use error::{Error, Result};
pub use writer::{Attributes, FileWriter, Node, Special, Time, Writer};
pub use xattr::has_class;

/// Raised whenever the same files come to make other bytes.
pub const REVISION: u32 = 1;

/// Bytes of a block, the unit in which files are laid out.
pub const BLOCK: u64 = 4096;
