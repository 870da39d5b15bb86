//! Messages as netlink(7) and rtnetlink(7) lay them out: a header, a fixed part, attributes; all in the machine's order
//! and aligned to four bytes.

use sys::Errno;

pub const NLMSG_ERROR: u16 = 2;
pub const NLMSG_DONE: u16 = 3;
pub const NLM_F_REQUEST: u16 = 1;
pub const NLM_F_ACK: u16 = 4;
pub const NLM_F_DUMP_INTR: u16 = 0x10;
pub const NLM_F_ACK_TLVS: u16 = 0x200;
pub const NLM_F_DUMP: u16 = 0x300;
pub const NLM_F_EXCL_CREATE: u16 = 0x600;
pub const NLM_F_CREATE_REPLACE: u16 = 0x500;

const HEADER: usize = 16;

/// A request in the making.
#[derive(Debug)]
pub struct Request {
    /// Its name, for what may have to be said of it.
    pub name: &'static str,
    bytes: Vec<u8>,
}

impl Request {
    /// A request with its fixed part.
    pub fn new(name: &'static str, kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&0_u32.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(fixed);
        Self { name, bytes }
    }

    /// The kernel says when it is done.
    #[must_use]
    pub fn acknowledged(mut self) -> Self {
        self.bytes[6] |= NLM_F_ACK as u8;
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.bytes.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self
    }

    /// Adds an attribute that holds others.
    #[must_use]
    pub fn nest(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let start = self.bytes.len();
        let filled = fill(self.attribute(kind, &[]));
        self = filled;
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// Adds bytes as they are: the fixed part of what an attribute holds.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Adds an attribute that is a text, with the zero byte that ends it.
    #[must_use]
    pub fn text(self, kind: u16, text: &str) -> Self {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.attribute(kind, &value)
    }

    /// The bytes, with their length and this sequence number.
    pub fn finish(mut self, sequence: u32) -> Vec<u8> {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    /// Fixed part and attributes.
    pub payload: &'a [u8],
}

/// The messages of a datagram, up to the first that is none.
pub fn answers(mut bytes: &[u8]) -> impl Iterator<Item = Answer<'_>> {
    std::iter::from_fn(move || {
        let length = word(bytes, 0)? as usize;
        let whole = bytes.get(..length).filter(|whole| whole.len() >= HEADER)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Answer {
            kind: half(whole, 4)?,
            flags: half(whole, 6)?,
            sequence: word(whole, 8)?,
            payload: &whole[HEADER..],
        })
    })
}

/// The attributes of a message behind its fixed part, up to the first that is none: kind and value.
pub fn attributes(payload: &[u8], fixed: usize) -> impl Iterator<Item = (u16, &[u8])> {
    const NESTED_AND_ORDER: u16 = 0xc000;
    let mut rest = payload.get(fixed.next_multiple_of(4)..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(half(rest, 0)?);
        let value = rest.get(4..length)?;
        let kind = half(rest, 2)? & !NESTED_AND_ORDER;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// What an `NLMSG_ERROR` says: an acknowledgement, or the error number with its reason. `None` is no such message.
pub fn refusal(answer: &Answer<'_>) -> Option<Result<(), (Errno, Option<String>)>> {
    const MAX_ERRNO: i32 = 4095;
    const MSG: u16 = 1;
    let errno = word(answer.payload, 0)? as i32;
    if errno == 0 {
        return Some(Ok(()));
    }
    // The header of the request follows the error number, capped to that.
    let mut told = attributes(answer.payload, 4 + HEADER).filter(|_| answer.flags & NLM_F_ACK_TLVS != 0);
    let reason = told.find(|(kind, _)| *kind == MSG).map(|(_, value)| text(value));
    let errno = errno.checked_neg().filter(|errno| (1..=MAX_ERRNO).contains(errno))?;
    Some(Err((Errno::from_raw_os_error(errno), reason)))
}

/// A text, without the zero byte that ends it.
pub fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// The 16 bits at a place.
pub fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The 32 bits at a place.
pub fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_back_as_an_answer_would_be() {
        let request = Request::new("x", 16, NLM_F_ACK, &[7; 16]).text(3, "eth0").attribute(28, &[1, 0, 0, 0]);
        let bytes = request.finish(9);
        assert_eq!(bytes.len() % 4, 0);
        let answer = answers(&bytes).next().expect("one message");
        assert_eq!((answer.kind, answer.flags, answer.sequence), (16, 5, 9));
        let found: Vec<_> = attributes(answer.payload, 16).collect();
        assert_eq!(found, [(3, b"eth0\0".as_slice()), (28, &[1, 0, 0, 0])]);
    }

    #[test]
    fn attributes_within_attributes_are_as_long_as_what_they_hold() {
        let request =
            Request::new("x", 16, 0, &[]).nest(18, |r| r.text(1, "veth").nest(2, |r| r.raw(&[9; 16]).text(3, "a")));
        let bytes = request.attribute(4, &[1; 4]).finish(1);
        let answer = answers(&bytes).next().expect("one message");
        let outer: Vec<_> = attributes(answer.payload, 0).collect();
        assert_eq!(outer.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [18, 4]);
        let info: Vec<_> = attributes(outer[0].1, 0).collect();
        assert_eq!(info[0], (1, b"veth\0".as_slice()));
        assert_eq!(attributes(info[1].1, 16).next(), Some((3, b"a\0".as_slice())));
    }

    #[test]
    fn broken_messages_end_the_list_and_nothing_else() {
        let bytes = Request::new("x", 2, NLM_F_ACK_TLVS, &[0xff; 20]).text(1, "no such thing").finish(1);
        for length in 0..bytes.len() {
            assert_eq!(answers(&bytes[..length]).count(), 0, "cut at {length}");
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 4, 0x7f, 0xff] {
                let mut broken = bytes.clone();
                broken[at] = value;
                for answer in answers(&broken).take(100) {
                    let _ = (attributes(answer.payload, 16).take(100).count(), refusal(&answer));
                }
            }
        }
    }
}
