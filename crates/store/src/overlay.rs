//! Overlay mounts of layers, detached: nobody sees them until they are moved to their place.
//!
//! The options, and why:
//! - `index=off`: one upper directory may be mounted again after a crash, and hard links of lower layers may break,
//!   as under docker and podman. `redirect_dir=nofollow` and `metacopy=off`: a layer comes from a stranger, and both
//!   features let an attribute in it decide which file is read (`layer` drops such attributes too); the price is that
//!   renaming a directory of the image yields EXDEV, which mv(1) and tar(1) know, as under docker.
//! - `userxattr` in a user namespace (Linux 5.11), where `trusted.*` is out of reach.
//! - `volatile` for containers that do not outlive their process: no sync at all. Such an upper directory cannot be
//!   mounted a second time after a crash; it is thrown away instead.
//!
//! The surprising part is how layers are named. Linux 6.13 takes fds; 6.5 takes one path per layer, which procfs
//! offers for an fd; before that one string of at most 255 bytes names all of them, so it holds bare fd numbers and is
//! resolved from within `/proc/self/fd`.

use crate::container::{UPPER, WORK};
use crate::mode::XattrStyle;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use sys::mount::{FsContext, MountAttr, attr};
use sys::{Errno, Result};

/// How to mount.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The attributes that the layers were written with, see [`crate::Store::layer_mode`].
    pub xattrs: XattrStyle,
    /// Never sync the upper directory.
    pub volatile: bool,
    /// Attributes of the mount, see [`sys::mount::attr`]; `NODEV` is podman's default for images.
    pub attributes: u64,
}

/// How the kernel is told the directories; newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// Linux 6.13.
    Fds,
    /// Linux 6.5.
    Paths,
    /// Before.
    List,
}

/// Mounts `lowers`, lowest first, and on top of them the writable `upper`, a directory that holds
/// [`crate::UPPER`] and [`crate::WORK`]; without one the mount is read-only. Comes back detached.
pub fn mount(lowers: &[impl AsFd], upper: Option<BorrowedFd<'_>>, options: &Options) -> Result<OwnedFd> {
    if let ([only], None) = (lowers, upper) {
        // An overlay wants two layers; one layer that cannot be written is that layer.
        return read_only(only, options.attributes);
    }
    let mut error = None;
    for naming in [Naming::Fds, Naming::Paths, Naming::List] {
        let mount = || mount_by(naming, lowers, upper, options);
        // Linux before 6.5 resolves the list when it mounts, later ones when they get it.
        match if naming == Naming::List { within_fds(mount) } else { mount() } {
            // What the kernel does not know it calls EINVAL; so does what is really wrong, which then fails the same
            // way again, and the newest way tells it best. Before Linux 6.5 overlayfs took no fds of any kind, which
            // is EOPNOTSUPP and tells nothing.
            Err(failed) if failed.errno == Errno::OPNOTSUPP && naming != Naming::List => {}
            Err(failed) if failed.errno == Errno::INVAL => error = error.or(Some(failed)),
            other => return other,
        }
    }
    Err(error.unwrap_or_else(|| sys::Error::new("fsconfig", "overlay", Errno::INVAL)))
}

fn read_only(layer: &impl AsFd, attributes: u64) -> Result<OwnedFd> {
    let mount = sys::mount::open_tree(layer, "", sys::mount::CLONE | sys::mount::EMPTY_PATH)?;
    let set = MountAttr { set: attributes | attr::RDONLY, ..MountAttr::default() };
    sys::mount::mount_setattr(&mount, "", sys::mount::EMPTY_PATH, &set)?;
    Ok(mount)
}

