//! Rules: expressions that are done one after the other, until one does not hold.
//!
//! A value is loaded into registers of four bytes and compared, looked up, or used from there. Registers 0 to 7 (numbers 8
//! to 15) are for keys, the others for what a map gives.

use super::batch::{ELEMENT, NESTED, Verdict};
use crate::message::Request;

/// The first register for keys.
const KEYS: u32 = 8;
/// The first register for what a map gives.
const GIVEN: u32 = 16;

/// What a packet is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The device that it came in by.
    In,
    /// The device that it leaves by.
    Out,
    /// 2 for IPv4, 10 for IPv6.
    Family,
    /// The type in the frame's head.
    EtherType,
    /// TCP, UDP and the like.
    Protocol,
    /// The port that it is for.
    Port,
    /// The type of a message of ICMP.
    IcmpType,
    /// The address that a neighbour advertisement is about.
    Advertised,
    /// The hardware address in the frame's head that it comes from.
    EtherSource,
    /// The hardware address that ARP says it comes from.
    ArpMac,
    /// The address of IPv4 with that.
    ArpSource,
    /// Addresses of IPv4.
    Source4,
    /// The other one.
    Target4,
    /// Addresses of IPv6.
    Source6,
    /// The other one.
    Target6,
    /// What was written to it by who sent it, or passed it on.
    Mark,
    /// What was written to its connection.
    ConnectionMark,
}

/// Where an address lies, by the routes of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fib {
    /// It is this machine's.
    Local,
}

/// A rule in the making: each part must hold for what follows.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    expressions: Vec<Expression>,
}

#[derive(Debug, Clone)]
enum Expression {
    /// meta: the register, the key.
    Meta(u32, u32),
    /// payload: the register, base, offset and length.
    Payload(u32, u32, u32, u32),
    /// ct: the register, the key.
    Track(u32, u32),
    /// fib of the target: the register.
    Fib(u32),
    /// bitwise and: the register and the mask.
    And(u32, Vec<u8>),
    /// cmp: the register, whether it differs, the value.
    Compare(u32, bool, Vec<u8>),
    /// lookup: the first register, the set, where the data goes, and whether it is not there.
    Lookup(u32, String, Option<u32>, bool),
    /// immediate: the register, what it is to hold.
    Immediate(u32, [u8; 4]),
    /// meta, set: the register.
    SetMark(u32),
    /// ct, set: the register.
    SetConnectionMark(u32),
    /// The end.
    Verdict(Verdict),
    /// nat: the family, the registers of address and port.
    Translate(u32, u32, u32),
    /// masq.
    Masquerade,
}

const EQUAL: bool = false;
/// `NFT_META_MARK`, and `NFT_CT_MARK`.
const MARK: u32 = 3;
const VERDICT: u32 = 0;

