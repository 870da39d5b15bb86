//! Networks: one record each, named by the network. What a record says is its maker's matter.

use crate::file::{Sync, names, read_record, sync_dir, unfinished, write_record};
use crate::lease::Flock;
use crate::name::{is_plain, random_hex};
use crate::{Error, Result, Store};
use rustix::fs::{AtFlags, Mode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::fd::{AsFd, OwnedFd};

const NETWORKS: &str = "networks";

impl Store {
    /// Makes a network, unless there is one of that name, which comes back then. `make` gets an id and all others, which
    /// stay as they are meanwhile.
    pub fn create_network<T: Serialize + DeserializeOwned, E: From<Error>>(
        &self,
        name: &str,
        make: impl FnOnce(String, Vec<T>) -> std::result::Result<T, E>,
    ) -> std::result::Result<(T, bool), E> {
        if !is_plain(name) || name.len() > 128 {
            return Err(Error::NetworkName(name.chars().take(80).collect()).into());
        }
        sys::fs::ensure_dir(self.root(), NETWORKS, Mode::RWXU).map_err(Error::from)?;
        let dir = self.dir(NETWORKS)?;
        let _lock = Flock::exclusive(self.dir(NETWORKS)?)?;
        if let Some(there) = read_record(&dir, name)? {
            return Ok((there, false));
        }
        let network = make(random_hex::<32>()?, self.networks()?)?;
        write_record(dir.as_fd(), name, &network, Sync::Durable)?;
        Ok((network, true))
    }

    /// Writes the record of a network anew.
    pub fn write_network<T: Serialize>(&self, name: &str, network: &T) -> Result<()> {
        let dir = self.dir(NETWORKS)?;
        let _lock = Flock::exclusive(self.dir(NETWORKS)?)?;
        write_record(dir.as_fd(), name, network, Sync::Durable)
    }

    /// All networks, by name.
    pub fn networks<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let Some(dir) = self.networks_dir()? else { return Ok(Vec::new()) };
        let mut names = names(dir.as_fd())?;
        names.retain(|name| !name.starts_with('.'));
        names.sort_unstable();
        names.iter().filter_map(|name| read_record(&dir, name).transpose()).collect()
    }

    /// The network of this name.
    pub fn network<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        match self.networks_dir()?.filter(|_| is_plain(name)) {
            Some(dir) => read_record(&dir, name),
            None => Ok(None),
        }
    }

    /// Removes the record of a network; one that is gone is fine.
    pub fn remove_network(&self, name: &str) -> Result<()> {
        let Some(dir) = self.networks_dir()?.filter(|_| is_plain(name)) else { return Ok(()) };
        let _lock = Flock::exclusive(self.dir(NETWORKS)?)?;
        let _ = sys::fs::unlinkat(&dir, &*unfinished(name), AtFlags::empty());
        match sys::fs::unlinkat(&dir, name, AtFlags::empty()) {
            Err(error) if error.errno == sys::Errno::NOENT => {}
            other => other?,
        }
        sync_dir(dir.as_fd())
    }

    fn networks_dir(&self) -> Result<Option<OwnedFd>> {
        match self.dir(NETWORKS) {
            Err(error) if error.is_absent() => Ok(None),
            dir => dir.map(Some),
        }
    }
}