fn mount_by(naming: Naming, lowers: &[impl AsFd], upper: Option<BorrowedFd<'_>>, options: &Options) -> Result<OwnedFd> {
    let context = FsContext::open("overlay")?;
    context.set("source", "overlay")?;
    let top_first = lowers.iter().rev().map(AsFd::as_fd);
    match naming {
        Naming::Fds => top_first.into_iter().try_for_each(|fd| context.set_fd("lowerdir+", fd).map(drop))?,
        Naming::Paths => {
            top_first.into_iter().try_for_each(|fd| context.set("lowerdir+", procfs(fd)).map(drop))?;
        }
        Naming::List => {
            let numbers: Vec<_> = top_first.into_iter().map(|fd| fd.as_raw_fd().to_string()).collect();
            context.set("lowerdir", numbers.join(":"))?;
        }
    }
    // Both must lie on one mount, so both are opened from the same directory.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let open = |name: &str| upper.map(|dir| sys::fs::open_beneath(dir, name, flags, Mode::empty())).transpose();
    let writable = open(UPPER)?.zip(open(WORK)?);
    if let Some((upper, work)) = &writable {
        for (key, fd) in [("upperdir", upper.as_fd()), ("workdir", work.as_fd())] {
            match naming {
                Naming::Fds => context.set_fd(key, fd)?,
                Naming::Paths | Naming::List => context.set(key, procfs(fd))?,
            };
        }
        if options.volatile {
            context.flag("volatile")?;
        }
        context.set("index", "off")?;
    }
    context.set("redirect_dir", "nofollow")?.set("metacopy", "off")?;
    if options.xattrs == XattrStyle::User {
        context.flag("userxattr")?;
    }
    let attributes = if writable.is_some() { options.attributes } else { options.attributes | attr::RDONLY };
    context.mount(attributes)
}

fn procfs(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Runs `f` with `/proc/self/fd` as working directory: there an fd's number is a path. The working directory belongs
/// to all threads, so only a process with a single one comes here.
fn within_fds<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let before = sys::fs::open(".", flags, Mode::empty())?;
    let fds = sys::fs::open("/proc/self/fd", flags, Mode::empty())?;
    sys::cwd::fchdir(&fds)?;
    let result = f();
    sys::cwd::fchdir(&before)?;
    result
}

