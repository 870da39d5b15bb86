//! A walk over a cgroup and all cgroups below it.
//!
//! A container that may write its cgroup can nest as deep as it likes, so the walk neither recurses nor holds a
//! directory open per level, nor builds paths (they would grow past PATH_MAX): it has one fd and steps back by `..`.

use rustix::fs::{Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, OwnedFd};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Visits `top` and every directory below it: `enter` on the way down, `leave` with the parent and the name on the way
/// up (not for `top` itself). Directories that vanish meanwhile are passed over.
pub(crate) fn walk(
    top: &str,
    mut enter: impl FnMut(BorrowedFd<'_>),
    mut leave: impl FnMut(BorrowedFd<'_>, &CStr),
) -> sys::Result<()> {
    use std::os::fd::AsFd as _;
    let told = |call, errno| sys::Error::new(call, top, errno);
    let mut here = match rustix::fs::open(top, DIRECTORY, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(told("open", errno)),
    };
    enter(here.as_fd());
    let mut below = vec![children(&here).map_err(|errno| told("getdents64", errno))?];
    let mut names: Vec<CString> = Vec::new();
    while let Some(level) = below.last_mut() {
        if let Some(name) = level.pop() {
            here = match rustix::fs::openat(&here, &name, DIRECTORY, Mode::empty()) {
                Ok(fd) => fd,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(told("openat", errno)),
            };
            enter(here.as_fd());
            below.push(children(&here).map_err(|errno| told("getdents64", errno))?);
            names.push(name);
        } else {
            below.pop();
            let Some(name) = names.pop() else { break };
            here = rustix::fs::openat(&here, "..", DIRECTORY, Mode::empty()).map_err(|errno| told("openat", errno))?;
            leave(here.as_fd(), &name);
        }
    }
    Ok(())
}

fn children(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = match entry {
            Ok(entry) => entry,
            // The directory was removed under us.
            Err(Errno::NOENT) => break,
            Err(errno) => return Err(errno),
        };
        let name = entry.file_name();
        if entry.file_type() == FileType::Directory && name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_is_entered_and_left_children_first() {
        let top = std::env::temp_dir().join(format!("cgroup-walk-{}", std::process::id()));
        std::fs::create_dir_all(top.join("a/b/c")).unwrap();
        std::fs::create_dir_all(top.join("d")).unwrap();
        std::fs::write(top.join("a/file"), "").unwrap();
        let (mut entered, mut left) = (0, Vec::new());
        walk(top.to_str().unwrap(), |_| entered += 1, |_, name| left.push(name.to_str().unwrap().to_owned())).unwrap();
        std::fs::remove_dir_all(&top).unwrap();
        assert_eq!(entered, 5);
        let place = |name| left.iter().position(|n| n == name).unwrap();
        assert!(left.len() == 4 && place("c") < place("b") && place("b") < place("a"), "{left:?}");
    }

    #[test]
    fn what_is_not_there_is_walked_without_error() {
        walk("/no/such/directory", |_| panic!("nothing to enter"), |_, _| ()).unwrap();
    }
}
