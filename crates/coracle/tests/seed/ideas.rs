//! What a container is, each idea as a test that is held against every way of running one.

use std::fs;
use std::time::{Duration, Instant};

use testkit::{Invocation, requires};

use crate::world::{World, eventually, number};

pub fn a_command_runs_and_its_exit_code_comes_back(world: &World) {
    world.sh(&[], "echo out; echo err >&2; exit 42").code(42).stdout_is("out\n").stderr_is("err\n");
}

pub fn the_host_name_is_its_own(world: &World) {
    let ours = rustix::system::uname().nodename().to_string_lossy().into_owned();
    world.sh(&["--hostname", "inside"], "uname -n; cat /etc/hostname").code(0).stdout_is("inside\ninside\n");
    let unnamed = world.sh(&[], "uname -n");
    let name = unnamed.stdout.trim();
    assert!(name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{unnamed}");
    assert_eq!(rustix::system::uname().nodename().to_string_lossy(), ours);
}

pub fn ps_sees_only_the_container(world: &World) {
    let seen = world.sh(&[], "cat /proc/[0-9]*/comm");
    let mut lines = seen.code(0).lines();
    lines.sort_unstable();
    // In the shell's own glob there may or may not be the process that is to read it.
    lines.dedup();
    assert!(lines.iter().all(|line| ["sh", "cat"].contains(line)), "{seen}");
    assert!(lines.contains(&"sh"), "{seen}");
}

pub fn the_root_is_pivoted_and_the_old_root_is_gone(world: &World) {
    let of_root = |text: &str, is_root: fn(&[&str]) -> bool| {
        let devices = text.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            is_root(&fields).then(|| fields[2].to_owned())
        });
        devices.collect::<Vec<String>>()
    };
    let machine = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let machine = of_root(&machine, |fields| fields[4] == "/");
    let inside = world.sh(&[], "cat /proc/self/mountinfo");
    // Whole file systems that can be seen inside, wherever: the machine's root is none of them.
    let shown = of_root(&inside.code(0).stdout, |fields| fields[3] == "/");
    assert!(!shown.is_empty() && !shown.iter().any(|device| machine.contains(device)), "{machine:?} in\n{inside}");
    // One root mount, whose parent is outside.
    let roots = inside.stdout.lines().filter(|line| line.split(' ').nth(4) == Some("/"));
    assert_eq!(roots.count(), 1, "{inside}");
    world.sandbox.file("home/secret", "x");
    let path = world.sandbox.join("home/secret");
    let script = format!("cat {} /../../..{0} /proc/1/root{0} 2>/dev/null | wc -c", path.display());
    world.sh(&[], &script).code(0).stdout_is("0\n");
}

pub fn proc_is_its_own(world: &World) {
    let script = "cat /proc/1/comm; echo $$; readlink /proc/self/ns/pid /proc/self/ns/mnt; \
                  (echo taken >/proc/sys/kernel/hostname) 2>/dev/null || echo read-only";
    let seen = world.sh(&[], script);
    let [comm, pid, pids, mounts, writable] = seen.code(0).lines()[..] else { panic!("{seen}") };
    assert_eq!((comm, pid, writable), ("sh", "1", "read-only"));
    for (kind, inside) in [("pid", pids), ("mnt", mounts)] {
        let outside = fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace");
        assert_ne!(outside.to_string_lossy(), inside);
    }
}

pub fn a_change_in_a_containers_root_is_not_seen_by_the_next(world: &World) {
    let before = fs::read("/etc/passwd").expect("/etc/passwd");
    world
        .sh(&[], "touch /etc/coracle-was-here && echo x >/etc/new && mv /etc/new /etc/passwd && rm /etc/group")
        .code(0);
    let next = world.sh(&[], "ls /etc/coracle-was-here; wc -c </etc/passwd; ls /etc/group");
    next.stdout_is(&format!("{}\n/etc/group\n", before.len()));
    assert!(!fs::exists("/etc/coracle-was-here").expect("stat"));
    assert_eq!(fs::read("/etc/passwd").expect("/etc/passwd"), before);
}

pub fn a_fork_bomb_stops_at_the_pids_limit_and_the_machine_does_not_notice(world: &World) {
    let before = world.leavings();
    let options = ["--pids-limit=20", "--cpus=0.5"];
    let (running, id) = world.start(&options, "b() { b | b & }; (b) 2>/dev/null & exec sleep 300");
    let pids = world.cgroup("pids", &id);
    eventually("the limit is hit", || number(pids.join("pids.events"), "max ") > 0);
    assert_eq!(number(pids.join("pids.max"), ""), 20);
    assert!(number(pids.join("pids.current"), "") <= 20);
    // The machine still makes processes, and without delay.
    let start = Instant::now();
    (0..10).for_each(|_| drop(Invocation::new("true").ok()));
    assert!(start.elapsed() < Duration::from_secs(10));
    world.end(running, &id).code(137);
    before.assert_nothing_new(Duration::from_secs(10));
}

pub fn a_memory_hog_is_killed_at_its_limit_and_the_message_says_so(world: &World) {
    let hog = world.invocation(&["-m", "32m", "--memory-swap", "32m"], &["host:", "tail", "/dev/zero"]).run();
    hog.code(137).stderr_contains("memory").stderr_contains("32");
    // What stays below its limit lives.
    world.sh(&["-m", "32m"], "head -c 1000000 /dev/zero | tail | wc -c").code(0).stdout_is("1000000\n");
}

pub fn a_cpu_quota_holds(world: &World) {
    let (running, id) = world.start(&["--cpus=0.1"], "while :; do :; done");
    let v2 = requires::cgroup_v2().is_ok();
    // Nanoseconds.
    let used = || {
        let microseconds = || number(world.cgroup("cpu", &id).join("cpu.stat"), "usage_usec ");
        if v2 { microseconds() * 1000 } else { number(world.cgroup("cpuacct", &id).join("cpuacct.usage"), "") }
    };
    let (at_first, start) = (used(), Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    let (now, elapsed) = (used(), start.elapsed());
    let period = Duration::from_millis(100);
    let (spent, allowed) = (Duration::from_nanos(now - at_first), (elapsed + period).mul_f64(0.1 * 1.1));
    assert!(spent <= allowed, "{spent:?} of CPU in {elapsed:?}");
    assert!(number(world.cgroup("cpu", &id).join("cpu.stat"), "nr_throttled ") > 0);
    world.end(running, &id).code(137);
}
