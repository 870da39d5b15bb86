//! What other firewalls of this machine drop that ours lets through. A packet passes only where every table lets it, so
//! nothing can be done about it from here but to say who it is, and how he is told.

use super::Firewall;
use crate::error::{Error, Result};
use netlink::nft::{Chain, Nft};
use std::fmt;

/// A chain that drops packets of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The table with its family, as nft(8) writes it.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// Whose it is, where that can be told.
    pub owner: Option<Owner>,
    /// The bridge that it does not know.
    pub bridge: String,
}

/// Who makes firewalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// firewalld.
    Firewalld,
    /// ufw.
    Ufw,
    /// dockerd.
    Docker,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, chain, owner, bridge } = self;
        let iptables = if table.starts_with("ip6 ") { "ip6tables" } else { "iptables" };
        write!(f, "chain {chain} of table {table} drops what passes through {bridge}")?;
        match owner {
            Some(Owner::Firewalld) => {
                write!(
                    f,
                    "; let firewalld trust it: firewall-cmd --permanent --zone=trusted --add-interface={bridge} && firewall-cmd --reload"
                )
            }
            Some(Owner::Ufw) => {
                write!(f, "; let ufw route it: ufw route allow in on {bridge} && ufw route allow out on {bridge}")
            }
            Some(Owner::Docker) => write!(
                f,
                "; let docker's chain for such rules accept it: {iptables} -I DOCKER-USER -i {bridge} -j ACCEPT && {iptables} -I DOCKER-USER -o {bridge} -j ACCEPT"
            ),
            None => write!(f, "; let it through there, in both directions"),
        }
    }
}

impl std::error::Error for Obstacle {}

impl Firewall {
    /// Chains of others by which packets from a bridge or to it do not pass. A table that names the bridge is taken to
    /// mean what it says. What the older iptables-legacy holds is not seen.
    pub fn obstacles(&mut self, bridge: &str) -> Result<Vec<Obstacle>> {
        look(&mut self.nft, bridge).map_err(Error::filter("look at the other tables of the packet filter"))
    }
}

fn look(nft: &mut Nft, bridge: &str) -> netlink::Result<Vec<Obstacle>> {
    const FORWARD: u32 = 2;
    let chains = nft.chains()?;
    let named = [bridge.as_bytes(), b"\0"].concat();
    let mut obstacles = Vec::new();
    for chain in chains.iter().filter(|chain| chain.hook == Some(FORWARD)) {
        let Some(family) = family(chain) else { continue };
        let rules = nft.rules(chain.family, &chain.table)?;
        let last = rules.iter().rfind(|rule| rule.chain == chain.name);
        let drops = chain.drops || last.is_some_and(|rule| rule.drops_all);
        if !drops || rules.iter().any(|rule| rule.bytes.windows(named.len()).any(|bytes| bytes == named)) {
            continue;
        }
        let has =
            |name: &str| chains.iter().any(|c| (c.family, &c.table) == (chain.family, &chain.table) && c.name == name);
        let owner = if chain.table == "firewalld" {
            Some(Owner::Firewalld)
        } else if has("ufw-user-forward") || has("ufw6-user-forward") {
            Some(Owner::Ufw)
        } else {
            has("DOCKER-USER").then_some(Owner::Docker)
        };
        let (table, chain) = (format!("{family} {}", chain.table), chain.name.clone());
        obstacles.push(Obstacle { table, chain, owner, bridge: bridge.to_owned() });
    }
    Ok(obstacles)
}

/// The family of a table, where it sees packets that are routed.
fn family(chain: &Chain) -> Option<&'static str> {
    match chain.family {
        1 => Some("inet"),
        2 => Some("ip"),
        10 => Some("ip6"),
        _ => None,
    }
}
