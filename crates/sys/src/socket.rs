//! Sockets: between parent and stub datagrams of fixed size, some with an fd; to others at their paths.

use crate::{Error, Result};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketAddrUnix, SocketFlags, SocketType, recvmsg, socket_with, socketpair,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// A connected pair of seqpacket sockets.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|errno| Error::new("socketpair", "AF_UNIX, SOCK_SEQPACKET", errno))
}

/// A listening seqpacket socket at `name` in a directory. By the directory's fd, since a socket's path has at most 107
/// bytes (unix(7)).
pub fn listen_in(directory: impl AsFd, name: &str) -> Result<OwnedFd> {
    let path = path_in(directory.as_fd(), name);
    let failed = |call, errno| Error::new(call, path.clone(), errno);
    let address = SocketAddrUnix::new(path.as_str()).map_err(|errno| failed("bind", errno))?;
    let socket = seqpacket()?;
    rustix::net::bind(&socket, &address).map_err(|errno| failed("bind", errno))?;
    rustix::net::listen(&socket, 8).map_err(|errno| failed("listen", errno))?;
    Ok(socket)
}

/// Connects to the seqpacket socket at `name` in a directory.
pub fn connect_in(directory: impl AsFd, name: &str) -> Result<OwnedFd> {
    let path = path_in(directory.as_fd(), name);
    let failed = |errno| Error::new("connect", path.clone(), errno);
    let address = SocketAddrUnix::new(path.as_str()).map_err(failed)?;
    let socket = seqpacket()?;
    rustix::net::connect(&socket, &address).map_err(failed)?;
    Ok(socket)
}

/// Connects to a stream socket of somebody else; `@name` is one of the abstract ones (unix(7)).
pub fn connect(path: &std::path::Path) -> Result<OwnedFd> {
    let failed = |errno| Error::new("connect", path.display().to_string(), errno);
    let address = address_of(path).map_err(failed)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|errno| Error::new("socket", "AF_UNIX, SOCK_STREAM", errno))?;
    rustix::net::connect(&socket, &address).map_err(failed)?;
    Ok(socket)
}

fn path_in(directory: BorrowedFd<'_>, name: &str) -> String {
    format!("/proc/self/fd/{}/{name}", directory.as_raw_fd())
}

fn seqpacket() -> Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|errno| Error::new("socket", "AF_UNIX, SOCK_SEQPACKET", errno))
}

/// A datagram socket at a path, for whoever wants to say something there.
pub fn bind_datagram(path: &std::path::Path) -> Result<OwnedFd> {
    let failed = |errno| Error::new("bind", path.display().to_string(), errno);
    let address = SocketAddrUnix::new(path).map_err(failed)?;
    let socket = datagram()?;
    rustix::net::bind(&socket, &address).map_err(failed)?;
    Ok(socket)
}

/// Connects to a datagram socket of somebody else; `@name` is one of the abstract ones.
pub fn connect_datagram(path: &std::path::Path) -> Result<OwnedFd> {
    let failed = |errno| Error::new("connect", path.display().to_string(), errno);
    let socket = datagram()?;
    rustix::net::connect(&socket, &address_of(path).map_err(failed)?).map_err(failed)?;
    Ok(socket)
}

fn datagram() -> Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(|errno| Error::new("socket", "AF_UNIX, SOCK_DGRAM", errno))
}

fn address_of(path: &std::path::Path) -> rustix::io::Result<SocketAddrUnix> {
    match path.as_os_str().as_encoded_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddrUnix::new_abstract_name(name),
        None => SocketAddrUnix::new(path),
    }
}

/// Sends bytes and at most 32 fds in one message.
pub fn send_with(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(fds));
    rustix::net::sendmsg(&socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)
        .map(drop)
        .map_err(|errno| Error::new("sendmsg", format!("{} bytes, {} fds", bytes.len(), fds.len()), errno))
}

/// One datagram and the fd that came with it; `None` at the end of file.
pub fn receive<const N: usize>(socket: impl AsFd) -> Result<Option<([u8; N], Option<OwnedFd>)>> {
    let mut bytes = [0; N];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let length = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            // A peer that died with unread data in its socket: told once, before what it had still said (unix(7)).
            Err(Errno::INTR | Errno::CONNRESET) => {}
            Err(errno) => return Err(Error::new("recvmsg", "the stub's socket", errno)),
            Ok(message) => break message.bytes,
        }
    };
    let fd = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok((length == N).then_some((bytes, fd)))
}

/// One datagram of any length up to 64 KiB, and the fd that came with it; `None` at the end of file.
pub fn receive_any(socket: impl AsFd) -> Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    Ok(receive_all(socket, 64 << 10)?.map(|(bytes, fds)| (bytes, fds.into_iter().next())))
}

/// One datagram of so many bytes at most, and the fds, at most 8, that came with it; `None` at the end of file.
pub fn receive_all(socket: impl AsFd, limit: usize) -> Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; limit];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let length = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(None),
            Err(errno) => return Err(Error::new("recvmsg", "a message of any length", errno)),
            Ok(message) => break message.bytes,
        }
    };
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    bytes.truncate(length);
    Ok((length > 0).then_some((bytes, fds)))
}

/// Sends one byte: go on.
pub fn release(socket: impl AsFd) -> Result<()> {
    send(socket, &[1])
}

/// Sends one datagram.
pub fn send(socket: impl AsFd, bytes: &[u8]) -> Result<()> {
    rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)
        .map(drop)
        .map_err(|errno| Error::new("send", format!("{} bytes", bytes.len()), errno))
}

/// One datagram as text; `None` at the end of file.
pub fn receive_text(socket: impl AsFd) -> Result<Option<String>> {
    let mut buffer = [0; 4096];
    let length = loop {
        match rustix::net::recv(&socket, &mut buffer, RecvFlags::empty()) {
            Err(Errno::INTR) => {}
            other => break other.map_err(|errno| Error::new("recv", "a text", errno))?.0,
        }
    };
    Ok((length > 0).then(|| String::from_utf8_lossy(&buffer[..length]).into_owned()))
}

/// A non-blocking stream to the unix socket at a path.
pub fn connect_path(path: &[u8]) -> Result<OwnedFd> {
    let detail = || String::from_utf8_lossy(path).into_owned();
    let address = SocketAddrUnix::new(path).map_err(|errno| Error::new("connect", detail(), errno))?;
    stream_to(&address).map_err(|errno| Error::new("connect", detail(), errno))
}

/// A non-blocking stream to the unix socket of an abstract name.
pub fn connect_abstract(name: &[u8]) -> Result<OwnedFd> {
    let detail = || format!("@{}", String::from_utf8_lossy(name));
    let address = SocketAddrUnix::new_abstract_name(name).map_err(|errno| Error::new("connect", detail(), errno))?;
    stream_to(&address).map_err(|errno| Error::new("connect", detail(), errno))
}

fn stream_to(address: &SocketAddrUnix) -> std::result::Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, address)?;
    Ok(socket)
}

/// Sends as many of the bytes as there is room for; tells how many.
pub fn send_some(socket: impl AsFd, bytes: &[u8]) -> Result<usize> {
    loop {
        match rustix::net::send(&socket, bytes, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            other => return other.map_err(|errno| Error::new("send", format!("{} bytes", bytes.len()), errno)),
        }
    }
}
