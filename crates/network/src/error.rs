//! What goes wrong with networks, in the words of who asked for them.

use std::net::IpAddr;
use std::path::PathBuf;

/// What this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {what}")]
    System {
        /// What it was for.
        what: &'static str,
        /// The call.
        source: sys::Error,
    },
    /// A request to the kernel failed.
    #[error("network {network}: cannot {what}")]
    Kernel {
        /// The network's name.
        network: String,
        /// What it was for.
        what: &'static str,
        /// The request.
        source: netlink::Error,
    },
    /// The packet filter refuses something.
    #[error("cannot {what} (is the kernel's nf_tables there?)")]
    Filter {
        /// What it was for.
        what: &'static str,
        /// The request.
        source: netlink::Error,
    },
    /// A file of ours cannot be used.
    #[error("cannot {what} {}", .path.display())]
    File {
        /// What was to be done with it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: sys::Error,
    },
    /// A file of ours is damaged.
    #[error("{} is damaged", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A device has the name of the network's bridge, and is none of ours.
    #[error(
        "network {network}: its bridge is to be called {interface}, and this machine has another device of that name; rename that, or make the network with another --interface-name"
    )]
    Interface {
        /// The network's name.
        network: String,
        /// The device's.
        interface: String,
    },
    /// An ordinary user's containers need it for a network.
    #[error(
        "an ordinary user's containers reach the network by pasta, which is not installed: install the package passt, or say --network none, or --network host"
    )]
    NoPasta,
    /// Nothing can be passed on.
    #[error("this machine has no way to others (no default route), which pasta could pass packets on by")]
    Offline,
    /// The kernel has no nf_tables, or we may not touch it.
    #[error(
        "the packet filter (nf_tables) is not there, or this root may not touch it: --network host has the machine's network"
    )]
    NoFilter,
    /// It could not do it.
    #[error("pasta: {0}")]
    Pasta(String),
    /// The process that tells names has ended at once.
    #[error("network {0}: its resolver cannot be started")]
    Resolver(String),
    /// Somebody has removed what was just made.
    #[error("network {0}: its bridge was removed while it was made")]
    Gone(String),
    /// Somebody has the hardware address or the name of the device.
    #[error(
        "network {network}: container {container} has a device {interface} already; choose another name with interface_name="
    )]
    Inside {
        /// The network's name.
        network: String,
        /// The container's id.
        container: String,
        /// The device.
        interface: String,
    },
    /// All addresses are taken.
    #[error(
        "network {network}: all addresses of {range} are taken; remove containers, or make a network with a larger --subnet"
    )]
    Full {
        /// The network's name.
        network: String,
        /// The range.
        range: String,
    },
    /// Somebody has the address.
    #[error(
        "network {network}: the address {address} belongs to container {container}; choose another one, or remove that container"
    )]
    Taken {
        /// The network's name.
        network: String,
        /// The address.
        address: IpAddr,
        /// Who has it.
        container: String,
    },
    /// The address cannot be a container's.
    #[error("network {network}: {address} is none of the addresses that containers can have in {subnets}")]
    Foreign {
        /// The network's name.
        network: String,
        /// The address.
        address: IpAddr,
        /// What it has.
        subnets: String,
    },
    /// A port of this machine cannot be had.
    #[error("port {port} cannot be published{}", .owner.as_ref().map(|owner| format!(": {owner} has it; publish another one, or end that")).unwrap_or_default())]
    Port {
        /// The port.
        port: String,
        /// Who has it.
        owner: Option<String>,
        /// Why.
        source: sys::Error,
    },
    /// Only the machine's packet filter leads it on.
    #[error(
        "port {0}/sctp cannot be published by an ordinary user, for whom a process passes on TCP and UDP alone: run it as root, or leave it out"
    )]
    Unpassed(u16),
    /// No range of addresses is free.
    #[error(
        "no subnet is free: every one that networks are made of overlaps one of this machine's routes; say which with --subnet"
    )]
    NoSubnet,
}

impl Error {
    /// Wraps a system call's failure.
    pub fn system(what: &'static str) -> impl FnOnce(sys::Error) -> Self {
        move |source| Self::System { what, source }
    }

    pub(crate) fn kernel(network: &str, what: &'static str) -> impl FnOnce(netlink::Error) -> Self {
        let network = network.to_owned();
        move |source| Self::Kernel { network, what, source }
    }

    pub(crate) fn filter(what: &'static str) -> impl FnOnce(netlink::Error) -> Self {
        move |source| Self::Filter { what, source }
    }

    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(sys::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
