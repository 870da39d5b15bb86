//! What criu is asked for: `criu_req` and `criu_opts` of its rpc.proto.

use crate::response::Version;
use crate::wire::Writer;
use std::fmt;

/// What it is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Write processes down.
    Dump = 1,
    /// Make processes again.
    Restore = 2,
    /// Write down what memory they have so far, and let them go on.
    PreDump = 4,
    /// The answer to a notification.
    Notify = 6,
    /// Tell what it and the kernel can do.
    FeatureCheck = 9,
    /// Tell which criu it is.
    Version = 10,
}

impl Kind {
    /// The kind of an answer.
    pub fn from_number(number: u64) -> Option<Self> {
        [Self::Dump, Self::Restore, Self::PreDump, Self::Notify, Self::FeatureCheck, Self::Version]
            .into_iter()
            .find(|kind| *kind as u64 == number)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dump => "DUMP",
            Self::Restore => "RESTORE",
            Self::PreDump => "PRE_DUMP",
            Self::Notify => "NOTIFY",
            Self::FeatureCheck => "FEATURE_CHECK",
            Self::Version => "VERSION",
        })
    }
}

/// How criu treats cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CgroupMode {
    /// Not at all.
    Ignore = 0,
    /// Restores what is not there.
    Soft = 3,
    /// Restores all.
    Full = 4,
    /// Fails where something is there.
    Strict = 5,
    /// As criu thinks best.
    #[default]
    Default = 6,
}

/// How packets are kept from connections that are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "criu(8) names and explains them")]
pub enum NetworkLock {
    Iptables = 1,
    Nftables = 2,
    Skip = 3,
}

/// Where pages go, or come from, in the place of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageServer {
    /// Its address.
    pub address: String,
    /// Its port.
    pub port: u16,
}

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Pages that have changed can be told.
    pub mem_track: bool,
    /// Pages can be brought when they are touched.
    pub lazy_pages: bool,
}

/// Options of a dump or a restore. Fds of directories are ours; those of [`Options::inherit`] are the child's.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "criu(8) names and explains them")]
pub struct Options {
    pub images_dir_fd: i32,
    pub work_dir_fd: Option<i32>,
    pub pid: Option<i32>,
    pub log_file: String,
    pub root: String,
    pub leave_running: bool,
    pub ext_unix_sk: bool,
    pub tcp_established: bool,
    pub tcp_skip_in_flight: bool,
    pub tcp_close: bool,
    pub evasive_devices: bool,
    pub shell_job: bool,
    pub file_locks: bool,
    pub link_remap: bool,
    pub auto_dedup: bool,
    pub lazy_pages: bool,
    pub rst_sibling: bool,
    pub parent_img: Option<String>,
    pub page_server: Option<PageServer>,
    pub cgroup_mode: CgroupMode,
    /// Controller and path.
    pub cg_root: Vec<(String, String)>,
    pub freeze_cgroup: Option<String>,
    /// Mounts that are not criu's: by the mount point when dumped, by name and source when restored.
    pub ext_mnt: Vec<(String, String)>,
    pub external: Vec<String>,
    /// Kind and path of namespaces.
    pub join_ns: Vec<(String, String)>,
    /// Key and fd.
    pub inherit: Vec<(String, i32)>,
    pub empty_ns: u32,
    /// A terminal whose master is nobody's is made anew and told of, not inherited.
    pub orphan_pts_master: bool,
    pub lsm_profile: Option<String>,
    pub lsm_mount_context: Option<String>,
    pub network_lock: Option<NetworkLock>,
    pub config_file: Option<String>,
}

