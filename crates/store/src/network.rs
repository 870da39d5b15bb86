//! Networks: one record each, named by the network. What a record says is its maker's matter.

use crate::file::{Sync, if_there, read_record, read_records, remove_record, write_record};
use crate::lease::Flock;
use crate::name::{is_plain, random_hex};
use crate::{Error, Result, Store};
use rustix::fs::Mode;
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

    /// All networks, by name.
    pub fn networks<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        read_records(self.networks_dir()?)
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
        remove_record(dir.as_fd(), name).map(drop)
    }

    fn networks_dir(&self) -> Result<Option<OwnedFd>> {
        if_there(self.dir(NETWORKS))
    }
}
