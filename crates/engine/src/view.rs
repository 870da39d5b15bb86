//! The files of a container as it sees them, and as its image has them, for who looks from outside: nothing runs, and
//! nothing is mounted where anybody could see it.

use crate::config::{Changes, ContainerConfig, ImageRef};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::{Maps, Record};
use crate::stage::Stage;
use crate::userns;
use layer::{Changed, OverlayXattrs, Ownership, Packed, Upper, changes, differences, pack};
use oci::runtime::IdMapping;
use rustix::fs::{CWD, Mode, OFlags};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use store::{Container, ContainerDir, Image, Layer, Lease, UPPER, overlay};
use sys::mount::RECURSIVE;

/// A container that is looked at. While it is held nobody removes it.
pub(crate) struct Held {
    /// Its record.
    pub record: Container<Record>,
    dir: ContainerDir,
    lease: Lease,
}

impl Engine {
    /// Writes a container's root file system as a tar. One that runs may change meanwhile.
    pub fn export(&self, container: &str, out: impl Write) -> Result<()> {
        self.enter()?;
        self.pack_whole(&self.hold(container)?, out)?;
        self.tell(container, "export", &[]);
        Ok(())
    }

    /// All that a container sees of its own layer and those below, as a tar.
    pub(crate) fn pack_whole(&self, held: &Held, out: impl Write) -> Result<()> {
        let ids = Back::whole(self, &held.record)?;
        let root = self.root_of(held)?;
        Ok(pack(&root, Packed::Whole, ids.ownership(), out).map(drop).map_err(store::Error::Tree)?)
    }

    /// What a container has changed of its image.
    pub fn container_changes(&self, container: &str) -> Result<Vec<Changed>> {
        self.enter()?;
        let held = self.hold(container)?;
        if matches!(held.record.config.config.image, ImageRef::Host) {
            return Err(Error::NoUpper(container.to_owned()));
        }
        let lowers = self.lowers(&held)?;
        let lowers: Vec<_> = lowers.iter().map(AsFd::as_fd).collect();
        let own = held.upper().map_err(|_| Error::NoUpper(container.to_owned()))?;
        let upper = Upper { style: self.style()?, lowers: &lowers, mounts: &held.mounts() };
        Ok(changes(own, &upper, Back::upper(&held.record).ownership()).map_err(store::Error::Tree)?)
    }

    /// What an image's topmost layer changes of those below.
    pub fn image_changes(&self, name: &str) -> Result<Vec<Changed>> {
        self.enter()?;
        let lease = self.store()?.lease()?;
        let layers = self.store()?.layers_for(&self.image(name)?, &lease)?;
        let Some((top, below)) = layers.lowest_first.split_last() else { return Ok(Vec::new()) };
        let below: Vec<_> = below.iter().map(AsFd::as_fd).collect();
        let upper = Upper { style: self.style()?, lowers: &below, mounts: &[] };
        Ok(changes(top, &upper, Ownership::AsRecorded).map_err(store::Error::Tree)?)
    }

    /// What an image has otherwise than another.
    pub fn image_differences(&self, name: &str, other: &str) -> Result<Vec<Changed>> {
        self.enter()?;
        let lease = self.store()?.lease()?;
        let root = |name: &str| self.merged(&self.store()?.layers_for(&self.image(name)?, &lease)?.lowest_first);
        Ok(differences(root(other)?, root(name)?).map_err(store::Error::Tree)?)
    }

    pub(crate) fn style(&self) -> Result<OverlayXattrs> {
        Ok(self.store()?.layer_mode()?.xattrs.overlay())
    }

    /// A mount of layers, lowest first, that nobody sees.
    fn mounted(&self, layers: &[impl AsFd]) -> Result<OwnedFd> {
        let xattrs = self.store()?.layer_mode()?.xattrs;
        let options = overlay::Options { xattrs, volatile: false, attributes: sys::mount::attr::NODEV };
        overlay::mount(layers, None, &options).map_err(Error::system("mount the layers"))
    }

    /// What is in it, to be listed.
    fn merged(&self, layers: &[impl AsFd]) -> Result<OwnedFd> {
        let mounted = self.mounted(layers)?;
        // What was opened by its mount alone cannot be listed.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        sys::fs::open_beneath(&mounted, ".", flags, Mode::empty()).map_err(Error::system("open the layers"))
    }

    pub(crate) fn hold(&self, text: &str) -> Result<Held> {
        let store = self.store()?;
        let lease = store.lease()?;
        let id = store.find_container(text)?;
        let mut dir = store.container(&id)?;
        dir.lock()?;
        let record: Container<Record> = dir.read()?;
        Ok(Held { record, dir, lease })
    }

