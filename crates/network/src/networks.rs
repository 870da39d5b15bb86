//! What is there of the networks of a run root, `<runroot>/networks`: a directory each, with the places of containers.

use crate::endpoint::{Endpoint, Endpoints};
use crate::error::{Error, Result};
use crate::published::Protocol;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// In a network's directory.
pub(crate) const ENDPOINTS: &str = "endpoints";

/// What is true of the networks of one run root, below `<runroot>/networks`.
#[derive(Debug, Clone)]
pub struct Networks {
    path: PathBuf,
}

impl Networks {
    /// Of a run root.
    pub fn of(runroot: &Path) -> Self {
        Self { path: runroot.join("networks") }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is there of one network, for who is going to change it: nobody removes it meanwhile.
    pub(crate) fn place(&self, network: &str) -> Result<Place> {
        let path = self.path.join(network);
        let open = || sys::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
        let dir = match open() {
            Err(error) if error.errno == sys::Errno::NOENT => {
                sys::fs::ensure_dir(CWD, &self.path, Mode::RWXU).map_err(Error::file("make", &self.path))?;
                sys::fs::ensure_dir(CWD, &path, Mode::RWXU).map_err(Error::file("make", &path))?;
                open()
            }
            other => other,
        };
        let dir = dir.map_err(Error::file("open", &path))?;
        Ok(Place { path, dir })
    }

    /// A container's place in a network.
    pub fn endpoint(&self, network: &str, container: &str) -> Option<Endpoint> {
        Endpoints::open(&self.path.join(network).join(ENDPOINTS)).ok()??.get(container)
    }

    /// The directory of all places in a network.
    pub(crate) fn endpoints_path(&self, network: &str) -> PathBuf {
        self.path.join(network).join(ENDPOINTS)
    }

    /// The same, made where it is missing.
    pub(crate) fn endpoints_of(&self, network: &str) -> Result<PathBuf> {
        Ok(self.place(network)?.path.join(ENDPOINTS))
    }

    /// All places in a network.
    pub fn endpoints(&self, network: &str) -> Vec<Endpoint> {
        let endpoints = Endpoints::open(&self.path.join(network).join(ENDPOINTS)).ok().flatten();
        endpoints.map(|endpoints| endpoints.all()).unwrap_or_default()
    }

    /// The networks of which something is there.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let name = |entry: std::fs::DirEntry| entry.file_name().into_string().ok();
        entries.filter_map(name).filter(|name| !name.starts_with('.')).collect()
    }

    /// The container that a port of this machine leads to.
    pub fn publisher(&self, protocol: Protocol, port: u16) -> Option<String> {
        let all = self.names().into_iter().flat_map(|name| self.endpoints(&name));
        let has = |endpoint: &Endpoint| {
            endpoint.published.iter().any(|published| (published.protocol, published.port) == (protocol, port))
        };
        let endpoint = all.into_iter().find(has)?;
        Some(format!("container {}", endpoint.names.into_iter().next().unwrap_or(endpoint.container)))
    }
}

/// What is there of one network.
#[derive(Debug)]
pub(crate) struct Place {
    pub path: PathBuf,
    pub dir: OwnedFd,
}

impl Place {
    /// The lock of its directory, until the fd is closed.
    pub fn lock(&self, how: FlockOperation) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let dir =
            sys::fs::open_beneath(&self.dir, ".", flags, Mode::empty()).map_err(Error::file("open", &self.path))?;
        rustix::fs::flock(&dir, how)
            .map_err(|errno| Error::file("lock", &self.path)(sys::Error::new("flock", "", errno)))?;
        Ok(dir)
    }
}
