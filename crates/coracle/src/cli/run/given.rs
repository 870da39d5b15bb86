//! What the flags of `run` have said, before it is known whether it fits together.

use crate::cli::remote::{Machine, Remote};
use engine::config::{
    BlockIo, Bytes, CgroupNamespace, CgroupUse, ContainerName, CpuSet, Cpus, DnsOption, DomainName, HostEntry,
    HostName, IdOrName, IpcNamespace, MemorySwap, NamespaceMode, NetworkMode, PidsLimit, Pull, SecretRequest, Signal,
    TmpfsMount, Ulimit, Umask, UserSpec, UsernsMode,
};
use engine::flags::SecurityOpt;
use oci::runtime::DeviceRule;
use std::net::IpAddr;

/// What the flags said, still in the order in which they said it.
#[derive(Debug, Default)]
pub struct Given {
    pub interactive: bool,
    pub tty: bool,
    pub detach: bool,
    pub replace: bool,
    pub attach: Vec<Stream>,
    pub detach_keys: Option<engine::Keys>,
    pub restart: Option<engine::config::Policy>,
    pub health: engine::config::Health,
    pub log_driver: Option<engine::config::LogDriver>,
    pub log_opts: Vec<String>,
    pub env: Vec<String>,
    pub env_files: Vec<String>,
    pub env_host: bool,
    pub http_proxy: bool,
    pub unset_env: Vec<String>,
    pub unset_env_all: bool,
    pub workdir: Option<String>,
    pub user: Option<UserSpec>,
    pub group_add: Vec<IdOrName>,
    pub entrypoint: Option<Vec<String>>,
    pub init: bool,
    pub stop_signal: Option<Signal>,
    pub stop_timeout: Option<i32>,
    pub timeout: Option<u32>,
    pub umask: Option<Umask>,
    pub ulimits: Vec<Ulimit>,
    pub oom_score_adj: Option<i32>,
    pub preserve_fds: Option<u32>,
    pub sdnotify: Option<SdNotify>,
    pub sig_proxy: Option<bool>,

    pub network: Option<NetworkMode>,
    pub ip: Vec<IpAddr>,
    pub mac: Option<engine::config::Mac>,
    pub aliases: Vec<String>,
    pub publish: Vec<engine::config::PortRequest>,
    pub publish_all: bool,
    pub pass_ports: bool,
    pub expose: Vec<(u16, engine::config::Protocol)>,
    pub hostname: Option<HostName>,
    pub domainname: Option<DomainName>,
    pub add_host: Vec<HostEntry>,
    pub no_hosts: bool,
    pub time_zone: Option<String>,
    pub dns: Vec<IpAddr>,
    pub dns_search: Vec<String>,
    pub dns_option: Vec<DnsOption>,
    pub pid: Option<NamespaceMode>,
    pub ipc: Option<IpcNamespace>,
    pub uts: Option<NamespaceMode>,
    pub cgroupns: Option<CgroupNamespace>,
    pub userns: Option<UsernsMode>,
    pub sysctl: Vec<(String, String)>,

    pub memory: Option<Bytes>,
    pub memory_swap: Option<MemorySwap>,
    pub memory_reservation: Option<Bytes>,
    pub cpus: Option<Cpus>,
    pub cpu_shares: Option<u64>,
    pub cpu_period: Option<u64>,
    pub cpu_quota: Option<i64>,
    pub cpuset_cpus: Option<CpuSet>,
    pub cpuset_mems: Option<CpuSet>,
    pub pids_limit: Option<PidsLimit>,
    pub swappiness: Option<u8>,
    pub block_io: BlockIo,
    pub cgroup_conf: Vec<String>,
    pub shm_size: Option<Bytes>,
    pub oom_kill_disable: bool,
    pub cgroup_parent: Option<String>,
    pub cgroups: Option<CgroupUse>,

    pub mounts: Vec<MountWord>,
    pub volumes_from: Vec<String>,
    pub rootfs: Option<String>,
    pub read_only: bool,
    pub read_only_tmpfs: Option<bool>,
    pub devices: Vec<String>,
    pub device_rules: Vec<DeviceRule>,
    pub secrets: Vec<SecretRequest>,

    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub security_opt: Vec<SecurityOpt>,
    pub privileged: bool,
    pub report_denied: bool,

    pub name: Option<ContainerName>,
    pub rm: bool,
    pub labels: Vec<String>,
    pub label_files: Vec<String>,
    pub annotations: Vec<String>,
    pub cidfile: Option<String>,
    pub pidfile: Option<String>,
    pub conmon_pidfile: Option<String>,
    pub remove_image: bool,
    pub pull: Option<Pull>,
    pub quiet: bool,
    pub remote: Remote,
    pub machine: Machine,
    pub explain: Option<bool>,
    pub explain_file: Option<String>,
    pub timings: bool,

    /// For `learn` alone.
    pub out: Option<String>,
    /// The same.
    pub replay: bool,
}

crate::cli::parts!(Given { remote: Remote, machine: Machine });

/// One of a container's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard input.
    Input,
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// `--sdnotify`, in podman's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdNotify {
    /// Nobody says anything.
    Ignore,
    /// Whoever starts the container.
    Conmon,
    /// The container.
    Container,
}

/// A mount as it was written.
#[derive(Debug)]
pub enum MountWord {
    /// `--volume`.
    Volume(String),
    /// `--mount`.
    Mount(String),
    /// `--tmpfs`, which depends on nothing.
    Tmpfs(TmpfsMount),
}
