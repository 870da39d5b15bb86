//! `--network`, `--publish`, `--expose`, `--mac-address`.

use super::Invalid;
use super::namespace::path;
use crate::config::{Joined, NetworkMode, PortRequest, Protocol};
use std::net::IpAddr;
use std::str::FromStr;

impl FromStr for NetworkMode {
    type Err = Invalid;

    /// A mode, or a network: `NAME`, podman's `NAME:ip=…,alias=…`, docker's `name=NAME,ip=…,alias=…`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "none" | "private" => return Ok(Self::None),
            "host" => return Ok(Self::Host),
            "pasta" => return Ok(Self::Pasta),
            "default" => return Ok(Self::of(network::DEFAULT)),
            _ => {}
        }
        if let Some(path) = path(text) {
            return path.map(Self::Path);
        }
        if let Some(container) = text.strip_prefix("container:") {
            let hint = "write container:NAME, with the name or id of a container that runs";
            return if container.is_empty() {
                Err(Invalid::new(text, "no container is named").hint(hint))
            } else {
                Ok(Self::Container(container.to_owned()))
            };
        }
        joined(text).map(|joined| Self::Networks(vec![joined]))
    }
}

fn joined(text: &str) -> Result<Joined, Invalid> {
    // A word of options alone is docker's form; an address in it may have colons.
    let (name, options) = match text.split_once(':') {
        Some((name, options)) if !name.contains('=') => (Some(name), options),
        None if !text.contains('=') => (Some(text), ""),
        _ => (None, text),
    };
    let mut joined = Joined { network: name.unwrap_or_default().to_owned(), ..Joined::default() };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key {
            "name" if name.is_none() => value.clone_into(&mut joined.network),
            "alias" => joined.aliases.push(host_label(value)?),
            "ip" | "ip6" => joined.addresses.push(address(value)?),
            "mac" | "mac-address" | "mac_address" => joined.mac = Some(mac_address(value)?),
            "interface_name" | "interface-name" | "driver-opt=com.docker.network.endpoint.ifname" => {
                joined.interface = Some(interface(value)?);
            }
            _ => {
                let known = ["name", "alias", "ip", "ip6", "mac", "interface_name"];
                let list = "they are name, alias, ip, ip6, mac, interface_name";
                return Err(Invalid::new(option, "no such option of a network").suggest(key, known, Some(list)));
            }
        }
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if !joined.network.starts_with(|c: char| c.is_ascii_alphanumeric()) || !joined.network.chars().all(plain) {
        let hint = "give none, host, container:NAME, ns:PATH, or the name of a network";
        return Err(Invalid::new(text, "no network can have this name").hint(hint));
    }
    Ok(joined)
}

/// An address of a container.
pub fn address(text: &str) -> Result<IpAddr, Invalid> {
    text.parse().map_err(|_| Invalid::new(text, "not an IP address").hint("give one such as 10.64.0.7 or fd00::7"))
}

/// A hardware address of one device.
pub fn mac_address(text: &str) -> Result<network::Mac, Invalid> {
    let hint = "give one such as 92:d0:c6:0a:29:33, of one device: the first byte is even";
    network::parse_mac(text).ok_or_else(|| Invalid::new(text, "not a hardware address").hint(hint))
}

/// A name that others call a container by.
pub fn host_label(text: &str) -> Result<String, Invalid> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if (1..=253).contains(&text.len()) && text.chars().all(good) && !text.starts_with(['.', '-']) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Invalid::new(text, "not a host name").hint("give letters, digits, - and ."))
}

fn interface(text: &str) -> Result<String, Invalid> {
    let good = |c: char| c.is_ascii_graphic() && c != '/' && c != ':' && c != '%';
    if (1..=15).contains(&text.len()) && text.chars().all(good) && text != "." && text != ".." && text != "lo" {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(text, "not a name for a device").hint("give at most 15 letters and digits, such as eth0"))
}

/// `[[IP:][HOST]:]CONTAINER[/PROTOCOL]`, where both ports may be ranges.
pub fn publish(text: &str) -> Result<Vec<PortRequest>, Invalid> {
    let wrong = |what: &'static str| {
        Invalid::new(text, what).hint("write [[IP:]PORT:]PORT[/udp], such as 8080:80 or 127.0.0.1:8080:80")
    };
    let (ports, protocol) = protocol(text)?;
    let (rest, inside) = ports.rsplit_once(':').unwrap_or(("", ports));
    let (at, host) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((at, host)) => (at, host.strip_prefix(':').unwrap_or(host)),
        None => rest.rsplit_once(':').unwrap_or(if rest.parse::<IpAddr>().is_ok() { (rest, "") } else { ("", rest) }),
    };
    let at = match at {
        "" => None,
        at => Some(at.parse().map_err(|_| wrong("not an address of this machine"))?),
    };
    let inside = range(inside).ok_or_else(|| wrong("not a port of the container"))?;
    let host = match host {
        "" => None,
        host => Some(range(host).ok_or_else(|| wrong("not a port of this machine"))?),
    };
    let count = inside.1 - inside.0;
    let one = |number: u16, host| PortRequest { at, host, inside: inside.0 + number, protocol };
    match host {
        None => Ok((0..=count).map(|number| one(number, None)).collect()),
        Some(host) if host.1 - host.0 == count => {
            Ok((0..=count).map(|number| one(number, Some((host.0 + number, host.0 + number)))).collect())
        }
        Some(host) if count == 0 => Ok(vec![one(0, Some(host))]),
        Some(_) => Err(wrong("the ranges have different lengths")),
    }
}