impl Options {
    /// What of these not every criu knows, with the first version that does. An older one would pass over it in silence.
    pub fn needs(&self) -> impl Iterator<Item = (Version, &'static str)> {
        let lock = |how: fn(NetworkLock) -> bool| self.network_lock.is_some_and(how);
        let external = |kind: &str| {
            let named = self.external.iter().chain(self.inherit.iter().map(|(key, _)| key));
            named.into_iter().any(|name| name.ends_with(kind))
        };
        [
            (self.lazy_pages, Version(3, 5, 0), "--lazy-pages"),
            (external("extRootNetNS"), Version(3, 11, 0), "network namespaces from outside"),
            (self.tcp_close, Version(3, 12, 0), "--tcp-close"),
            (self.lsm_profile.is_some(), Version(3, 12, 0), "--lsm-profile"),
            (external("extRootPidNS"), Version(3, 15, 0), "PID namespaces from outside"),
            (self.lsm_mount_context.is_some(), Version(3, 16, 0), "--lsm-mount-context"),
            (lock(|_| true), Version(3, 16, 0), "--network-lock"),
            (lock(|how| how == NetworkLock::Skip), Version(3, 19, 0), "--network-lock skip"),
        ]
        .into_iter()
        .filter_map(|(used, since, what)| used.then_some((since, what)))
    }

    fn write(&self, to: &mut Writer) {
        const DEBUG: i32 = 4;
        to.int(1, self.images_dir_fd);
        self.pid.into_iter().for_each(|pid| to.int(2, pid));
        to.flag(3, self.leave_running);
        to.flag(4, self.ext_unix_sk);
        to.flag(5, self.tcp_established);
        to.flag(6, self.evasive_devices);
        to.flag(7, self.shell_job);
        to.flag(8, self.file_locks);
        to.int(9, DEBUG);
        to.text(10, &self.log_file);
        if let Some(server) = &self.page_server {
            to.message(11, |inner| {
                inner.text(1, &server.address);
                inner.int(2, server.port.into());
            });
        }
        to.flag(12, true);
        to.text(13, &self.root);
        if let Some(parent) = &self.parent_img {
            to.text(14, parent);
            to.flag(15, true);
        }
        to.flag(16, self.auto_dedup);
        self.work_dir_fd.into_iter().for_each(|fd| to.int(17, fd));
        to.flag(18, self.link_remap);
        pairs(to, 23, &self.ext_mnt);
        to.flag(24, true);
        pairs(to, 25, &self.cg_root);
        to.flag(26, self.rst_sibling);
        for (key, fd) in &self.inherit {
            to.message(27, |inner| {
                inner.text(1, key);
                inner.int(2, *fd);
            });
        }
        to.number(34, self.cgroup_mode as u64);
        self.external.iter().for_each(|external| to.text(37, external));
        if self.empty_ns != 0 {
            to.number(38, self.empty_ns.into());
        }
        pairs(to, 39, &self.join_ns);
        let text = |to: &mut Writer, field, text: &Option<String>| text.iter().for_each(|text| to.text(field, text));
        text(to, 44, &self.freeze_cgroup);
        to.flag(46, self.tcp_skip_in_flight);
        to.flag(48, self.lazy_pages);
        to.flag(50, self.orphan_pts_master);
        text(to, 51, &self.config_file);
        to.flag(52, self.tcp_close);
        text(to, 53, &self.lsm_profile);
        text(to, 63, &self.lsm_mount_context);
        self.network_lock.into_iter().for_each(|how| to.number(64, how as u64));
    }
}

fn pairs(to: &mut Writer, field: u64, pairs: &[(String, String)]) {
    for (first, second) in pairs {
        to.message(field, |inner| {
            inner.text(1, first);
            inner.text(2, second);
        });
    }
}

/// One request.
#[derive(Debug)]
pub enum Request<'a> {
    /// Write processes down, or make them again.
    Do(Kind, &'a Options),
    /// A notification was heard, and all is well.
    Go,
    /// Tell whether these can be had.
    Can(Features),
    /// Tell which criu it is.
    Who,
}

impl Request<'_> {
    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Do(kind, _) => *kind,
            Self::Go => Kind::Notify,
            Self::Can(_) => Kind::FeatureCheck,
            Self::Who => Kind::Version,
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.number(1, self.kind() as u64);
        match self {
            Self::Do(_, options) => to.message(2, |inner| options.write(inner)),
            Self::Go => to.flag(3, true),
            Self::Can(features) => to.message(5, |inner| {
                inner.flag(1, features.mem_track);
                inner.flag(2, features.lazy_pages);
            }),
            Self::Who => {}
        }
        to.finish()
    }
}
