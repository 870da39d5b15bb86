//! Who is called what, as the endpoints' files say it: read anew when something has come or gone, and only what is new.

use crate::endpoint::Endpoint;
use crate::networks::Networks;
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// A directory that was changed less long ago is read again, however it looks: its time may not tell two changes apart.
const BLUR: Duration = Duration::from_millis(20);

/// The endpoints of one network.
#[derive(Debug)]
struct Known {
    path: PathBuf,
    changed: (i64, i64),
    sure: bool,
    /// By container: the number of its file, and what it says.
    all: HashMap<String, (u64, Endpoint)>,
}

impl Known {
    fn refresh(&mut self) {
        let Ok(meta) = std::fs::metadata(&self.path) else {
            self.all.clear();
            return;
        };
        let changed = (meta.mtime(), meta.mtime_nsec());
        if self.sure && changed == self.changed {
            return;
        }
        let age = meta.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        self.sure = age.is_some_and(|age| age > BLUR);
        self.changed = changed;
        let mut before = std::mem::take(&mut self.all);
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let Ok(container) = entry.file_name().into_string() else { continue };
            if container.starts_with('.') {
                continue;
            }
            let known = before.remove(&container).filter(|(number, _)| *number == entry.ino());
            let read = || {
                let bytes = std::fs::read(entry.path()).ok()?;
                Some((entry.ino(), serde_json::from_slice::<Endpoint>(&bytes).ok()?))
            };
            if let Some(endpoint) = known.or_else(read) {
                self.all.insert(container, endpoint);
            }
        }
    }
}

/// All that is known, for the resolver of one network.
#[derive(Debug)]
pub struct Names {
    networks: Networks,
    own: String,
    known: HashMap<String, Known>,
    turn: usize,
}

impl Names {
    /// For the network of this name.
    pub fn of(networks: Networks, own: &str) -> Self {
        Self { networks, own: own.to_owned(), known: HashMap::new(), turn: 0 }
    }

    /// No container is in the network.
    pub fn is_empty(&mut self) -> bool {
        self.endpoints(&self.own.clone()).is_empty()
    }

    fn endpoints(&mut self, network: &str) -> &HashMap<String, (u64, Endpoint)> {
        let path = self.networks.endpoints_path(network);
        let empty = || Known { path, changed: (0, 0), sure: false, all: HashMap::new() };
        let known = self.known.entry(network.to_owned()).or_insert_with(empty);
        known.refresh();
        &known.all
    }

    /// The addresses of whoever is called so in a network that the asker is in; the first one is another one each time.
    pub fn addresses(&mut self, name: &str, asker: IpAddr) -> Vec<IpAddr> {
        let mut found = Vec::new();
        for network in self.networks_of(asker) {
            for (_, endpoint) in self.endpoints(&network).values() {
                if endpoint.names.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                    found.extend(endpoint.hosts());
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn % found.len().max(1);
        found.rotate_left(turn);
        found
    }

    /// What the container with this address is called.
    pub fn name(&mut self, address: IpAddr, asker: IpAddr) -> Option<String> {
        self.networks_of(asker).into_iter().find_map(|network| {
            let has = |endpoint: &Endpoint| endpoint.addresses.iter().any(|(own, _)| *own == address);
            let found = self.endpoints(&network).values().find(|(_, endpoint)| has(endpoint))?;
            found.1.names.first().cloned()
        })
    }

    /// The networks that the asker is in, this one first.
    fn networks_of(&mut self, asker: IpAddr) -> Vec<String> {
        let own = self.own.clone();
        let is = |endpoint: &Endpoint| endpoint.addresses.iter().any(|(address, _)| *address == asker);
        let container = self.endpoints(&own).values().find(|(_, endpoint)| is(endpoint));
        let Some(container) = container.map(|(_, endpoint)| endpoint.container.clone()) else { return vec![own] };
        let mut all = vec![own.clone()];
        for name in self.networks.names() {
            if name != own && self.endpoints(&name).contains_key(&container) {
                all.push(name);
            }
        }
        all
    }
}
