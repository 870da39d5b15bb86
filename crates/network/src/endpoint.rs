//! A container's place in a network, as a file of the run root says it: who it is, by which addresses and names others
//! find it, and which ports of this machine lead to it.

use crate::error::{Error, Result};
use crate::files;
use crate::published::Published;
use netlink::Mac;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// What the names of this machine's ends of containers' devices begin with.
pub(crate) const OUTSIDE: &str = "cov";

/// Where containers find the resolver of their network: an address that no router passes on (RFC 3927).
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 11, 53);

/// The same in a network of IPv6 alone (RFC 4193).
pub const RESOLVER6: Ipv6Addr = Ipv6Addr::new(0xfd63, 0x6f72, 0x6163, 0x6c65, 0, 0, 0, 0x53);

/// A container's place in a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The container's id.
    pub container: String,
    /// Its name, and what else it is called in this network.
    pub names: Vec<String>,
    /// Its addresses with the bits of their prefixes: at most one of each family.
    pub addresses: Vec<(IpAddr, u8)>,
    /// By whom it reaches everybody else.
    pub gateways: Vec<IpAddr>,
    /// Its hardware address, as text.
    pub mac: String,
    /// Its device, as it sees it.
    pub inside: String,
    /// The other end of that, as this machine sees it; empty where there is none.
    pub outside: String,
    /// Ports of this machine that lead to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<Published>,
    /// It has a seat at the bridge.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guarded: bool,
}

impl Endpoint {
    /// Its addresses alone.
    pub fn hosts(&self) -> Vec<IpAddr> {
        self.addresses.iter().map(|(address, _)| *address).collect()
    }

    /// Its address of one family.
    pub fn address(&self, ipv6: bool) -> Option<(IpAddr, u8)> {
        self.addresses.iter().copied().find(|(address, _)| address.is_ipv6() == ipv6)
    }
}

/// `02:c0:…`: one that nobody else has who has the same addresses, and the same whenever a container has this one.
pub fn mac_of(address: IpAddr) -> Mac {
    let [a, b, c, d] = low(address);
    [0x02, 0xc0, a, b, c, d]
}

/// The four bytes of an address that differ within a network.
pub(crate) fn low(address: IpAddr) -> [u8; 4] {
    match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => (address.to_bits() as u32).to_be_bytes(),
    }
}

/// A hardware address as text.
pub fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// The same back; `None` for what is none, or one of many devices at once.
pub fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = Mac::default();
    let mut parts = text.split([':', '-']);
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    (parts.next().is_none() && mac[0] & 1 == 0 && mac != Mac::default()).then_some(mac)
}

/// The endpoints of one network: a file each, named by the container.
#[derive(Debug)]
pub struct Endpoints {
    path: PathBuf,
    dir: OwnedFd,
}

impl Endpoints {
    /// Opens their directory; `None` where there is none.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        Ok(files::open_dir(path)?.map(|dir| Self { path: path.to_owned(), dir }))
    }

    /// Makes the directory where it is missing.
    pub fn ensure(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), dir: files::ensure_dir(path)? })
    }

    /// Writes one, whole or not at all.
    pub fn put(&self, endpoint: &Endpoint) -> Result<()> {
        let path = self.path.join(&endpoint.container);
        let bytes = serde_json::to_vec(endpoint).map_err(|source| Error::Damaged { path: path.clone(), source })?;
        let temporary = format!(".{}", endpoint.container);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let file = sys::fs::open_beneath(&self.dir, temporary.as_str(), flags, Mode::RUSR | Mode::WUSR);
        file.and_then(|file| sys::fs::write_once(&file, &bytes))
            .and_then(|()| {
                let flags = RenameFlags::empty();
                sys::fs::renameat(&self.dir, temporary.as_str(), &self.dir, endpoint.container.as_str(), flags)
            })
            .map_err(Error::file("write", path))
    }

    /// A container's; none where it has none that can be read.
    pub fn get(&self, container: &str) -> Option<Endpoint> {
        serde_json::from_slice(&std::fs::read(self.path.join(container)).ok()?).ok()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Endpoint> {
        files::names(&self.path).iter().filter_map(|name| self.get(name)).collect()
    }

    /// Forgets a container's.
    pub fn remove(&self, container: &str) {
        let _ = sys::fs::unlinkat(&self.dir, container, AtFlags::empty());
        let _ = sys::fs::unlinkat(&self.dir, format!(".{container}"), AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_read_and_written() {
        assert_eq!(mac_text(mac_of(IpAddr::from([10, 64, 0, 255]))), "02:c0:0a:40:00:ff");
        assert_eq!(parse_mac("02:c0:0a:40:00:ff"), Some(mac_of(IpAddr::from([10, 64, 0, 255]))));
        assert_eq!(parse_mac("92-d0-C6-0a-29-33"), Some([0x92, 0xd0, 0xc6, 0x0a, 0x29, 0x33]));
        for text in [
            "",
            "02:c0",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "02:c0:0a:40:00:ff:00",
            "2:c0:a:40:0:f",
            "+2:c0:0a:40:00:ff",
        ] {
            assert_eq!(parse_mac(text), None, "{text}");
        }
    }

    #[test]
    fn endpoints_are_written_listed_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("endpoints");
        assert!(Endpoints::open(&path).unwrap().is_none());
        let endpoints = Endpoints::ensure(&path).unwrap();
        let endpoint = Endpoint {
            container: "c".to_owned(),
            names: vec!["web".to_owned()],
            addresses: vec![(IpAddr::from([10, 0, 0, 2]), 24)],
            gateways: Vec::new(),
            mac: String::new(),
            inside: "eth0".to_owned(),
            outside: "x".to_owned(),
            published: Vec::new(),
            guarded: false,
        };
        endpoints.put(&endpoint).unwrap();
        std::fs::write(path.join("broken"), "{").unwrap();
        assert_eq!(endpoints.all(), [endpoint]);
        endpoints.remove("c");
        endpoints.remove("c");
        assert!(endpoints.all().is_empty());
    }
}
