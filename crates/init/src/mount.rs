//! The steps that build the container's files: mounts, nodes, links, masks, and the pivot.

use crate::kernel::{
    self, AT_FDCWD, EEXIST, EINVAL, ELOOP, ENOENT, ENOSYS, ENOTDIR, EOPNOTSUPP, EPERM, ESTALE, Failure, O_DIRECTORY, O_NOFOLLOW,
    O_PATH, O_WRONLY, Outcome, PROC_SUPER_MAGIC, RESOLVE_BENEATH, RESOLVE_NO_XDEV, S_IFCHR, S_IFDIR, TMPFS_MAGIC, fail, nr, plain,
};
use crate::attributes::{self, Attributes, NOEXEC, NOSUID, RDONLY};
use crate::path::{self, Buffer, Make};
use crate::plan::{NONE, Plan, Step, parameter, target};
use crate::stage::Slots;
use core::ffi::CStr;

const CLONE: u64 = 1;
const RECURSIVE: u64 = 0x8000;
const EMPTY_PATH: u64 = 0x1000;
const NOSUID_NODEV_NOEXEC: u64 = 2 | 4 | 8;

/// The device number of /dev/null.
const NULL: u64 = 0x103;

/// Whether what is mounted at a place hides it; if so, its attributes are made what they have to be, whoever mounted it.
fn hidden(place: i32, directory: bool, device: u64) -> Outcome<bool> {
    if !directory {
        return Ok(device == NULL && tightened(place, RDONLY | NOSUID | NOEXEC, 0));
    }
    let there = kernel::statfs(place)?;
    // One inode, the directory itself: it can have nothing in it.
    let empty = there.magic == TMPFS_MAGIC && there.inodes == 1;
    Ok(empty && tightened(place, RDONLY | NOSUID_NODEV_NOEXEC, 0))
}

/// Sets attributes of the mount at a place, if there is one.
fn tightened(place: i32, set: u64, flags: u64) -> bool {
    kernel::mount_setattr(place, c"", EMPTY_PATH | flags, &[set, 0, 0, 0]).is_ok()
}

/// What the mount steps share.
pub struct Mounts {
    /// The coming root, attached; −1 before.
    pub root: i32,
    /// The empty read-only directory that hides directories, once attached somewhere; −1 before.
    empty: i32,
    /// The null device that hides files, once attached somewhere; −1 before.
    null: i32,
}

impl Mounts {
    pub const fn new() -> Self {
        Self { root: -1, empty: -1, null: -1 }
    }

    /// Takes the root as it is.
    pub fn here(&mut self) -> Outcome {
        self.root = kernel::openat2(AT_FDCWD, c"/", O_PATH | O_DIRECTORY, 0, 0)?;
        Ok(())
    }

    /// Makes a file system and its detached mount.
    pub fn make(&self, plan: &Plan<'_>, step: &Step, slots: &mut Slots) -> Outcome {
        let [kind, parameters, attributes, ..] = step.args;
        let kind = plan.text(kind).ok_or(Failure { number: nr::fsopen, errno: EINVAL })?;
        let context = kernel::with_text(nr::fsopen, kind, [1, 0, 0, 0])? as i32;
        for i in 0..plan.length(parameters) / 3 {
            let entry = |at| plan.entry(parameters, 3 * i + at).unwrap_or(NONE);
            let key = plan.text(entry(1)).unwrap_or(c"");
            const SET_FLAG: usize = 0;
            const SET_STRING: usize = 1;
            const SET_FD: usize = 5;
            let mut mode = [0; 5];
            let (command, value, aux) = match entry(0) {
                parameter::MODE_OF => match self.mode_of(plan.text(entry(2)).unwrap_or(c""))? {
                    Some(digits) => {
                        mode[..4].copy_from_slice(&digits);
                        (SET_STRING, mode.as_ptr() as usize, 0)
                    }
                    None => continue,
                },
                parameter::TEXT => (SET_STRING, plan.text(entry(2)).map_or(0, |v| v.as_ptr() as usize), 0),
                parameter::FD => (SET_FD, 0, slots.get(entry(2) as u32)? as usize),
                _ => (SET_FLAG, 0, 0),
            };
            // SAFETY: the kernel reads key and value, which lie in the plan or in `mode`.
            unsafe {
                kernel::call(nr::fsconfig, [context as usize, command, key.as_ptr() as usize, value, aux, 0])
            }?;
        }
        const CREATE: usize = 6;
        plain(nr::fsconfig, [context as usize, CREATE, 0, 0, 0, 0])?;
        let mount = plain(nr::fsmount, [context as usize, 1, attributes as usize, 0, 0, 0])? as i32;
        kernel::close(context);
        slots.set(step.slot, mount)
    }

