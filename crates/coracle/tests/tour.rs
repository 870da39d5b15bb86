//! The lesson: what each step says is held against the kernel, while it waits for whoever takes it.

#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use testkit::{Leavings, Outcome, Pty, Sandbox, Scope, User, requires, within};

const SOON: Duration = Duration::from_secs(10);
const KINDS: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// A process at which the tour waits.
struct Stop {
    pid: String,
}

impl Stop {
    /// The next one, when it has been shown.
    fn next(pty: &mut Pty) -> Self {
        pty.expect("Its process is ");
        let text = pty.expect(" outside");
        let pid = text.trim_end_matches(" outside").to_owned();
        pty.expect("opens a shell in it");
        pty.expect(": ");
        Self { pid }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid)).expect("a file of the process")
    }

    /// A field of its status.
    fn status(&self, field: &str) -> String {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).expect("a field");
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The kinds of its namespaces that are not ours.
    fn apart(&self) -> Vec<&'static str> {
        let of = |pid: &str, kind: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("a namespace");
        KINDS.into_iter().filter(|kind| of(&self.pid, kind) != of("thread-self", kind)).collect()
    }

    /// Its cgroup in the hierarchy that limits memory.
    fn cgroup(&self) -> PathBuf {
        let cgroups = self.read("cgroup");
        let path = |prefix: &str| cgroups.lines().find_map(|line| line.split_once(prefix)).map(|(_, path)| path);
        let v1 = path(":memory:").map(|path| format!("/sys/fs/cgroup/memory{path}"));
        v1.or_else(|| path("0::").map(|path| format!("/sys/fs/cgroup{path}"))).expect("a cgroup").into()
    }

    /// Its limit of memory.
    fn memory(&self) -> Option<String> {
        let cgroup = self.cgroup();
        let limit =
            ["memory.limit_in_bytes", "memory.max"].into_iter().find_map(|file| fs::read(cgroup.join(file)).ok());
        limit.map(|text| String::from_utf8_lossy(&text).trim().to_owned())
    }
}

fn leavings(sandbox: &Sandbox) -> Leavings {
    // Devices of others on this machine come and go.
    sys::process::unshare(sys::process::namespace::NET).expect("a network namespace");
    testkit::reap_orphans();
    sandbox.coracle(["tour", "--yes"]).ok();
    // Others make cgroups at the same time, which have the same names.
    Leavings::count(&Scope::new().dir(sandbox.path()))
}

#[test]
fn each_step_is_what_it_says() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    let before = leavings(&sandbox);
    let mut pty = Pty::spawn(&sandbox.coracle(["tour"]));
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();

    let stop = Stop::next(&mut pty);
    assert!(stop.apart().is_empty(), "{:?}", stop.apart());
    assert_eq!(stop.read("comm"), "sleep\n");

    pty.send("\r");
    let stop = Stop::next(&mut pty);
    assert_eq!(stop.apart(), ["mnt", "uts"]);
    pty.send("s\r").send("echo it:$(uname -n); exit\r").expect("it:tour");
    pty.expect("goes on");
    assert_eq!(rustix::system::uname().nodename().to_string_lossy(), name);

    pty.send("\r");
    let stop = Stop::next(&mut pty);
    assert_eq!(stop.apart(), ["mnt", "pid", "uts"]);
    assert_eq!(stop.status("NSpid"), format!("{} 1", stop.pid));
    assert_eq!(stop.read("cgroup"), fs::read_to_string("/proc/self/cgroup").expect("our cgroups"));

    pty.send("\r");
    let stop = Stop::next(&mut pty);
    assert_eq!(stop.apart(), ["mnt", "pid", "uts"]);
    let root = stop.read("mountinfo");
    assert!(root.lines().any(|line| line.contains(" / / ") && line.contains(" - tmpfs host: ")), "{root}");
    assert!(fs::metadata(format!("/proc/{}/root/usr/made-inside", stop.pid)).is_ok());
    assert!(!fs::exists("/usr/made-inside").expect("a look"));
    assert_eq!(stop.read("cgroup"), fs::read_to_string("/proc/self/cgroup").expect("our cgroups"));

    pty.send("\r");
    let stop = Stop::next(&mut pty);
    assert_eq!(stop.apart(), ["cgroup", "mnt", "pid", "uts"]);
    assert_eq!(stop.memory().as_deref(), Some("67108864"));
    let limits = stop.read("limits");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["64", "64"]);
    assert_eq!(stop.status("Seccomp"), "0");

    pty.send("\r");
    let stop = Stop::next(&mut pty);
    assert_eq!(stop.apart(), ["cgroup", "ipc", "mnt", "pid", "user", "uts"]);
    let map = stop.read("uid_map");
    let map: Vec<&str> = map.split_whitespace().collect();
    assert!(map[0] == "0" && map[1] != "0", "{map:?}");
    assert_eq!(stop.status("Uid").split(' ').next(), Some(map[1]));

    pty.send("\r");
    let stop = Stop::next(&mut pty);
    assert_eq!(stop.apart(), KINDS);
    // podman's eleven (capabilities(7) has their numbers), and a filter.
    assert_eq!(stop.status("CapEff"), "00000000800405fb");
    assert_eq!(stop.status("Seccomp"), "2");
    let cgroup = stop.cgroup();
    assert!(cgroup.is_dir() && cgroup.to_string_lossy().contains("/coracle-"));
    pty.send("\r").wait().code(0);
    assert!(within(SOON, || !cgroup.exists()), "{}", cgroup.display());
    before.assert_nothing_new(SOON);
}

