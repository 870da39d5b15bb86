//! Who can reach a published port: said to whoever publishes one at a terminal, so that none is open to the world by
//! accident.

use engine::config::PortRequest;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::net::IpAddr;

/// Says it on standard error, where that is a terminal. `passed`: the machine's own rules for what comes in count.
pub fn tell(ports: &[PortRequest], passed: bool) {
    let stderr = std::io::stderr();
    if stderr.is_terminal() {
        _ = (&stderr).write_all(words(ports, passed).as_bytes());
    }
}

/// How many are named.
const MOST: usize = 4;

/// A line for each kind of them.
fn words(ports: &[PortRequest], passed: bool) -> String {
    let mut audiences: BTreeMap<String, Vec<&PortRequest>> = BTreeMap::new();
    for port in ports {
        audiences.entry(audience(port.at, passed)).or_default().push(port);
    }
    let mut text = String::new();
    for (audience, ports) in audiences {
        let names: Vec<String> = ports.iter().take(MOST).map(|port| name(port)).collect();
        let _ = write!(text, "coracle: open to {audience}: {}", names.join(", "));
        if ports.len() > MOST {
            let _ = write!(text, " and {} more", ports.len() - MOST);
        }
        if let Some(port) = ports.first().filter(|port| port.at.is_none() && !passed) {
            let host = port.host.map(range).unwrap_or_default();
            let _ = write!(text, " (with -p 127.0.0.1:{host}:{} to this machine alone)", port.inside);
        }
        text.push('\n');
    }
    text
}

fn audience(at: Option<IpAddr>, passed: bool) -> String {
    let rules = if passed { ", as far as this machine's own rules let him in" } else { "" };
    match at {
        Some(at) if at.is_loopback() => "this machine alone".to_owned(),
        Some(at) if !at.is_unspecified() => format!("everybody who reaches {at}{rules}"),
        _ => format!("everybody who reaches this machine{rules}"),
    }
}

fn name(port: &PortRequest) -> String {
    match port.host {
        Some(host) => format!("port {}/{}", range(host), port.protocol),
        None => format!("a free port for {}/{}", port.inside, port.protocol),
    }
}

fn range((first, last): (u16, u16)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reaches_a_port_is_said_by_where_it_is_published() {
        let ports =
            |text: &str| text.split(' ').flat_map(|word| engine::flags::publish(word).expect("ports")).collect();
        let words = |text: &str, passed| {
            let ports: Vec<PortRequest> = ports(text);
            words(&ports, passed)
        };
        assert_eq!(
            words("8080:80 127.0.0.1:81:81 53:53/udp 80", false),
            "coracle: open to everybody who reaches this machine: port 8080/tcp, port 53/udp, a free port for 80/tcp (with \
             -p 127.0.0.1:8080:80 to this machine alone)\n\
             coracle: open to this machine alone: port 81/tcp\n"
        );
        assert_eq!(
            words("192.0.2.1:1-9:1-9", false),
            "coracle: open to everybody who reaches 192.0.2.1: port 1/tcp, port 2/tcp, port 3/tcp, port 4/tcp and 5 more\n"
        );
        assert!(words("8080:80", true).contains("as far as this machine's own rules let him in: port 8080/tcp\n"));
    }
}