    /// The layers below a container's own, lowest first, as they lie below it.
    pub(crate) fn lowers(&self, held: &Held) -> Result<Vec<OwnedFd>> {
        let config = &held.record.config.config;
        match &config.image {
            ImageRef::Host => Ok(Vec::new()),
            ImageRef::Rootfs(rootfs) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                let dir = sys::fs::open(&rootfs.path, flags, Mode::empty());
                Ok(vec![dir.map_err(|source| Error::Rootfs { path: rootfs.path.clone(), source })?])
            }
            ImageRef::Name(_) => Ok(self.layers_of_record(held, config)?.into_iter().map(OwnedFd::from).collect()),
        }
    }

    pub(crate) fn layers_of_record(&self, held: &Held, config: &ContainerConfig) -> Result<Vec<Layer>> {
        let store = self.store()?;
        let maps = userns::of_layers(self, config)?;
        let maps = maps.as_ref().map(|maps| (&*maps.uids, &*maps.gids));
        let image = self.image_of(held)?;
        let layers = match maps {
            Some(maps) => store.mapped_layers_for(&image, maps, &held.lease)?,
            None => store.layers_for(&image, &held.lease)?,
        };
        Ok(layers.lowest_first)
    }

    /// The image that a container was made from.
    pub(crate) fn image_of(&self, held: &Held) -> Result<Image> {
        let name = &held.record.config.image_name;
        let id = held.record.image.ok_or_else(|| Error::NoImage(held.record.name.to_string(), name.clone()))?;
        Ok(self.store()?.resolve(&id.to_string())?)
    }

    /// The root of a container, read-only, its own layer on those of the image.
    fn root_of(&self, held: &Held) -> Result<OwnedFd> {
        self.merged(&self.all_layers(held)?)
    }

    /// The same as a detached mount.
    pub(crate) fn mounted_root_of(&self, held: &Held) -> Result<OwnedFd> {
        self.mounted(&self.all_layers(held)?)
    }

    fn all_layers(&self, held: &Held) -> Result<Vec<OwnedFd>> {
        let config = &held.record.config.config;
        if matches!(config.image, ImageRef::Host) {
            return Err(Error::NoImage(held.record.name.to_string(), held.record.config.image_name.clone()));
        }
        let mut layers = self.lowers(held)?;
        layers.extend(held.upper().ok());
        Ok(layers)
    }
}

impl Held {
    /// The root of a container that does not run, to be read and written as it is when it runs.
    pub fn writable_root(&self, engine: &Engine) -> Result<OwnedFd> {
        let none = || Error::NoUpper(self.record.name.to_string());
        match &self.record.config.config.image {
            ImageRef::Host => return Err(none()),
            ImageRef::Rootfs(rootfs) if rootfs.changes == Changes::Kept => {
                return crate::standing::tree(CWD, &rootfs.path, RECURSIVE)
                    .map_err(|source| Error::Rootfs { path: rootfs.path.clone(), source });
            }
            _ => {}
        }
        // The layers of the image have its ids, the container's own layer those of its range.
        if engine.caller().is_root() && self.record.config.maps.is_some() {
            return Err(Error::SharedIds(self.record.name.to_string()));
        }
        let options = overlay::Options {
            xattrs: engine.store()?.layer_mode()?.xattrs,
            volatile: false,
            attributes: sys::mount::attr::NODEV,
        };
        let lowers = engine.lowers(self)?;
        // A user was in another mount namespace when they were opened; overlayfs takes what is in this one.
        let mount = || {
            let lowers: Vec<_> = lowers.iter().map(Stage::reopen).collect::<sys::Result<_>>()?;
            overlay::mount(&lowers, Some(Stage::reopen(&self.dir)?.as_fd()), &options)
        };
        mount().map_err(Error::system("mount the container's files"))
    }
}

/// Where every container has something mounted.
const MOUNTS: [&str; 6] = ["dev", "proc", "sys", "etc/hostname", "etc/hosts", "etc/resolv.conf"];

impl Held {
    /// Where something is mounted while it runs, as [`Upper`] wants it.
    pub fn mounts(&self) -> Vec<Vec<u8>> {
        let own = self.record.config.config.files.mounts.iter().map(|mount| mount.destination().as_str());
        own.chain(MOUNTS).map(|path| path.trim_matches('/').as_bytes().to_vec()).collect()
    }

    /// Lets others have the container; its record, and what keeps the image's layers.
    pub fn let_go(self) -> (Container<Record>, Lease) {
        (self.record, self.lease)
    }

    /// The layer of its own.
    pub fn upper(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let upper = sys::fs::open_beneath(&self.dir, UPPER, flags, Mode::empty());
        upper.map_err(Error::system("open the container's own layer"))
    }
}

/// Maps from the ids on disk back to those of the container.
pub(crate) struct Back {
    maps: Option<Maps>,
}

impl Back {
    /// Of the container's own layer.
    pub fn upper(record: &Container<Record>) -> Self {
        Self { maps: record.config.maps.as_ref().map(Maps::reversed) }
    }

    /// Of its own layer and those below. Root sees these through an idmapped mount while the container runs; here they
    /// have the image's ids, and the container's range is apart from them.
    pub fn whole(engine: &Engine, record: &Container<Record>) -> Result<Self> {
        let Self { maps: Some(mut maps) } = Self::upper(record) else { return Ok(Self { maps: None }) };
        if engine.caller().is_root() {
            for map in [&mut maps.uids, &mut maps.gids] {
                let first = map.iter().map(|range| range.container_id).min().unwrap_or(0);
                if first < LARGEST_OF_IMAGES && map.iter().any(|range| range.container_id != range.host_id) {
                    return Err(Error::SharedIds(record.name.to_string()));
                }
                map.push(IdMapping { container_id: 0, host_id: 0, size: u32::MAX });
            }
        }
        Ok(Self { maps: Some(maps) })
    }

    pub fn ownership(&self) -> Ownership<'_> {
        self.maps
            .as_ref()
            .map_or(Ownership::AsRecorded, |maps| Ownership::Mapped { uids: &maps.uids, gids: &maps.gids })
    }
}

/// Ids that images use.
const LARGEST_OF_IMAGES: u32 = 65_536;