impl Rule {
    /// One that holds for every packet.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, expression: Expression) -> Self {
        self.expressions.push(expression);
        self
    }

    fn load(self, key: Key, register: u32) -> Self {
        const LINK: u32 = 0;
        const NETWORK: u32 = 1;
        const TRANSPORT: u32 = 2;
        let payload = |base, offset, length| Expression::Payload(register, base, offset, length);
        let expression = match key {
            Key::In => Expression::Meta(register, 6),
            Key::Out => Expression::Meta(register, 7),
            Key::Family => Expression::Meta(register, 15),
            Key::EtherType => Expression::Meta(register, 1),
            Key::Protocol => Expression::Meta(register, 16),
            Key::Port => payload(TRANSPORT, 2, 2),
            Key::IcmpType => payload(TRANSPORT, 0, 1),
            Key::Advertised => payload(TRANSPORT, 8, 16),
            Key::EtherSource => payload(LINK, 6, 6),
            Key::ArpMac => payload(NETWORK, 8, 6),
            Key::ArpSource => payload(NETWORK, 14, 4),
            Key::Source4 => payload(NETWORK, 12, 4),
            Key::Target4 => payload(NETWORK, 16, 4),
            Key::Source6 => payload(NETWORK, 8, 16),
            Key::Target6 => payload(NETWORK, 24, 16),
            Key::Mark => Expression::Meta(register, MARK),
            Key::ConnectionMark => Expression::Track(register, MARK),
        };
        self.with(expression)
    }

    /// A part of the packet is this, or begins with it.
    #[must_use]
    pub fn is(self, key: Key, value: &[u8]) -> Self {
        self.load(key, KEYS).with(Expression::Compare(KEYS, EQUAL, value.to_vec()))
    }

    /// It is not.
    #[must_use]
    pub fn is_not(self, key: Key, value: &[u8]) -> Self {
        self.load(key, KEYS).with(Expression::Compare(KEYS, !EQUAL, value.to_vec()))
    }

    /// An address lies in a subnet, whose other bits are 0.
    #[must_use]
    pub fn within(self, key: Key, subnet: &[u8], prefix: u8) -> Self {
        let mask: Vec<u8> = (0..subnet.len() * 8)
            .step_by(8)
            .map(|bit| (0xff00_u16 >> usize::from(prefix).saturating_sub(bit).min(8)) as u8)
            .collect();
        self.load(key, KEYS).with(Expression::And(KEYS, mask)).with(Expression::Compare(KEYS, EQUAL, subnet.to_vec()))
    }

    /// These together are in a set, or are not.
    #[must_use]
    pub fn are_in(self, keys: &[Key], set: &str, negated: bool) -> Self {
        let rule = self.load_all(keys);
        rule.with(Expression::Lookup(KEYS, set.to_owned(), None, negated))
    }

    /// The device, by which it comes or leaves, is in a set.
    #[must_use]
    pub fn device(self, key: Key, set: &str) -> Self {
        self.are_in(&[key], set, false)
    }

    /// It is not.
    #[must_use]
    pub fn no_device(self, key: Key, set: &str) -> Self {
        self.are_in(&[key], set, true)
    }

    fn load_all(self, keys: &[Key]) -> Self {
        let (mut rule, mut register) = (self, KEYS);
        for key in keys {
            rule = rule.load(*key, register);
            register += match key {
                Key::In | Key::Out | Key::Source6 | Key::Target6 | Key::Advertised => 4,
                Key::EtherSource | Key::ArpMac => 2,
                _ => 1,
            };
        }
        rule
    }

    /// What a map of verdicts says of it.
    #[must_use]
    pub fn follow(self, keys: &[Key], map: &str) -> Self {
        self.load_all(keys).with(Expression::Lookup(KEYS, map.to_owned(), Some(VERDICT), false))
    }

    /// Its target is an address of this machine's.
    #[must_use]
    pub fn target_is(self, fib: Fib) -> Self {
        const LOCAL: u32 = 2;
        let Fib::Local = fib;
        self.with(Expression::Fib(KEYS)).with(Expression::Compare(KEYS, EQUAL, LOCAL.to_ne_bytes().to_vec()))
    }

    /// Its connection is in one of these states: 2 established, 4 related, 8 new.
    #[must_use]
    pub fn state(self, bits: u32) -> Self {
        self.track(0, bits)
    }

    /// Its connection was led here from another target.
    #[must_use]
    pub fn translated(self) -> Self {
        const DST_NAT: u32 = 0x20;
        self.track(2, DST_NAT)
    }

    fn track(self, key: u32, bits: u32) -> Self {
        let rule = self.with(Expression::Track(KEYS, key)).with(Expression::And(KEYS, bits.to_ne_bytes().to_vec()));
        rule.with(Expression::Compare(KEYS, !EQUAL, vec![0; 4]))
    }

    /// Leads it where a map says: to an address and a port.
    #[must_use]
    pub fn translate(self, keys: &[Key], map: &str, ipv6: bool) -> Self {
        let rule = self.load_all(keys).with(Expression::Lookup(KEYS, map.to_owned(), Some(GIVEN), false));
        let (family, port) = if ipv6 { (10, GIVEN + 4) } else { (2, GIVEN + 1) };
        rule.with(Expression::Translate(family, GIVEN, port))
    }

    /// Its mark is its connection's from now on.
    #[must_use]
    pub fn mark_connection(self) -> Self {
        self.load(Key::Mark, KEYS).with(Expression::SetConnectionMark(KEYS))
    }

    /// This is its mark from now on.
    #[must_use]
    pub fn mark(self, mark: u32) -> Self {
        self.with(Expression::Immediate(KEYS, mark.to_ne_bytes())).with(Expression::SetMark(KEYS))
    }

    /// Sends it with this machine's address.
    #[must_use]
    pub fn masquerade(self) -> Self {
        self.with(Expression::Masquerade)
    }

    /// The end.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Self {
        self.with(Expression::Verdict(verdict))
    }

    pub(crate) fn describe(&self, request: Request) -> Request {
        self.expressions
            .iter()
            .fold(request, |request, expression| request.nest(NESTED | ELEMENT, |request| expression.describe(request)))
    }
}

