//! Who may name whom, as data: the table that ARCHITECTURE.md draws.

/// A room of the house and the rooms below it that it may name, in any kind of dependency.
pub struct Room {
    /// The package's name.
    pub name: &'static str,
    /// The packages that it may name, beside [`GROUND`].
    pub may_name: &'static [&'static str],
}

/// The house from the roof down. A room that is not in this table may not be in the workspace.
pub const HOUSE: &[Room] = &[
    Room { name: "coracle", may_name: &["engine", "explain", "flag", "quadlet", "template"] },
    Room { name: "corun", may_name: &["runtime", "cgroup", "seccomp", "flag"] },
    Room { name: "explain", may_name: &["engine", "runtime"] },
    Room {
        name: "engine",
        may_name: &[
            "monitor", "network", "registry", "store", "trust", "runtime", "layer", "cgroup", "seccomp", "flag",
        ],
    },
    Room { name: "monitor", may_name: &["runtime"] },
    Room { name: "network", may_name: &["netlink"] },
    Room { name: "registry", may_name: &[] },
    Room { name: "store", may_name: &["layer", "erofs"] },
    Room { name: "runtime", may_name: &["cgroup", "criu", "seccomp", "init", "netlink"] },
    Room { name: "cgroup", may_name: &["dbus"] },
    Room { name: "criu", may_name: &[] },
    Room { name: "flag", may_name: &[] },
    Room { name: "dbus", may_name: &[] },
    Room { name: "init", may_name: &[] },
    Room { name: "netlink", may_name: &[] },
    Room { name: "layer", may_name: &["erofs"] },
    Room { name: "erofs", may_name: &[] },
    Room { name: "template", may_name: &[] },
    Room { name: "quadlet", may_name: &[] },
    Room { name: "trust", may_name: &[] },
    Room { name: "seccomp", may_name: &[] },
];

/// What every room of [`HOUSE`] may name. These name no other room.
pub const GROUND: &[&str] = &["oci", "sys"];

/// What stands beside the house: may name any room, and no room may name it.
pub const BESIDE: &[&str] = &["bench", "testkit", "xtask"];

/// What a room's tests may name, though it stands beside the house.
pub const FOR_TESTS: &str = "testkit";

/// The packages on a container's start path: one thread, microseconds to start, a small binary.
pub const START_PATH: &[&str] =
    &["sys", "oci", "flag", "init", "cgroup", "seccomp", "netlink", "criu", "runtime", "corun"];

/// What may not come with a package of [`START_PATH`], however indirectly, and why. A star at the end stands for any
/// continuation.
pub const TOO_HEAVY: &[(&str, &str)] = &[
    ("async-std", "threads"),
    ("clap*", "its command tree costs more than a container's start"),
    ("env_logger", "a subscriber"),
    ("hyper*", "network code"),
    ("native-tls", "TLS"),
    ("openssl*", "TLS"),
    ("rayon*", "threads"),
    ("reqwest", "network code"),
    ("ring", "TLS"),
    ("rustls*", "TLS"),
    ("smol", "threads"),
    ("tokio*", "threads"),
    ("tracing-subscriber", "a subscriber"),
    ("ureq*", "network code"),
];

/// The only packages whose code may be unsafe: one wraps system calls, one has no standard library to do it, and one
/// is the floor, raw system calls and nothing else, which stands beside the house.
pub const UNSAFE: &[&str] = &["sys", "init", "bench"];
