//! The contents of `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`.

use crate::config::{DnsOption, HostEntry, NetworkMode, SearchDomains, ViewConfig};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

/// `/etc/hosts`: the user's entries, then localhost, then the container's own names, as podman has it. A name that
/// stands above is not repeated below, so that the user's word counts.
///
/// On the host's network `base` is the host's own file, whose entries come next to the user's.
pub fn hosts(view: &ViewConfig, host_name: &str, name: &str, base: &str) -> String {
    let mut content = String::new();
    let mut known: Vec<String> = Vec::new();
    for HostEntry { names, address } in &view.hosts {
        line(&mut content, *address, names.iter().map(String::as_str));
        known.extend(names.iter().cloned());
    }
    let on_host = view.network == Some(NetworkMode::Host);
    if on_host {
        for entry in base.lines() {
            let entry = entry.split('#').next().unwrap_or("");
            let mut fields = entry.split_whitespace();
            let Some(address) = fields.next().and_then(|address| address.parse().ok()) else { continue };
            let names: Vec<&str> = fields.collect();
            if !names.is_empty() {
                line(&mut content, address, names.iter().copied());
                known.extend(names.iter().map(|name| (*name).to_owned()));
            }
        }
    }
    let mut own = |address: IpAddr, names: &[&str]| {
        let mut free: Vec<&str> = Vec::new();
        for name in names {
            if !known.iter().any(|known| known == name) && !free.contains(name) {
                free.push(name);
            }
        }
        if !free.is_empty() {
            line(&mut content, address, free.iter().copied());
        }
    };
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    own(loopback, &["localhost"]);
    own(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), &["localhost"]);
    // Who is in a network gets a line for each address there, when that is known.
    if !on_host && !matches!(view.network, Some(NetworkMode::Networks(_))) {
        own(loopback, &[host_name, name]);
    }
    content
}

fn line<'a>(content: &mut String, address: IpAddr, names: impl Iterator<Item = &'a str>) {
    _ = write!(content, "{address}\t");
    let names: Vec<&str> = names.collect();
    _ = writeln!(content, "{}", names.join(" "));
}

/// `/etc/hostname`.
pub fn hostname(name: &str) -> String {
    format!("{name}\n")
}

/// `/etc/resolv.conf` from the host's: what the user gave stands in for the host's servers, search list and options.
///
/// Without the host's network the host's own loopback cannot be reached, so that servers on it are left out. Docker
/// and podman then put in a public server; here none is put in, because nobody asked for questions to go there, and a
/// container without a network reaches none anyway. Where its networks tell names, the resolver of ours is the one server,
/// which asks this machine's, and a name of one word is asked for as it is. `upstream` is the file that a local stub resolver writes for this
/// purpose (systemd-resolved's `/run/systemd/resolve/resolv.conf`), used when the host's only servers are local.
pub fn resolv_conf(view: &ViewConfig, host: &str, upstream: Option<&str>, resolver: Option<IpAddr>) -> String {
    let on_host = view.network == Some(NetworkMode::Host);
    let mut base = ResolvConf::read(host);
    if !on_host && base.servers_are_local() {
        if let Some(upstream) = upstream {
            base.servers = ResolvConf::read(upstream).servers;
        }
        base.servers.retain(|server| !is_local(server));
    } else if !on_host {
        base.servers.retain(|server| !is_local(server));
    }
    if let Some(resolver) = resolver {
        base.servers = vec![resolver.to_string()];
        base.options.retain(|option| !option.starts_with("ndots:") && option != "edns0" && option != "trust-ad");
        base.options.push("ndots:0".to_owned());
    }
    if !view.dns.is_empty() {
        base.servers = view.dns.iter().map(ToString::to_string).collect();
    }
    match &view.dns_search {
        None => {}
        Some(SearchDomains::Nothing) => base.search.clear(),
        Some(SearchDomains::These(domains)) => base.search.clone_from(domains),
    }
    if !view.dns_options.is_empty() {
        base.options = view.dns_options.iter().map(|option: &DnsOption| option.as_str().to_owned()).collect();
    }
    base.write()
}

/// What resolv.conf(5) says that is kept.
#[derive(Default)]
struct ResolvConf {
    servers: Vec<String>,
    search: Vec<String>,
    options: Vec<String>,
}

