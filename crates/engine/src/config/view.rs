//! What the process sees: namespaces, names and network.

use super::{
    CgroupNamespace, DnsOption, DomainName, HostEntry, HostName, IpcNamespace, NamespaceMode, NetworkMode, PortRequest,
    Protocol, SearchDomains, UsernsMode,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Namespaces and names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewConfig {
    /// `--pid`.
    pub pid: NamespaceMode,
    /// `--ipc`.
    pub ipc: IpcNamespace,
    /// `--uts`.
    pub uts: NamespaceMode,
    /// `--cgroupns`.
    pub cgroup: CgroupNamespace,
    /// `--userns`; absent leaves the choice to the engine.
    pub userns: Option<UsernsMode>,
    /// `--network`; absent leaves the choice to the engine.
    pub network: Option<NetworkMode>,
    /// `--publish`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortRequest>,
    /// `--publish-policy host`: this machine's own rules for what comes in count for published ports, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pass_ports: bool,
    /// `--publish-all`: what the image exposes gets ports, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub publish_all: bool,
    /// `--expose`: ports beside those of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposed: Vec<(u16, Protocol)>,
    /// `--hostname`.
    pub hostname: Option<HostName>,
    /// `--domainname`: the NIS domain.
    pub domainname: Option<DomainName>,
    /// `--add-host`.
    pub hosts: Vec<HostEntry>,
    /// `--no-hosts`: /etc/hosts is as the image has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_hosts: bool,
    /// `--tz`: a time zone, below /usr/share/zoneinfo, or `local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// `--dns`: replaces the host's name servers.
    pub dns: Vec<IpAddr>,
    /// `--dns-search`: replaces the host's search list.
    pub dns_search: Option<SearchDomains>,
    /// `--dns-option`: replaces the host's options.
    pub dns_options: Vec<DnsOption>,
    /// `--sysctl`, by dotted name; checked against the namespaces when the specification is composed.
    pub sysctls: Vec<(String, String)>,
}
