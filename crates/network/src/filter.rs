//! The packet filter, and what has to be in it: the networks that are there and the ports of their containers, as the run
//! root's files say. Whoever finds that somebody has flushed it makes it anew.

use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::files;
use crate::firewall::{Bridge, Firewall, Obstacle, Seat};
use crate::networks::Networks;
use crate::published::Published;
use crate::record::Network;
use rustix::fs::FlockOperation;
use std::os::fd::OwnedFd;

/// In a network's directory: the network.
pub const NETWORK: &str = "network.json";

/// In the directory of all networks: held alone by who makes the filter anew from the files, and together by those who
/// change a file and the filter.
const LOCK: &str = ".filter";

impl Networks {
    /// The filter of this run root: two have each a table of their own.
    fn firewall(&self) -> Result<Firewall> {
        const MAIN: &str = "/run/coracle/networks";
        if self.path().as_os_str() == MAIN {
            return Firewall::open("coracle");
        }
        // FNV-1a: a name that is the same for the same run root, and that nobody depends on to be secret.
        let bytes = self.path().as_os_str().as_encoded_bytes();
        let hash = bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        let firewall = Firewall::open(&format!("coracle-{hash:08x}"))?;
        Ok(if self.is_behind_pasta() { firewall.stands_in() } else { firewall })
    }

    /// Holds the filter's lock until the fd is closed.
    fn lock_filter(&self, how: FlockOperation) -> Result<OwnedFd> {
        let path = self.path().join(LOCK);
        let file = files::open_lock(&path)?;
        files::lock(&file, how, &path)?;
        Ok(file)
    }

    /// Sees to it that the filter is there, with all that belongs in it.
    pub(crate) fn see_to_filter(&self) -> Result<()> {
        let mut firewall = self.firewall()?;
        if firewall.stands()? {
            return Ok(());
        }
        let _lock = self.lock_filter(FlockOperation::LockExclusive)?;
        if firewall.stands()? { Ok(()) } else { self.make_filter(&mut firewall) }
    }

    /// Makes the filter anew, whatever has become of it.
    pub fn reload(&self) -> Result<()> {
        if self.names().is_empty() {
            return Ok(());
        }
        let _lock = self.lock_filter(FlockOperation::LockExclusive)?;
        self.make_filter(&mut self.firewall()?)
    }

    fn make_filter(&self, firewall: &mut Firewall) -> Result<()> {
        let names = self.names();
        let networks: Vec<Network> = names.iter().filter_map(|name| self.known(name)).collect();
        let bridges: Vec<_> = networks.iter().filter_map(Bridge::of).collect();
        let endpoints: Vec<_> = names.iter().flat_map(|name| self.endpoints(name)).collect();
        let seats: Vec<_> = endpoints.iter().filter_map(Seat::of).collect();
        let published: Vec<_> = endpoints.into_iter().flat_map(|endpoint| endpoint.published).collect();
        firewall.make(&bridges, &published)?;
        firewall.seat(&seats)
    }

    /// What a network that is there is like.
    fn known(&self, name: &str) -> Option<Network> {
        serde_json::from_slice(&std::fs::read(self.path().join(name).join(NETWORK)).ok()?).ok()
    }

    /// Chains of others by which packets from a bridge or to it do not pass.
    pub fn obstacles(&self, bridge: &str) -> Result<Vec<Obstacle>> {
        self.firewall()?.obstacles(bridge)
    }

    /// Lets a network through that is being made.
    pub(crate) fn let_through(&self, network: &Network) -> Result<()> {
        self.see_to_filter()?;
        let Some(bridge) = Bridge::of(network) else { return Ok(()) };
        let _lock = self.lock_filter(FlockOperation::LockShared)?;
        self.firewall()?.join(&bridge)
    }

    /// A network goes.
    pub(crate) fn shut(&self, network: &Network) -> Result<()> {
        let Some(bridge) = Bridge::of(network) else { return Ok(()) };
        let _lock = self.lock_filter(FlockOperation::LockShared)?;
        self.firewall()?.leave(&bridge);
        Ok(())
    }

    /// Leads ports to a container, which `note` writes down.
    pub(crate) fn publish(&self, published: &[Published], note: impl FnOnce() -> Result<()>) -> Result<()> {
        if published.is_empty() {
            return note();
        }
        let _lock = self.lock_filter(FlockOperation::LockShared)?;
        note()?;
        self.firewall()?.publish(published)
    }

    /// Gives a container its seat, which is written down already: who makes the filter anew meanwhile gives it, too.
    pub(crate) fn guard(&self, endpoint: &Endpoint) -> Result<()> {
        let Some(seat) = Seat::of(endpoint) else { return Ok(()) };
        let _lock = self.lock_filter(FlockOperation::LockShared)?;
        self.firewall()?.seat(&[seat])
    }

    /// Leads them nowhere any more and takes a seat away, which `note` writes down.
    pub(crate) fn withdraw(&self, published: &[Published], seat: Option<Seat>, note: impl FnOnce()) -> Result<()> {
        if published.is_empty() && seat.is_none() {
            note();
            return Ok(());
        }
        let _lock = self.lock_filter(FlockOperation::LockShared)?;
        note();
        let mut firewall = self.firewall()?;
        firewall.withdraw(published);
        if let Some(seat) = seat {
            // One that is not there is fine: somebody may have flushed the filter.
            let _ = firewall.unseat(&[seat]);
        }
        firewall.leave_to_another();
        Ok(())
    }
}
