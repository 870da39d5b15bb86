//! Sockets of the Internet that stand between two others: datagrams with the address that they were sent to (ip(7),
//! `IP_PKTINFO`), and connections that come from somebody else's address (`IP_TRANSPARENT`).

use crate::call::call;
use crate::{Error, Result, nr};
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

const SOL_SOCKET: usize = 1;
const SOL_IP: usize = 0;
const SOL_IPV6: usize = 41;

/// Sets an option whose value is a number.
fn set(socket: impl AsFd, level: usize, option: usize, value: u32) -> Result<()> {
    let fd = socket.as_fd().as_raw_fd() as usize;
    let value = &raw const value;
    // SAFETY: the kernel reads these four bytes.
    unsafe { call(nr::setsockopt, [fd, level, option, value as usize, size_of::<u32>(), 0]) }
        .map(drop)
        .map_err(|errno| Error::new("setsockopt", option.to_string(), errno))
}

/// A socket may be bound to an address that is nobody's here, and has a mark on all that it sends, by which the answers
/// are led back (`SO_MARK`). Needs `CAP_NET_ADMIN` over its network namespace.
pub fn stand_in(socket: impl AsFd, ipv6: bool, mark: u32) -> Result<()> {
    const SO_MARK: usize = 36;
    const IP_TRANSPARENT: usize = 19;
    const IPV6_TRANSPARENT: usize = 75;
    let (level, option) = if ipv6 { (SOL_IPV6, IPV6_TRANSPARENT) } else { (SOL_IP, IP_TRANSPARENT) };
    set(&socket, level, option, 1)?;
    set(&socket, SOL_SOCKET, SO_MARK, mark)
}

/// Has a socket of datagrams tell the address that each was sent to.
pub fn tell_target(socket: impl AsFd, ipv6: bool) -> Result<()> {
    const IP_PKTINFO: usize = 8;
    const IPV6_RECVPKTINFO: usize = 49;
    if ipv6 { set(socket, SOL_IPV6, IPV6_RECVPKTINFO, 1) } else { set(socket, SOL_IP, IP_PKTINFO, 1) }
}

/// A datagram that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    /// Its length in bytes.
    pub length: usize,
    /// Who has sent it.
    pub from: SocketAddr,
    /// The address of this machine that it was sent to.
    pub to: IpAddr,
}

/// `struct msghdr`.
#[repr(C)]
struct Message {
    name: usize,
    name_length: u32,
    parts: usize,
    parts_count: usize,
    control: usize,
    control_length: usize,
    flags: u32,
}

/// `struct iovec`.
#[repr(C)]
struct Part {
    base: usize,
    length: usize,
}

/// `struct cmsghdr`, and room for the larger of both kinds of it.
#[repr(C, align(8))]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    data: [u8; 24],
}

/// A head of 16 bytes.
const HEAD: usize = 16;
/// `struct in_pktinfo`: a device, the address that it came to by, that in the packet.
const INFO4: usize = 12;
/// `struct in6_pktinfo`: the address, a device.
const INFO6: usize = 20;
const IP_PKTINFO: i32 = 8;
const IPV6_PKTINFO: i32 = 50;

const DONTWAIT: usize = 0x40;
const NOSIGNAL: usize = 0x4000;

/// Takes a datagram from a socket that [`tell_target`] was said of; `None` if none is there.
pub fn receive(socket: impl AsFd, bytes: &mut [u8]) -> Result<Option<Datagram>> {
    let mut name = [0_u8; 28];
    let mut part = Part { base: bytes.as_mut_ptr() as usize, length: bytes.len() };
    let mut control = Control { length: 0, level: 0, kind: 0, data: [0; 24] };
    let mut message = Message {
        name: name.as_mut_ptr() as usize,
        name_length: name.len() as u32,
        parts: &raw mut part as usize,
        parts_count: 1,
        control: &raw mut control as usize,
        control_length: size_of::<Control>(),
        flags: 0,
    };
    let fd = socket.as_fd().as_raw_fd() as usize;
    // SAFETY: the kernel writes to these locals and to `bytes`, as far as their lengths say.
    let received = unsafe { call(nr::recvmsg, [fd, &raw mut message as usize, DONTWAIT, 0, 0, 0]) };
    let length = match received {
        Ok(length) => length,
        Err(rustix::io::Errno::AGAIN) => return Ok(None),
        Err(errno) => return Err(Error::new("recvmsg", "", errno)),
    };
    let octets = |data: &[u8; 24], at: usize| [data[at], data[at + 1], data[at + 2], data[at + 3]];
    let to = match (control.level as usize, control.kind) {
        (SOL_IP, IP_PKTINFO) => Some(IpAddr::V4(octets(&control.data, 8).into())),
        (SOL_IPV6, IPV6_PKTINFO) => control.data.first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))),
        _ => None,
    };
    let malformed = || Error::new("recvmsg", "its address", rustix::io::Errno::INVAL);
    let from = read(&name).ok_or_else(malformed)?;
    Ok(Some(Datagram { length, from, to: to.ok_or_else(malformed)? }))
}

