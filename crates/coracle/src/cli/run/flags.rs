//! The flags of `run`, grouped, as the help shows them, by the questions that make a container.
//!
//! A value that needs nothing but itself is parsed right here by `engine::flags`; what depends on the working
//! directory, the environment or on other flags stays words until [`super::request`] looks at it. Docker's and
//! podman's spellings are taken where they differ.

use super::given::{Given, MountWord};
use super::words::{add, capability, health_action, health_command, io_weight, keep, mount, network, sdnotify, stream};
use crate::cli::remote;
use engine::flags;
use flag::{Flag, push, push_word, put, put_word};

const PROCESS: &str = "Process";
const SEES: &str = "Sees";
const USES: &str = "Uses";
const FILES: &str = "Files";
const MAY: &str = "May do";
const OTHER: &str = "Other";

type F = Flag<Given>;

/// All of them.
pub const FLAGS: &[Flag<Given>] = &[
    F::switch("interactive", |g, on| g.interactive = on, "Keep standard input open").short('i').under(PROCESS),
    F::switch("tty", |g, on| g.tty = on, "Give the command a terminal").short('t').under(PROCESS),
    F::switch("detach", |g, on| g.detach = on, "Leave it running, and tell its id").short('d').under(PROCESS),
    F::takes("attach", "STREAM", stream, "Attach to stdin, stdout or stderr alone").short('a').under(PROCESS),
    F::takes("detach-keys", "KEYS", |g, w| put(&mut g.detach_keys, w), "Keys that leave it running (ctrl-p,ctrl-q)")
        .under(PROCESS),
    F::takes("env", "NAME[=VALUE]", |g, w| push_word(&mut g.env, w), "Set a variable; a name alone passes yours on")
        .short('e')
        .under(PROCESS),
    F::takes("env-file", "FILE", |g, w| push_word(&mut g.env_files, w), "Read variables from a file").under(PROCESS),
    F::switch("env-host", |g, on| g.env_host = on, "Pass all your variables on").under(PROCESS),
    F::switch("http-proxy", |g, on| g.http_proxy = on, "Pass http_proxy and its like on").under(PROCESS),
    F::takes("unsetenv", "NAME", |g, w| push_word(&mut g.unset_env, w), "Leave out a variable of the image")
        .under(PROCESS),
    F::switch("unsetenv-all", |g, on| g.unset_env_all = on, "Leave out all that you do not set").under(PROCESS),
    F::takes("workdir", "PATH", |g, w| put_word(&mut g.workdir, w), "Directory in which the command starts")
        .short('w')
        .under(PROCESS),
    F::takes("user", "USER[:GROUP]", |g, w| put(&mut g.user, w), "Run as this user, by name or number")
        .short('u')
        .under(PROCESS),
    F::takes("group-add", "GROUP", |g, w| push(&mut g.group_add, w), "Add a supplementary group").under(PROCESS),
    F::takes(
        "entrypoint",
        "COMMAND",
        |g, w| keep(&mut g.entrypoint, flags::entrypoint(w)),
        "Run this instead of the image's entrypoint",
    )
    .under(PROCESS),
    F::switch("init", |g, on| g.init = on, "Run a small init that reaps orphans and forwards signals").under(PROCESS),
    F::takes("stop-signal", "SIGNAL", |g, w| put(&mut g.stop_signal, w), "Signal that stops the container")
        .under(PROCESS),
    F::takes(
        "stop-timeout",
        "SECONDS",
        |g, w| keep(&mut g.stop_timeout, flags::stop_timeout(w)),
        "Time from that signal to SIGKILL",
    )
    .under(PROCESS),
    F::takes("timeout", "SECONDS", |g, w| keep(&mut g.timeout, flags::count(w)), "Kill the container after this time")
        .under(PROCESS),
    F::takes("umask", "MASK", |g, w| put(&mut g.umask, w), "File mode mask, in octal").under(PROCESS),
    F::takes(
        "ulimit",
        "NAME=SOFT[:HARD]",
        |g, w| push(&mut g.ulimits, w),
        "Resource limit of the process, such as nofile=1024:4096",
    )
    .under(PROCESS),
    F::takes(
        "oom-score-adj",
        "SCORE",
        |g, w| keep(&mut g.oom_score_adj, flags::oom_score_adj(w)),
        "How soon it is killed when memory runs out, -1000 to 1000",
    )
    .under(PROCESS),
    F::takes(
        "preserve-fds",
        "N",
        |g, w| keep(&mut g.preserve_fds, flags::count(w)),
        "Hand N further descriptors to the command",
    )
    .under(PROCESS),
    F::takes(
        "sdnotify",
        "WHO",
        sdnotify,
        "Who tells the service manager that it is ready: ignore (nobody), conmon (we do, when it runs), container",
    )
    .under(PROCESS),
    F::switch("sig-proxy", |g, on| g.sig_proxy = Some(on), "Forward signals to the command (default true)")
        .under(PROCESS),
    F::takes(
        "network",
        "NETWORK",
        network,
        "Networks: NAME[:ip=ADDRESS,mac=ADDRESS,alias=NAME] each, or none, host, container:NAME or ns:PATH",
    )
    .alias("net")
    .under(SEES),
    F::takes("ip", "ADDRESS", |g, w| add(&mut g.ip, flags::address(w)), "Address in its network").under(SEES),
    F::takes("ip6", "ADDRESS", |g, w| add(&mut g.ip, flags::address(w)), "Address of IPv6 in its network").under(SEES),
    F::takes(
        "mac-address",
        "ADDRESS",
        |g, w| keep(&mut g.mac, flags::mac_address(w)),
        "Hardware address in its network",
    )
    .under(SEES),
    F::takes(
        "network-alias",
        "NAME",
        |g, w| add(&mut g.aliases, flags::host_label(w)),
        "Name for others in its networks",
    )
    .alias("net-alias")
    .under(SEES),
    F::takes(
        "publish",
        "[[IP:]PORT:]PORT[/PROTOCOL]",
        |g, w| flags::publish(w).map(|ports| g.publish.extend(ports)),
        "Port of this machine that leads to one of the container's; ranges, too",
    )
    .short('p')
    .under(SEES),
    F::switch("publish-all", |g, on| g.publish_all = on, "Publish every port that the image exposes")
        .short('P')
        .under(SEES),
    F::takes(
        "publish-policy",
        "open|host",
        |g, w| flags::publish_policy(w).map(|passed| g.pass_ports = passed),
        "Who reaches published ports: everybody, or whom this machine's firewall lets in (TCP)",
    )
    .under(SEES),
    F::takes(
        "expose",
        "PORT[/PROTOCOL]",
        |g, w| flags::expose(w).map(|ports| g.expose.extend(ports)),
        "A port for --publish-all",
    )
    .under(SEES),
    F::takes("hostname", "NAME", |g, w| put(&mut g.hostname, w), "Host name").short('h').under(SEES),
    F::takes("domainname", "NAME", |g, w| put(&mut g.domainname, w), "NIS domain name").under(SEES),
    F::takes("add-host", "NAME:ADDRESS", |g, w| add(&mut g.add_host, flags::host_entry(w)), "Add a line to /etc/hosts")
        .under(SEES),
    F::switch("no-hosts", |g, on| g.no_hosts = on, "Leave /etc/hosts as the image has it").under(SEES),
    F::takes(
        "tz",
        "ZONE",
        |g, w| keep(&mut g.time_zone, flags::time_zone(w)),
        "Time zone, such as Europe/Zurich, or local",
    )
    .under(SEES),
    F::takes("dns", "ADDRESS", |g, w| add(&mut g.dns, flags::dns_server(w)), "Name server, instead of the host's")
        .under(SEES),
    F::takes(
        "dns-search",
        "DOMAIN",
        |g, w| push_word(&mut g.dns_search, w),
        "Search domain, instead of the host's; . for none",
    )
    .under(SEES),
    F::takes("dns-option", "OPTION", |g, w| push(&mut g.dns_option, w), "Option of resolv.conf, instead of the host's")
        .alias("dns-opt")
        .under(SEES),
    F::takes("pid", "MODE", |g, w| put(&mut g.pid, w), "Process ids: private, host, ns:PATH").under(SEES),
    F::takes("ipc", "MODE", |g, w| put(&mut g.ipc, w), "Shared memory and queues: private, none, host, ns:PATH")
        .under(SEES),
    F::takes("uts", "MODE", |g, w| put(&mut g.uts, w), "Host name: private, host, ns:PATH").under(SEES),
    F::takes("cgroupns", "MODE", |g, w| put(&mut g.cgroupns, w), "Cgroup root: private, host, ns:PATH").under(SEES),
    F::takes("userns", "MODE", |g, w| put(&mut g.userns, w), "User ids: host, auto, keep-id, nomap, ns:PATH")
        .under(SEES),
    F::takes(
        "sysctl",
        "NAME=VALUE",
        |g, w| add(&mut g.sysctl, flags::sysctl(w)),
        "Kernel parameter of the container's namespaces",
    )
    .under(SEES),
    F::takes("memory", "SIZE", |g, w| put(&mut g.memory, w), "Most memory, such as 512m").short('m').under(USES),
    F::takes(
        "memory-swap",
        "SIZE",
        |g, w| put(&mut g.memory_swap, w),
        "Most memory and swap together; -1 for all swap",
    )
    .under(USES),
    F::takes(
        "memory-reservation",
        "SIZE",
        |g, w| put(&mut g.memory_reservation, w),
        "Memory that it keeps when memory gets short",
    )
    .under(USES),
    F::takes("cpus", "CPUS", |g, w| put(&mut g.cpus, w), "Most CPU time, such as 1.5").under(USES),
    F::takes(
        "cpu-shares",
        "SHARES",
        |g, w| keep(&mut g.cpu_shares, flags::cpu_shares(w)),
        "Share of CPU time against others, of whom each has 1024",
    )
    .short('c')
    .under(USES),
    F::takes(
        "cpu-period",
        "US",
        |g, w| keep(&mut g.cpu_period, flags::cpu_period(w)),
        "Microseconds in which --cpu-quota counts",
    )
    .under(USES),
    F::takes(
        "cpu-quota",
        "US",
        |g, w| keep(&mut g.cpu_quota, flags::cpu_quota(w)),
        "Microseconds of CPU time per period; -1 for no limit",
    )
    .under(USES),
    F::takes("cpuset-cpus", "LIST", |g, w| put(&mut g.cpuset_cpus, w), "CPUs to run on, such as 0-3,7").under(USES),
    F::takes("cpuset-mems", "LIST", |g, w| put(&mut g.cpuset_mems, w), "Memory nodes to use").under(USES),
    F::takes(
        "pids-limit",
        "N",
        |g, w| put(&mut g.pids_limit, w),
        "Most processes and threads (default 2048); -1 for no limit",
    )
    .under(USES),
    F::takes(
        "memory-swappiness",
        "PERCENT",
        |g, w| keep(&mut g.swappiness, flags::swappiness(w)),
        "How readily its memory is swapped out, 0 to 100 (cgroup v1)",
    )
    .under(USES),
    F::takes("blkio-weight", "WEIGHT", io_weight, "Share of block devices against others, 10 to 1000").under(USES),
    F::takes(
        "blkio-weight-device",
        "DEVICE:WEIGHT",
        |g, w| add(&mut g.block_io.weights, flags::device_weight(w)),
        "The same for one device",
    )
    .under(USES),
    F::takes(
        "device-read-bps",
        "DEVICE:SIZE",
        |g, w| add(&mut g.block_io.read_bytes, flags::device_bytes(w)),
        "Most bytes read from a device a second",
    )
    .under(USES),
    F::takes(
        "device-write-bps",
        "DEVICE:SIZE",
        |g, w| add(&mut g.block_io.write_bytes, flags::device_bytes(w)),
        "Most bytes written to it a second",
    )
    .under(USES),
    F::takes(
        "device-read-iops",
        "DEVICE:N",
        |g, w| add(&mut g.block_io.read_operations, flags::device_operations(w)),
        "Most reads a second",
    )
    .under(USES),
    F::takes(
        "device-write-iops",
        "DEVICE:N",
        |g, w| add(&mut g.block_io.write_operations, flags::device_operations(w)),
        "Most writes a second",
    )
    .under(USES),
    F::takes(
        "cgroup-conf",
        "FILE=VALUE",
        |g, w| push_word(&mut g.cgroup_conf, w),
        "Write to a file of its cgroup, such as memory.high=64M (cgroup v2)",
    )
    .under(USES),
    F::takes("shm-size", "SIZE", |g, w| put(&mut g.shm_size, w), "Size of /dev/shm (default 64m)").under(USES),
    F::switch(
        "oom-kill-disable",
        |g, on| g.oom_kill_disable = on,
        "Wait for memory instead of being killed (cgroup v1)",
    )
    .under(USES),
    F::takes(
        "cgroup-parent",
        "PATH",
        |g, w| put_word(&mut g.cgroup_parent, w),
        "Make the container's cgroup below this one",
    )
    .under(USES),
    F::takes(
        "cgroups",
        "MODE",
        |g, w| put(&mut g.cgroups, w),
        "Whether it gets a cgroup: enabled, disabled; split: one below ours, for services",
    )
    .under(USES),
    F::takes(
        "volume",
        "SOURCE:PATH[:OPTIONS]",
        |g, w| mount(g, MountWord::Volume(w.to_owned())),
        "Bind a file or directory, or mount a volume: ro, rro, O, U, idmap, nocopy and more",
    )
    .short('v')
    .under(FILES),
    F::takes(
        "mount",
        "KEY=VALUE,...",
        |g, w| mount(g, MountWord::Mount(w.to_owned())),
        "type=bind,src=HOST,dst=PATH, type=volume,src=NAME,dst=PATH or type=tmpfs,dst=PATH",
    )
    .under(FILES),
    F::takes(
        "volumes-from",
        "CONTAINER[:ro|rw]",
        |g, w| push_word(&mut g.volumes_from, w),
        "Mount what a container has mounted, at the same places",
    )
    .under(FILES),
    F::takes(
        "tmpfs",
        "PATH[:OPTIONS]",
        |g, w| flags::tmpfs(w).and_then(|tmpfs| mount(g, MountWord::Tmpfs(tmpfs))),
        "Mount memory: size=, mode=, noexec and more",
    )
    .under(FILES),
    F::may(
        "rootfs",
        "PATH[:O]",
        |g, w| put_word(&mut g.rootfs, w),
        "Use a directory as root instead of an image; :O throws changes away",
    )
    .under(FILES),
    F::switch("read-only", |g, on| g.read_only = on, "Make the root read-only, with memory on /run, /tmp and /var/tmp")
        .under(FILES),
    F::switch("read-only-tmpfs", |g, on| g.read_only_tmpfs = Some(on), "With --read-only: that memory (default true)")
        .under(FILES),
    F::takes(
        "device",
        "HOST[:CONTAINER][:rwm]",
        |g, w| push_word(&mut g.devices, w),
        "Add a device of the host, or all below a directory",
    )
    .under(FILES),
    F::takes(
        "device-cgroup-rule",
        "RULE",
        |g, w| add(&mut g.device_rules, flags::device_rule(w)),
        "Allow devices, however their nodes come to be: 'c 10:229 rwm'",
    )
    .under(FILES),
    F::takes(
        "secret",
        "NAME[,KEY=VALUE...]",
        |g, w| add(&mut g.secrets, flags::secret(w)),
        "Show a secret in /run/secrets: target=, uid=, gid=, mode=; type=env in a variable",
    )
    .under(FILES),
    F::takes("cap-add", "CAPABILITY", |g, w| capability(&mut g.cap_add, w), "Add a capability, or ALL").under(MAY),
    F::takes("cap-drop", "CAPABILITY", |g, w| capability(&mut g.cap_drop, w), "Drop a capability, or ALL").under(MAY),
    F::takes(
        "security-opt",
        "OPTION",
        |g, w| push(&mut g.security_opt, w),
        "no-new-privileges, seccomp=FILE|unconfined, apparmor=, label=, mask=, unmask=, systempaths=unconfined",
    )
    .under(MAY),
    F::switch(
        "privileged",
        |g, on| g.privileged = on,
        "All capabilities and devices, nothing filtered, nothing hidden",
    )
    .under(MAY),
    F::switch(
        "report-denied",
        |g, on| g.report_denied = on,
        "Note each call that is refused, and tell of it at the end",
    )
    .under(MAY),
    F::takes("name", "NAME", |g, w| put(&mut g.name, w), "Name of the container").under(OTHER),
    F::switch("rm", |g, on| g.rm = on, "Remove the container when it ends").under(OTHER),
    F::takes("label", "NAME[=VALUE]", |g, w| push_word(&mut g.labels, w), "Add a label").short('l').under(OTHER),
    F::takes("label-file", "FILE", |g, w| push_word(&mut g.label_files, w), "Read labels from a file").under(OTHER),
    F::takes(
        "annotation",
        "NAME=VALUE",
        |g, w| push_word(&mut g.annotations, w),
        "Add an annotation, which reaches the runtime",
    )
    .under(OTHER),
    F::takes("cidfile", "FILE", |g, w| put_word(&mut g.cidfile, w), "Write the container's id to a new file")
        .under(OTHER),
    F::takes("pidfile", "FILE", |g, w| put_word(&mut g.pidfile, w), "Write the pid of its first process to a file")
        .under(OTHER),
    F::takes(
        "conmon-pidfile",
        "FILE",
        |g, w| put_word(&mut g.conmon_pidfile, w),
        "Write the pid of its monitor to a file",
    )
    .under(OTHER),
    F::switch("rmi", |g, on| g.remove_image = on, "With --rm: remove its image, too, if nothing else uses it")
        .under(OTHER),
    F::takes(
        "pull",
        "POLICY",
        |g, w| put(&mut g.pull, w),
        "When to ask a registry for the image: missing (the default), always, never or newer",
    )
    .under(OTHER),
    F::switch("quiet", |g, on| g.quiet = on, "Say nothing of how far a pull is").short('q').under(OTHER),
    remote::platform(OTHER),
    F { heading: Some(OTHER), ..remote::arch() },
    F { heading: Some(OTHER), ..remote::os() },
    F { heading: Some(OTHER), ..remote::variant() },
    F { heading: Some(OTHER), ..remote::auth_file() },
    F { heading: Some(OTHER), ..remote::cert_dir() },
    F { heading: Some(OTHER), ..remote::creds() },
    F { heading: Some(OTHER), ..remote::retry() },
    F { heading: Some(OTHER), ..remote::retry_delay() },
    F { heading: Some(OTHER), ..remote::tls_verify() },
    F::switch("replace", |g, on| g.replace = on, "Remove the container that has the name, first").under(OTHER),
    F::takes(
        "restart",
        "POLICY",
        |g, w| keep(&mut g.restart, flags::restart(w)),
        "Start it again when it ends: no, on-failure[:TIMES], always, unless-stopped (no)",
    )
    .under(OTHER),
    F::takes(
        "health-cmd",
        "COMMAND",
        |g, w| health_command(&mut g.health, w),
        "See by this whether it is well: a text for its shell, or a JSON list",
    )
    .under(OTHER),
    F::takes(
        "health-interval",
        "TIME",
        |g, w| keep(&mut g.health.interval, flags::duration(w)),
        "Between two checks (30s)",
    )
    .under(OTHER),
    F::takes(
        "health-timeout",
        "TIME",
        |g, w| keep(&mut g.health.timeout, flags::duration(w)),
        "A check that takes longer has failed (30s)",
    )
    .under(OTHER),
    F::takes(
        "health-retries",
        "COUNT",
        |g, w| keep(&mut g.health.retries, flags::count(w)),
        "So many failures in a row, and it is not well (3)",
    )
    .under(OTHER),
    F::takes(
        "health-start-period",
        "TIME",
        |g, w| keep(&mut g.health.start_period, flags::duration(w)),
        "Failures do not count at first (0s)",
    )
    .under(OTHER),
    F::takes(
        "health-start-interval",
        "TIME",
        |g, w| keep(&mut g.health.start_interval, flags::duration(w)),
        "Between two checks at first (5s)",
    )
    .under(OTHER),
    F::takes(
        "health-on-failure",
        "ACTION",
        |g, w| health_action(&mut g.health, w),
        "What is done when it is not well: none, kill, restart, stop (none)",
    )
    .under(OTHER),
    F::switch("no-healthcheck", |g, on| g.health.off = on, "Do not check, whatever its image says").under(OTHER),
    F::takes(
        "log-driver",
        "DRIVER",
        |g, w| keep(&mut g.log_driver, flags::log_driver(w)),
        "Where its output is kept: local, json-file, journald, passthrough, none (local)",
    )
    .under(OTHER),
    F::takes(
        "log-opt",
        "NAME=VALUE",
        |g, w| push_word(&mut g.log_opts, w),
        "How much of it: max-size=SIZE (10m), max-file=COUNT (3); in the journal tag=NAME",
    )
    .under(OTHER),
    F::takes("out", "DIR", |g, w| put_word(&mut g.out, w), ""),
    F::switch("replay", |g, on| g.replay = on, ""),
    F::switch("disable-content-trust", |_, _| (), ""),
    F::switch(
        "explain",
        |g, on| g.explain = Some(on),
        "Tell each step of the start, and who asked for it; false keeps none",
    )
    .under(OTHER),
    F::switch("timings", |g, on| g.timings = on, "Tell how long the parts of the start took").under(OTHER),
    F::takes(
        "explain-file",
        "FILE",
        |g, w| put_word(&mut g.explain_file, w),
        "The same in a file: FILE.json, .trace (Perfetto), .html, .sh, else text",
    )
    .under(OTHER),
];

/// Flags of docker's and podman's `run` that mean something there and nothing here yet, with what is missing. Refused
/// by name: a container that quietly lacks its port or its restart would be worse than none.
pub const LATER: &[(&str, Option<char>, &str)] = &[
    ("link", None, "names by --network-alias, which do the same"),
    ("volume-driver", None, "drivers beside local"),
    ("runtime", None, "other runtimes"),
    ("pod", None, "pods"),
    ("gpus", None, "devices by CDI name"),
    ("uidmap", None, "id maps of one's own"),
    ("gidmap", None, "id maps of one's own"),
    ("subuidname", None, "id maps of one's own"),
    ("checkpoint", None, "checkpoints"),
];
