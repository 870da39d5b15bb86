//! The script that builds a container by hand, held against the container: a probe inside tells what it sees, what it may
//! use and what it may do, and both have to tell the same.
//!
//! What is not compared, and why:
//! - the filter for system calls: no shell loads one, and the script says so;
//! - numbers of processes, namespaces and devices, which are never the same twice;
//! - by which words an overlay was told its directories: mount(8) of Debian 12 has `lowerdir`, the engine `lowerdir+`, and the
//!   upper is on a file system of its own in both;
//! - the order of mounts, for the engine makes some before, outside;
//! - who has made the tmpfs of / and /dev (its options `uid` and `gid`): the engine does before its ids are the container's;
//!   to whom they belong is compared;
//! - an ordinary user's maps as they stand in /proc: his engine is in a namespace of its own in between, so what is compared
//!   is to whom they lead on this machine.

#![forbid(unsafe_code)]

mod machine;
#[path = "seed/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use testkit::{Leavings, Outcome, Sandbox, Scope, requires};
use world::World;

const PROBE: &str = r#"
echo "== namespaces"; for n in cgroup ipc mnt net pid time user uts; do echo "$n $(readlink /proc/self/ns/$n)"; done
echo "== mounts"; cat /proc/self/mountinfo
echo "== status"; grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Umask|SigIgn|SigBlk)' /proc/self/status
echo "== limits"; cat /proc/self/limits
echo "== uids"; cat /proc/self/uid_map
echo "== gids"; cat /proc/self/gid_map
echo "== names"; cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname
echo "== place"; pwd; echo "$@"; stat -c "%n %u %g %a" / /dev /etc /proc
echo "== environment"; env
echo "== devices"; ls -l /dev | grep -v ^total
echo "== network"; ip address show; ip route; ip -6 route
echo "== parameters"; cat /proc/sys/net/ipv4/ping_group_range /proc/sys/kernel/msgmax /proc/self/oom_score_adj
echo "== cgroup"; cd /sys/fs/cgroup && for f in memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes \
    memory/memory.soft_limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.shares cpuset/cpuset.cpus \
    pids/pids.max devices/devices.list memory.max memory.swap.max cpu.max cpu.weight cpuset.cpus pids.max
do [ -f $f ] && echo "$f $(cat $f | tr '\n' ';')"; done
echo "== end"
"#;

/// What was told, by its titles, each a list of lines in order.
type Told = BTreeMap<String, Vec<String>>;

/// What the user of a map's own namespace is on this machine: first id inside, first outside, how many.
type Map = Vec<(u64, u64, u64)>;

fn told(outcome: &Outcome, base: Option<&Map>) -> Told {
    let mut told = Told::new();
    let mut title = "";
    for line in outcome.stdout.lines() {
        match line.strip_prefix("== ") {
            Some(next) => title = next,
            None => told.entry(title.to_owned()).or_default().extend(normal(title, line, base)),
        }
    }
    assert_eq!(title, "end", "{}\n{}", outcome.stdout, outcome.stderr);
    for lines in told.values_mut() {
        lines.sort();
    }
    told
}

