//! What is said between a monitor and those who are attached to its container: datagrams of one kind byte and what
//! belongs to the kind.

use std::os::fd::AsFd;
use sys::{Errno, Error, Result};

/// The most that one word carries of a stream: with its kind it fills four pages.
pub const CHUNK: usize = (16 << 10) - 1;

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The first word of whoever connects: what is wanted.
    Hello {
        /// The container's output.
        streams: bool,
        /// To write to its input.
        input: bool,
    },
    /// For its input.
    Input(Vec<u8>),
    /// No more input comes.
    InputEnd,
    /// The window has this size now: rows, columns.
    Size(u16, u16),
    /// A signal for its first process.
    Signal(i32),
    /// When its process ends, that is the end: no restart. Answered by the same word.
    Last,
    /// From its standard output or its terminal.
    Output(Vec<u8>),
    /// From its standard error.
    ErrorOutput(Vec<u8>),
    /// Its command runs.
    Begun,
    /// It has ended, and what was its own is away: exit code, if anybody knows, and what there is to say of an end by
    /// violence.
    Ended(Option<u8>, String),
    /// A piece of what is to be told of the calls that it was refused, after its end and before the word of it.
    Refused(Vec<u8>),
    /// It could not be started; why was told where it was asked for. The exit code for that.
    Failed(u8),
}

impl Word {
    /// As bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let with = |kind: u8, rest: &[u8]| [&[kind], rest].concat();
        match self {
            Self::Hello { streams, input } => vec![b'h', u8::from(*streams), u8::from(*input)],
            Self::Input(bytes) => with(b'i', bytes),
            Self::InputEnd => vec![b'z'],
            Self::Size(rows, columns) => {
                let ([a, b], [c, d]) = (rows.to_le_bytes(), columns.to_le_bytes());
                vec![b'w', a, b, c, d]
            }
            Self::Signal(number) => with(b's', &number.to_le_bytes()),
            Self::Last => vec![b'l'],
            Self::Output(bytes) => with(b'o', bytes),
            Self::ErrorOutput(bytes) => with(b'e', bytes),
            Self::Begun => vec![b'b'],
            Self::Ended(code, why) => {
                with(b'x', &[&[u8::from(code.is_some()), code.unwrap_or(0)], why.as_bytes()].concat())
            }
            Self::Refused(piece) => with(b'r', piece),
            Self::Failed(code) => vec![b'f', *code],
        }
    }

    /// From bytes; `None` for what is none of these.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        Some(match (kind, rest) {
            (b'h', [streams, input]) => Self::Hello { streams: *streams != 0, input: *input != 0 },
            (b'i', rest) => Self::Input(rest.to_vec()),
            (b'z', []) => Self::InputEnd,
            (b'w', [a, b, c, d]) => Self::Size(u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d])),
            (b's', rest) => Self::Signal(i32::from_le_bytes(rest.try_into().ok()?)),
            (b'l', []) => Self::Last,
            (b'o', rest) => Self::Output(rest.to_vec()),
            (b'e', rest) => Self::ErrorOutput(rest.to_vec()),
            (b'b', []) => Self::Begun,
            (b'x', [known, code, rest @ ..]) => {
                Self::Ended((*known != 0).then_some(*code), String::from_utf8(rest.to_vec()).ok()?)
            }
            (b'r', rest) => Self::Refused(rest.to_vec()),
            (b'f', [code]) => Self::Failed(*code),
            _ => return None,
        })
    }

    /// Says it.
    pub fn send(&self, socket: impl AsFd) -> Result<()> {
        sys::socket::send(socket, &self.bytes())
    }

    /// Hears the next one; `None` at the end.
    pub fn receive(socket: impl AsFd) -> Result<Option<Self>> {
        let mut buffer = [0; CHUNK + 1];
        loop {
            return match rustix::net::recv(&socket, &mut buffer, rustix::net::RecvFlags::empty()) {
                Err(Errno::INTR) => continue,
                Err(Errno::CONNRESET) | Ok((0, _)) => Ok(None),
                Err(errno) => Err(Error::new("recv", "a word", errno)),
                Ok((length, _)) => match Self::parse(buffer.get(..length).unwrap_or_default()) {
                    // From a newer monitor, perhaps: what is not understood is passed over.
                    None => continue,
                    word => Ok(word),
                },
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_comes_back() {
        let words = [
            Word::Hello { streams: true, input: false },
            Word::Input(b"in".to_vec()),
            Word::InputEnd,
            Word::Size(24, 300),
            Word::Signal(15),
            Word::Last,
            Word::Output(Vec::new()),
            Word::ErrorOutput(b"e".to_vec()),
            Word::Begun,
            Word::Ended(Some(137), "out of memory".to_owned()),
            Word::Ended(None, String::new()),
            Word::Refused(b"{}".to_vec()),
            Word::Failed(125),
        ];
        for word in words {
            assert_eq!(Word::parse(&word.bytes()).as_ref(), Some(&word));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for bytes in [&b""[..], b"h", b"w123", b"s12", b"x1", b"?", b"l1"] {
            assert_eq!(Word::parse(bytes), None, "{bytes:?}");
        }
    }
}
