//! A container is joined to a network, and parted from it.

use crate::bridge;
use crate::endpoint::{Endpoint, Endpoints, OUTSIDE, low, mac_of, mac_text};
use crate::error::{Error, Result};
use crate::files;
use crate::filter::NETWORK;
use crate::firewall::Seat;
use crate::inside;
use crate::leases::Leases;
use crate::networks::{ENDPOINTS, Networks, Place};
use crate::published::{Port, Published};
use crate::record::{Driver, Network};
use crate::resolver;
use netlink::{Address, End, Mac, Path as Way, Route};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// What a container wants of a network.
#[derive(Debug, Clone, Default)]
pub struct Wish<'a> {
    /// Its id.
    pub container: &'a str,
    /// Its name, and what else it is to be called there.
    pub names: Vec<String>,
    /// Addresses that it asks for, at most one of each family.
    pub addresses: Vec<IpAddr>,
    /// A hardware address that it asks for.
    pub mac: Option<Mac>,
    /// The name of its device; none is the first free `ethN`.
    pub inside: Option<&'a str>,
    /// Its way to everybody else leads through here.
    pub default_route: bool,
    /// It asks the resolver of this network for names.
    pub resolver: bool,
    /// Ports of this machine that lead to it.
    pub ports: &'a [Port],
    /// It may send whatever it likes (`CAP_NET_RAW`), and is kept to its own addresses at the bridge.
    pub guarded: bool,
}

/// How long a device may take to go with its namespace.
const GOING: Duration = Duration::from_millis(500);

impl Networks {
    /// Joins a container, which waits in its network namespace, to a network. On failure nothing of it is left but the
    /// device in that namespace, which ends with it.
    pub fn attach(&self, network: &Network, wish: &Wish<'_>, namespace: impl AsFd) -> Result<Endpoint> {
        let place = self.place(&network.name)?;
        let _lock = place.lock(FlockOperation::LockShared)?;
        let attached = place.attach(self, network, wish, namespace.as_fd());
        if attached.is_err() {
            let _ = place.forget(self, wish.container);
        }
        attached
    }

    /// Forgets a container's place in a network: its addresses are free once its device is gone, and its ports at once.
    pub fn detach(&self, network: &str, container: &str) -> Result<()> {
        let path = self.path().join(network);
        if path.is_dir() {
            self.place(network)?.forget(self, container)?;
        }
        Ok(())
    }

    /// Parts a container that runs from a network: its device goes.
    pub fn disconnect(&self, network: &Network, container: &str) -> Result<()> {
        let Some(endpoint) = self.endpoint(&network.name, container) else { return Ok(()) };
        let mut route = Route::open().map_err(Error::kernel(&network.name, "ask for devices"))?;
        match route.link(&endpoint.outside) {
            Ok(link) => {
                route.remove_link(link.index).map_err(Error::kernel(&network.name, "remove the container's device"))?;
            }
            Err(error) if error.errno() == Some(sys::Errno::NODEV) => {}
            Err(error) => return Err(Error::kernel(&network.name, "find the container's device")(error)),
        }
        self.detach(&network.name, container)
    }

    /// Leads these ports to a container that is in a network, and no others.
    pub fn republish(&self, network: &str, container: &str, ports: &[Port]) -> Result<Endpoint> {
        let place = self.place(network)?;
        let _lock = place.lock(FlockOperation::LockShared)?;
        let endpoints = Endpoints::ensure(&place.path.join(ENDPOINTS))?;
        let mut endpoint = endpoints.get(container).ok_or(Error::Gone(network.to_owned()))?;
        let before = std::mem::replace(&mut endpoint.published, published(ports, &endpoint.addresses));
        let gone: Vec<_> = before.iter().filter(|one| !endpoint.published.contains(one)).copied().collect();
        let new: Vec<_> = endpoint.published.iter().filter(|one| !before.contains(one)).copied().collect();
        endpoints.put(&endpoint)?;
        self.withdraw(&gone, None, || ())?;
        self.publish(&new, || Ok(()))?;
        Ok(endpoint)
    }

    /// Forgets a container's places wherever it has one.
    pub fn forget(&self, container: &str) {
        for name in self.names() {
            let _ = self.detach(&name, container);
        }
    }

    /// Removes what is there of a network that no container is in: files alone, or its bridge as well.
    pub fn remove(&self, network: &Network, bridge: bool) -> Result<()> {
        let place = self.place(&network.name)?;
        let _lock = place.lock(FlockOperation::LockExclusive)?;
        if let Some(name) = network.bridge().filter(|_| bridge) {
            let mut route = Route::open().map_err(Error::kernel(&network.name, "ask for devices"))?;
            self.shut(network)?;
            bridge::remove(&mut route, network, name)?;
        }
        std::fs::remove_dir_all(&place.path).map_err(|error| {
            let errno = sys::Errno::from_io_error(&error).unwrap_or(sys::Errno::IO);
            Error::file("remove", &place.path)(sys::Error::new("unlink", "", errno))
        })
    }
}

const LEASES: &str = "leases";

