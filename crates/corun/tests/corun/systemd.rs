//! Containers whose cgroups systemd makes: the machine's for root, and for an ordinary user his own.

use crate::bundle::{Bundle, CLEARING};
use crate::counting::{COUNTS, Counting, criu_and_systemd};
use crate::rootless;
use rustix::process::{Pid, WaitOptions};
use std::path::Path;
use std::time::Duration;
use testkit::{Invocation, User, requires, within};

/// What systemd says of a unit.
fn show(unit: &str, property: &str) -> String {
    Invocation::new("systemctl").args(["show", "--value", "-p", property, unit]).ok().stdout.trim().to_owned()
}

/// The only cgroup of a process.
fn cgroup(pid: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap().trim().trim_start_matches("0::").to_owned()
}

fn number(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

/// Starts a container and a second process in it, and looks where they are; then all goes.
#[track_caller]
fn life(bundle: &Bundle, corun: impl Fn(&[&str]) -> Invocation, at: &Path) -> String {
    let (first, second) = (at.join("first"), at.join("second"));
    let (dir, id) = (bundle.dir().display().to_string(), bundle.id.as_str());
    bundle.sandbox.file("bundle/config.json", bundle.spec.to_string());
    // The container has the command's standard streams, whose end would be waited for.
    let apart = |invocation: Invocation| invocation.under(["sh", "-c", "exec \"$@\" </dev/null >/dev/null", "sh"]);
    apart(corun(&["create", "--bundle", &dir, "--pid-file", first.to_str().unwrap(), id])).ok();
    corun(&["start", id]).ok();
    apart(corun(&["exec", "--detach", "--pid-file", second.to_str().unwrap(), id, "sleep", "1000"])).ok();
    let path = cgroup(&number(&first));
    assert_eq!(cgroup(&number(&second)), path);
    let read = |file: &str| std::fs::read_to_string(format!("/sys/fs/cgroup{path}/{file}")).unwrap().trim().to_owned();
    assert_eq!((read("memory.max"), read("pids.max")), ("33554432".to_owned(), "19".to_owned()));
    corun(&["pause", id]).ok();
    corun(&["state", id]).ok().stdout_contains("\"paused\"");
    corun(&["resume", id]).ok();
    corun(&["kill", id, "KILL"]).ok();
    // Who was executed in it is an orphan of ours: until it is reaped the first process cannot end.
    let pid = number(&second).parse().ok().and_then(Pid::from_raw);
    rustix::process::waitpid(pid, WaitOptions::empty()).unwrap();
    assert!(within(CLEARING, || corun(&["state", id]).run().stdout.contains("\"stopped\"")));
    corun(&["delete", id]).ok();
    assert!(!std::fs::exists(format!("/sys/fs/cgroup{path}")).unwrap());
    path
}

fn limited(bundle: &mut Bundle) {
    bundle.set("/linux/resources/memory/limit", 33_554_432).set("/linux/resources/pids/limit", 19);
    bundle.set("/linux/cgroupsPath", format!(":coracle:{}", bundle.id));
}

#[test]
fn a_scope_of_the_machines_systemd_has_the_limits_and_goes_with_its_container() {
    requires!(root, busybox, systemd, cgroup_v2);
    let mut bundle = Bundle::script("sleep 1000");
    limited(&mut bundle);
    let corun = |words: &[&str]| bundle.sandbox.corun(["--systemd-cgroup"]).args(words);
    let unit = format!("coracle-{}.scope", bundle.id);
    let path = life(&bundle, corun, bundle.sandbox.path());
    assert_eq!(path, format!("/system.slice/{unit}"));
    assert_eq!(show(&unit, "LoadState"), "not-found");
}

#[test]
fn run_has_its_limits_from_systemd() {
    requires!(root, busybox, systemd, cgroup_v2);
    let mut bundle = Bundle::script("cat /proc/self/cgroup /sys/fs/cgroup/memory.max");
    limited(&mut bundle);
    let _ = bundle.invocation();
    let (dir, id) = (bundle.dir(), bundle.id.clone());
    let run = bundle.sandbox.corun(["--systemd-cgroup", "run", "--bundle"]).arg(dir).arg(&id);
    bundle.run_as(run).code(0).stdout_is("0::/\n33554432\n");
    assert_eq!(show(&format!("coracle-{id}.scope"), "LoadState"), "not-found");
}

/// A systemd of an ordinary user's, as a service of the machine's; stopped when the test ends.
struct Manager {
    unit: String,
    runtime: tempfile::TempDir,
}

impl Manager {
    fn of(user: &User, id: &str) -> Self {
        let unit = format!("{id}.service");
        // Not /tmp: the service has one of its own on some machines.
        let runtime = tempfile::tempdir_in("/run").unwrap();
        user.give(runtime.path());
        Invocation::new("systemd-run")
            .args(["--quiet", "-p", "Type=notify", "-p", "Delegate=yes", "-p", "TimeoutStartSec=60", "--collect"])
            .args([format!("--uid={}", user.uid), format!("--unit={unit}")])
            .arg(format!("--setenv=XDG_RUNTIME_DIR={}", runtime.path().display()))
            .args(["/lib/systemd/systemd", "--user"])
            .timeout(Duration::from_secs(90))
            .ok();
        Self { unit, runtime }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = Invocation::new("systemctl").args(["stop", &self.unit]).timeout(Duration::from_mins(1)).run();
    }
}

/// The test's own cgroup is not below the user's systemd: neither the container nor what is executed in it may be born in
/// the scope, all have to be moved there by systemd.
#[test]
fn a_users_container_and_what_is_executed_in_it_are_in_a_scope_of_his_systemd() {
    requires!(root, busybox, systemd, cgroup_v2, subuid_user);
    let user = User::with_subuids();
    let mut bundle = rootless::bundle_of(&user, "sleep 1000");
    limited(&mut bundle);
    let manager = Manager::of(&user, &bundle.id);
    let at = manager.runtime.path();
    let corun = |words: &[&str]| {
        let words = [&["--systemd-cgroup"], words].concat();
        rootless::by(&bundle, &user, &words).env("XDG_RUNTIME_DIR", at)
    };
    let path = life(&bundle, corun, at);
    assert!(path.starts_with(&format!("/system.slice/{}/user.slice/", manager.unit)), "{path}");
}

/// Root of a user namespace only, as under an engine of an ordinary user's: the machine's systemd is not his, and his own
/// knows him by another number.
#[test]
fn root_of_a_user_namespace_asks_the_systemd_of_the_user_that_he_is() {
    requires!(root, busybox, systemd, cgroup_v2, subuid_user);
    let user = User::without_subuids();
    let mut bundle = rootless::bundle_of(&user, "sleep 1000");
    limited(&mut bundle);
    let map = serde_json::json!([{ "containerID": 0, "hostID": 0, "size": 1 }]);
    bundle.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    let manager = Manager::of(&user, &bundle.id);
    let at = manager.runtime.path();
    let words = ["--user", "--map-root-user", "sh", "-c", "echo there; exec sleep 1000"];
    let mut holder = bundle.sandbox.command("unshare").args(words).user(&user).spawn();
    holder.stdout_until("there\n");
    let namespace = format!("--user=/proc/{}/ns/user", holder.pid());
    let corun = |words: &[&str]| {
        let words = [&["--systemd-cgroup"], words].concat();
        let corun = rootless::corun(&bundle, &words).under(["nsenter", &namespace, "--preserve-credentials", "--"]);
        corun.user(&user).env("XDG_RUNTIME_DIR", at)
    };
    let path = life(&bundle, corun, at);
    assert!(path.starts_with(&format!("/system.slice/{}/user.slice/", manager.unit)), "{path}");
}

#[test]
fn a_change_that_the_kernel_refuses_is_taken_back_in_systemd_too() {
    requires!(root, busybox, systemd, cgroup_v2);
    let mut bundle = Bundle::script("sleep 1000");
    limited(&mut bundle);
    let _ = bundle.invocation();
    let corun = |words: &[&str]| bundle.sandbox.corun(["--systemd-cgroup"]).args(words);
    let (dir, id) = (bundle.dir().display().to_string(), bundle.id.as_str());
    corun(&["run", "--detach", "--bundle", &dir, id]).ok();
    let unit = format!("coracle-{id}.scope");
    let text = serde_json::json!({
        "memory": { "limit": 67_108_864 }, "pids": { "limit": 23 }, "cpu": { "shares": 2048 },
        "unified": { "no.such": "1" }
    });
    corun(&["update", "-r", "-", id]).stdin(text.to_string().into_bytes()).run().code(1).one_line_error("no.such");
    let shown = |property: &str| show(&unit, property);
    assert_eq!((shown("MemoryMax"), shown("TasksMax")), ("33554432".to_owned(), "19".to_owned()));
    let kept = shown("CPUWeight");
    corun(&["update", "--memory", "64M", "--cpu-share", "2048", id]).ok();
    assert_eq!(shown("MemoryMax"), "67108864");
    assert_ne!(shown("CPUWeight"), kept);
    corun(&["delete", "--force", id]).ok();
}

#[test]
fn a_container_in_a_scope_is_written_down_and_comes_back_in_one() {
    requires!(root, busybox, that = criu_and_systemd());
    let mut bundle = Bundle::script(COUNTS);
    limited(&mut bundle);
    bundle.set("/linux/resources/pids/limit", 2);
    let counting = Counting::in_a_scope(bundle);
    let unit = format!("coracle-{}.scope", counting.bundle.id);
    let path = cgroup(&counting.pid().to_string());
    assert_eq!(path, format!("/system.slice/{unit}"));
    counting.checkpoint(&[]).code(0);
    assert!(within(CLEARING, || show(&unit, "LoadState") == "not-found"), "the scope is still there");
    let last = counting.count();
    counting.restore(&[]);
    assert!(within(CLEARING, || counting.count() > last + 2), "it goes on from {last}: {}", counting.count());
    assert_eq!(cgroup(&counting.pid().to_string()), path);
    let limits = ["ActiveState", "MemoryMax", "TasksMax"].map(|property| show(&unit, property));
    assert_eq!(limits, ["active", "33554432", "2"]);
    let tasks = std::fs::read_to_string(format!("/sys/fs/cgroup{path}/pids.max")).unwrap();
    assert_eq!(tasks, "2\n");
}