impl Expression {
    fn describe(&self, request: Request) -> Request {
        const NAME: u16 = 1;
        const DATA: u16 = 2;
        let number = |value: u32| value.to_be_bytes();
        let value = |request: Request, kind: u16, bytes: &[u8]| {
            request.nest(NESTED | kind, |request| request.attribute(1, bytes))
        };
        let named = |name: &str, fill: &dyn Fn(Request) -> Request| request.text(NAME, name).nest(NESTED | DATA, fill);
        match self {
            Self::Meta(register, key) => {
                named("meta", &|r| r.attribute(2, &number(*key)).attribute(1, &number(*register)))
            }
            Self::Payload(register, base, offset, length) => named("payload", &|r| {
                let r = r.attribute(1, &number(*register)).attribute(2, &number(*base));
                r.attribute(3, &number(*offset)).attribute(4, &number(*length))
            }),
            Self::Track(register, key) => {
                named("ct", &|r| r.attribute(2, &number(*key)).attribute(1, &number(*register)))
            }
            Self::Immediate(register, bytes) => {
                named("immediate", &|r| value(r.attribute(1, &number(*register)), 2, bytes))
            }
            Self::SetMark(register) => {
                named("meta", &|r| r.attribute(2, &number(MARK)).attribute(3, &number(*register)))
            }
            Self::SetConnectionMark(register) => {
                named("ct", &|r| r.attribute(2, &number(MARK)).attribute(4, &number(*register)))
            }
            Self::Fib(register) => named("fib", &|r| {
                const ADDRESS_TYPE: u32 = 3;
                const TARGET: u32 = 2;
                let r = r.attribute(3, &number(TARGET)).attribute(2, &number(ADDRESS_TYPE));
                r.attribute(1, &number(*register))
            }),
            Self::And(register, mask) => named("bitwise", &|r| {
                let r = r.attribute(1, &number(*register)).attribute(2, &number(*register));
                let r = r.attribute(3, &number(mask.len() as u32));
                value(value(r, 4, mask), 5, &vec![0; mask.len()])
            }),
            Self::Compare(register, differs, bytes) => named("cmp", &|r| {
                let r = r.attribute(1, &number(*register)).attribute(2, &number(u32::from(*differs)));
                value(r, 3, bytes)
            }),
            Self::Lookup(register, set, to, negated) => named("lookup", &|r| {
                let r = r.text(1, set).attribute(2, &number(*register));
                let r = to.iter().fold(r, |r, to| r.attribute(3, &number(*to)));
                if *negated { r.attribute(5, &number(1)) } else { r }
            }),
            Self::Verdict(verdict) => {
                named("immediate", &|r| r.attribute(1, &number(VERDICT)).nest(NESTED | 2, |r| verdict.describe(r)))
            }
            Self::Translate(family, address, port) => named("nat", &|r| {
                const TARGET: u32 = 1;
                let r = r.attribute(1, &number(TARGET)).attribute(2, &number(*family));
                r.attribute(3, &number(*address)).attribute(5, &number(*port))
            }),
            Self::Masquerade => named("masq", &|r| r),
        }
    }
}
