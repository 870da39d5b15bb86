//! An entry of a tar, with all its headers taken together.

use crate::sparse::Extent;

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file; its data follow.
    File,
    /// Another name of an earlier entry, or of a file of a lower layer.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A FIFO.
    Fifo,
}

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds after that.
    pub nanoseconds: u32,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where its own header starts, in bytes of the tar.
    pub offset: u64,
    /// Its name as it stands there: any bytes but not checked for anything.
    pub path: Vec<u8>,
    /// What it makes.
    pub kind: Kind,
    /// Where a link leads.
    pub link: Vec<u8>,
    /// Permission bits, with set-id and sticky.
    pub mode: u32,
    /// User id.
    pub uid: i64,
    /// Group id.
    pub gid: i64,
    /// The file's length, holes included.
    pub size: u64,
    /// Bytes that follow in the tar.
    pub stored: u64,
    /// Modification time.
    pub mtime: Time,
    /// Access time, when there is one.
    pub atime: Option<Time>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes: name, value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The data of a sparse file; without, the data are one stretch.
    pub extents: Option<Vec<Extent>>,
}

impl Entry {
    /// One of root's that has nothing yet.
    pub fn new(kind: Kind) -> Self {
        Self {
            offset: 0,
            path: Vec::new(),
            kind,
            link: Vec::new(),
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            stored: 0,
            mtime: Time::default(),
            atime: None,
            device: (0, 0),
            xattrs: Vec::new(),
            extents: None,
        }
    }

    /// The name for people: shortened, with other than UTF-8 replaced.
    pub fn shown(&self) -> String {
        shown(&self.path)
    }
}

pub(crate) fn shown(name: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(name);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
