//! From a host's name to its addresses without the C library, whose look-up loads modules of the machine into a program
//! that has none of it: /etc/hosts, then the name servers of /etc/resolv.conf.

use crate::dns::{self, Answer, Kind};
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// More addresses of one host are not tried.
const MOST: usize = 16;

/// Looks names up.
#[derive(Debug)]
pub struct Names {
    etc: PathBuf,
}

/// resolv.conf(5).
#[derive(Debug, PartialEq, Eq)]
struct Conf {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    ndots: usize,
    timeout: Duration,
    attempts: u32,
}

impl Names {
    /// With the files of this directory, which is /etc.
    pub fn new(etc: &Path) -> Self {
        Self { etc: etc.to_owned() }
    }

    fn addresses(&self, host: &str, patience: Duration) -> Result<Vec<IpAddr>, ureq::Error> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Ok(vec![address]);
        }
        let read = |name: &str| std::fs::read_to_string(self.etc.join(name)).unwrap_or_default();
        let known = in_hosts(&read("hosts"), bare);
        if !known.is_empty() {
            return Ok(known);
        }
        // RFC 6761, section 6.3: never asked for.
        if crate::url::is_loopback(bare) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let conf = Conf::read(&read("resolv.conf"));
        let end = Instant::now() + patience;
        for name in conf.names(bare) {
            let found = conf.ask(&name, end)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Err(ureq::Error::HostNotFound)
    }
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let own = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let patience = timeout.not_zero().map_or(Duration::from_secs(20), |limit| (*limit).min(Duration::from_mins(1)));
        let mut found = self.empty();
        for address in self.addresses(host, patience)?.into_iter().take(MOST) {
            found.push(SocketAddr::new(address, uri.port_u16().unwrap_or(own)));
        }
        Ok(found)
    }
}

fn in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let addresses = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|own| own.eq_ignore_ascii_case(name)).then_some(address)
    });
    addresses.collect()
}

impl Conf {
    fn read(text: &str) -> Self {
        let mut conf =
            Self { servers: Vec::new(), search: Vec::new(), ndots: 1, timeout: Duration::from_secs(5), attempts: 2 };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                // A link-local address has its interface behind a %, which only the C library's own form can hold.
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.split('%').next()?.parse().ok());
                    conf.servers.extend(address.map(|address: IpAddr| SocketAddr::new(address, 53)));
                }
                Some("search" | "domain") => conf.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    for word in words {
                        match word.split_once(':').map(|(name, value)| (name, value.parse::<u32>())) {
                            Some(("ndots", Ok(value))) => conf.ndots = value.min(15) as usize,
                            Some(("timeout", Ok(value))) => {
                                conf.timeout = Duration::from_secs(value.clamp(1, 30).into());
                            }
                            Some(("attempts", Ok(value))) => conf.attempts = value.clamp(1, 5),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if conf.servers.is_empty() {
            conf.servers.push((Ipv4Addr::LOCALHOST, 53).into());
        }
        conf.servers.truncate(3);
        conf
    }

    /// The names to ask for, in order.
    fn names(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let mut names: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let at = if name.matches('.').count() >= self.ndots { 0 } else { names.len() };
        names.insert(at, name.to_owned());
        names
    }

    /// A name's addresses, those first that there is a way to.
    fn ask(&self, name: &str, end: Instant) -> Result<Vec<IpAddr>, ureq::Error> {
        let mut addresses = Vec::new();
        for kind in [Kind::A, Kind::Aaaa] {
            let Some(answer) = self.ask_for(name, kind, end) else {
                if addresses.is_empty() {
                    let silent =
                        std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no name server answers for {name}"));
                    return Err(ureq::Error::Io(silent));
                }
                break;
            };
            match answer {
                Answer::NoName => break,
                Answer::Addresses(found) => addresses.extend(found),
                Answer::Truncated | Answer::Failed => {}
            }
        }
        // Not all that have an IPv6 address for a host have a way to it.
        addresses.sort_by_key(|address| !has_route(*address));
        Ok(addresses)
    }

    fn ask_for(&self, name: &str, kind: Kind, end: Instant) -> Option<Answer> {
        let noise = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
        let question = dns::question((noise >> 4) as u16, name, kind)?;
        let mut failed = None;
        for _ in 0..self.attempts {
            for server in &self.servers {
                let limit = self.timeout.min(end.saturating_duration_since(Instant::now()));
                if limit < Duration::from_millis(1) {
                    return failed;
                }
                let answer = match by_datagram(*server, &question, limit) {
                    Some(Answer::Truncated) => by_stream(*server, &question, limit),
                    other => other,
                };
                match answer {
                    Some(Answer::Failed | Answer::Truncated) => failed = answer,
                    Some(answer) => return Some(answer),
                    None => {}
                }
            }
        }
        failed
    }
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 }
}

