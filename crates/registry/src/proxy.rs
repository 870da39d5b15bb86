//! Proxies, as the environment names them.

use crate::url::{Origin, Scheme, is_loopback, split_authority};
use std::fmt;
use std::net::IpAddr;

/// `HTTP_PROXY` and its kin.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For http.
    pub http: Option<String>,
    /// For https.
    pub https: Option<String>,
    /// For both, where they have none of their own.
    pub all: Option<String>,
    /// For whom there is none: hosts, domains, addresses, networks, separated by commas; `*` for all.
    pub none: Option<String>,
}

/// A proxy's address may have a password in it.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("none", &self.none).finish_non_exhaustive()
    }
}

impl Proxies {
    /// The proxy on the way to a server. There is none to this machine.
    pub fn to(&self, origin: &Origin) -> Option<&str> {
        let own = match origin.scheme {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        let proxy = own.as_deref().or(self.all.as_deref())?;
        let passed = is_loopback(&origin.host)
            || self.none.as_deref().is_some_and(|none| none.split(',').any(|rule| excepts(rule.trim(), origin)));
        (!passed).then_some(proxy)
    }
}

fn excepts(rule: &str, origin: &Origin) -> bool {
    if rule == "*" {
        return true;
    }
    let host = origin.host.trim_start_matches('[').trim_end_matches(']');
    if let (Ok(address), Some((network, bits))) = (host.parse::<IpAddr>(), rule.split_once('/')) {
        return network.parse().is_ok_and(|network| bits.parse().is_ok_and(|bits| within(address, network, bits)));
    }
    if let (Ok(address), Ok(other)) = (host.parse::<IpAddr>(), rule.parse::<IpAddr>()) {
        return address == other;
    }
    let Some((name, port)) = split_authority(rule.trim_start_matches('*').trim_start_matches('.')) else {
        return false;
    };
    let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    below && port.is_none_or(|port| port == origin.port)
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
            u32::from(address) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
            u128::from(address) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_serves_all_but_who_is_excepted() {
        let proxies = Proxies {
            https: Some("http://proxy:3128".to_owned()),
            none: Some("example.com, .internal,10.0.0.0/8,192.168.1.7,ported:5000,[fd00::1]".to_owned()),
            ..Proxies::default()
        };
        let to = |host: &str| proxies.to(&Origin::of(Scheme::Https, host).unwrap()).is_some();
        for through in ["docker.io", "notexample.com", "11.0.0.1", "192.168.1.8", "ported"] {
            assert!(to(through), "{through}");
        }
        for past in
            ["example.com", "a.example.com", "x.internal", "10.1.2.3", "192.168.1.7", "ported:5000", "localhost"]
        {
            assert!(!to(past), "{past}");
        }
        assert!(proxies.to(&Origin::of(Scheme::Http, "docker.io").unwrap()).is_none());
    }

    #[test]
    fn the_password_of_a_proxy_is_not_shown() {
        let proxies = Proxies { all: Some("http://me:secret@proxy".to_owned()), ..Proxies::default() };
        assert!(!format!("{proxies:?}").contains("secret"));
    }
}
