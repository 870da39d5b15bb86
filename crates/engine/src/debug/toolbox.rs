//! Where the tools of a session come from: this machine's programs and libraries, or an image. Either is seen through
//! overlays whose upper is memory: what is written there is gone with the session, and nothing below can be written.

use crate::config::ImageRef;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::host::{self, Extent, Owner};
use crate::root::in_user_namespace;
use crate::spec::{IdMaps, ImageDefaults, UserNamespace};
use crate::stage::Stage;
use oci::runtime::IdMapping;
use runtime::rootfs::Item;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use store::overlay::{self, Options};
use store::{Lease, UPPER, WORK, XattrStyle};
use sys::fs::RootDir;
use sys::mount::{CLONE, EMPTY_PATH, attr, open_tree};

/// Tools.
#[derive(Debug)]
pub(super) struct Toolbox {
    /// The pieces of the root.
    pub items: Vec<Item>,
    /// What an image says, as far as it holds for other commands than its own.
    pub defaults: ImageDefaults,
    /// The best shell.
    pub shell: String,
    /// Keeps the layers of an image.
    pub lease: Option<Lease>,
}

/// Shells, the one to be preferred first.
const SHELLS: [&str; 5] = ["/bin/bash", "/usr/bin/bash", "/bin/ash", "/bin/sh", "/usr/bin/sh"];

/// Makes it.
pub(super) fn make(engine: &Engine, image: &ImageRef, namespace: &UserNamespace) -> Result<Toolbox> {
    let userns = match namespace {
        UserNamespace::Path(path, _) if engine.caller().is_root() => {
            let userns = sys::fs::open(path, OFlags::RDONLY, Mode::empty());
            Some(userns.map_err(Error::file("open", path.as_path()))?)
        }
        _ => None,
    };
    let xattrs = if in_user_namespace(engine) { XattrStyle::User } else { XattrStyle::Trusted };
    let owner = namespace.maps().and_then(|maps| maps.host_uid(0).zip(maps.host_gid(0)));
    let owner = owner.filter(|owner| *owner != (0, 0));
    if let ImageRef::Name(name) = image {
        return of_image(engine, name, userns.as_ref(), owner, xattrs);
    }
    let (nobodys, user) = (nobodys(engine)?, xattrs == XattrStyle::User);
    let (place, none) = (&engine.locations().runroot, IdMaps::default());
    let shift = nobodys.as_ref().map(|userns| (userns, &none));
    let items = host::pieces(engine.locations(), Extent::Tools, place, shift, owner, user)?;
    let there = |shell: &&str| Path::new(shell).exists();
    Ok(Toolbox { items, defaults: ImageDefaults::default(), shell: shell(there), lease: None })
}

/// A map in which none of the machine's owners is: seen through it files are nobody's, and may be read by whom everybody
/// else's may be, even for root of the machine, whose capabilities hold for files of owners that there are. An ordinary
/// user cannot read more of the machine to begin with.
fn nobodys(engine: &Engine) -> Result<Option<OwnedFd>> {
    const NO_OWNER: u32 = u32::MAX - 2;
    if !runtime::is_root() || !engine.caller().is_root() {
        return Ok(None);
    }
    let map = [IdMapping { container_id: NO_OWNER, host_id: NO_OWNER, size: 1 }];
    Ok(Some(runtime::idmap::namespace(&map, &map)?))
}

fn shell(there: impl Fn(&&str) -> bool) -> String {
    SHELLS.into_iter().find(there).unwrap_or("sh").to_owned()
}

fn of_image(
    engine: &Engine,
    name: &str,
    userns: Option<&OwnedFd>,
    owner: Option<Owner>,
    xattrs: XattrStyle,
) -> Result<Toolbox> {
    let failed = || Error::system("mount the image of the tools");
    let store = engine.store()?;
    let lease = store.lease()?;
    let image = store.resolve(name)?;
    let layers = store.layers_for(&image, &lease)?.lowest_first;
    let lowers = layers.iter().map(|layer| match userns {
        Some(userns) => overlay::idmapped(layer, userns),
        None => open_tree(layer, "", CLONE | EMPTY_PATH),
    });
    let lowers = lowers.collect::<sys::Result<Vec<_>>>().map_err(failed())?;
    // Before Linux 6.15 an overlay takes nothing that is not attached somewhere.
    let stage = Stage::enter(&engine.locations().runroot)?;
    let mount = || {
        for name in [UPPER, WORK] {
            sys::fs::mkdirat(stage.tmpfs(), name, Mode::RWXU)?;
        }
        sys::fs::fchmodat(stage.tmpfs(), UPPER, Mode::from_raw_mode(0o755))?;
        if let Some((uid, gid)) = owner {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            sys::fs::fchownat(stage.tmpfs(), UPPER, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        let lowers = lowers.into_iter().map(|lower| stage.attach(lower)).collect::<sys::Result<Vec<_>>>()?;
        let options = Options { xattrs, volatile: true, attributes: attr::NODEV | attr::NOSUID };
        overlay::mount(&lowers, Some(stage.tmpfs().as_fd()), &options)
    };
    let mount = mount().map_err(failed())?;
    drop(stage);
    let root = RootDir::new(mount.try_clone().map_err(|_| Error::NoHome("the tools"))?);
    let there = |shell: &&str| root.open(*shell, OFlags::PATH, Mode::empty()).is_ok();
    let shell = shell(there);
    let defaults = ImageDefaults { env: crate::images::defaults(&image).env, ..ImageDefaults::default() };
    Ok(Toolbox { items: vec![Item::Mount { at: "/".to_owned(), mount }], defaults, shell, lease: Some(lease) })
}
