//! Podman's default capabilities. Knows only `core`: the floor and the build script compile the same text.

/// Their names.
pub const NAMES: [&str; 11] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Their bits (capabilities(7)).
pub const BITS: u64 = 0x8004_05fb;
