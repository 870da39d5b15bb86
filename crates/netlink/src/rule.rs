//! A rule of routing: which table a packet's way is looked up in (rtnetlink(7), linux/fib_rules.h).

use crate::message::{NLM_F_ACK, NLM_F_EXCL_CREATE, Request};

const RTM_NEWROUTE: u16 = 24;
const RTM_NEWRULE: u16 = 32;

/// The table that packets with a mark are looked up in, of which nothing else makes use.
const TABLE: u8 = 211;

/// What has packets with a mark stay here, whoever they are for: a rule that leads them to a table, in which every address
/// is one of this machine's. For IPv4 (2) or IPv6 (10).
pub fn stays_here(family: u8, mark: u32, loopback: u32) -> [Request; 2] {
    const TO_TABLE: u8 = 1;
    const STATIC: u8 = 4;
    const HOST: u8 = 254;
    const LOCAL: u8 = 2;
    const OIF: u16 = 4;
    const PRIORITY: u16 = 6;
    const FWMARK: u16 = 10;
    /// After the table of this machine's own addresses, and before all others.
    const AFTER_LOCAL: u32 = 100;
    let rule = [family, 0, 0, 0, TABLE, 0, 0, TO_TABLE, 0, 0, 0, 0];
    let rule = Request::new("RTM_NEWRULE", RTM_NEWRULE, NLM_F_ACK | NLM_F_EXCL_CREATE, &rule)
        .attribute(PRIORITY, &AFTER_LOCAL.to_ne_bytes())
        .attribute(FWMARK, &mark.to_ne_bytes());
    let route = [family, 0, 0, 0, TABLE, STATIC, HOST, LOCAL, 0, 0, 0, 0];
    let route = Request::new("RTM_NEWROUTE", RTM_NEWROUTE, NLM_F_ACK | NLM_F_EXCL_CREATE, &route)
        .attribute(OIF, &loopback.to_ne_bytes());
    [rule, route]
}