/// A connected socket takes datagrams from nobody else.
fn socket_to(server: SocketAddr) -> rustix::io::Result<rustix::fd::OwnedFd> {
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family(server.ip()), SocketType::DGRAM, flags, None)?;
    rustix::net::connect(&socket, &server)?;
    Ok(socket)
}

fn has_route(address: IpAddr) -> bool {
    socket_to(SocketAddr::new(address, 53)).is_ok()
}

fn by_datagram(server: SocketAddr, question: &[u8], limit: Duration) -> Option<Answer> {
    let socket = socket_to(server).ok()?;
    rustix::net::send(&socket, question, rustix::net::SendFlags::empty()).ok()?;
    let end = Instant::now() + limit;
    let mut message = [0; 4096];
    loop {
        let left = end.checked_duration_since(Instant::now()).filter(|left| left.as_millis() > 0)?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(left)).ok()?;
        let (length, _) = rustix::net::recv(&socket, &mut message[..], rustix::net::RecvFlags::empty()).ok()?;
        // Something that does not fit may be an attacker's guess: the answer may still come.
        if let Some(answer) = dns::answer(question, &message[..length]) {
            return Some(answer);
        }
    }
}

fn by_stream(server: SocketAddr, question: &[u8], limit: Duration) -> Option<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, limit).ok()?;
    stream.set_read_timeout(Some(limit)).ok()?;
    stream.set_write_timeout(Some(limit)).ok()?;
    let mut message = (question.len() as u16).to_be_bytes().to_vec();
    message.extend(question);
    stream.write_all(&message).ok()?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).ok()?;
    dns::answer(question, &message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_literal_addresses_need_no_server() {
        let etc = tempfile::tempdir().unwrap();
        std::fs::write(etc.path().join("hosts"), "10.0.0.1 a.example A # b.example\n::2 a.example\n").unwrap();
        let names = Names::new(etc.path());
        let addresses = |host: &str| names.addresses(host, Duration::from_secs(1)).unwrap();
        assert_eq!(addresses("A.example"), ["10.0.0.1", "::2"].map(|text| text.parse::<IpAddr>().unwrap()));
        assert_eq!(addresses("[::1]"), [IpAddr::from(Ipv6Addr::LOCALHOST)]);
        assert_eq!(addresses("localhost")[0], IpAddr::from(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn resolv_conf_says_whom_and_what_to_ask() {
        let conf = Conf::read(
            "nameserver 10.0.0.53\nnameserver fe80::1%eth0\nsearch a.example b\noptions ndots:2 timeout:1 edns0\n",
        );
        assert_eq!(conf.servers.len(), 2);
        assert_eq!((conf.ndots, conf.timeout), (2, Duration::from_secs(1)));
        assert_eq!(conf.names("r.io"), ["r.io.a.example", "r.io.b", "r.io"]);
        assert_eq!(conf.names("x.r.io"), ["x.r.io", "x.r.io.a.example", "x.r.io.b"]);
        assert_eq!(conf.names("r.io."), ["r.io."]);
        assert_eq!(Conf::read("").servers, [SocketAddr::from((Ipv4Addr::LOCALHOST, 53))]);
    }

    #[test]
    fn a_name_server_is_asked() {
        // One that knows a single name, on a port of its own.
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let server = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
        let thread = std::thread::spawn(move || {
            for _ in 0..2 {
                let mut message = [0; 512];
                let (length, _, from) =
                    rustix::net::recvfrom(&socket, &mut message[..], rustix::net::RecvFlags::empty()).unwrap();
                let mut reply = message[..length].to_vec();
                reply[2] = 0x81;
                if reply[length - 3] == 1 {
                    reply[7] = 1;
                    reply.extend([192, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 9]);
                }
                // What does not answer the question comes first.
                let mut guess = reply.clone();
                guess[0] ^= 1;
                for message in [guess, reply] {
                    rustix::net::sendto(&socket, &message, rustix::net::SendFlags::empty(), &from.clone().unwrap())
                        .unwrap();
                }
            }
        });
        let conf = Conf { servers: vec![server], ..Conf::read("options timeout:2") };
        let found = conf.ask("r.example", Instant::now() + Duration::from_secs(5)).unwrap();
        assert_eq!(found, [IpAddr::from([192, 0, 2, 9])]);
        thread.join().unwrap();
    }
}
