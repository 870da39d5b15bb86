//! From what the user named to the root file system of a container.

use crate::config::{Changes, ContainerConfig, ImageRef, Rootfs};
use crate::diagnosis;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::host;
use crate::record::Record;
use crate::spec::{ImageDefaults, UserNamespace};
use crate::stage::Stage;
use crate::userns;
use runtime::rootfs::Rootfs as RuntimeRoot;
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use store::overlay::Options;
use store::{ContainerDir, Lease, RootMeta, XattrStyle};
use sys::mount::{CLONE, EMPTY_PATH, MountAttr, RECURSIVE, mount_setattr, open_tree, propagation};

/// What is known of the root before the container is.
#[derive(Debug)]
pub struct Source {
    /// What the image says.
    pub defaults: ImageDefaults,
    /// The image's id and name, as far as there is one.
    pub image: Option<oci::image::ImageId>,
    /// Its layers, lowest first.
    pub layers: Vec<store::Layer>,
    /// What the root directory looks like.
    pub meta: RootMeta,
    /// Keeps image and layers until the container's record does.
    pub lease: Lease,
}

/// Finds the image; layers that are not unpacked yet are unpacked now.
pub fn find(engine: &Engine, config: &ContainerConfig) -> Result<Source> {
    let lease = engine.store()?.lease()?;
    let ImageRef::Name(name) = &config.image else {
        // The first container needs nothing, not even a command.
        let cmd = if config.image == ImageRef::Host { vec!["sh".to_owned()] } else { Vec::new() };
        let defaults = ImageDefaults { cmd, ..ImageDefaults::default() };
        return Ok(Source { defaults, image: None, layers: Vec::new(), meta: RootMeta::default(), lease });
    };
    let image = engine.store()?.resolve(name)?;
    let store = engine.store()?;
    let maps = userns::of_layers(engine, config)?;
    let maps = maps.as_ref().map(|maps| (&*maps.uids, &*maps.gids));
    let unpack = || match maps {
        Some(maps) => store.mapped_layers_for(&image, maps, &lease),
        None => store.layers_for(&image, &lease),
    };
    let layers = if let Some(layers) = store.unpacked_layers(&image, maps, &lease)? {
        layers
    } else {
        // What is wrong, if anything, the second time tells.
        let done = engine.apart(|| {
            let failed = unpack().is_err();
            engine.settle_later();
            u8::from(failed)
        });
        if let Err(error) = done {
            // Nothing could be removed that our own lease may have kept.
            drop(lease);
            engine.sweep();
            return Err(error);
        }
        unpack().map_err(|error| diagnosis::of_unpacking(error.into(), engine.caller()))?
    };
    Ok(Source {
        defaults: crate::images::defaults(&image),
        image: Some(image.id),
        layers: layers.lowest_first,
        meta: layers.root,
        lease,
    })
}

/// The same for a container that is there: the image that it was made from, whatever has its name by now.
pub fn of(engine: &Engine, container: &store::Container<Record>) -> Result<Source> {
    let mut config = container.config.config.clone();
    if let (ImageRef::Name(name), Some(image)) = (&mut config.image, &container.image) {
        *name = image.0.to_string();
    }
    find(engine, &config)
}

/// A root, ready to be mounted, and its tree for looking things up in it.
#[derive(Debug)]
pub struct Root {
    /// For the runtime.
    pub rootfs: RuntimeRoot,
    /// The trees in which /etc/passwd and /etc/group are, topmost first.
    pub trees: Vec<OwnedFd>,
}

/// The root directory's owner as the upper has to have it. Containers with ids of their own keep the shifted ids in
/// their upper: only layers, which are shared, are seen through a map (the overlay's maker, who is root here, could
/// write nothing through one). A user's own directory is his also where his id is not 0 in the container.
pub fn shifted(engine: &Engine, image: &ImageRef, meta: RootMeta, namespace: &UserNamespace) -> RootMeta {
    let shifts = engine.caller().is_root() || matches!(image, ImageRef::Name(_));
    match namespace.maps().filter(|_| shifts) {
        Some(maps) => RootMeta {
            uid: maps.host_uid(meta.uid).unwrap_or(meta.uid),
            gid: maps.host_gid(meta.gid).unwrap_or(meta.gid),
            ..meta
        },
        None => meta,
    }
}

