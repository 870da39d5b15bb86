//! What is there of the networks of a run root, `<runroot>/networks`: a directory each, with the places of containers.

use crate::endpoint::{Endpoint, Endpoints, RESOLVER};
use crate::error::{Error, Result};
use crate::files;
use crate::published::Protocol;
use crate::{pasta, resolver};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// In a network's directory.
pub(crate) const ENDPOINTS: &str = "endpoints";

/// What is true of the networks of one run root, below `<runroot>/networks`.
#[derive(Debug, Clone)]
pub struct Networks {
    path: PathBuf,
    behind_pasta: bool,
}

impl Networks {
    /// Of a run root.
    pub fn of(runroot: &Path) -> Self {
        Self { path: runroot.join("networks"), behind_pasta: false }
    }

    /// The same, where they are in a network namespace that pasta connects with the world.
    #[must_use]
    pub fn behind_pasta(self) -> Self {
        Self { behind_pasta: true, ..self }
    }

    pub(crate) fn is_behind_pasta(&self) -> bool {
        self.behind_pasta
    }

    /// Whom the resolvers ask on, where a network names nobody: pasta, which knows whom this machine asks.
    pub(crate) fn server(&self) -> Option<IpAddr> {
        self.behind_pasta.then_some(RESOLVER.into())
    }

    /// No container is in any of them.
    pub fn are_empty(&self) -> bool {
        self.all_but_pasta().iter().all(|name| self.endpoints(name).is_empty())
    }

    /// None of them has a resolver. For who holds off everybody that may come: a resolver that is started meanwhile would
    /// take the look for another one.
    pub fn have_no_resolvers(&self) -> bool {
        !self.all_but_pasta().iter().any(|name| resolver::lives(&self.path.join(name)))
    }

    fn all_but_pasta(&self) -> Vec<String> {
        self.names().into_iter().filter(|name| name != pasta::NAME).collect()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is there of one network, for who is going to change it: nobody removes it meanwhile.
    pub(crate) fn place(&self, network: &str) -> Result<Place> {
        let path = self.path.join(network);
        let dir = if let Some(there) = files::open_dir(&path)? {
            there
        } else {
            files::ensure_dir(&self.path)?;
            files::ensure_dir(&path)?
        };
        Ok(Place { path, dir })
    }

    /// A container's place in a network.
    pub fn endpoint(&self, network: &str, container: &str) -> Option<Endpoint> {
        Endpoints::open(&self.endpoints_path(network)).ok()??.get(container)
    }

    /// The directory of all places in a network.
    pub(crate) fn endpoints_path(&self, network: &str) -> PathBuf {
        self.path.join(network).join(ENDPOINTS)
    }

    /// All places in a network.
    pub fn endpoints(&self, network: &str) -> Vec<Endpoint> {
        let endpoints = Endpoints::open(&self.endpoints_path(network)).ok().flatten();
        endpoints.map(|endpoints| endpoints.all()).unwrap_or_default()
    }

    /// The networks of which something is there.
    pub fn names(&self) -> Vec<String> {
        files::names(&self.path)
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
        files::lock(&dir, how, &self.path)?;
        Ok(dir)
    }
}
