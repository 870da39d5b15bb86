//! Messages of DNS as far as a resolver of names of containers needs them (RFC 1035, section 4; RFC 6891 for EDNS): one
//! question in, addresses or a name out. Everything else goes on as it came.

use std::net::IpAddr;

/// What is asked for.
pub const A: u16 = 1;
/// The name of an address.
pub const PTR: u16 = 12;
/// An address of IPv6.
pub const AAAA: u16 = 28;

/// There is no such name.
pub const NXDOMAIN: u8 = 3;
/// Nobody could say.
pub const SERVFAIL: u8 = 2;

const HEADER: usize = 12;
const LONGEST_NAME: usize = 255;
const LONGEST_LABEL: usize = 63;

/// How long an answer of ours is good for, in seconds: containers come and go.
const TTL: u32 = 5;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Names the message.
    pub id: u16,
    /// What was asked for, in small letters and without the dot at its end.
    pub name: String,
    /// Its type.
    pub kind: u16,
    /// Whether the asker wants servers to ask on.
    recursive: bool,
    /// Where the question ends.
    end: usize,
    /// The largest answer that is taken over UDP, in bytes.
    pub limit: usize,
    edns: bool,
}

impl Query {
    /// Reads a question: one that is none of ours to read is none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        const RESPONSE_OR_OTHER: u8 = 0xf8;
        const RD: u8 = 1;
        let half = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let (id, flags) = (half(0)?, *bytes.get(2)?);
        if flags & RESPONSE_OR_OTHER != 0 || half(4)? != 1 || half(6)? != 0 || half(8)? != 0 {
            return None;
        }
        let (name, at) = read_name(bytes)?;
        let (kind, class) = (half(at)?, half(at + 2)?);
        if class != 1 {
            return None;
        }
        let end = at + 4;
        let (mut limit, mut edns) = (512, false);
        // The one record that may follow has an empty name.
        if half(10)? > 0 && bytes.get(end) == Some(&0) && half(end + 1) == Some(41) {
            edns = true;
            limit = usize::from(half(end + 3)?).clamp(512, 4096);
        }
        Some(Self { id, name, kind, recursive: flags & RD != 0, end, limit, edns })
    }

    /// An answer without records.
    pub fn fails(&self, question: &[u8], code: u8) -> Vec<u8> {
        self.answer(question, code, &[], usize::MAX)
    }

    /// An answer of addresses, or none at all where there are none of the wanted kind. `limit` is its largest size.
    pub fn addresses(&self, question: &[u8], addresses: &[IpAddr], limit: usize) -> Vec<u8> {
        let fits =
            |address: &&IpAddr| (self.kind == A && address.is_ipv4()) || (self.kind == AAAA && address.is_ipv6());
        let records: Vec<_> = addresses.iter().filter(fits).map(|address| netlink::octets(*address)).collect();
        self.answer(question, 0, &records, limit)
    }

    /// An answer of a name.
    pub fn named(&self, question: &[u8], name: &str) -> Vec<u8> {
        self.answer(question, 0, &[write_name(name)], usize::MAX)
    }

    fn answer(&self, question: &[u8], code: u8, records: &[Vec<u8>], limit: usize) -> Vec<u8> {
        const RESPONSE_AND_AUTHORITATIVE: u8 = 0x84;
        const TRUNCATED: u8 = 2;
        const RA: u8 = 0x80;
        const OPT: [u8; 11] = [0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0];
        const RECORD: usize = 12;
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes.extend_from_slice(&[RESPONSE_AND_AUTHORITATIVE | u8::from(self.recursive), RA | code]);
        bytes.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(self.edns)]);
        bytes.extend_from_slice(question.get(HEADER..self.end).unwrap_or_default());
        let rest = if self.edns { OPT.len() } else { 0 };
        let mut count = 0_u16;
        for record in records {
            if bytes.len() + RECORD + record.len() + rest > limit {
                bytes[2] |= TRUNCATED;
                break;
            }
            // The name is the one that was asked for, which stands right behind the header.
            bytes.extend_from_slice(&[0xc0, HEADER as u8]);
            bytes.extend_from_slice(&self.kind.to_be_bytes());
            bytes.extend_from_slice(&1_u16.to_be_bytes());
            bytes.extend_from_slice(&TTL.to_be_bytes());
            bytes.extend_from_slice(&(record.len() as u16).to_be_bytes());
            bytes.extend_from_slice(record);
            count += 1;
        }
        bytes[6..8].copy_from_slice(&count.to_be_bytes());
        if self.edns {
            bytes.extend_from_slice(&OPT);
        }
        bytes
    }
}

/// The name behind the header, and where it ends. A question has nothing before it that it could point to.
fn read_name(bytes: &[u8]) -> Option<(String, usize)> {
    let (mut name, mut at) = (String::new(), HEADER);
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        if length > LONGEST_LABEL || name.len() + length > LONGEST_NAME {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        for byte in bytes.get(at..at + length)? {
            // What is no name of a host is nobody's here; it is asked on as it came.
            name.push(if byte.is_ascii_graphic() && *byte != b'.' {
                byte.to_ascii_lowercase() as char
            } else {
                '\u{fffd}'
            });
        }
        at += length;
    }
}