/// Makes the root.
pub fn make(
    engine: &Engine,
    config: &ContainerConfig,
    source: &Source,
    container: &ContainerDir,
    namespace: &UserNamespace,
) -> Result<Root> {
    // Rootless no mount can be idmapped: layers come with their owners right, and what is not a layer stays as it is.
    let shifted = match namespace {
        UserNamespace::New(maps) if engine.caller().is_root() => {
            Some(runtime::idmap::namespace(&maps.uids, &maps.gids)?)
        }
        UserNamespace::Path(path, _) if engine.caller().is_root() => {
            let userns = sys::fs::open(path, OFlags::RDONLY, Mode::empty());
            Some(userns.map_err(Error::file("open --userns=ns:", path.as_path()))?)
        }
        _ => None,
    };
    let xattrs = if in_user_namespace(engine) { XattrStyle::User } else { XattrStyle::Trusted };
    let place = engine.run_dir(container.id().as_str());
    let over = Over { container, config, xattrs, place: &place, mapped: shifted.is_some() };
    match &config.image {
        ImageRef::Host => {
            let user = xattrs == XattrStyle::User;
            let maps = namespace.maps().filter(|_| shifted.is_some());
            let shift = shifted.as_ref().zip(maps);
            let owner = namespace.maps().and_then(|maps| maps.host_uid(0).zip(maps.host_gid(0)));
            let owner = owner.filter(|owner| *owner != (0, 0));
            let items = host::pieces(engine.locations(), host::Extent::Whole, &place, shift, owner, user)?;
            let host = sys::fs::open("/", OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
            Ok(Root { rootfs: RuntimeRoot::Built(items), trees: vec![host.map_err(Error::system("open /"))?] })
        }
        ImageRef::Name(_) => {
            let lowers: Vec<OwnedFd> = source
                .layers
                .iter()
                .map(|layer| match &shifted {
                    Some(userns) => store::overlay::idmapped(layer, userns),
                    None => layer.as_fd().try_clone_to_owned().map_err(|error| clone_failed(&error)),
                })
                .collect::<sys::Result<_>>()
                .map_err(Error::system("take up the image's layers"))?;
            let mount = over.overlay(lowers)?;
            let tree = tree_of(&mount)?;
            Ok(Root { rootfs: RuntimeRoot::Mount(mount), trees: vec![tree] })
        }
        ImageRef::Rootfs(rootfs) => directory(rootfs, &over, shifted.as_ref()),
    }
}

fn clone_failed(error: &std::io::Error) -> sys::Error {
    sys::Error::new("fcntl", "F_DUPFD_CLOEXEC", sys::Errno::from_io_error(error).unwrap_or(sys::Errno::IO))
}

fn tree_of(mount: &OwnedFd) -> Result<OwnedFd> {
    mount.try_clone().map_err(|error| Error::System { what: "hold the root", source: clone_failed(&error) })
}

/// `--rootfs PATH`: the directory itself, or an overlay on it.
fn directory(rootfs: &Rootfs, over: &Over<'_>, shifted: Option<&OwnedFd>) -> Result<Root> {
    let failed = |source| Error::Rootfs { path: rootfs.path.clone(), source };
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let dir = sys::fs::open(&rootfs.path, flags, Mode::empty()).map_err(failed)?;
    let lower = match shifted {
        Some(userns) => store::overlay::idmapped(&dir, userns).map_err(failed)?,
        None => dir,
    };
    let mount = match rootfs.changes {
        Changes::ThrownAway => over.overlay(vec![lower])?,
        Changes::Kept if shifted.is_some() => lower,
        Changes::Kept => {
            let tree = open_tree(CWD, &rootfs.path, CLONE | RECURSIVE).map_err(failed)?;
            let private = MountAttr { propagation: propagation::PRIVATE, ..MountAttr::default() };
            mount_setattr(&tree, "", EMPTY_PATH | RECURSIVE, &private).map_err(failed)?;
            tree
        }
    };
    let tree = tree_of(&mount)?;
    Ok(Root { rootfs: RuntimeRoot::Mount(mount), trees: vec![tree] })
}

/// What an overlay for a container is made with.
struct Over<'a> {
    container: &'a ContainerDir,
    config: &'a ContainerConfig,
    xattrs: XattrStyle,
    place: &'a Path,
    /// The lowers are idmapped copies, attached nowhere.
    mapped: bool,
}

impl Over<'_> {
    fn overlay(&self, lowers: Vec<OwnedFd>) -> Result<OwnedFd> {
        let options =
            Options { xattrs: self.xattrs, volatile: self.config.remove, attributes: sys::mount::attr::NODEV };
        let failed = Error::system("mount the root file system");
        match store::overlay::mount(&lowers, Some(self.container.as_fd()), &options) {
            Err(error) if self.mapped && error.errno == sys::Errno::INVAL => {
                let stage = Stage::enter(self.place)?;
                let attach = || {
                    let lowers: Vec<_> =
                        lowers.into_iter().map(|lower| stage.attach(lower)).collect::<sys::Result<_>>()?;
                    let upper = Stage::reopen(self.container)?;
                    store::overlay::mount(&lowers, Some(upper.as_fd()), &options)
                };
                attach().map_err(failed)
            }
            mounted => mounted.map_err(failed),
        }
    }
}

/// Overlays mounted here use `user.overlay.*` attributes: `trusted.*` is for root of the machine.
pub fn in_user_namespace(engine: &Engine) -> bool {
    !engine.caller().is_root()
        || std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !map.contains("4294967295"))
}
