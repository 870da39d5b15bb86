//! A batch in the making: messages that the kernel does whole or not at all.

use super::expression::Rule;
use super::{Type, Value};
use crate::message::Request;

/// Whose packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// What passes through bridges.
    Bridge,
}

impl Family {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Bridge => 7,
        }
    }
}

/// Where a chain begins.
#[derive(Debug, Clone, Copy)]
pub struct Base {
    /// `filter` or `nat`.
    pub kind: &'static str,
    /// `NF_INET_…` or `NF_BR_…`: 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting.
    pub hook: u32,
    /// The lowest comes first.
    pub priority: i32,
}

/// A set, or with data a map.
#[derive(Debug, Clone, Copy)]
pub struct Set<'a> {
    /// Its name.
    pub name: &'a str,
    /// What its keys are made of.
    pub key: &'a [Type],
    /// What it maps them to.
    pub data: Data<'a>,
}

/// What a set maps its keys to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data<'a> {
    /// Nothing: it is no map.
    None,
    /// A value of these parts.
    Value(&'a [Type]),
    /// What becomes of the packet.
    Verdict,
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, past all that comes after in this table.
    Accept,
    /// It is gone.
    Drop,
    /// Back to the chain that this one was called from.
    Return,
    /// Through another chain, and back.
    Jump(String),
}

impl Verdict {
    /// Adds it as an attribute.
    pub(crate) fn describe(&self, request: Request) -> Request {
        const VERDICT: u16 = 2;
        const CODE: u16 = 1;
        const CHAIN: u16 = 2;
        let (code, chain) = match self {
            Self::Accept => (1, None),
            Self::Drop => (0, None),
            Self::Jump(chain) => (-3, Some(chain)),
            Self::Return => (-5, None),
        };
        request.nest(NESTED | VERDICT, |request| {
            let request = request.attribute(CODE, &i32::to_be_bytes(code));
            chain.into_iter().fold(request, |request, chain| request.text(CHAIN, chain))
        })
    }
}

/// `NLA_F_NESTED`, which newer parts of the kernel look for.
pub(crate) const NESTED: u16 = 0x8000;

const NFTABLES: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEWTABLE: u16 = 0;
const DELTABLE: u16 = 2;
const NEWCHAIN: u16 = 3;
const DELCHAIN: u16 = 5;
const NEWRULE: u16 = 6;
const DELRULE: u16 = 8;
const NEWSET: u16 = 9;
const NEWSETELEM: u16 = 12;
const DELSETELEM: u16 = 14;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;

/// `NFTA_LIST_ELEM`.
pub(crate) const ELEMENT: u16 = 1;

/// How many elements go into one message, whose lists may have 64 KiB.
const AT_ONCE: usize = 500;

/// `struct nfgenmsg`.
pub(crate) fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

pub(crate) fn kind(message: u16) -> u16 {
    NFTABLES << 8 | message
}

/// Changes to one table.
#[derive(Debug)]
pub struct Batch<'a> {
    family: Family,
    table: &'a str,
    pub(crate) requests: Vec<Request>,
}

impl<'a> Batch<'a> {
    /// Of a table.
    pub fn of(family: Family, table: &'a str) -> Self {
        let begin = Request::new("NFNL_MSG_BATCH_BEGIN", BATCH_BEGIN, 0, &header(0, NFTABLES));
        Self { family, table, requests: vec![begin] }
    }

    /// All messages, with the last.
    pub(crate) fn finish(mut self) -> Vec<Request> {
        // The kernel tells of every refusal by itself; of all that it does, the last word is enough.
        if let Some(last) = self.requests.pop() {
            self.requests.push(last.acknowledged());
        }
        self.requests.push(Request::new("NFNL_MSG_BATCH_END", BATCH_END, 0, &header(0, NFTABLES)));
        self.requests
    }

    fn add(&mut self, name: &'static str, message: u16, flags: u16, fill: impl FnOnce(Request) -> Request) {
        const TABLE: u16 = 1;
        let fixed = header(self.family.number(), 0);
        let request = Request::new(name, kind(message), flags, &fixed).text(TABLE, self.table);
        self.requests.push(fill(request));
    }

    /// Makes the table, with a note that it gives back; one that is there stays.
    pub fn table(&mut self, note: &[u8]) {
        const USERDATA: u16 = 6;
        self.add("NFT_MSG_NEWTABLE", NEWTABLE, NLM_F_CREATE, |request| {
            if note.is_empty() { request } else { request.attribute(USERDATA, note) }
        });
    }

    /// Removes the table with all that is in it.
    pub fn remove_table(&mut self) {
        self.add("NFT_MSG_DELTABLE", DELTABLE, 0, |request| request);
    }

    /// Makes a chain, which packets come to by themselves or by a jump.
    pub fn chain(&mut self, name: &str, base: Option<Base>) {
        const NAME: u16 = 3;
        const HOOK: u16 = 4;
        const TYPE: u16 = 7;
        const HOOKNUM: u16 = 1;
        const PRIORITY: u16 = 2;
        self.add("NFT_MSG_NEWCHAIN", NEWCHAIN, NLM_F_CREATE, |request| {
            let request = request.text(NAME, name);
            let Some(base) = base else { return request };
            let hook = |request: Request| {
                let request = request.attribute(HOOKNUM, &base.hook.to_be_bytes());
                request.attribute(PRIORITY, &base.priority.to_be_bytes())
            };
            request.nest(NESTED | HOOK, hook).text(TYPE, base.kind)
        });
    }

