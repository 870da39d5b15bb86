//! The socket between parent and stub: datagrams of fixed size, some with an fd.

use crate::{Error, Result};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketFlags, SocketType, recvmsg,
    socketpair,
};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

/// A connected pair of seqpacket sockets.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|errno| Error::new("socketpair", "AF_UNIX, SOCK_SEQPACKET", errno))
}

/// One datagram and the fd that came with it; `None` at the end of file.
pub fn receive<const N: usize>(socket: impl AsFd) -> Result<Option<([u8; N], Option<OwnedFd>)>> {
    let mut bytes = [0; N];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let length = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            // A peer that died with unread data in its socket.
            Err(Errno::CONNRESET) => return Ok(None),
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