/// A detached mount of the directory behind `dir` whose ids are seen through the map of user namespace `userns`
/// (Linux 5.12; as an overlay's lower layer 5.19). Lower layers so mounted keep on disk the ids that the image has,
/// whatever range a container runs with. An upper directory cannot be mounted so: overlayfs makes its own files in it
/// as the mounter, whom the map does not know, fails, and goes read-only. It holds the ids of the container's range.
pub fn idmapped(dir: impl AsFd, userns: impl AsFd) -> Result<OwnedFd> {
    let mount = sys::mount::open_tree(dir, "", sys::mount::CLONE | sys::mount::EMPTY_PATH)?;
    let userns_fd = userns.as_fd().as_raw_fd() as u64;
    let set = MountAttr { set: attr::IDMAP, userns_fd, ..MountAttr::default() };
    sys::mount::mount_setattr(&mount, "", sys::mount::EMPTY_PATH, &set)?;
    Ok(mount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::{Path, PathBuf};
    use testkit::requires;

    const OPTIONS: Options = Options { xattrs: XattrStyle::Trusted, volatile: true, attributes: 0 };

    /// `count` layers with a file each, `0` the lowest, and a file `top` that says which is the topmost.
    fn layers(dir: &Path, count: usize) -> Vec<OwnedFd> {
        let layer = |number: usize| {
            let path = dir.join(number.to_string());
            fs::create_dir(&path).expect("mkdir");
            fs::write(path.join(number.to_string()), "").expect("write");
            fs::write(path.join("top"), number.to_string()).expect("write");
            OwnedFd::from(fs::File::open(path).expect("open"))
        };
        (0..count).map(layer).collect()
    }

    fn upper(dir: &Path) -> OwnedFd {
        let path = dir.join("c");
        for name in [UPPER, WORK] {
            fs::create_dir_all(path.join(name)).expect("mkdir");
        }
        fs::File::open(path).expect("open").into()
    }

    fn path(mount: &OwnedFd) -> PathBuf {
        procfs(mount.as_fd()).into()
    }

    #[test]
    fn each_way_to_name_layers_mounts_the_same() {
        requires!(root, kernel = (6, 13));
        for naming in [Naming::Fds, Naming::Paths, Naming::List] {
            let temp = tempfile::tempdir().expect("a directory");
            let (lowers, upper) = (layers(temp.path(), 3), upper(temp.path()));
            let before = std::env::current_dir().expect("a directory");
            let mount = || mount_by(naming, &lowers, Some(upper.as_fd()), &OPTIONS);
            let mount = if naming == Naming::List { within_fds(mount) } else { mount() };
            let mount = mount.unwrap_or_else(|error| panic!("{naming:?}: {error}"));
            assert_eq!(std::env::current_dir().expect("a directory"), before);
            assert_eq!(fs::read_to_string(path(&mount).join("top")).expect("read"), "2", "{naming:?}");
            fs::write(path(&mount).join("new"), "").expect("write");
            assert!(temp.path().join("c/upper/new").exists() && path(&mount).join("0").exists());
        }
    }

    #[test]
    fn a_hundred_layers_are_mounted() {
        requires!(root, kernel = (6, 5));
        let temp = tempfile::tempdir().expect("a directory");
        let lowers = layers(temp.path(), 100);
        let mount = mount(&lowers, None, &OPTIONS).expect("a mount");
        assert_eq!(fs::read_dir(path(&mount)).expect("list").count(), 101);
    }

    #[test]
    fn one_layer_without_an_upper_is_that_layer_read_only() {
        requires!(root);
        let temp = tempfile::tempdir().expect("a directory");
        let mount = mount(&layers(temp.path(), 1), None, &OPTIONS).expect("a mount");
        assert!(path(&mount).join("0").exists());
        let error = fs::write(path(&mount).join("new"), "").expect_err("read-only");
        assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    }

    #[test]
    fn what_is_really_wrong_is_told_as_the_newest_way_tells_it() {
        requires!(root, kernel = (6, 13));
        let temp = tempfile::tempdir().expect("a directory");
        let file = OwnedFd::from(fs::File::create(temp.path().join("file")).expect("create"));
        let error = mount(&[file], Some(upper(temp.path()).as_fd()), &OPTIONS).expect_err("no directory").to_string();
        assert!(error.contains("lowerdir+") || error.contains("not a directory"), "{error}");
    }

    #[test]
    fn idmapped_layers_are_seen_with_the_containers_ids() {
        use std::os::unix::fs::MetadataExt;
        requires!(root, kernel = (6, 13));
        let temp = tempfile::tempdir().expect("a directory");
        let (lowers, upper) = (layers(temp.path(), 2), upper(temp.path()));
        let mut child =
            std::process::Command::new("unshare").args(["--user", "sleep", "60"]).spawn().expect("a user namespace");
        let own = fs::read_link("/proc/self/ns/user").expect("ours");
        let namespace = format!("/proc/{}/ns/user", child.id());
        assert!(testkit::within(std::time::Duration::from_secs(5), || fs::read_link(&namespace)
            .is_ok_and(|its| its != own)));
        for map in ["uid_map", "gid_map"] {
            fs::write(format!("/proc/{}/{map}", child.id()), "0 500000 65536").expect("a map");
        }
        let userns = fs::File::open(&namespace).expect("open");
        let mapped: Vec<_> = lowers.iter().map(|lower| idmapped(lower, &userns).expect("idmapped")).collect();
        let mount = mount(&mapped, Some(upper.as_fd()), &OPTIONS).expect("a mount");
        child.kill().expect("kill");
        child.wait().expect("its end");
        let file = path(&mount).join("top");
        assert_eq!(fs::metadata(&file).expect("metadata").uid(), 500_000);
        fs::OpenOptions::new().append(true).open(&file).expect("copied up");
        assert_eq!(fs::metadata(temp.path().join("c/upper/top")).expect("metadata").uid(), 500_000);
        assert_eq!(fs::metadata(temp.path().join("1/top")).expect("metadata").uid(), 0);
    }
}
