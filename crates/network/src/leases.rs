//! Who has which address of a network: a symbolic link each, whose name is the address and whose text the container's id.
//!
//! Making a link fails where there is one, so that an address is taken by one system call and never twice, by however
//! many commands at once; and what a killed one took says whose it was.

use crate::error::{Error, Result};
use crate::files;
use crate::record::{Network, Range};
use rustix::fs::{AtFlags, Mode, OFlags};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The directory of a network's leases.
#[derive(Debug)]
pub struct Leases {
    path: PathBuf,
    dir: OwnedFd,
}

/// The last address that was given out, so that the next container gets another one than the last that ended.
const LAST: &str = "last";

impl Leases {
    /// Opens it, making it where it is missing.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), dir: files::ensure_dir(path)? })
    }

    /// Takes an address that was asked for.
    pub fn claim(&self, network: &Network, address: IpAddr, container: &str) -> Result<()> {
        network.check(address)?;
        if self.take(address, container)? {
            return Ok(());
        }
        match self.holder(address) {
            Some(holder) if holder != container => {
                Err(Error::Taken { network: network.name.clone(), address, container: holder })
            }
            _ => Ok(()),
        }
    }

    /// Takes the next address of a range that nobody has, beginning behind the last that was given out. `usable` may
    /// refuse one that was taken here, which is let go again.
    pub fn claim_next(
        &self,
        network: &Network,
        range: &Range,
        container: &str,
        mut usable: impl FnMut(IpAddr) -> bool,
    ) -> Result<IpAddr> {
        /// More than a network of containers ever has: of a subnet of IPv6 not all are tried.
        const TRIES: u128 = 1 << 17;
        let pool = range.pool.unwrap_or(range.subnet);
        let hosts = pool.hosts();
        let (first, count) = (*hosts.start(), (hosts.end() - hosts.start()).saturating_add(1));
        let last = self.last(range).filter(|last| pool.contains(*last)).map(|last| pool.offset(last));
        let begin = last.map_or(0, |last| last.saturating_add(1).saturating_sub(first)) % count;
        for step in 0..count.min(TRIES) {
            let Some(address) = pool.nth(first + (begin + step) % count) else { continue };
            // A range within the subnet may hold what no device can have.
            if network.check(address).is_err() || !self.take(address, container)? {
                continue;
            }
            if usable(address) {
                self.write_last(range, address);
                return Ok(address);
            }
            self.release(address);
        }
        Err(Error::Full { network: network.name.clone(), range: pool.to_string() })
    }

    fn take(&self, address: IpAddr, container: &str) -> Result<bool> {
        match sys::fs::symlinkat(container, &self.dir, address.to_string()) {
            Ok(()) => Ok(true),
            Err(error) if error.errno == sys::Errno::EXIST => Ok(false),
            Err(error) => Err(Error::file("take an address in", &self.path)(error)),
        }
    }

    /// Who has an address.
    pub fn holder(&self, address: IpAddr) -> Option<String> {
        let text = rustix::fs::readlinkat(&self.dir, address.to_string(), Vec::new()).ok()?;
        text.into_string().ok()
    }

    /// All addresses that a container has, for who does not know: all links are read for it.
    pub fn of(&self, container: &str) -> Vec<IpAddr> {
        self.all().into_iter().filter(|(_, holder)| holder == container).map(|(address, _)| address).collect()
    }

    /// All addresses and who has them.
    pub fn all(&self) -> Vec<(IpAddr, String)> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let address = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<IpAddr>().ok();
        entries.filter_map(address).filter_map(|address| Some((address, self.holder(address)?))).collect()
    }

    /// Lets an address go.
    pub fn release(&self, address: IpAddr) {
        let _ = sys::fs::unlinkat(&self.dir, address.to_string(), AtFlags::empty());
    }

    fn last_file(range: &Range) -> String {
        format!("{LAST}{}", if range.subnet.is_ipv6() { 6 } else { 4 })
    }

    fn last(&self, range: &Range) -> Option<IpAddr> {
        let text = std::fs::read_to_string(self.path.join(Self::last_file(range))).ok()?;
        text.parse().ok()
    }

    /// A hint, and no more: two who write at once lose nothing.
    fn write_last(&self, range: &Range, address: IpAddr) {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let file = sys::fs::open_beneath(&self.dir, Self::last_file(range), flags, Mode::RUSR | Mode::WUSR);
        let _ = file.and_then(|file| sys::fs::write_once(&file, address.to_string().as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(range: Range) -> Network {
        Network { name: "n".to_owned(), ranges: vec![range], ..Network::default() }
    }

    fn fixture(subnet: &str, pool: Option<&str>) -> (tempfile::TempDir, Leases, Network) {
        let dir = tempfile::tempdir().unwrap();
        let leases = Leases::open(&dir.path().join("leases")).unwrap();
        let mut range = Range::of(subnet.parse().unwrap());
        range.pool = pool.map(|pool| pool.parse().unwrap());
        (dir, leases, network(range))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_go_round_and_the_gateway_is_none_of_them() {
        let (_dir, leases, network) = fixture("10.0.0.0/29", None);
        let next = |who: &str| leases.claim_next(&network, &network.ranges[0], who, |_| true);
        let given: Vec<_> = ["a", "b", "c", "d", "e"].iter().map(|who| next(who).unwrap().to_string()).collect();
        assert_eq!(given, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
        let error = next("f").unwrap_err().to_string();
        assert!(error.contains("all addresses of 10.0.0.0/29 are taken"), "{error}");
        leases.release(ip("10.0.0.3"));
        assert_eq!(next("f").unwrap(), ip("10.0.0.3"));
        leases.release(ip("10.0.0.2"));
        leases.release(ip("10.0.0.5"));
        assert_eq!(next("g").unwrap(), ip("10.0.0.5"), "the last that ended is the last to be given again");
        assert_eq!(leases.of("g"), [ip("10.0.0.5")]);
    }

    #[test]
    fn an_address_that_was_asked_for_is_had_once_and_by_its_owner_again() {
        let (_dir, leases, network) = fixture("10.0.0.0/24", None);
        leases.claim(&network, ip("10.0.0.9"), "a").unwrap();
        leases.claim(&network, ip("10.0.0.9"), "a").unwrap();
        let error = leases.claim(&network, ip("10.0.0.9"), "b").unwrap_err().to_string();
        assert!(error.contains("10.0.0.9 belongs to container a"), "{error}");
        for foreign in ["10.0.0.1", "10.0.0.0", "10.0.0.255", "10.0.1.5", "fd00::1"] {
            assert!(matches!(leases.claim(&network, ip(foreign), "c"), Err(Error::Foreign { .. })), "{foreign}");
        }
    }

    #[test]
    fn a_range_within_the_subnet_is_kept_to_and_one_that_is_not_usable_is_let_go() {
        let (_dir, leases, network) = fixture("10.0.0.0/24", Some("10.0.0.0/30"));
        let range = &network.ranges[0];
        assert_eq!(
            leases.claim_next(&network, range, "a", |a| a != ip("10.0.0.2")).unwrap_or(ip("0.0.0.0")),
            ip("0.0.0.0")
        );
        assert!(leases.all().is_empty());
        assert_eq!(leases.claim_next(&network, range, "a", |_| true).unwrap(), ip("10.0.0.2"));
    }

    #[test]
    fn addresses_of_ipv6_are_given_in_order() {
        let (_dir, leases, network) = fixture("fd00:1::/64", None);
        let next = |who: &str| leases.claim_next(&network, &network.ranges[0], who, |_| true).unwrap().to_string();
        assert_eq!([next("a"), next("b")], ["fd00:1::2", "fd00:1::3"]);
    }

    #[test]
    fn threads_at_once_never_get_the_same() {
        let (dir, leases, network) = fixture("10.0.0.0/16", None);
        drop(leases);
        let path = dir.path().join("leases");
        let given: Vec<IpAddr> = std::thread::scope(|scope| {
            let one = |who: usize| {
                let (path, network) = (&path, &network);
                scope.spawn(move || {
                    let leases = Leases::open(path).unwrap();
                    let next = || leases.claim_next(network, &network.ranges[0], &who.to_string(), |_| true).unwrap();
                    (0..100).map(|_| next()).collect::<Vec<_>>()
                })
            };
            let threads: Vec<_> = (0..8).map(one).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let different: std::collections::BTreeSet<_> = given.iter().collect();
        assert_eq!((given.len(), different.len()), (800, 800));
    }
}