    /// The permission bits of a directory in the root, as octal digits.
    fn mode_of(&self, path: &CStr) -> Outcome<Option<[u8; 4]>> {
        let place = match path::find(self.root, path, true) {
            Err(Failure { errno: ENOENT | ENOTDIR, .. }) => return Ok(None),
            other => other?,
        };
        let there = kernel::stat(place)?;
        kernel::close(place);
        let digit = |at: u32| b'0' + (there.mode >> (3 * at) & 7) as u8;
        Ok((there.kind() == S_IFDIR).then(|| [digit(3), digit(2), digit(1), digit(0)]))
    }

    /// Attaches a mount to a path in the root.
    pub fn attach(&self, mount: i32, path: &CStr, flags: u64) -> Outcome {
        let links = flags & target::NO_LINKS == 0;
        let itself = if flags & target::NO_FOLLOW == 0 { None } else { self.there(path)? };
        let found = if let Some(place) = itself {
            Ok(place)
        } else if flags & target::CREATE == 0 {
            path::find(self.root, path, links)
        } else {
            let directory = kernel::stat(mount)?.kind() == S_IFDIR;
            path::create(self.root, path, links, if directory { Make::Directory(0o755) } else { Make::File })
        };
        let place = match found {
            Err(_) if flags & target::OPTIONAL != 0 => return Ok(()),
            other => other?,
        };
        if flags & target::NOT_PROC != 0 && kernel::statfs(place)?.magic == PROC_SUPER_MAGIC {
            return fail(nr::move_mount, EPERM);
        }
        let newest = if flags & target::IN_ORDER == 0 { mount } else { Self::newest(mount)? };
        explained(kernel::move_mount(newest, place, c""), newest, place)?;
        kernel::close(place);
        attributes::attached(mount)
    }

    /// A copy of a mount, if there can be one. Since Linux 6.8 mountinfo lists mounts in the order in which they were
    /// made, not attached, and who reads it takes a later one to be on top. A detached mount of another mount namespace
    /// cannot be copied: so it is first attached where the old root, with which it goes, needs nothing.
    fn newest(mount: i32) -> Outcome<i32> {
        if kernel::move_mount(mount, AT_FDCWD, c"/proc/fs").is_err() {
            return Ok(mount);
        }
        attributes::attached(mount)?;
        kernel::open_tree(mount, c"", CLONE | EMPTY_PATH)
    }

    /// Detaches what is mounted at a path in the root, if it is the mount that is meant.
    pub fn unmount(&self, path: &CStr, flags: u64, (id, which): (u64, u64), proc: i32) -> Outcome {
        let place = path::find(self.root, path, flags & target::NO_LINKS == 0)?;
        if id != NONE && kernel::mount_id(place, which)? != id {
            return fail(nr::statx, ESTALE);
        }
        // umount2(2) takes no fd: the magic link of the host's procfs leads to the very mount that was looked at.
        let mut link = Buffer::new();
        link.push(b"self/fd/")?;
        link.push_number(place as u32)?;
        plain(nr::fchdir, [proc as usize, 0, 0, 0, 0, 0])?;
        const DETACH: usize = 2;
        kernel::with_text(nr::umount2, link.as_cstr(), [DETACH, 0, 0, 0])?;
        kernel::close(place);
        Ok(())
    }

