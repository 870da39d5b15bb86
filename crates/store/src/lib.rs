//! Blobs, images, layers, volumes and container records on disk.
//!
//! The store is a directory that any number of processes use at once, without a daemon:
//!
//! ```text
//! store.json                  version of the format; how the layers below were written
//! images/                     an OCI image layout that other tools can read
//!     oci-layout index.json blobs/sha256/HEX
//! layers/HEX/                 a layer, unpacked once: record.json, and the tree below fs/ or in the image layer.erofs
//! containers/ID/              record.json; upper/ and work/ of its overlay
//! volumes/NAME/               record.json; data/, which containers have mounted
//! names/NAME                  a link whose text is the id of the container of that name
//! compressed.json             what layers are once they are compressed, to be sent
//! partial/HEX                 what came of a blob before it was cut off
//! networks/NAME               a network
//! secrets/NAME                a secret
//! tmp/                        what is being made, locked by its maker
//! trash/                      what is being removed
//! ```
//!
//! Nothing is changed in place: data is written under `tmp/`, and one rename makes it visible. What a killed process
//! left is recognised by its lock, which died with it, and [`Store::sweep`] removes it. All locks are flock(2) on
//! directories: `images/` while its index is written, `layers/` shared by who is about to use images and layers
//! ([`Lease`]) and exclusive by who removes them, a container's own directory by who works on that container.
//!
//! The surprising part is rootless use: the owner of the files below `layers/` and `containers/` is whoever root is in
//! the user's user namespace, so everything that touches those trees runs inside that namespace, while images and
//! records can be read from outside.

#![forbid(unsafe_code)]

mod arrivals;
mod arriving;
mod blob;
mod changes;
mod check;
mod compressed;
mod container;
mod content;
mod driver;
mod error;
mod file;
mod garbage;
mod image;
mod import;
mod layers;
mod lease;
mod lists;
mod load;
mod mode;
mod name;
mod names;
mod network;
pub mod overlay;
mod receive;
mod record;
mod remove;
mod same;
pub mod save;
mod secret;
mod settle;
mod store;
mod sweep;
mod temporary;
mod unpacked;
mod usage;
mod volume;

pub use arrivals::Arrivals;
pub use arriving::Arriving;
pub use changes::apply as change;
pub use check::{Checked, Depth, Finding, Repair};
pub use container::{Broken, Container, ContainerDir, Durability, NewContainer, UPPER, WORK};
pub use driver::Driver;
pub use error::{Error, Result};
pub use image::{BrokenImage, Image};
pub use import::Import;
pub use layers::{Layer, LayerId, Layers, RootMeta};
pub use lease::Lease;
pub use lists::List;
pub use load::LoadedImage;
pub use mode::{IdRange, LayerMode, XattrStyle};
pub use name::{ContainerId, ContainerName, VolumeName};
pub use receive::Expected;
pub use remove::Removed;
pub use secret::{LARGEST_SECRET, NewSecret, Secret};
pub use store::Store;
pub use sweep::Swept;
pub use usage::{ImageUsage, Piece, Usage};
pub use volume::{BrokenVolume, Volume, VolumeDir, VolumeUsers, volume_path};
