//! Where a bus listens: `unix:path=/run/user/1000/bus,guid=…;unix:abstract=…`, the first that answers is meant.

use crate::error::{Error, Result};
use std::fmt;

/// The address of a unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A file.
    Path(Vec<u8>),
    /// A name that is no file.
    Abstract(Vec<u8>),
}

impl Address {
    /// A socket that is a file.
    pub fn path(path: impl Into<Vec<u8>>) -> Self {
        Self::Path(path.into())
    }

    /// Reads a list of addresses, as the variable DBUS_SESSION_BUS_ADDRESS has it. Those of other transports than unix
    /// sockets are passed over.
    pub fn parse_list(list: &str) -> Result<Vec<Self>> {
        let refuse = |problem| Error::Address { address: list.to_owned(), problem };
        let mut found = Vec::new();
        for address in list.split(';').filter(|address| !address.is_empty()) {
            let (transport, options) =
                address.split_once(':').ok_or_else(|| refuse("has no transport before a colon"))?;
            if transport != "unix" {
                continue;
            }
            for option in options.split(',') {
                let (key, value) = option.split_once('=').ok_or_else(|| refuse("has an option without a value"))?;
                let value = || unescape(value).ok_or_else(|| refuse("has a % that no two hexadecimal digits follow"));
                match key {
                    "path" => found.push(Self::Path(value()?)),
                    "abstract" => found.push(Self::Abstract(value()?)),
                    _ => {}
                }
            }
        }
        if found.is_empty() { Err(refuse("names no unix socket (unix:path=…)")) } else { Ok(found) }
    }
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            (digit()? * 16 + digit()?) as u8
        } else {
            byte
        });
    }
    Some(plain)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(&String::from_utf8_lossy(path)),
            Self::Abstract(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_other_transports_are_passed_over() {
        let list = "tcp:host=localhost,port=1;unix:path=/run/user/1000/a%20b,guid=00ff;unix:abstract=x";
        let expected = [Address::path("/run/user/1000/a b"), Address::Abstract(b"x".to_vec())];
        assert_eq!(Address::parse_list(list).unwrap(), expected);
    }

    #[test]
    fn what_leads_to_no_unix_socket_is_told() {
        for list in ["", "unix", "unix:", "unix:path", "unix:path=%4", "unix:path=%zz", "tcp:host=h", "unix:guid=1"] {
            assert!(matches!(Address::parse_list(list), Err(Error::Address { .. })), "{list}");
        }
    }
}
