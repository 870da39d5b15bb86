//! What others have put into the packet filter: their base chains, and the rules of a table.

use super::batch::{header, kind};
use super::filter::Nft;
use crate::error::{Error, Result};
use crate::message::{Answer, NLM_F_DUMP, Request, attributes, text};

/// A chain of anybody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// `NFPROTO_…`: 1 is inet, 2 IPv4, 10 IPv6.
    pub family: u8,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Where packets come to it by themselves, `NF_INET_…`.
    pub hook: Option<u32>,
    /// What no rule of it decides on is dropped.
    pub drops: bool,
}

/// A rule of anybody's, as far as it is looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its chain.
    pub chain: String,
    /// It drops or rejects every packet that comes to it.
    pub drops_all: bool,
    /// Its expressions, as the kernel has them.
    pub bytes: Vec<u8>,
}

impl Nft {
    /// The chains of all tables.
    pub fn chains(&mut self) -> Result<Vec<Chain>> {
        const NEWCHAIN: u16 = 3;
        const GETCHAIN: u16 = 4;
        let request = || Request::new("NFT_MSG_GETCHAIN", kind(GETCHAIN), NLM_F_DUMP, &header(0, 0));
        self.list(request, kind(NEWCHAIN), Chain::read)
    }

    /// The rules of a table, chain by chain, each in its order.
    pub fn rules(&mut self, family: u8, table: &str) -> Result<Vec<Seen>> {
        const NEWRULE: u16 = 6;
        const GETRULE: u16 = 7;
        const TABLE: u16 = 1;
        let request =
            || Request::new("NFT_MSG_GETRULE", kind(GETRULE), NLM_F_DUMP, &header(family, 0)).text(TABLE, table);
        self.list(request, kind(NEWRULE), Seen::read)
    }

    /// A list that keeps changing is none to judge by.
    fn list<T>(
        &mut self,
        request: impl Fn() -> Request,
        wanted: u16,
        read: impl Fn(&Answer<'_>) -> Option<T>,
    ) -> Result<Vec<T>> {
        let name = request().name;
        match self.socket.list(request, wanted, read)? {
            (list, false) => Ok(list),
            _ => Err(Error::Malformed { request: name }),
        }
    }
}

/// `NF_DROP`.
const DROP: u32 = 0;

/// The 32 bits of a value, in the network's order.
fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes, 0).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

impl Chain {
    fn read(answer: &Answer<'_>) -> Option<Self> {
        const HOOKNUM: u16 = 1;
        let family = *answer.payload.first()?;
        let mut chain = Self { family, table: String::new(), name: String::new(), hook: None, drops: false };
        for (kind, value) in attributes(answer.payload, 4) {
            match kind {
                1 => chain.table = text(value),
                3 => chain.name = text(value),
                4 => chain.hook = find(value, HOOKNUM).and_then(number),
                5 => chain.drops = number(value) == Some(DROP),
                _ => {}
            }
        }
        (!chain.name.is_empty()).then_some(chain)
    }
}

impl Seen {
    fn read(answer: &Answer<'_>) -> Option<Self> {
        const NAME: u16 = 1;
        let mut seen = Self { chain: String::new(), drops_all: false, bytes: Vec::new() };
        for (kind, value) in attributes(answer.payload, 4) {
            match kind {
                2 => seen.chain = text(value),
                4 => seen.bytes = value.to_vec(),
                _ => {}
            }
        }
        // What counts or writes something down lets every packet go on to what follows.
        let mut deciding = attributes(&seen.bytes, 0)
            .filter(|(_, part)| find(part, NAME).is_none_or(|name| !matches!(&*text(name), "counter" | "log")));
        let first = deciding.next().map(|(_, part)| part);
        seen.drops_all = first.is_some_and(ends) && deciding.next().is_none();
        drop(deciding);
        (!seen.chain.is_empty()).then_some(seen)
    }
}

/// An expression drops or rejects.
fn ends(expression: &[u8]) -> bool {
    const NAME: u16 = 1;
    const DATA: u16 = 2;
    const VERDICT: u16 = 2;
    const CODE: u16 = 1;
    match find(expression, NAME).map(text).as_deref() {
        Some("reject") => true,
        Some("immediate") => {
            let data = find(expression, DATA).and_then(|data| find(data, DATA));
            let code = data.and_then(|data| find(data, VERDICT)).and_then(|verdict| find(verdict, CODE));
            code.and_then(number) == Some(DROP)
        }
        // A rule of iptables' that its own extension decides on.
        Some("target") => {
            find(expression, DATA).and_then(|data| find(data, NAME)).map(text).as_deref() == Some("REJECT")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::answers;
    use crate::nft::{Rule, Verdict};

    /// A rule as the kernel tells of it.
    fn told(rule: &Rule) -> Vec<u8> {
        let request = Request::new("x", kind(6), 0, &header(1, 0)).text(1, "table").text(2, "chain");
        request.nest(4, |request| rule.describe(request)).finish(1)
    }

    fn seen(bytes: &[u8]) -> Option<Seen> {
        answers(bytes).find_map(|answer| Seen::read(&answer))
    }

    #[test]
    fn a_rule_that_drops_everything_is_told_from_one_that_drops_some() {
        let all = seen(&told(&Rule::new().verdict(Verdict::Drop))).expect("a rule");
        assert_eq!((all.chain.as_str(), all.drops_all), ("chain", true));
        for rule in [
            Rule::new(),
            Rule::new().verdict(Verdict::Accept),
            Rule::new().verdict(Verdict::Jump("other".to_owned())),
            Rule::new().device(crate::nft::Key::In, "set").verdict(Verdict::Drop),
        ] {
            assert!(!seen(&told(&rule)).expect("a rule").drops_all, "{rule:?}");
        }
    }

    #[test]
    fn broken_rules_and_chains_are_read_to_where_they_break() {
        let rule = told(&Rule::new().verdict(Verdict::Drop));
        let chain = Request::new("x", kind(3), 0, &header(1, 0)).text(1, "table").text(3, "chain");
        let chain = chain.nest(4, |request| request.attribute(1, &[0, 0, 0, 2])).attribute(5, &[0; 4]).finish(1);
        let read = answers(&chain).find_map(|answer| Chain::read(&answer)).expect("a chain");
        assert_eq!((read.hook, read.drops), (Some(2), true));
        for bytes in [rule, chain] {
            for at in 0..bytes.len() {
                for value in [0, 1, 3, 4, 5, 0x7f, 0xff] {
                    let mut broken = bytes.clone();
                    broken[at] = value;
                    for answer in answers(&broken).take(100) {
                        let _ = (Chain::read(&answer), Seen::read(&answer));
                    }
                }
            }
        }
    }
}
