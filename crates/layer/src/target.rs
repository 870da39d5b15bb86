//! What a layer is applied to: a directory of files, or an image that is being written. Both are walked and changed by
//! the same few steps, so that a layer means the same in each.

use crate::metadata::{Metadata, Problem};
use rustix::fs::FileType;

/// What is there under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Directory,
    Symlink,
    Whiteout,
    Other,
}

/// What will be set on a directory at the end, when nothing is made in it any more.
#[derive(Debug, Default)]
pub struct Pending {
    /// None for one that no entry describes and that no lower layer has.
    pub meta: Option<Metadata>,
    /// Where its entry was.
    pub offset: u64,
    /// What lower layers have in it is hidden.
    pub opaque: bool,
}

/// Takes the content of a file, from its start to its end.
pub trait Sink {
    /// The next bytes.
    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem>;
    /// Zeroes that need not be stored.
    fn hole(&mut self, length: u64) -> Result<(), Problem>;
}

/// Has the content of a file.
pub trait Source {
    /// Its length, holes included.
    fn size(&self) -> u64;
    /// Gives it away, once.
    fn pour(&mut self, sink: &mut dyn Sink) -> Result<(), Problem>;
}

/// Where a layer's files are made. What makes something fails with EXIST, before it has read any content, where the name
/// is taken.
pub trait Target {
    /// Reaches a directory.
    type Handle: Clone + std::fmt::Debug;

    /// The layer's root directory.
    fn root(&self) -> Self::Handle;
    /// The directory `name`; NOENT, NOTDIR or LOOP where there is none. Follows nothing.
    fn enter(&self, dir: &Self::Handle, name: &[u8]) -> sys::Result<Self::Handle>;
    /// What stands under a name.
    fn look(&self, dir: &Self::Handle, name: &[u8]) -> sys::Result<Option<Existing>>;
    /// Where the symbolic link `name` leads.
    fn read_link(&self, dir: &Self::Handle, name: &[u8]) -> sys::Result<Vec<u8>>;

    /// A directory, to be described at the end.
    fn make_directory(&mut self, dir: &Self::Handle, name: &[u8]) -> sys::Result<()>;
    /// What overlayfs takes as: the name is gone.
    fn make_whiteout(&mut self, dir: &Self::Handle, name: &[u8]) -> Result<(), Problem>;
    /// Hides what the layers below have in a directory.
    fn make_opaque(&mut self, dir: &Self::Handle) -> sys::Result<()>;
    /// A regular file.
    fn make_file(
        &mut self,
        dir: &Self::Handle,
        name: &[u8],
        meta: &Metadata,
        content: &mut dyn Source,
    ) -> Result<(), Problem>;
    /// A symbolic link.
    fn make_symlink(&mut self, dir: &Self::Handle, name: &[u8], to: &[u8], meta: &Metadata) -> Result<(), Problem>;
    /// A device, FIFO or socket; `device` is its major and minor number.
    fn make_special(
        &mut self,
        dir: &Self::Handle,
        name: &[u8],
        kind: FileType,
        device: (u32, u32),
        meta: &Metadata,
    ) -> Result<(), Problem>;
    /// One more name of what stands under `old`.
    fn link(&mut self, old_dir: &Self::Handle, old: &[u8], dir: &Self::Handle, name: &[u8]) -> sys::Result<()>;
    /// Removes a name and all below it.
    fn remove(&mut self, dir: &Self::Handle, name: &[u8]) -> sys::Result<()>;

    /// Gives the directory at `path` what it is to have; comes last, deepest directories first.
    fn describe(&mut self, path: &[u8], pending: &Pending) -> Result<(), Problem>;
    /// Bytes held in memory until the end.
    fn weight(&self) -> usize;
    /// Extended attributes that could not be kept.
    fn dropped_xattrs(&self) -> u64;
}