/// Sends a datagram from one of the addresses of a socket that is bound to all. It is lost if there is no room for it.
pub fn send(socket: impl AsFd, bytes: &[u8], to: SocketAddr, from: IpAddr) -> Result<()> {
    let name = written(to);
    let part = Part { base: bytes.as_ptr() as usize, length: bytes.len() };
    let mut control = Control { length: 0, level: 0, kind: 0, data: [0; 24] };
    match from {
        IpAddr::V4(from) => {
            (control.length, control.level, control.kind) = (HEAD + INFO4, SOL_IP as i32, IP_PKTINFO);
            control.data[4..8].copy_from_slice(&from.octets());
        }
        IpAddr::V6(from) => {
            (control.length, control.level, control.kind) = (HEAD + INFO6, SOL_IPV6 as i32, IPV6_PKTINFO);
            control.data[..16].copy_from_slice(&from.octets());
        }
    }
    let message = Message {
        name: name.as_ptr() as usize,
        name_length: if to.is_ipv6() { 28 } else { 16 },
        parts: &raw const part as usize,
        parts_count: 1,
        control: &raw const control as usize,
        control_length: control.length.next_multiple_of(8),
        flags: 0,
    };
    let fd = socket.as_fd().as_raw_fd() as usize;
    // SAFETY: the kernel reads these locals and `bytes`, as far as their lengths say.
    unsafe { call(nr::sendmsg, [fd, &raw const message as usize, DONTWAIT | NOSIGNAL, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("sendmsg", to.to_string(), errno))
}

/// Reads a `struct sockaddr_in` or `sockaddr_in6`.
fn read(name: &[u8; 28]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes([name[2], name[3]]);
    match u16::from_ne_bytes([name[0], name[1]]) {
        2 => Some(SocketAddr::new(Ipv4Addr::new(name[4], name[5], name[6], name[7]).into(), port)),
        10 => {
            let octets: [u8; 16] = name.get(8..24)?.try_into().ok()?;
            let scope = u32::from_ne_bytes(name.get(24..28)?.try_into().ok()?);
            Some(std::net::SocketAddrV6::new(octets.into(), port, 0, scope).into())
        }
        _ => None,
    }
}

fn written(address: SocketAddr) -> [u8; 28] {
    let mut name = [0; 28];
    name[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address {
        SocketAddr::V4(address) => {
            name[..2].copy_from_slice(&2_u16.to_ne_bytes());
            name[4..8].copy_from_slice(&address.ip().octets());
        }
        SocketAddr::V6(address) => {
            name[..2].copy_from_slice(&10_u16.to_ne_bytes());
            name[8..24].copy_from_slice(&address.ip().octets());
            name[24..].copy_from_slice(&address.scope_id().to_ne_bytes());
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_datagram_tells_where_it_was_sent_to_and_is_answered_from_there() {
        for (any, at) in [("0.0.0.0:0", "127.0.0.9"), ("[::]:0", "::1")] {
            let socket = UdpSocket::bind(any).expect("a socket");
            let at: IpAddr = at.parse().expect("an address");
            tell_target(&socket, at.is_ipv6()).expect("the option");
            let mut bytes = [0; 100];
            assert_eq!(receive(&socket, &mut bytes).expect("a look"), None);
            let port = socket.local_addr().expect("its address").port();
            let other = UdpSocket::bind(any).expect("a socket");
            other.send_to(b"there", (at, port)).expect("a datagram");
            let got = receive(&socket, &mut bytes).expect("a look").expect("a datagram");
            assert_eq!((&bytes[..got.length], got.to), (b"there".as_slice(), at));
            assert_eq!(got.from.port(), other.local_addr().expect("its address").port());
            send(&socket, b"back", got.from, got.to).expect("an answer");
            let (length, from) = other.recv_from(&mut bytes).expect("an answer");
            assert_eq!((&bytes[..length], from), (b"back".as_slice(), SocketAddr::new(at, port)));
        }
    }
}
