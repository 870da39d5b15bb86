//! Talking to systemd, and to whoever else speaks D-Bus on a unix socket.
//!
//! A [`Connection`] is one blocking socket: it calls a method and waits for the answer, or waits for a signal that it
//! watches for. Nothing waits for ever: each takes a moment by which it must be over, since a bus that hangs must not
//! hang a container. The surprising thing: systemd's own socket (`/run/systemd/private`) speaks the protocol without a
//! bus, so that there is nobody to say Hello to and no rule to add; see [`Connection::peer`].

#![forbid(unsafe_code)]

mod address;
mod connection;
mod error;
mod message;
mod reader;
mod signature;
mod value;
mod writer;

pub use address::Address;
pub use connection::{Call, Connection};
pub use error::{Error, Result};
pub use message::{Kind, Message};
pub use value::Value;

/// A call as the bytes that go over the socket, for who wants to look at them.
///
/// # Errors
/// It breaks a rule of the protocol.
pub fn encode(call: &Call<'_>, serial: u32) -> Result<Vec<u8>> {
    message::call(call, serial, true)
}
