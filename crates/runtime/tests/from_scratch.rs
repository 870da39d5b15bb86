//! The example that is a lesson: short enough to be read, and a container.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use testkit::{Invocation, User, requires};

/// The example, built beside this test.
fn example() -> PathBuf {
    let deps = std::env::current_exe().expect("this test");
    let built = deps.ancestors().nth(2).expect("the directory of its profile").join("examples/from_scratch");
    if !built.exists() {
        // With our own environment: cargo finds rustc by it.
        let mut build = std::process::Command::new(env!("CARGO"));
        let build = build.args(["build", "--package", "runtime", "--example", "from_scratch"]).status();
        assert!(build.is_ok_and(|status| status.success()), "the example does not compile");
    }
    built
}

#[test]
fn it_has_less_than_a_hundred_lines() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/from_scratch.rs");
    let lines = fs::read_to_string(source).expect("its source").lines().count();
    assert!(lines < 100, "{lines}");
}

const LOOK: &str = "hostname; echo $$; ls -d /proc/[0-9]*; head -n 1 /proc/self/mounts | cut -d ' ' -f 1-3; \
                    ulimit -n; ls /sys/class/net; grep CapEff /proc/self/status; readlink /proc/self/ns/*; exit 7";

/// What it says of itself is so, and what it says of its namespaces is said of others than ours.
#[track_caller]
fn is_a_container(invocation: &Invocation) {
    let outcome = invocation.clone().args(["sh", "-c", LOOK]).run();
    outcome.code(7);
    let lines = outcome.lines();
    // CAP_CHOWN, CAP_KILL, CAP_SETGID and CAP_SETUID are 0, 5, 6 and 7 (capabilities(7)).
    let before = ["from-scratch", "1", "/proc/1", "none / tmpfs", "64", "lo", "CapEff:\t00000000000000e1"];
    assert_eq!(lines[..before.len()], before, "{}", outcome.stdout);
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "uts"] {
        let own = fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace");
        assert!(!lines.contains(&own.to_string_lossy().as_ref()), "{kind} is ours");
        assert!(lines.iter().any(|line| line.starts_with(&format!("{kind}:["))), "{}", outcome.stdout);
    }
    invocation.clone().args(["touch", "/usr/x"]).run().code(1).stderr_contains("Read-only file system");
}

#[test]
fn it_is_a_container() {
    requires!(root, cgroups);
    let example = Invocation::new(example());
    is_a_container(&example);
    let mut running = example.args(["sh", "-c", "echo ready; read line"]).spawn();
    let pid = running.stdout_until("ready").pid();
    let child = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its child");
    let cgroups = fs::read_to_string(format!("/proc/{}/cgroup", child.trim())).expect("its cgroups");
    let path = |prefix: &str| cgroups.lines().find_map(|line| line.split_once(prefix)).map(|(_, path)| path);
    let (cgroup, file) = match path(":memory:") {
        Some(path) => (format!("/sys/fs/cgroup/memory{path}"), "memory.limit_in_bytes"),
        None => (format!("/sys/fs/cgroup{}", path("0::").expect("a cgroup")), "memory.max"),
    };
    assert_eq!(fs::read_to_string(Path::new(&cgroup).join(file)).expect("its limit"), "67108864\n");
    running.write("\n");
    running.wait().code(0);
    assert!(!Path::new(&cgroup).exists(), "{cgroup} stays");
}

#[test]
fn an_ordinary_user_has_one_as_well() {
    requires!(root, subuid_user);
    let copy = tempfile::Builder::new().permissions(permissions(0o755)).tempdir().expect("a directory");
    let path = copy.path().join("from_scratch");
    fs::copy(example(), &path).expect("a copy, for the build may be closed to him");
    is_a_container(&Invocation::new(path).current_dir("/").user(&User::with_subuids()));
}

fn permissions(mode: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}
