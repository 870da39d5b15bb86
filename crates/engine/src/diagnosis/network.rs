//! Ports of this machine that cannot be had.

use super::{Cause, Diagnosis};
use crate::error::Error;
use sys::Errno;

/// Why a port cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum Ports {
    /// Somebody has it.
    #[error("{0} has it")]
    Taken(String),
    /// Root alone may have it.
    #[error("an ordinary user may have ports from {first} on (net.ipv4.ip_unprivileged_port_start)")]
    Privileged {
        /// The port.
        port: u16,
        /// The first that he may have.
        first: u16,
    },
    /// The address is none of this machine's.
    #[error("no device of this machine has the address")]
    NoAddress,
}

impl Ports {
    pub(super) fn remedy(&self) -> String {
        match self {
            Self::Taken(_) => "publish another one, or end that".to_owned(),
            Self::Privileged { port, first } => format!(
                "publish one from {first} on, or let root say: sysctl -w net.ipv4.ip_unprivileged_port_start={port}"
            ),
            Self::NoAddress => "leave the address out, or choose one that ip address shows".to_owned(),
        }
    }
}

/// Looks into a port that was refused.
pub(super) fn look(error: &Error) -> Option<Diagnosis> {
    let Error::Network(network::Error::Port { port, owner, source }) = error else { return None };
    let cause = match source.errno {
        Errno::ADDRINUSE => Ports::Taken(owner.clone()?),
        Errno::ACCESS | Errno::PERM => {
            let first = super::number("/proc/sys/net/ipv4/ip_unprivileged_port_start")?;
            let number = port.split('/').next()?.rsplit(':').next()?.split('-').next()?.parse().ok()?;
            let first = u16::try_from(first).ok().filter(|first| number < *first)?;
            Ports::Privileged { port: number, first }
        }
        Errno::ADDRNOTAVAIL => Ports::NoAddress,
        _ => return None,
    };
    // That it is in use says nothing more than who has it.
    let said = match cause {
        Ports::Taken(_) => String::new(),
        _ => format!(": {}", super::words(source.errno)),
    };
    let what = format!("port {port} cannot be published{said}");
    Some(Diagnosis::new(Cause::Ports(cause)).of(what))
}
