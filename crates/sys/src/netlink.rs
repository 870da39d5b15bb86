//! Netlink sockets: requests that are recorded, answers of whatever length.

use crate::call::call;
use crate::{Error, Result, nr};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, socket_with};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// A netlink socket of this process's network namespace, which says in words what it refuses (`NETLINK_EXT_ACK`) without
/// repeating the request (`NETLINK_CAP_ACK`).
pub fn open() -> Result<OwnedFd> {
    /// `NETLINK_ROUTE` is protocol 0, which `None` stands for.
    const ROUTE: Option<Protocol> = None;
    open_for(ROUTE, "NETLINK_ROUTE")
}

/// The same for the packet filter.
pub fn open_netfilter() -> Result<OwnedFd> {
    open_for(Some(rustix::net::netlink::NETFILTER), "NETLINK_NETFILTER")
}

fn open_for(protocol: Option<Protocol>, name: &str) -> Result<OwnedFd> {
    const SOL_NETLINK: usize = 270;
    const CAP_ACK: usize = 10;
    const EXT_ACK: usize = 11;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
        .map_err(|errno| Error::new("socket", format!("AF_NETLINK, SOCK_RAW, {name}"), errno))?;
    let on = 1_u32;
    for option in [CAP_ACK, EXT_ACK] {
        let fd = socket.as_raw_fd() as usize;
        // SAFETY: the kernel reads one word.
        unsafe { call(nr::setsockopt, [fd, SOL_NETLINK, option, &raw const on as usize, size_of_val(&on), 0]) }
            .map_err(|errno| Error::new("setsockopt", format!("SOL_NETLINK, {option}"), errno))?;
    }
    Ok(socket)
}

/// Lets a socket send so many bytes at once, beyond the limit of the system for who may (`SO_SNDBUFFORCE`).
pub fn allow(socket: impl AsFd, bytes: usize) {
    if rustix::net::sockopt::set_socket_send_buffer_size(&socket, bytes).is_err()
        || rustix::net::sockopt::socket_send_buffer_size(&socket).is_ok_and(|size| size < bytes)
    {
        const SOL_SOCKET: usize = 1;
        const SNDBUFFORCE: usize = 32;
        let value = u32::try_from(bytes).unwrap_or(u32::MAX);
        let fd = socket.as_fd().as_raw_fd() as usize;
        // SAFETY: the kernel reads one word. Where it is refused, the send tells.
        let _ = unsafe {
            call(nr::setsockopt, [fd, SOL_SOCKET, SNDBUFFORCE, &raw const value as usize, size_of_val(&value), 0])
        };
    }
}

/// Sends a request to the kernel.
pub fn send(socket: impl AsFd, request: &[u8]) -> Result<()> {
    let fd = socket.as_fd().as_raw_fd() as usize;
    // SAFETY: the kernel reads the request; an address is not needed, for the kernel is who listens.
    unsafe { call(nr::sendto, [fd, request.as_ptr() as usize, request.len(), 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("sendto", format!("netlink, {} bytes", request.len()), errno))
}

/// One datagram of the kernel's, whole.
pub fn receive(socket: impl AsFd) -> Result<Vec<u8>> {
    let failed = |errno| Error::new("recv", "netlink", errno);
    let mut bytes = vec![0; 32 << 10];
    loop {
        // With TRUNC the length is the datagram's own, also where it was not all received: it is looked at first.
        let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
        match rustix::net::recv(&socket, bytes.as_mut_slice(), flags) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(failed(errno)),
            Ok((_, length)) if length > bytes.len() => bytes.resize(length, 0),
            Ok(_) => break,
        }
    }
    loop {
        match rustix::net::recv(&socket, bytes.as_mut_slice(), RecvFlags::empty()) {
            Err(Errno::INTR) => {}
            other => {
                let (length, _) = other.map_err(failed)?;
                bytes.truncate(length);
                return Ok(bytes);
            }
        }
    }
}
