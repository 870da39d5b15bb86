//! The specifications under test, as the calls that they come to. `src/spec.rs` has them in words, as `config.json`; a
//! test holds that what is made is the same.

use crate::Text;

const NEWNS: u64 = 0x0002_0000;
const NEWUTS: u64 = 0x0400_0000;
const NEWIPC: u64 = 0x0800_0000;
const NEWPID: u64 = 0x2000_0000;
const NEWNET: u64 = 0x4000_0000;

/// mount(2)'s flags.
pub mod flag {
    pub const RDONLY: usize = 1;
    pub const NOSUID: usize = 2;
    pub const NODEV: usize = 4;
    pub const NOEXEC: usize = 8;
    pub const BIND: usize = 4096;
    pub const REC: usize = 16384;
    pub const PRIVATE: usize = 1 << 18;
    pub const STRICTATIME: usize = 1 << 24;
}
use flag::{NODEV, NOEXEC, NOSUID, RDONLY, STRICTATIME};

const fn text(text: &'static core::ffi::CStr) -> Text {
    text.as_ptr().cast()
}

/// A file system of its own.
pub struct Mount {
    pub kind: Text,
    pub at: Text,
    pub flags: usize,
    pub options: Text,
}

/// A file or directory of the harness's, bound.
pub struct Bind {
    pub from: Text,
    pub at: Text,
    pub flags: usize,
}

/// A specification.
pub struct Spec {
    /// But the cgroup namespace, which is made once its maker is in its cgroup.
    pub namespaces: u64,
    pub mounts: &'static [Mount],
    pub directories: &'static [Text],
    pub binds: &'static [Bind],
    pub masked_files: &'static [Text],
    pub masked_directories: &'static [Text],
    pub read_only: &'static [Text],
    /// File and text, in the new namespaces.
    pub sysctl: Option<(Text, Text)>,
    pub hostname: &'static [u8],
    /// Number, soft, hard.
    pub rlimits: &'static [[usize; 3]],
    /// Effective, permitted and bounding.
    pub capabilities: u64,
    pub filter: &'static [u8],
    pub environment: &'static [Text],
}

// SAFETY: the texts are constants.
unsafe impl Sync for Spec {}
// SAFETY: as above.
unsafe impl Sync for Mount {}
// SAFETY: as above.
unsafe impl Sync for Bind {}

macro_rules! mount {
    ($kind:literal $at:literal $flags:expr, $options:literal) => {
        Mount { kind: text($kind), at: text($at), flags: $flags, options: text($options) }
    };
}

const ALL: usize = NOSUID | NODEV | NOEXEC;
const SIX: u64 = NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET;

/// Six namespaces and, with the root, eight mounts.
pub static EMPTY: Spec = Spec {
    namespaces: SIX,
    mounts: &[
        mount!(c"proc" c"proc" ALL, c""),
        mount!(c"tmpfs" c"dev" NOSUID | STRICTATIME, c"mode=755,size=65536k"),
        mount!(c"devpts" c"dev/pts" NOSUID | NOEXEC, c"newinstance,ptmxmode=0666,mode=0620,gid=5"),
        mount!(c"tmpfs" c"dev/shm" ALL, c"mode=1777,size=65536k"),
        mount!(c"mqueue" c"dev/mqueue" ALL, c""),
        mount!(c"sysfs" c"sys" ALL | RDONLY, c""),
        mount!(c"tmpfs" c"run" NOSUID | NODEV, c"mode=755"),
    ],
    directories: &[text(c"dev/pts"), text(c"dev/shm"), text(c"dev/mqueue")],
    binds: &[],
    masked_files: &[],
    masked_directories: &[],
    read_only: &[],
    sysctl: None,
    hostname: b"",
    rlimits: &[],
    capabilities: 0,
    filter: &[],
    environment: &[text(c"PATH=/bin"), core::ptr::null()],
};

const RLIMIT_NPROC: usize = 6;
const RLIMIT_NOFILE: usize = 7;

/// What podman gives a container that asks for nothing.
pub static PODMAN: Spec = Spec {
    namespaces: SIX,
    mounts: &[
        mount!(c"proc" c"proc" ALL, c""),
        mount!(c"tmpfs" c"dev" NOSUID | NOEXEC | STRICTATIME, c"mode=755,size=65536k"),
        mount!(c"sysfs" c"sys" ALL | RDONLY, c""),
        mount!(c"devpts" c"dev/pts" NOSUID | NOEXEC, c"newinstance,ptmxmode=0666,mode=0620,gid=5"),
        mount!(c"mqueue" c"dev/mqueue" ALL, c""),
    ],
    directories: &[text(c"dev/pts"), text(c"dev/mqueue"), text(c"dev/shm")],
    binds: &[
        Bind { from: text(c"hosts"), at: text(c"etc/hosts"), flags: 0 },
        Bind { from: text(c"shm"), at: text(c"dev/shm"), flags: ALL },
        Bind { from: text(c"containerenv"), at: text(c"run/.containerenv"), flags: 0 },
        Bind { from: text(c"hostname"), at: text(c"etc/hostname"), flags: 0 },
    ],
    masked_files: &[
        text(c"proc/kcore"),
        text(c"proc/keys"),
        text(c"proc/latency_stats"),
        text(c"proc/timer_list"),
        text(c"proc/timer_stats"),
        text(c"proc/sched_debug"),
    ],
    masked_directories: &[
        text(c"proc/acpi"),
        text(c"proc/scsi"),
        text(c"sys/firmware"),
        text(c"sys/fs/selinux"),
        text(c"sys/dev/block"),
    ],
    read_only: &[
        text(c"proc/asound"),
        text(c"proc/bus"),
        text(c"proc/fs"),
        text(c"proc/irq"),
        text(c"proc/sys"),
        text(c"proc/sysrq-trigger"),
    ],
    sysctl: Some((text(c"/proc/sys/net/ipv4/ping_group_range"), text(c"0 0"))),
    hostname: b"9b2e63f5a4d1",
    rlimits: &[[RLIMIT_NOFILE, 1024, 1024], [RLIMIT_NPROC, 1024, 1024]],
    capabilities: crate::capabilities::BITS,
    filter: include_bytes!(concat!(env!("OUT_DIR"), "/filter")),
    environment: &[
        text(c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        text(c"TERM=xterm"),
        text(c"HOSTNAME=9b2e63f5a4d1"),
        core::ptr::null(),
    ],
};