    /// What is at a path, be it a link; `None` where nothing is.
    fn there(&self, path: &CStr) -> Outcome<Option<i32>> {
        let mut name = Buffer::new();
        let dir = path::parent(self.root, path, &mut name)?;
        let found = kernel::openat2(dir, name.as_cstr(), O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH);
        kernel::close(dir);
        match found {
            Err(Failure { errno: ENOENT, .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Attaches the coming root at a path, or where we may not go, at the old root itself, which needs no look-up. Who
    /// names a path has hooks that look for it there, and in the working directory.
    pub fn attach_root(&mut self, mount: i32, path: &CStr) -> Outcome {
        if kernel::move_mount(mount, AT_FDCWD, path).is_err() {
            explained(kernel::move_mount(mount, AT_FDCWD, c"/"), mount, -1)?;
        }
        if path != c"/" {
            plain(nr::fchdir, [mount as usize, 0, 0, 0, 0, 0])?;
        }
        self.root = mount;
        attributes::attached(mount)
    }

    pub fn make_dir(&self, path: &CStr, mode: u32, uid: u32, gid: u32, may_fail: bool) -> Outcome {
        let fd = match path::create(self.root, path, true, Make::Directory(mode)) {
            Err(_) if may_fail => return Ok(()),
            other => other?,
        };
        if uid | gid != 0 {
            kernel::fchown(fd, uid, gid)?;
        }
        kernel::close(fd);
        Ok(())
    }

    /// Makes a node. One that is there must be the same: never is a file of the image trusted by its name
    /// (CVE-2025-31133, CVE-2026-41579), and what is changed is what was looked at, by its fd: the name may be
    /// somebody else's by then. A new node has its mode, for there is no umask.
    pub fn make_node(&self, path: &CStr, mode: u32, device: u64, uid: u32, gid: u32, proc: i32) -> Outcome {
        let mut name = Buffer::new();
        let dir = path::parent(self.root, path, &mut name)?;
        match kernel::mknodat(dir, name.as_cstr(), mode, device) {
            Ok(()) | Err(Failure { errno: EEXIST, .. }) => {}
            Err(failure) => return Err(failure),
        }
        let fd = kernel::openat2(dir, name.as_cstr(), O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH)?;
        let there = kernel::stat(fd)?;
        if there.kind() != mode & 0o170_000 || there.rdev != device {
            return fail(nr::mknodat, EEXIST);
        }
        if (there.uid, there.gid) != (uid, gid) {
            kernel::fchown(fd, uid, gid)?;
        }
        if there.mode != mode {
            // fchmod(2) takes no O_PATH fd; the magic link of the host's procfs leads to the very node.
            let mut path = Buffer::new();
            path.push(b"self/fd/")?;
            path.push_number(fd as u32)?;
            kernel::fchmodat(proc, path.as_cstr(), mode & 0o7777)?;
        }
        kernel::close(fd);
        kernel::close(dir);
        Ok(())
    }

    pub fn make_link(&self, to: &CStr, path: &CStr) -> Outcome {
        let mut name = Buffer::new();
        let dir = path::parent(self.root, path, &mut name)?;
        let made = kernel::symlinkat(to, dir, name.as_cstr());
        kernel::close(dir);
        match made {
            Err(Failure { errno: EEXIST, .. }) => Ok(()),
            other => other,
        }
    }

    /// Hides a path: a directory behind an empty read-only one, anything else behind /dev/null. What is not there
    /// needs no hiding; `again`, what is hidden already is only made sure of.
    pub fn mask(&mut self, path: &CStr, again: bool, option: Option<(&CStr, &CStr)>) -> Outcome {
        let place = match path::find(self.root, path, true) {
            Err(Failure { errno: ENOENT | ENOTDIR, .. }) => return Ok(()),
            other => other?,
        };
        let there = kernel::stat(place)?;
        let directory = there.kind() == S_IFDIR;
        let result = if again && hidden(place, directory, there.rdev)? {
            Ok(())
        } else if directory {
            self.mask_directory(place, option)
        } else {
            self.mask_file(place)
        };
        kernel::close(place);
        result
    }

    fn mask_directory(&mut self, place: i32, option: Option<(&CStr, &CStr)>) -> Outcome {
        if self.empty >= 0 {
            // A copy of the attached one: copies of detached mounts came with Linux 6.15 only.
            let copy = kernel::open_tree(self.empty, c"", CLONE | EMPTY_PATH)?;
            let result = kernel::move_mount(copy, place, c"");
            kernel::close(copy);
            return result;
        }
        let context = kernel::with_text(nr::fsopen, c"tmpfs", [1, 0, 0, 0])?;
        const CREATE: usize = 6;
        const SET_STRING: usize = 1;
        for (key, value) in [(c"nr_blocks", c"1"), (c"nr_inodes", c"1")].into_iter().chain(option) {
            // SAFETY: the kernel reads both texts.
            unsafe {
                let (key, value) = (key.as_ptr() as usize, value.as_ptr() as usize);
                kernel::call(nr::fsconfig, [context, SET_STRING, key, value, 0, 0])?;
            }
        }
        plain(nr::fsconfig, [context, CREATE, 0, 0, 0, 0])?;
        let attributes = (RDONLY | NOSUID_NODEV_NOEXEC) as usize;
        self.empty = plain(nr::fsmount, [context, 1, attributes, 0, 0, 0])? as i32;
        kernel::close(context as i32);
        kernel::move_mount(self.empty, place, c"")
    }

    /// Hides a file behind the host's /dev/null, which is checked to be one. The mount is read-only, which does not
    /// keep from writing to the device, but from changing the mode and owner of the host's node.
    fn mask_file(&mut self, place: i32) -> Outcome {
        if self.null >= 0 {
            let copy = kernel::open_tree(self.null, c"", CLONE | EMPTY_PATH)?;
            let result = kernel::move_mount(copy, place, c"");
            kernel::close(copy);
            return result;
        }
        self.null = kernel::open_tree(AT_FDCWD, c"/dev/null", CLONE)?;
        let there = kernel::stat(self.null)?;
        if there.kind() != S_IFCHR || there.rdev != NULL {
            return fail(nr::open_tree, EINVAL);
        }
        let set = RDONLY | NOSUID | NOEXEC;
        attributes::change(self.null, &Attributes { set, clear: 0, propagation: 0, recursive: false })?;
        kernel::move_mount(self.null, place, c"")?;
        attributes::attached(self.null)
    }

    /// Makes a path read-only, with what is mounted below it; `again`, where it is a mount of its own, that very one.
    pub fn read_only(&self, path: &CStr, again: bool) -> Outcome {
        let place = match path::find(self.root, path, true) {
            Err(Failure { errno: ENOENT | ENOTDIR, .. }) => return Ok(()),
            other => other?,
        };
        if again && tightened(place, RDONLY, RECURSIVE) {
            kernel::close(place);
            return Ok(());
        }
        let copy = kernel::open_tree(place, c"", CLONE | EMPTY_PATH | RECURSIVE)?;
        let tree = Attributes { set: RDONLY, clear: 0, propagation: 0, recursive: true };
        match attributes::change(copy, &tree) {
            // Before Linux 5.12 what is mounted below stays as it is.
            Err(Failure { errno: ENOSYS, .. }) => {
                kernel::move_mount(copy, place, c"")?;
                attributes::change(copy, &Attributes { recursive: false, ..tree })?;
            }
            other => {
                other?;
                kernel::move_mount(copy, place, c"")?;
            }
        }
        kernel::close(copy);
        kernel::close(place);
        Ok(())
    }

    /// Makes the coming root the root of this process and lets the old one go, whole.
    ///
    /// pivot_root(".", ".") puts the old root onto the new one (pivot_root(2), notes), from where it is detached; no
    /// directory is needed for it.
    pub fn pivot(&self) -> Outcome {
        let old = kernel::openat2(AT_FDCWD, c"/", O_PATH | O_DIRECTORY, 0, 0)?;
        plain(nr::fchdir, [self.root as usize, 0, 0, 0, 0, 0])?;
        kernel::with_text(nr::pivot_root, c".", [c".".as_ptr() as usize, 0, 0, 0])?;
        plain(nr::fchdir, [old as usize, 0, 0, 0, 0, 0])?;
        const DETACH: usize = 2;
        kernel::with_text(nr::umount2, c".", [DETACH, 0, 0, 0])?;
        kernel::close(old);
        kernel::with_text(nr::chdir, c"/", [0; 4]).map(drop)
    }
}

/// move_mount(2) says EINVAL of a directory over a file and of a file over a directory; here ENOTDIR, as mount(2) does, by
/// which dockerd knows what to tell its user.
fn explained(moved: Outcome, mount: i32, place: i32) -> Outcome {
    let Err(Failure { number, errno: EINVAL }) = moved else { return moved };
    let is_directory = |fd| kernel::stat(fd).is_ok_and(|stat| stat.kind() == S_IFDIR);
    if is_directory(mount) == (place < 0 || is_directory(place)) { moved } else { fail(number, ENOTDIR) }
}

/// Changes to the working directory. A path that leads out of the root through a leaked fd (`/proc/self/fd/7`,
/// CVE-2024-21626) finds none: all are closed by then, and getcwd(2) is asked.
pub fn change_directory(path: &CStr) -> Outcome {
    kernel::with_text(nr::chdir, path, [0; 4])?;
    let mut buffer = [0u8; 4096];
    // SAFETY: the kernel writes at most the buffer's length.
    unsafe { kernel::call(nr::getcwd, [buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0, 0]) }?;
    if buffer[0] == b'/' { Ok(()) } else { fail(nr::chdir, ELOOP) }
}

/// Labels the root of a mount that no option labels. What has no labels needs none.
pub fn label(mount: i32, label: &CStr) -> Outcome {
    let root = kernel::openat2(mount, c".", O_DIRECTORY, 0, RESOLVE_BENEATH)?;
    let (name, value) = (c"security.selinux".as_ptr() as usize, label.as_ptr() as usize);
    // SAFETY: the kernel reads both texts.
    let set = unsafe { kernel::call(nr::fsetxattr, [root as usize, name, value, label.count_bytes(), 0, 0]) };
    kernel::close(root);
    match set {
        Ok(_) | Err(Failure { errno: EOPNOTSUPP, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Opens a file of the host's procfs and writes a text in one write. What somebody has mounted over it is not written
/// (CVE-2025-52881).
pub fn write_proc(proc: i32, path: &CStr, text: &[u8]) -> Outcome {
    let fd = kernel::openat2(proc, path, O_WRONLY, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV)?;
    let result = kernel::write(fd, text);
    kernel::close(fd);
    result
}