impl Place {
    fn attach(
        &self,
        networks: &Networks,
        network: &Network,
        wish: &Wish<'_>,
        namespace: std::os::fd::BorrowedFd<'_>,
    ) -> Result<Endpoint> {
        let failed = |what| Error::kernel(&network.name, what);
        let mut outer = Route::open().map_err(failed("ask for devices"))?;
        let master = match network.bridge() {
            Some(name) => Some(self.bridge(networks, &mut outer, network, name)?),
            None => None,
        };
        let mut inner = inside::route(&network.name, namespace, network.range(true).is_some())?;
        let inside = match wish.inside {
            Some(name) => name.to_owned(),
            None => free_name(&mut inner).map_err(failed("look into the container"))?,
        };
        let device = Device { network, wish, master, namespace, inside: &inside };
        let (addresses, mac, outside) = self.device(&mut outer, &device)?;
        let link = inner.link(&inside).map_err(failed("find the container's device"))?;
        let prefix = |address: IpAddr| network.range(address.is_ipv6()).map_or(0, |range| range.subnet.prefix());
        let addresses: Vec<_> = addresses.into_iter().map(|address| (address, prefix(address))).collect();
        let gateways: Vec<_> = if network.internal || network.no_default_route {
            Vec::new()
        } else {
            network.ranges.iter().filter_map(|range| range.gateway).collect()
        };
        let given: Vec<_> = addresses.iter().map(|(address, bits)| Address::new(*address, *bits)).collect();
        let mut ways: Vec<_> =
            gateways.iter().filter(|_| wish.default_route).map(|gateway| way(*gateway, link.index)).collect();
        if wish.resolver
            && let (Some(at), Some(bridge)) = (resolver::address(network), master)
        {
            resolver::ensure(networks, network, &self.path, at, bridge)?;
            ways.push(resolver::way(at, link.index));
        }
        inner.equip(link.index, &given, &ways).map_err(failed("give the container its addresses"))?;
        let endpoint = Endpoint {
            container: wish.container.to_owned(),
            names: wish.names.clone(),
            published: published(wish.ports, &addresses),
            guarded: wish.guarded && network.bridge().is_some(),
            addresses,
            gateways,
            mac: mac_text(mac.or(link.mac).unwrap_or_default()),
            inside,
            outside,
        };
        let endpoints = Endpoints::ensure(&self.path.join(ENDPOINTS))?;
        networks.publish(&endpoint.published, || endpoints.put(&endpoint))?;
        networks.guard(&endpoint)?;
        Ok(endpoint)
    }

    /// The number of the network's bridge, which is made if it is not there.
    fn bridge(&self, networks: &Networks, route: &mut Route, network: &Network, name: &str) -> Result<u32> {
        // One that is being made looks like somebody else's.
        if let Ok(Some(link)) = bridge::find(route, network, name) {
            networks.see_to_filter()?;
            return Ok(link.index);
        }
        // Who comes first makes it; all others wait, and find it. The directory's own lock is held by all of them.
        let path = self.path.join("bridge");
        let file = files::open_lock(&path)?;
        files::lock(&file, FlockOperation::LockExclusive, &path)?;
        if let Some(link) = bridge::find_whole(route, network, name)? {
            return Ok(link.index);
        }
        self.note(network)?;
        bridge::make(route, network, name, || networks.let_through(network)).map(|link| link.index)
    }

    /// Takes addresses and makes the container's device, whose other end has a name by the address: while the device of
    /// one that has ended is not gone yet, nobody can have its address.
    fn device(&self, route: &mut Route, device: &Device<'_>) -> Result<(Vec<IpAddr>, Option<Mac>, String)> {
        let Device { network, wish, .. } = *device;
        let leases = Leases::open(&self.path.join(LEASES))?;
        let mut addresses = Vec::new();
        for address in &wish.addresses {
            leases.claim(network, *address, wish.container)?;
            addresses.push(*address);
        }
        let mut made = None;
        for range in &network.ranges {
            let ipv6 = range.subnet.is_ipv6();
            let asked = addresses.iter().copied().find(|address| address.is_ipv6() == ipv6);
            if made.is_some() {
                if asked.is_none() {
                    addresses.push(leases.claim_next(network, range, wish.container, |_| true)?);
                }
                continue;
            }
            let mut failed = None;
            let mut make = |address| match device.make(route, address) {
                Ok(name) => {
                    made = Some((address, name));
                    true
                }
                Err(error) => {
                    // Any other failure is the same for every address.
                    let goes_on = error.errno() == Some(sys::Errno::EXIST);
                    failed = (!goes_on).then_some(error);
                    !goes_on
                }
            };
            if let Some(address) = asked {
                let start = Instant::now();
                while !make(address) && start.elapsed() < GOING {
                    std::thread::sleep(Duration::from_millis(5));
                }
            } else {
                addresses.push(leases.claim_next(network, range, wish.container, &mut make)?);
            }
            if let Some(error) = failed {
                return Err(Error::kernel(&network.name, "make the container's device")(error));
            }
            if made.is_none() {
                let address = asked.unwrap_or(range.subnet.address());
                return Err(Error::Taken {
                    network: network.name.clone(),
                    address,
                    container: "that is about to end".to_owned(),
                });
            }
        }
        addresses.sort_unstable();
        let (address, outside) = if let Some(made) = made {
            made
        } else {
            let any = IpAddr::from([0, 0, 0, 0]);
            let name = device.make(route, any).map_err(Error::kernel(&network.name, "make the container's device"))?;
            (any, name)
        };
        let mac = wish.mac.or_else(|| network.bridge().map(|_| mac_of(address)));
        Ok((addresses, mac, outside))
    }