#[test]
fn an_ordinary_user_takes_the_same_steps() {
    requires!(root, subuid_user);
    let sandbox = Sandbox::of(&User::with_subuids());
    let before = leavings(&sandbox);
    let mut pty = Pty::spawn(&sandbox.coracle(["tour"]));
    let mut at = || {
        let stop = Stop::next(&mut pty);
        let seen = (stop.apart(), stop.status("Uid"), stop.status("Seccomp"), stop.status("NSpid"));
        pty.send("\r");
        seen
    };
    assert!(at().0.is_empty());
    let (kinds, uid, ..) = at();
    assert_eq!((kinds, uid.starts_with("1001 ")), (vec!["mnt", "user", "uts"], true));
    let (kinds, _, _, pids) = at();
    assert_eq!((kinds, pids.ends_with(" 1")), (vec!["mnt", "pid", "user", "uts"], true));
    assert_eq!(at().0, ["ipc", "mnt", "pid", "user", "uts"]);
    assert_eq!(at().0, ["cgroup", "ipc", "mnt", "pid", "user", "uts"]);
    at();
    let (kinds, uid, filter, _) = at();
    assert_eq!((&kinds[..], uid.starts_with("1001 "), &*filter), (&KINDS[..], true, "2"));
    pty.wait().code(0);
    before.assert_nothing_new(SOON);
}

/// The output of a command that was run inside or outside, at its n-th time.
#[track_caller]
fn of(outcome: &Outcome, side: &str, command: &str, nth: usize) -> String {
    let asked = format!("  {side} $ {command}\n");
    let text = outcome.stdout.split(&asked).nth(nth).unwrap_or_else(|| panic!("no {asked:?} in\n{}", outcome.stdout));
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn it_goes_through_by_itself_and_one_step_can_be_had_alone() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    let all = sandbox.coracle(["tour", "--yes"]).ok();
    for number in 1..=7 {
        assert!(all.stdout.contains(&format!("\n{number}. ")), "{}", all.stdout);
    }
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert_eq!(of(&all, "inside ", "uname -n", 1), name);
    assert_eq!(of(&all, "inside ", "uname -n", 2), "tour");
    assert_eq!(of(&all, "outside", "uname -n", 1), name);
    assert_eq!(of(&all, "inside ", "ulimit -n", 1), "64");
    assert_eq!(of(&all, "inside ", "ls /sys/class/net", 1), "lo");
    // The calls that did it, as they were made.
    for call in ["sethostname(\"tour\", 4) = 0", "pivot_root(\".\", \".\") = 0", "CLONE_NEWPID", "\"67108864\""] {
        assert!(all.stdout.contains(call), "no {call} in\n{}", all.stdout);
    }
    let one = sandbox.coracle(["tour", "--yes", "--step", "2"]).ok();
    assert!(one.stdout.contains("\n2. ") && !one.stdout.contains("\n3. ") && !one.stdout.contains("\n1. "));
    sandbox.run(["tour"]).code(125).one_line_error("standard input is not a terminal");
    sandbox.run(["tour", "--step", "8"]).code(125).one_line_error("not a number from 1 to 7");
}

#[test]
fn whoever_is_killed_or_has_seen_enough_leaves_nothing() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    let before = leavings(&sandbox);
    for step in ["1", "3", "6"] {
        let mut pty = Pty::spawn(&sandbox.coracle(["tour", "--step", step]));
        let stop = Stop::next(&mut pty);
        let cgroup = stop.cgroup();
        pty.kill(Signal::KILL);
        assert!(within(SOON, || fs::metadata(format!("/proc/{}/status", stop.pid)).is_err()), "step {step}");
        assert!(step != "6" || within(SOON, || !cgroup.exists()), "{}", cgroup.display());
        drop(pty);
        let mut pty = Pty::spawn(&sandbox.coracle(["tour", "--step", step]));
        Stop::next(&mut pty);
        pty.send("q\r").wait().code(0);
    }
    sandbox.run(["ps", "-aq"]).code(0).stdout_is("");
    before.assert_nothing_new(SOON);
}
