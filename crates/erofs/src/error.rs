//! Why an image cannot be written.

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an image cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file that is to hold it cannot be written.
    #[error("cannot write the image")]
    Write(#[from] std::io::Error),
    /// Blocks have numbers of 32 bits.
    #[error("the image is to have more than 16 TiB, which EROFS cannot number")]
    TooLarge,
    /// A name that no directory can hold.
    #[error("a name has {0} bytes; 1 to 255 are possible, without a slash or NUL")]
    Name(usize),
    /// An attribute whose name belongs to no known class, or that is too long.
    #[error("extended attribute {0:?} cannot be held: its class is unknown to EROFS, or it is too long")]
    Attribute(String),
    /// More attributes than an inode can have.
    #[error("one file has more extended attributes than EROFS can hold: 256 KiB, and 2880 bytes at the root")]
    Attributes,
    /// A symbolic link that leads nowhere that the kernel could go.
    #[error("a symbolic link has a target of {0} bytes; 1 to 4095 are possible")]
    Target(usize),
    /// A file whose content does not have the length that was announced.
    #[error("a file has {found} bytes, and {announced} were announced")]
    Length {
        /// What was said before.
        announced: u64,
        /// What came.
        found: u64,
    },
}