fn write_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.').filter(|label| !label.is_empty() && label.len() <= LONGEST_LABEL) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// The address that a name below `in-addr.arpa` or `ip6.arpa` stands for.
pub fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(rest) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut labels = rest.split('.');
        for octet in octets.iter_mut().rev() {
            *octet = labels.next()?.parse().ok()?;
        }
        return labels.next().is_none().then(|| octets.into());
    }
    let rest = name.strip_suffix(".ip6.arpa")?;
    let mut bits = 0_u128;
    let labels: Vec<_> = rest.split('.').collect();
    if labels.len() != 32 {
        return None;
    }
    for label in labels.iter().rev() {
        let digit = u8::from_str_radix(label, 16).ok().filter(|_| label.len() == 1)?;
        bits = bits << 4 | u128::from(digit);
    }
    Some(std::net::Ipv6Addr::from_bits(bits).into())
}

/// Whether this answers that question: the same id, and the same question.
pub fn answers(question: &[u8], answer: &[u8]) -> bool {
    let asked = |bytes: &[u8]| {
        let (name, at) = read_name(bytes)?;
        Some((bytes.get(..2)?.to_vec(), name, bytes.get(at..at + 4)?.to_vec()))
    };
    answer.get(2).is_some_and(|flags| flags & 0x80 != 0) && asked(question).is_some_and(|q| asked(answer) == Some(q))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn question(name: &str, kind: u16, edns: bool) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
        bytes.extend(write_name(name));
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&[0, 1]);
        if edns {
            bytes.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
        }
        bytes
    }

    #[test]
    fn questions_are_read_and_answered() {
        let bytes = question("Web.Example", A, false);
        let query = Query::read(&bytes).expect("a question");
        assert_eq!((query.id, query.name.as_str(), query.kind, query.limit), (0x1234, "web.example", A, 512));
        let all: Vec<IpAddr> = vec![[10, 0, 0, 2].into(), "fd00::2".parse().unwrap()];
        let answer = query.addresses(&bytes, &all, 512);
        assert!(answers(&bytes, &answer));
        assert_eq!(answer[3] & 15, 0);
        assert_eq!(answer[6..8], [0, 1]);
        assert_eq!(answer[answer.len() - 4..], [10, 0, 0, 2]);
        let nothing = query.fails(&bytes, NXDOMAIN);
        assert_eq!((nothing[3] & 15, &nothing[6..8]), (NXDOMAIN, &[0, 0][..]));
    }

    #[test]
    fn what_does_not_fit_is_cut_and_says_so() {
        let many: Vec<IpAddr> = (0..200).map(|last| [10, 0, 0, last].into()).collect();
        for (edns, limit) in [(false, 512), (true, 1232)] {
            let bytes = question("web", A, edns);
            let query = Query::read(&bytes).expect("a question");
            assert_eq!(query.limit, limit);
            let answer = query.addresses(&bytes, &many, query.limit);
            assert!(answer.len() <= limit && answer[2] & 2 != 0);
            let whole = query.addresses(&bytes, &many, 65_535);
            assert!(whole[2] & 2 == 0 && whole[6..8] == [0, 200]);
        }
    }

    #[test]
    fn addresses_have_names_that_are_read_back() {
        assert_eq!(reversed("2.0.64.10.in-addr.arpa"), Some([10, 64, 0, 2].into()));
        let nibbles = "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
        assert_eq!(reversed(nibbles), Some("fd00::2".parse().unwrap()));
        for name in
            ["", "in-addr.arpa", "1.2.3.in-addr.arpa", "1.2.3.4.5.in-addr.arpa", "x.ip6.arpa", "256.0.0.1.in-addr.arpa"]
        {
            assert_eq!(reversed(name), None, "{name}");
        }
        let bytes = question("2.0.64.10.in-addr.arpa", PTR, false);
        let query = Query::read(&bytes).expect("a question");
        assert!(query.named(&bytes, "web").ends_with(b"\x03web\0"));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_not_and_nothing_else(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(query) = Query::read(&bytes) {
                prop_assert!(query.fails(&bytes, NXDOMAIN).len() < 1000);
                let _ = reversed(&query.name);
            }
            let _ = answers(&bytes, &bytes);
        }

        #[test]
        fn questions_that_are_broken_somewhere(at in any::<proptest::sample::Index>(), byte in any::<u8>(), edns in any::<bool>()) {
            let mut bytes = question("a-name.of.some.length", AAAA, edns);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Some(query) = Query::read(&bytes) {
                let _ = query.addresses(&bytes, &["fd00::2".parse().unwrap()], query.limit);
            }
        }
    }
}
