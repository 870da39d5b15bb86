//! Netlink sockets: requests that are recorded, answers of whatever length.

use crate::call::call;
use crate::{Error, Result, nr};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, socket_with};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// A netlink socket of this process's network namespace, which says in words what it refuses (`NETLINK_EXT_ACK`) without
/// repeating the request (`NETLINK_CAP_ACK`).
pub fn open() -> Result<OwnedFd> {
    const SOL_NETLINK: usize = 270;
    const CAP_ACK: usize = 10;
    const EXT_ACK: usize = 11;
    /// `NETLINK_ROUTE` is protocol 0, which `None` stands for.
    const ROUTE: Option<Protocol> = None;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, ROUTE)
        .map_err(|errno| Error::new("socket", "AF_NETLINK, SOCK_RAW, NETLINK_ROUTE", errno))?;
    let on = 1_u32;
    for option in [CAP_ACK, EXT_ACK] {
        let fd = socket.as_raw_fd() as usize;
        // SAFETY: the kernel reads one word.
        unsafe { call(nr::setsockopt, [fd, SOL_NETLINK, option, &raw const on as usize, size_of_val(&on), 0]) }
            .map_err(|errno| Error::new("setsockopt", format!("SOL_NETLINK, {option}"), errno))?;
    }
    Ok(socket)
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