    /// Removes a chain, with its rules.
    pub fn remove_chain(&mut self, name: &str) {
        const NAME: u16 = 3;
        self.empty_chain(name);
        self.add("NFT_MSG_DELCHAIN", DELCHAIN, 0, |request| request.text(NAME, name));
    }

    /// Removes the rules of a chain.
    pub fn empty_chain(&mut self, name: &str) {
        const CHAIN: u16 = 2;
        self.add("NFT_MSG_DELRULE", DELRULE, 0, |request| request.text(CHAIN, name));
    }

    /// Adds a rule at the end of a chain.
    pub fn rule(&mut self, chain: &str, rule: &Rule) {
        const CHAIN: u16 = 2;
        const EXPRESSIONS: u16 = 4;
        self.add("NFT_MSG_NEWRULE", NEWRULE, NLM_F_CREATE | NLM_F_APPEND, |request| {
            let all = |request: Request| rule.describe(request);
            request.text(CHAIN, chain).nest(NESTED | EXPRESSIONS, all)
        });
    }

    /// Makes a set.
    pub fn set(&mut self, set: &Set<'_>) {
        const NAME: u16 = 2;
        const FLAGS: u16 = 3;
        const KEY_TYPE: u16 = 4;
        const KEY_LEN: u16 = 5;
        const DATA_TYPE: u16 = 6;
        const DATA_LEN: u16 = 7;
        const ID: u16 = 10;
        const USERDATA: u16 = 13;
        const MAP: u32 = 8;
        const VERDICT: u32 = 0xffff_ff00;
        let kind = |types: &[Type]| types.iter().fold(0, |all, kind| all << 6 | kind.number());
        let length = |types: &[Type]| types.iter().map(|kind| kind.length()).sum::<u32>();
        let number = self.requests.len() as u32;
        self.add("NFT_MSG_NEWSET", NEWSET, NLM_F_CREATE, |request| {
            let flags = if set.data == Data::None { 0 } else { MAP };
            let request = request
                .text(NAME, set.name)
                .attribute(FLAGS, &flags.to_be_bytes())
                .attribute(KEY_TYPE, &kind(set.key).to_be_bytes())
                .attribute(KEY_LEN, &length(set.key).to_be_bytes())
                .attribute(ID, &number.to_be_bytes());
            // For nft(8), which else takes names for numbers of the network's order: 1 is the machine's.
            let order: u32 = if set.key == [Type::Interface] { 1 } else { 2 };
            let [a, b, c, d] = order.to_ne_bytes();
            let request = request.attribute(USERDATA, &[0, 4, a, b, c, d]);
            match set.data {
                Data::None => request,
                Data::Value(types) => request
                    .attribute(DATA_TYPE, &kind(types).to_be_bytes())
                    .attribute(DATA_LEN, &length(types).to_be_bytes()),
                Data::Verdict => request.attribute(DATA_TYPE, &VERDICT.to_be_bytes()),
            }
        });
    }

    /// Puts keys into a set.
    pub fn insert<'b>(&mut self, set: &str, keys: impl IntoIterator<Item = &'b Value>) {
        let keys = keys.into_iter().map(|key| (key, |request| request));
        self.elements(("NFT_MSG_NEWSETELEM", NEWSETELEM, NLM_F_CREATE), set, keys);
    }

    /// Puts keys into a map.
    pub fn map<'b>(&mut self, set: &str, pairs: impl IntoIterator<Item = &'b (Value, Value)>) {
        const DATA: u16 = 2;
        let pairs = pairs.into_iter().map(|(key, data)| {
            (key, move |request: Request| request.nest(NESTED | DATA, |request| request.attribute(1, &data.0)))
        });
        self.elements(("NFT_MSG_NEWSETELEM", NEWSETELEM, NLM_F_CREATE), set, pairs);
    }

    /// Has a map of verdicts send packets with this key somewhere.
    pub fn direct(&mut self, set: &str, key: &Value, verdict: &Verdict) {
        const DATA: u16 = 2;
        let data = |request: Request| request.nest(NESTED | DATA, |request| verdict.describe(request));
        self.elements(("NFT_MSG_NEWSETELEM", NEWSETELEM, NLM_F_CREATE), set, [(key, data)]);
    }

    /// Takes keys out of a set or map. One that is not there fails the batch.
    pub fn take_out<'b>(&mut self, set: &str, keys: impl IntoIterator<Item = &'b Value>) {
        let keys = keys.into_iter().map(|key| (key, |request| request));
        self.elements(("NFT_MSG_DELSETELEM", DELSETELEM, 0), set, keys);
    }

    fn elements<'b, F: FnOnce(Request) -> Request>(
        &mut self,
        (name, message, flags): (&'static str, u16, u16),
        set: &str,
        elements: impl IntoIterator<Item = (&'b Value, F)>,
    ) {
        const SET: u16 = 2;
        const ELEMENTS: u16 = 3;
        const KEY: u16 = 1;
        let mut elements = elements.into_iter().peekable();
        while elements.peek().is_some() {
            self.add(name, message, flags, |request| {
                request.text(SET, set).nest(NESTED | ELEMENTS, |request| {
                    elements.by_ref().take(AT_ONCE).fold(request, |request, (key, data)| {
                        request.nest(NESTED | ELEMENT, |request| {
                            data(request.nest(NESTED | KEY, |request| request.attribute(1, &key.0)))
                        })
                    })
                })
            });
        }
    }
}