fn normal(title: &str, line: &str, base: Option<&Map>) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match title {
        "namespaces" => {
            let [kind, link] = words[..] else { return Some(line.to_owned()) };
            let ours = fs::read_link(format!("/proc/self/ns/{kind}")).expect("our own");
            Some(format!("{kind} {}", if ours.to_string_lossy() == link { "shared" } else { "own" }))
        }
        "mounts" => Some(mount(line)),
        "cgroup" => {
            let mut values: Vec<&str> = line.split([' ', ';']).collect();
            values.sort_unstable();
            Some(values.join(" "))
        }
        // Sizes and times are those of the day; what is left are type, rights, numbers of a node, name and target.
        "devices" => {
            let (rights, rest) = (words[0], &words[4..]);
            let node = rights.starts_with(['c', 'b']);
            let name: Vec<&str> = rest.iter().skip(if node { 5 } else { 4 }).copied().collect();
            let number = if node { format!("{} {}", rest[0], rest[1]) } else { String::new() };
            Some(format!("{rights} {number} {}", name.join(" ")))
        }
        "uids" | "gids" => {
            let number = |at: usize| words[at].parse().expect("a number");
            let mapped = (number(0), number(1), number(2));
            Some(format!("{:?}", base.map_or(vec![mapped], |base| through(mapped, base))))
        }
        // Who made a route, where the kernel looks for the network's other end, and which checks have not ended.
        "network" => {
            let peer = |word: &str| word.split_once("@if").map_or_else(|| word.to_owned(), |(name, _)| name.to_owned());
            let told = line.replace(" proto static", "").replace(" tentative", "").replace(" nodad", "");
            let told: Vec<String> = told.split_whitespace().map(peer).collect();
            let told = told.join(" ");
            let seen =
                told.split(" brd 10.").next().unwrap_or_default().split(" scope global").next().unwrap_or_default();
            let fades = told.starts_with("link/")
                || told.contains("fe80")
                || told.contains("ff00")
                || told.contains("multicast");
            (!fades && !told.starts_with("valid_lft")).then(|| numberless(seen))
        }
        _ => Some(line.to_owned()),
    }
}

/// The line of an interface without its number, and without what becomes of it in time.
fn numberless(line: &str) -> String {
    match line.split_once(": <") {
        Some((name, _)) => name.rsplit(' ').next().unwrap_or_default().to_owned(),
        None => line.replace(" linkdown", ""),
    }
}

fn through((inside, outside, size): (u64, u64, u64), base: &Map) -> Map {
    let part = |(first, real, count): &(u64, u64, u64)| {
        let (start, end) = (outside.max(*first), (outside + size).min(first + count));
        (start < end).then(|| (inside + start - outside, real + start - first, end - start))
    };
    base.iter().filter_map(part).collect()
}

fn mount(line: &str) -> String {
    let (mount, file_system) = line.split_once(" - ").expect("mountinfo");
    let fields: Vec<&str> = mount.split(' ').collect();
    let (root, point, options) = (fields[3], fields[4], fields[5]);
    let passes: Vec<&str> = fields[6..].iter().map(|word| word.split(':').next().unwrap_or_default()).collect();
    let written = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"].contains(&point);
    let root = if written { "(written)" } else { root };
    let mut words: Vec<&str> = file_system.split(' ').collect();
    let mut supers: Vec<&str> = words.pop().expect("options").split(',').collect();
    supers.retain(|word| !["lowerdir", "upperdir", "workdir"].iter().any(|name| word.starts_with(name)));
    if point == "/" || point == "/dev" {
        supers.retain(|word| !word.starts_with("uid=") && !word.starts_with("gid="));
    }
    format!("{point} {root} {options} {} {} {}", passes.join(","), words.join(" "), supers.join(","))
}

