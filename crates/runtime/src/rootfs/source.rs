//! Where a root comes from: a path in the spec, a mount that the caller made, or pieces that the stub puts together
//! inside (an ordinary user can mount an overlay only there).

use std::os::fd::OwnedFd;

/// The root of a container.
#[derive(Debug)]
pub enum Rootfs {
    /// `root.path` of the spec.
    Spec,
    /// A detached mount.
    Mount(OwnedFd),
    /// Pieces in order; the first one is the root itself.
    Built(Vec<Item>),
}

/// A piece of a root.
#[derive(Debug)]
pub enum Item {
    /// A file system, made by the stub and attached at a path (`/` for the root).
    FileSystem {
        /// Path in the root.
        at: String,
        /// What is made.
        file_system: FileSystem,
    },
    /// A detached mount of the caller's, attached at a path.
    Mount {
        /// Path in the root.
        at: String,
        /// The mount.
        mount: OwnedFd,
    },
    /// The host's tree at a path, attached at a path.
    Bind {
        /// Path in the root.
        at: String,
        /// Path on the host.
        source: String,
        /// Whether mounts below it come along.
        recursive: bool,
        /// Mount attributes.
        attributes: u64,
    },
    /// A directory.
    Directory {
        /// Path in the root.
        path: String,
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Link {
        /// Path in the root.
        path: String,
        /// What it says.
        target: String,
    },
}

/// A file system to make.
#[derive(Debug)]
pub struct FileSystem {
    /// Type.
    pub kind: String,
    /// Parameters, in order.
    pub parameters: Vec<Parameter>,
    /// Mount attributes, [`sys::mount::attr`].
    pub attributes: u64,
}

/// A parameter of a file system.
#[derive(Debug)]
pub enum Parameter {
    /// A key alone.
    Flag(String),
    /// Key and text.
    Text(String, String),
    /// Key and fd.
    Fd(String, OwnedFd),
}
