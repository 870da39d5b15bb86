//! Compiled filters, kept by what their profile says: compiling docker's takes 150 µs, finding it again a tenth of that.
//!
//! They lie in a directory beside the containers, `ROOT/.seccomp`, which no container's id can be. A filter's name is a
//! keyed hash of the profile: the key is made with the directory and read by nobody else, so that no profile can be made
//! to be taken for another. A directory that cannot be used costs the compilation and nothing else.

use crate::container::Dir;
use crate::error::Result;
use oci::runtime::Seccomp;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use seccomp::Filter;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::OwnedFd;
use std::path::Path;

const DIRECTORY: &str = ".seccomp";
const KEY: &str = "key";
/// Filters are some three kilobytes each, and most machines know a handful of profiles.
const MOST: usize = 64;

/// The filter of a profile, compiled or found, which the container's directory has from then on, too.
pub fn filter(root: &Path, dir: &Dir, profile: &Seccomp) -> Result<Filter> {
    let Some(cache) = Cache::open(root) else { return compile(profile, dir) };
    let name = cache.name(profile);
    if let Some(filter) = cache.find(&name) {
        return match dir.link_filter(&cache.fd, &name) {
            Ok(()) => Ok(filter),
            Err(_) => dir.write_filter(&filter).map(|()| filter),
        };
    }
    let filter = compile(profile, dir)?;
    cache.keep(dir, &name);
    Ok(filter)
}

fn compile(profile: &Seccomp, dir: &Dir) -> Result<Filter> {
    let filter = seccomp::compile(profile).map_err(runtime::Error::from)?;
    dir.write_filter(&filter)?;
    Ok(filter)
}

struct Cache {
    fd: OwnedFd,
    key: Vec<u8>,
}

impl Cache {
    fn open(root: &Path) -> Option<Self> {
        let path = root.join(DIRECTORY);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let fd = match sys::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(error) if error.errno == sys::Errno::NOENT => {
                sys::fs::mkdirat(CWD, &path, Mode::RWXU).ok()?;
                sys::fs::open(&path, flags, Mode::empty()).ok()?
            }
            Err(_) => return None,
        };
        // What others may write is no place for what confines them.
        let stat = rustix::fs::fstat(&fd).ok()?;
        let ours = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o022 == 0;
        let key =
            if ours { read(&fd, KEY).filter(|key| key.len() == 16).or_else(|| new_key(&fd))? } else { return None };
        Some(Self { fd, key })
    }

    /// Two halves, each with the key in another place.
    fn name(&self, profile: &Seccomp) -> String {
        let half = |which: u8| {
            let mut hasher = DefaultHasher::new();
            (which, &self.key, seccomp::COMPILER, env!("CARGO_PKG_VERSION"), profile).hash(&mut hasher);
            hasher.finish()
        };
        format!("{:016x}{:016x}", half(0), half(1))
    }

    fn find(&self, name: &str) -> Option<Filter> {
        Filter::from_file(&read(&self.fd, name)?)
    }

    /// Keeps the filter that a container has.
    fn keep(&self, dir: &Dir, name: &str) {
        let there: Vec<String> = rustix::fs::Dir::read_from(&self.fd)
            .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned)))
            .map(|names| names.filter(|name| name.len() == 32).collect())
            .unwrap_or_default();
        if there.len() >= MOST {
            // Containers have links of their own; what is asked for again is compiled again.
            for name in there {
                let _ = sys::fs::unlinkat(&self.fd, name, AtFlags::empty());
            }
        }
        // Somebody else may have been faster, with the same.
        let _ = dir.lend_filter(&self.fd, name);
    }
}

fn read(dir: &OwnedFd, name: &str) -> Option<Vec<u8>> {
    let fd = sys::fs::open_beneath(dir, name, OFlags::RDONLY, Mode::empty()).ok()?;
    let mut bytes = Vec::with_capacity(8 << 10);
    std::io::Read::read_to_end(&mut std::fs::File::from(fd), &mut bytes).ok()?;
    Some(bytes)
}

/// Makes a key; of several makers one wins.
fn new_key(dir: &OwnedFd) -> Option<Vec<u8>> {
    let mut key = [0; 16];
    rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty()).ok()?;
    let new = format!("{KEY}.{}", std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let file = sys::fs::open_beneath(dir, new.as_str(), flags, Mode::RUSR | Mode::WUSR).ok()?;
    sys::fs::write_once(file, &key).ok()?;
    let placed = sys::fs::renameat(dir, new.as_str(), dir, KEY, RenameFlags::NOREPLACE);
    if placed.is_err() {
        let _ = sys::fs::unlinkat(dir, new.as_str(), AtFlags::empty());
    }
    read(dir, KEY).filter(|key| key.len() == 16)
}
