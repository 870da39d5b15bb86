//! Messages of the domain name system, as far as asking for addresses needs them (RFC 1035, RFC 3596).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IPv4.
    A = 1,
    /// IPv6.
    Aaaa = 28,
}

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The name's addresses; none where it has none of that kind.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoName,
    /// It was too long for a datagram.
    Truncated,
    /// The server failed.
    Failed,
}

/// A question for a name's addresses, or nothing where the name has parts that no name can have.
pub fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(name.len() + 18);
    message.extend(id.to_be_bytes());
    // Recursion is desired; one question.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        if label.is_empty() || label.len() > 63 {
            return None;
        }
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend([0, kind as u8, 0, 1]);
    (name.len() <= 254).then_some(message)
}

/// Reads the answer to a question; nothing where it is no answer to this one.
pub fn answer(question: &[u8], message: &[u8]) -> Option<Answer> {
    let header: &[u8; 12] = message.first_chunk()?;
    let asked = &question[12..];
    let same = message[12..].get(..asked.len())?.eq_ignore_ascii_case(asked);
    if header[..2] != question[..2] || header[2] & 0x80 == 0 || header[4..6] != [0, 1] || !same {
        return None;
    }
    if header[2] & 2 != 0 {
        return Some(Answer::Truncated);
    }
    match header[3] & 15 {
        0 => {}
        3 => return Some(Answer::NoName),
        _ => return Some(Answer::Failed),
    }
    let kind = asked[asked.len() - 3];
    let records = u16::from_be_bytes([header[6], header[7]]);
    let mut addresses = Vec::new();
    let mut rest = &message[12 + asked.len()..];
    for _ in 0..records {
        let (own, data, after) = record(rest)?;
        // A recursive server sends aliases along with what they stand for.
        match (own == u16::from(kind), data.len()) {
            (true, 4) => addresses.push(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?))),
            (true, 16) => addresses.push(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?))),
            _ => {}
        }
        rest = after;
    }
    Some(Answer::Addresses(addresses))
}

/// A record's kind and data, and what follows it.
fn record(message: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let mut rest = message;
    loop {
        let (&length, after) = rest.split_first()?;
        rest = match length {
            0 => break rest = after,
            // A pointer to a name that stands elsewhere ends this one.
            192.. => break rest = after.get(1..)?,
            64.. => return None,
            _ => after.get(usize::from(length)..)?,
        };
    }
    let (fields, rest) = rest.split_first_chunk::<10>()?;
    let (data, after) = rest.split_at_checked(usize::from(u16::from_be_bytes([fields[8], fields[9]])))?;
    Some((u16::from_be_bytes([fields[0], fields[1]]), data, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(question: &[u8], records: u8, data: &[u8]) -> Vec<u8> {
        let mut reply = question.to_vec();
        reply[2..4].copy_from_slice(&[0x81, 0x80]);
        reply[7] = records;
        reply.extend(data);
        reply
    }

    #[test]
    fn addresses_are_read_behind_an_alias() {
        let question = question(7, "a.example", Kind::A).unwrap();
        // A CNAME record (5) of two bytes, then an A record, both of the name at offset 12.
        let records =
            [192, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 192, 12, 192, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1];
        let addresses = Answer::Addresses(vec![IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(answer(&question, &reply(&question, 2, &records)), Some(addresses));
    }

    #[test]
    fn an_answer_to_something_else_is_none() {
        let mine = question(7, "a.example", Kind::A).unwrap();
        for other in
            [question(8, "a.example", Kind::A), question(7, "b.example", Kind::A), question(7, "a.example", Kind::Aaaa)]
        {
            assert_eq!(answer(&mine, &reply(&other.unwrap(), 0, &[])), None);
        }
        assert_eq!(answer(&mine, &mine), None);
    }

    #[test]
    fn hostile_answers_end() {
        let question = question(7, "a.example", Kind::A).unwrap();
        let whole = reply(&question, 200, &[192, 12, 0, 1, 0, 1, 0, 0, 0, 9, 255, 255, 1]);
        for length in 0..whole.len() {
            _ = answer(&question, &whole[..length]);
        }
        assert_eq!(answer(&question, &whole), None);
        assert_eq!(answer(&question, &reply(&question, 1, &[64; 30])), None);
    }

    #[test]
    fn names_that_no_name_server_can_know_are_not_asked_for() {
        assert!(question(1, "a..b", Kind::A).is_none());
        assert!(question(1, &"a".repeat(64), Kind::A).is_none());
        assert!(question(1, &"a.".repeat(130), Kind::A).is_none());
    }
}