/// `--publish-policy`: whether a process passes ports on, so that the machine's own rules for what comes in count.
pub fn publish_policy(text: &str) -> Result<bool, Invalid> {
    match text {
        "open" => Ok(false),
        "host" => Ok(true),
        _ => Err(Invalid::new(text, "no such policy").hint("open or host")),
    }
}

/// `PORT[-PORT][/PROTOCOL]`.
pub fn expose(text: &str) -> Result<Vec<(u16, Protocol)>, Invalid> {
    let (ports, protocol) = protocol(text)?;
    let hint = "write PORT, PORT-PORT or PORT/udp";
    let (first, last) = range(ports).ok_or_else(|| Invalid::new(text, "not a port").hint(hint))?;
    Ok((first..=last).map(|port| (port, protocol)).collect())
}

fn protocol(text: &str) -> Result<(&str, Protocol), Invalid> {
    let Some((ports, name)) = text.split_once('/') else { return Ok((text, Protocol::Tcp)) };
    let parsed = name.to_ascii_lowercase().parse();
    let protocol = parsed.map_err(|()| Invalid::new(text, "no such protocol").hint("it is tcp, udp or sctp"))?;
    Ok((ports, protocol))
}

fn range(text: &str) -> Option<(u16, u16)> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0 && !text.starts_with('+'));
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let one = |port: PortRequest| {
            let at = port.at.map(|at| at.to_string()).unwrap_or_default();
            let host = port.host.map(|(first, last)| format!("{first}-{last}")).unwrap_or_default();
            format!("{at}|{host}|{}|{}", port.inside, port.protocol)
        };
        publish(text).map(|ports| ports.into_iter().map(one).collect()).unwrap_or_default()
    }

    #[test]
    fn ports_are_read_in_every_form() {
        assert_eq!(shown("80"), ["||80|tcp"]);
        assert_eq!(shown("8080:80"), ["|8080-8080|80|tcp"]);
        assert_eq!(shown("8080:80/udp"), ["|8080-8080|80|udp"]);
        assert_eq!(shown("127.0.0.1:8080:80"), ["127.0.0.1|8080-8080|80|tcp"]);
        assert_eq!(shown("127.0.0.1::80"), ["127.0.0.1||80|tcp"]);
        assert_eq!(shown("[::1]:8080:80"), ["::1|8080-8080|80|tcp"]);
        assert_eq!(shown("[::1]::80/sctp"), ["::1||80|sctp"]);
        assert_eq!(shown("8000-8001:80-81"), ["|8000-8000|80|tcp", "|8001-8001|81|tcp"]);
        assert_eq!(shown("8000-8010:80"), ["|8000-8010|80|tcp"]);
        assert_eq!(shown("80-81"), ["||80|tcp", "||81|tcp"]);
        for text in
            ["", "x", "0", "70000", "80:", "80:0", "1:2:3", "8000-8001:80-82", "9-8:1-2", "80/icmp", "+80", "a:1:2"]
        {
            assert!(publish(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_are_read_as_both_engines_write_them() {
        let read = |text: &str| text.parse::<NetworkMode>();
        let wanted = Joined {
            network: "web".to_owned(),
            aliases: vec!["a".to_owned(), "b".to_owned()],
            addresses: vec![IpAddr::from([10, 65, 0, 9])],
            mac: network::parse_mac("92:d0:c6:0a:29:33"),
            interface: Some("net0".to_owned()),
        };
        let options = "alias=a,alias=b,ip=10.65.0.9,mac=92:d0:c6:0a:29:33,interface_name=net0";
        assert_eq!(read(&format!("web:{options}")), Ok(NetworkMode::Networks(vec![wanted.clone()])));
        let options = options.replace("mac=", "mac-address=");
        assert_eq!(read(&format!("name=web,{options}")), Ok(NetworkMode::Networks(vec![wanted])));
        assert_eq!(read("container:db"), Ok(NetworkMode::Container("db".to_owned())));
        for text in ["", "container:", "a/b", "web:ip=x", "web:mac=01:00:00:00:00:00", "web:what=1", "name=", "-x"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn exposed_ports_are_single_ones_and_ranges() {
        assert_eq!(expose("80-82/udp").unwrap(), [(80, Protocol::Udp), (81, Protocol::Udp), (82, Protocol::Udp)]);
        assert!(expose("82-80").is_err() && expose("").is_err());
    }
}