/// Runs the container and its script, and holds one against the other.
#[track_caller]
fn same(sandbox: &Sandbox, words: &[&str], rest: &[&str], base: Option<[Map; 1]>) {
    // Networks of other tests come and go.
    let _machine = machine::World::new();
    let file = sandbox.join("home/by-hand.sh");
    let _ = fs::remove_file(&file);
    let explain = format!("--explain-file={}", file.display());
    // Other tests make cgroups at the same time; root's are below one that tells whose they are.
    let own = sandbox.path().file_name().expect("a name").to_string_lossy().into_owned();
    let parent = format!("--cgroup-parent=/{own}");
    let parent = sandbox.user().is_none().then_some(parent.as_str());
    let words: Vec<&str> = ["run", "--rm", &explain]
        .into_iter()
        .chain(parent)
        .chain(words.iter().copied())
        .chain(rest.iter().copied())
        .collect();
    let network = if words.iter().any(|word| word.starts_with("--network")) { "" } else { "none" };
    let run = sandbox
        .coracle(&words)
        .env("CORACLE_NETWORK", network)
        .args(["sh", "-c", PROBE, "sh", "it's \"$HOME\"\n; x"])
        .run();
    run.code(0);
    let temporary = sandbox.join("home");
    let before = Leavings::count(&Scope::new().dir(sandbox.path()).cgroup(&own));
    let built = sandbox.command("/bin/sh").env("TMPDIR", &temporary).arg(&file).run();
    built.code(0);
    let base = base.map(|[base]| base);
    let (ours, theirs) = (told(&run, base.as_ref()), told(&built, None));
    for (title, lines) in &ours {
        let (ours, theirs) = (lines.clone(), theirs.get(title).cloned().unwrap_or_default());
        let only = |one: &[String], other: &[String]| {
            one.iter().filter(|line| !other.contains(line)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(
            ours,
            theirs,
            "{title} of {words:?}\nours alone: {:#?}\nby hand alone: {:#?}",
            only(&ours, &theirs),
            only(&theirs, &ours)
        );
    }
    before.assert_nothing_new(Duration::from_secs(5));
}

/// Root's, in cgroups of the test's own.
#[track_caller]
fn of_root(options: &[&str], rest: &[&str]) {
    same(&World::root().sandbox, options, rest, None);
}

#[test]
fn a_plain_one() {
    requires!(root, cgroups, package = "ip");
    of_root(&[], &["host:"]);
}

#[test]
fn one_with_limits() {
    requires!(root, cgroups, package = "ip");
    let limits =
        ["-m", "64m", "--memory-swap", "96m", "--memory-reservation", "32m", "--cpus", "1.5", "--cpu-shares", "512"];
    let more = ["--pids-limit", "50", "--cpuset-cpus", "0", "--oom-score-adj", "500"];
    of_root(&[limits.as_slice(), &more].concat(), &["host:"]);
}

#[test]
fn one_with_a_volume_and_binds() {
    requires!(root, cgroups, busybox);
    let world = World::root();
    let sandbox = &world.sandbox;
    sandbox.rootfs("tree");
    fs::create_dir_all(sandbox.join("it's a \"$place\"/below")).expect("a directory");
    let bind = format!("{}:/b/c:ro", sandbox.join("it's a \"$place\"").display());
    let shared = format!("{}:/s:rslave,noexec", sandbox.join("xdg").display());
    same(sandbox, &["-v", "content:/v", "-v", &bind, "-v", &shared], &["--rootfs", "tree"], None);
}

#[test]
fn one_that_is_read_only_but_for_memory() {
    requires!(root, cgroups, package = "ip");
    of_root(&["--read-only", "--tmpfs", "/scratch:size=1m,mode=700", "--shm-size", "1m"], &["host:"]);
}

#[test]
fn one_of_a_user_with_few_rights() {
    requires!(root, cgroups, package = "ip");
    let rights = [
        "--cap-drop",
        "all",
        "--cap-add",
        "chown",
        "--cap-add",
        "net_bind_service",
        "--security-opt",
        "no-new-privileges",
    ];
    let user = [
        "--user",
        "1000:1000",
        "--group-add",
        "5",
        "--workdir",
        "/usr/lib",
        "-e",
        "A=a 'b' \"$c\"\n`d`",
        "--umask",
        "027",
    ];
    of_root(&[rights.as_slice(), &user].concat(), &["host:"]);
}

#[test]
fn one_in_the_machines_network_and_others() {
    requires!(root, cgroups, package = "ip");
    of_root(&["--network", "host", "--ipc", "host", "--uts", "host", "--pid", "host"], &["host:"]);
}

#[test]
fn one_in_a_bridge() {
    requires!(root, cgroups, package = "ip");
    let world = World::root();
    same(&world.sandbox, &["--network", "bridge", "--hostname", "box"], &["host:"], None);
}

#[test]
fn one_with_devices_parameters_and_limits_of_the_process() {
    requires!(root, cgroups, package = "ip");
    let devices = ["--device", "/dev/zero:/dev/other/nought:rm", "--device", "/dev/full:/dev/brim"];
    let more = ["--sysctl", "kernel.msgmax=9000", "--ulimit", "nofile=100:200", "--ulimit", "core=0:0"];
    of_root(&[devices.as_slice(), &more].concat(), &["host:"]);
}

#[test]
fn one_with_ids_of_its_own() {
    requires!(root, cgroups, package = "ip");
    let world = World::root();
    let sandbox = &world.sandbox;
    fs::set_permissions(sandbox.join("home"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("open to all");
    same(sandbox, &["--userns", "auto"], &["host:"], None);
}

/// The engine's own namespace of an ordinary user with this range.
fn base(user: &testkit::User) -> [Map; 1] {
    let subuids = fs::read_to_string("/etc/subuid").expect("subuid");
    let line = subuids.lines().find_map(|line| line.strip_prefix(&format!("{}:", user.name)));
    let own = (0, u64::from(user.uid), 1);
    let range = line.map(|line| {
        let (first, count) = line.split_once(':').expect("a range");
        (1, first.parse().expect("a number"), count.parse().expect("a number"))
    });
    [[own].into_iter().chain(range).collect()]
}

#[track_caller]
fn of_user(world: &World, options: &[&str], rest: &[&str]) {
    let base = base(world.sandbox.user().expect("a user"));
    same(&world.sandbox, options, rest, Some(base));
}

#[test]
fn an_ordinary_users() {
    requires!(subuid_user, user_namespaces, package = "ip");
    of_user(&World::user(), &["--hostname", "box", "-e", "A=b"], &["host:"]);
}

#[test]
fn an_ordinary_users_with_his_own_id() {
    requires!(subuid_user, user_namespaces, package = "ip");
    of_user(&World::user(), &["--userns", "keep-id", "--tmpfs", "/scratch"], &["host:"]);
}

#[test]
fn one_of_a_user_with_a_single_id() {
    requires!(subuid_user, user_namespaces, package = "ip");
    of_user(&World::single_id(), &["--cap-drop", "chown"], &["host:"]);
}

/// An image of two layers.
#[track_caller]
fn image(sandbox: &Sandbox) {
    let rootfs = sandbox.rootfs("home/tree");
    let tar = sandbox.join("home/tree.tar");
    testkit::Invocation::new("tar").arg("-C").arg(rootfs.path()).arg("-cf").arg(&tar).arg(".").ok();
    sandbox.run(["import", &tar.display().to_string(), "below"]).code(0);
    sandbox.run(["run", "--name", "changed", "below", "sh", "-c", "echo more > /etc/more; rm /etc/passwd"]).code(0);
    sandbox.run(["commit", "changed", "above"]).code(0);
    sandbox.run(["rm", "changed"]).code(0);
}

#[test]
fn one_of_an_image_with_layers() {
    requires!(root, cgroups, busybox);
    let world = World::root();
    let sandbox = &world.sandbox;
    image(sandbox);
    same(sandbox, &["-v", "content:/v"], &["above"], None);
}

#[test]
fn an_ordinary_users_of_an_image_with_layers() {
    requires!(subuid_user, user_namespaces, busybox);
    let world = World::user();
    image(&world.sandbox);
    of_user(&world, &["--read-only"], &["above"]);
}

#[test]
fn links_of_an_image_lead_nowhere_else() {
    requires!(root, cgroups, busybox);
    let world = World::root();
    let sandbox = &world.sandbox;
    let rootfs = sandbox.rootfs("tree");
    let outside = sandbox.join("outside");
    fs::create_dir(&outside).expect("a directory");
    std::os::unix::fs::symlink(&outside, rootfs.inside("link")).expect("a link");
    std::os::unix::fs::symlink("../../../../../../../../etc", rootfs.inside("up")).expect("a link");
    let source = sandbox.join("xdg");
    let bind = format!("{}:/link/made/here", source.display());
    let other = format!("{}:/up/made/here", source.display());
    same(sandbox, &["-v", &bind, "-v", &other], &["--rootfs", "tree"], None);
    assert!(fs::read_dir(outside).expect("a directory").next().is_none());
    assert!(!fs::exists("/etc/made").expect("a look"));
}