impl ResolvConf {
    /// Of several `search` lines the last counts, as for the resolver; `domain` is its old form.
    fn read(content: &str) -> Self {
        let mut read = Self::default();
        for line in content.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or("").split_whitespace();
            match words.next() {
                Some("nameserver") => read.servers.extend(words.next().map(str::to_owned)),
                Some("search" | "domain") => read.search = words.map(str::to_owned).collect(),
                Some("options") => read.options.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        read
    }

    fn servers_are_local(&self) -> bool {
        !self.servers.is_empty() && self.servers.iter().all(|server| is_local(server))
    }

    fn write(&self) -> String {
        let mut content = String::new();
        if !self.search.is_empty() {
            _ = writeln!(content, "search {}", self.search.join(" "));
        }
        for server in &self.servers {
            _ = writeln!(content, "nameserver {server}");
        }
        if !self.options.is_empty() {
            _ = writeln!(content, "options {}", self.options.join(" "));
        }
        content
    }
}

/// An address that only the host itself can reach: loopback, and a link-local one whose zone is an interface of the
/// host.
fn is_local(server: &str) -> bool {
    server.contains('%') || server.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags;

    fn view(network: Option<NetworkMode>) -> ViewConfig {
        ViewConfig { network, ..ViewConfig::default() }
    }

    #[test]
    fn hosts_names_localhost_and_the_container() {
        let content = hosts(&view(None), "abc", "web", "10.9.9.9 ignored\n");
        assert_eq!(content, "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.0.1\tabc web\n");
    }

    #[test]
    fn the_users_hosts_come_first_and_win() {
        let mut asked = view(None);
        asked.hosts =
            vec![flags::host_entry("web:10.0.0.5").unwrap(), flags::host_entry("localhost:10.0.0.6").unwrap()];
        let content = hosts(&asked, "abc", "web", "");
        assert_eq!(content, "10.0.0.5\tweb\n10.0.0.6\tlocalhost\n127.0.0.1\tabc\n");
    }

    #[test]
    fn on_the_hosts_network_the_hosts_names_hold() {
        let base = "127.0.0.1 localhost\n10.1.1.1 db db.example # main\nnonsense\n::1 ip6-localhost\n";
        let content = hosts(&view(Some(NetworkMode::Host)), "vm", "web", base);
        assert_eq!(content, "127.0.0.1\tlocalhost\n10.1.1.1\tdb db.example\n::1\tip6-localhost\n");
    }

    const HOST: &str = "# by hand\nsearch example.org\nnameserver 127.0.0.53\nnameserver 10.0.0.2\noptions edns0\n";

    #[test]
    fn the_hosts_servers_are_taken_but_not_those_on_its_loopback() {
        let content = resolv_conf(&view(None), HOST, None, None);
        assert_eq!(content, "search example.org\nnameserver 10.0.0.2\noptions edns0\n");
        assert!(resolv_conf(&view(Some(NetworkMode::Host)), HOST, None, None).contains("127.0.0.53"));
        assert_eq!(resolv_conf(&view(None), "nameserver ::1\nnameserver fe80::1%eth0\n", None, None), "");
    }

    #[test]
    fn behind_a_stub_the_servers_that_it_asks_are_taken() {
        let stub = "nameserver 127.0.0.53\noptions edns0\n";
        let content = resolv_conf(&view(None), stub, Some("nameserver 192.0.2.1\nsearch x\n"), None);
        assert_eq!(content, "nameserver 192.0.2.1\noptions edns0\n");
    }

    #[test]
    fn what_the_user_gives_replaces_the_hosts() {
        let mut asked = view(None);
        asked.dns = vec!["192.0.2.7".parse().unwrap()];
        asked.dns_search = flags::search_domains(["a.example", "b.example"]).unwrap();
        asked.dns_options = vec!["ndots:2".parse().unwrap()];
        let expected = "search a.example b.example\nnameserver 192.0.2.7\noptions ndots:2\n";
        assert_eq!(resolv_conf(&asked, HOST, None, None), expected);
        asked.dns_search = Some(SearchDomains::Nothing);
        assert!(!resolv_conf(&asked, HOST, None, None).contains("search"));
    }
}
