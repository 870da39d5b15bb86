//! Layer tars in: applied to a directory or an EROFS image of their own, verified, hostile or not. And out: a tree, or what
//! an overlay has changed, packed into a tar ([`pack`]), or copied as it is ([`copy_tree`]).
//!
//! [`apply`] and [`write_image`] stream a blob once: inflate and hash on one thread, entries onto the disk on the other. A
//! layer becomes a directory or an image, ready to be a lower one of an overlay; the layers below it are neither mounted
//! nor changed. Their content matters in two rare cases only (see [`apply`]), and the result says when it did.
//!
//! The tar comes from a stranger. Its names are split and walked here, one component at a time, each by an fd of the
//! directory above; nothing in the tar is ever followed by the kernel, so there is no path that could lead out.

#![forbid(unsafe_code)]

mod apply;
mod archive;
mod changes;
mod compression;
mod content;
mod copy;
mod copy_up;
mod encoder;
mod entry;
mod error;
mod files;
mod image;
mod lowers;
mod metadata;
mod name;
mod number;
mod ownership;
mod pack;
mod pax;
mod pieces;
mod pipeline;
mod places;
mod removal;
mod scan;
mod sparse;
mod target;
mod tree;
mod walk;
mod writer;

pub use apply::{Applied, Devices, Limits, Options, OverlayXattrs, RootMeta, apply, write_image};
pub use archive::Archive;
pub use changes::{Change, Changed, Detail, Upper, changes, details, differences};
pub use compression::{Compression, Decoder};
pub use copy::{copy_directory, copy_tree};
pub use encoder::Encoder;
pub use entry::{Entry, Kind, Time};
pub use error::{Error, Refusal, Result};
pub use metadata::keepable;
pub use ownership::Ownership;
pub use pack::{Packed, Packing, pack, pack_named};
pub use pieces::Pieces;
pub use places::{Place, PlaceKind, Trace, read_regular, trace};
pub use removal::remove_tree;
pub use scan::{Scanned, scan};
pub use sparse::Extent;
pub use writer::Writer;