    /// Writes down what the network is like, for who makes the packet filter anew.
    fn note(&self, network: &Network) -> Result<()> {
        let path = self.path.join(NETWORK);
        let bytes = serde_json::to_vec(network).map_err(|source| Error::Damaged { path: path.clone(), source })?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let file = sys::fs::open_beneath(&self.dir, NETWORK, flags, Mode::RUSR | Mode::WUSR);
        file.and_then(|file| sys::fs::write_once(&file, &bytes)).map_err(Error::file("write", path))
    }

    fn forget(&self, networks: &Networks, container: &str) -> Result<()> {
        let endpoints = Endpoints::open(&self.path.join(ENDPOINTS)).ok().flatten();
        let endpoint = endpoints.as_ref().and_then(|endpoints| endpoints.get(container));
        let published = endpoint.as_ref().map_or(&[][..], |endpoint| &endpoint.published);
        let withdrawn = networks.withdraw(published, endpoint.as_ref().and_then(Seat::of), || {
            if let Some(endpoints) = &endpoints {
                endpoints.remove(container);
            }
        });
        let leases = Leases::open(&self.path.join(LEASES))?;
        let addresses = match endpoint {
            Some(endpoint) => endpoint.hosts(),
            // Who did not come as far as to write it down may have taken some.
            None => leases.of(container),
        };
        for address in addresses {
            leases.release(address);
        }
        withdrawn
    }
}

/// A container's device that is to be made.
#[derive(Clone, Copy)]
struct Device<'a> {
    network: &'a Network,
    wish: &'a Wish<'a>,
    master: Option<u32>,
    namespace: std::os::fd::BorrowedFd<'a>,
    inside: &'a str,
}

impl Device<'_> {
    /// Makes it; comes back with the name of its other end.
    fn make(&self, route: &mut Route, address: IpAddr) -> netlink::Result<String> {
        let Self { network, wish, master, namespace, inside } = *self;
        let mac = wish.mac.unwrap_or_else(|| mac_of(address));
        let peer = End { name: inside, mac: Some(mac), mtu: network.mtu, namespace: Some(namespace), ..End::default() };
        match &network.driver {
            Driver::Bridge(_) => {
                let name = outside_name(network, address);
                let alias = Some(wish.names.first().map_or(wish.container, String::as_str));
                // Where bridged packets pass the filter of routed ones (br_netfilter), a container that speaks to its own
                // published port is led back to where it is.
                let hairpin = !wish.ports.is_empty();
                let end = End { name: &name, mtu: network.mtu, master, plain: true, hairpin, alias, ..End::default() };
                route.add_pair(&end, &peer)?;
                Ok(name)
            }
            Driver::Macvlan { parent, mode } => {
                let index = route.link(parent)?.index;
                let mode = Driver::mode(mode).unwrap_or(netlink::MacvlanMode::Bridge);
                // The device of the machine has the first say about it, and about its address unless one was asked for.
                route.add_macvlan(&End { mac: wish.mac, ..peer }, index, mode)?;
                Ok(String::new())
            }
        }
    }
}

/// That, four digits of the network and eight of the address: as long as a name may be, and one for each of both.
fn outside_name(network: &Network, address: IpAddr) -> String {
    let [a, b, c, d] = low(address);
    format!("{OUTSIDE}{}{a:02x}{b:02x}{c:02x}{d:02x}", network.id.get(..4).unwrap_or("0000"))
}

fn free_name(route: &mut Route) -> netlink::Result<String> {
    let taken = route.links()?;
    let free = |name: &String| !taken.iter().any(|link| link.name == *name);
    Ok((0..=taken.len()).map(|number| format!("eth{number}")).find(free).unwrap_or_default())
}

fn way(gateway: IpAddr, link: u32) -> Way {
    let any = if gateway.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    Way { to: (any, 0), gateway: Some(gateway), link, metric: 0 }
}

/// Ports with the addresses that they lead to: one that is at no address in particular, to each that the container has.
fn published(ports: &[Port], addresses: &[(IpAddr, u8)]) -> Vec<Published> {
    let one = |port: &Port| {
        let Port { at, protocol, port, inside, passed } = *port;
        let fits = move |to: &&(IpAddr, u8)| at.is_none_or(|at| at.is_ipv6() == to.0.is_ipv6());
        let lead =
            move |(to, _): &(IpAddr, u8)| Published { at, protocol, port, to: SocketAddr::new(*to, inside), passed };
        addresses.iter().filter(fits).map(lead).collect::<Vec<_>>()
    };
    ports.iter().flat_map(one).collect()
}
