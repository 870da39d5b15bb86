//! The layers of a container as they lie in the store: those of its image, and its own.

use super::{Changes, Engine, Living, Mounts, changes};
use crate::config::{Changes as Fate, ImageRef, RootAccess};
use crate::containers::Listed;
use crate::error::Result;
use crate::view::Held;
use oci::digest::ChainId;
use serde::Serialize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use store::{Image, UPPER};

/// Of what a root is made.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RootSide {
    /// How.
    pub kind: RootKind,
    /// It can be read only.
    pub read_only: bool,
    /// Where the container's own layer lies; none where it has none.
    pub upper: Option<PathBuf>,
    /// Layers, the lowest first.
    pub layers: Vec<LayerSide>,
}

/// How a root is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RootKind {
    /// Layers of an image below a layer of its own.
    #[default]
    Image,
    /// A directory of this machine below a layer of its own.
    Overlay,
    /// A directory of this machine.
    Directory,
    /// This machine's own files below a layer that is thrown away.
    Host,
}

/// A layer.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerSide {
    /// Its digest, as the image names it (diff ID); none of the container's own.
    pub digest: Option<String>,
    /// Bytes of its tar.
    pub size: u64,
    /// Where it lies.
    pub path: Option<PathBuf>,
    /// The instruction that made it, as the image's history has it.
    pub created_by: Option<String>,
    /// It is in the mount; one that a layer above hides as a whole is not.
    pub mounted: bool,
}

/// Layers that are open.
pub(super) struct Layers<'a> {
    engine: &'a Engine,
    pub held: Held,
    kind: RootKind,
    image: Option<Image>,
    /// Those that are mounted, lowest first, each with its place among those of the image.
    lowers: Vec<(OwnedFd, Option<usize>)>,
    upper: Option<OwnedFd>,
}

/// What is read of a file of a container's at most.
const LARGEST: u64 = 1 << 20;

impl<'a> Layers<'a> {
    pub fn open(engine: &'a Engine, listed: &Listed) -> Result<Self> {
        let held = engine.hold(listed.container.id.as_str())?;
        let config = &held.record.config.config;
        let (kind, image, lowers) = match &config.image {
            ImageRef::Host => (RootKind::Host, None, Vec::new()),
            ImageRef::Rootfs(rootfs) => {
                let kind = if rootfs.changes == Fate::Kept { RootKind::Directory } else { RootKind::Overlay };
                (kind, None, engine.lowers(&held)?.into_iter().map(|dir| (dir, None)).collect())
            }
            ImageRef::Name(_) => {
                let image = engine.image_of(&held)?;
                let diff_ids = &image.config.rootfs.diff_ids;
                let names: Vec<_> = diff_ids.iter().zip(ChainId::of_layers(diff_ids)).collect();
                let layers = engine.layers_of_record(&held, config)?;
                let place = |layer: &store::Layer| {
                    names.iter().position(|(diff, chain)| [diff.0, chain.0].contains(&layer.id.0))
                };
                let lowers = layers.into_iter().map(|layer| (place(&layer), layer));
                let lowers = lowers.map(|(place, layer)| (OwnedFd::from(layer), place)).collect();
                (RootKind::Image, Some(image), lowers)
            }
        };
        let own = matches!(kind, RootKind::Image | RootKind::Overlay);
        let upper = own.then(|| held.upper().ok()).flatten();
        Ok(Self { engine, held, kind, image, lowers, upper })
    }

    /// All of them, lowest first, the container's own last.
    pub fn all(&self) -> Vec<BorrowedFd<'_>> {
        self.lowers.iter().map(|(dir, _)| dir.as_fd()).chain(self.upper.iter().map(AsFd::as_fd)).collect()
    }

    pub fn style(&self) -> Result<layer::OverlayXattrs> {
        self.engine.style()
    }

    /// A plain file, as the container sees it where nothing is mounted.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        if self.kind == RootKind::Host {
            return std::fs::read(format!("/{path}")).ok();
        }
        layer::read_regular(&self.all(), self.style().ok()?, path.as_bytes(), LARGEST).ok()?
    }

    pub fn changes(&self, mounted: &Mounts) -> Result<Changes> {
        let Some(upper) = &self.upper else { return Ok(Changes::default()) };
        let lowers: Vec<_> = self.lowers.iter().map(|(dir, _)| dir.as_fd()).collect();
        changes::look(upper, &lowers, self.style()?, &self.held, mounted)
    }

    /// What is told of one of them, by its place in [`Self::all`].
    pub fn side(&self, number: usize) -> LayerSide {
        match self.lowers.get(number) {
            Some((_, Some(place))) => self.image_layers().into_iter().nth(*place).unwrap_or_default(),
            Some((_, None)) => LayerSide { path: self.directory(), mounted: true, ..LayerSide::default() },
            None => LayerSide { path: self.upper_path(), mounted: true, ..LayerSide::default() },
        }
    }

    fn directory(&self) -> Option<PathBuf> {
        match &self.held.record.config.config.image {
            ImageRef::Rootfs(rootfs) => Some(rootfs.path.clone()),
            _ => None,
        }
    }

    fn upper_path(&self) -> Option<PathBuf> {
        let store = self.engine.store().ok().filter(|_| self.upper.is_some())?;
        Some(store.path().join("containers").join(self.held.record.id.as_str()).join(UPPER))
    }

    /// Layers of the image, lowest first.
    fn image_layers(&self) -> Vec<LayerSide> {
        let Some(image) = &self.image else { return Vec::new() };
        let mut told = image.config.history.iter().filter(|told| !told.empty_layer);
        let sizes = self.engine.layers_of(image);
        let one =
            |(place, (diff_id, (size, path))): (usize, (&oci::digest::DiffId, (u64, Option<PathBuf>)))| LayerSide {
                digest: Some(diff_id.to_string()),
                size,
                path,
                created_by: told.next().and_then(|told| told.created_by.clone()).filter(|by| !by.is_empty()),
                mounted: self.lowers.iter().any(|(_, mounted)| *mounted == Some(place)),
            };
        image.config.rootfs.diff_ids.iter().zip(sizes).enumerate().map(one).collect()
    }

    pub fn root(&self, living: Option<&Living>) -> RootSide {
        let asked = self.held.record.config.config.files.root != RootAccess::ReadWrite;
        let layers = match self.kind {
            RootKind::Image => self.image_layers(),
            RootKind::Overlay | RootKind::Directory => {
                self.lowers.iter().enumerate().map(|(n, _)| self.side(n)).collect()
            }
            RootKind::Host => Vec::new(),
        };
        let read_only = living.and_then(|living| living.spec.root.as_ref()).map_or(asked, |root| root.readonly);
        RootSide { kind: self.kind, read_only, upper: self.upper_path(), layers }
    }
}
