//! Limits, policies and checks of containers that are there, changed.

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use testkit::{Sandbox, User, requires, within};

const SOON: Duration = Duration::from_secs(20);

/// `run -d` of a container that does nothing for long.
#[track_caller]
fn idle(sandbox: &Sandbox, name: &str, options: &[&str]) {
    let run = sandbox.coracle(["run", "-d", "--name", name]).args(options).args(["host:", "sleep", "1000"]);
    run.run().code(0);
}

#[track_caller]
fn shown(sandbox: &Sandbox, name: &str, template: &str) -> String {
    sandbox.run(["inspect", "--format", template, name]).code(0).stdout.trim().to_owned()
}

/// What the kernel says in the first of these files that one of the container's cgroups has.
#[track_caller]
fn kernel(sandbox: &Sandbox, name: &str, files: &[&str]) -> String {
    let id = shown(sandbox, name, "{{.Id}}");
    let state = fs::read(sandbox.runroot().join("containers").join(id).join("state.json")).expect("a state");
    let state: serde_json::Value = serde_json::from_slice(&state).expect("JSON");
    let dirs = state["cgroup"].as_object().expect("cgroups").values().filter_map(|dir| dir.as_str());
    let mut texts =
        dirs.flat_map(|dir| files.iter().filter_map(move |file| fs::read_to_string(Path::new(dir).join(file)).ok()));
    texts.next().unwrap_or_else(|| panic!("none of {files:?}")).trim().to_owned()
}

const MEMORY: &[&str] = &["memory.max", "memory.limit_in_bytes"];
const CPU: &[&str] = &["cpu.max", "cpu.cfs_quota_us"];
const PIDS: &[&str] = &["pids.max"];

#[test]
fn limits_of_one_that_runs_change_at_once_and_stay() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    idle(&sandbox, "box", &["--memory", "64m", "--cpus", "0.5"]);
    let words = ["update", "--memory", "96m", "--cpu-shares", "512", "--pids-limit", "77", "box"];
    sandbox.run(words).code(0).stdout_is("box\n");
    let limits = || [MEMORY, PIDS].map(|files| kernel(&sandbox, "box", files));
    assert_eq!(limits(), ["100663296", "77"]);
    assert!(kernel(&sandbox, "box", CPU).starts_with("50000"), "what was not named has changed");
    sandbox.run(["restart", "-t", "0", "box"]).code(0);
    assert_eq!(limits(), ["100663296", "77"]);
    let template =
        "{{.HostConfig.Memory}} {{.HostConfig.CpuShares}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}";
    assert_eq!(shown(&sandbox, "box", template), "100663296 512 500000000 77");
    sandbox.run(["update", "--cpu-quota", "20000", "--pids-limit", "-1", "box"]).code(0);
    assert!(kernel(&sandbox, "box", CPU).starts_with("20000"));
    assert_eq!(kernel(&sandbox, "box", PIDS), "max");
    // One that does not run has them when it does.
    sandbox.run(["stop", "-t", "0", "box"]).code(0);
    sandbox.run(["update", "--pids-limit", "5", "box"]).code(0);
    sandbox.run(["start", "box"]).code(0);
    assert_eq!(kernel(&sandbox, "box", PIDS), "5");
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    let script = "dd if=/dev/zero of=/dev/shm/x bs=1M count=40; echo full; sleep 1000";
    sandbox.run(["run", "-d", "--name", "box", "--memory", "128m", "host:", "sh", "-c", script]).code(0);
    assert!(within(SOON, || sandbox.run(["logs", "box"]).stdout == "full\n"));
    let below = sandbox.run(["update", "--memory", "16m", "--pids-limit", "9", "box"]);
    below.code(1).one_line_error("below the").stderr_contains("in use");
    assert_eq!(kernel(&sandbox, "box", MEMORY), "134217728");
    assert_eq!(kernel(&sandbox, "box", PIDS), "2048");
    assert_eq!(shown(&sandbox, "box", "{{.HostConfig.Memory}}"), "134217728");
    sandbox
        .run(["update", "--memory", "64m", "--memory-swap", "32m", "box"])
        .code(125)
        .one_line_error("--memory-swap is below");
    sandbox.run(["update", "--cpus", "1000", "box"]).code(1).one_line_error("--cpus");
    sandbox.run(["update", "--cpuset-cpus", "900", "box"]).code(1).one_line_error("--cpuset-cpus");
    sandbox.run(["update", "box"]).code(125).one_line_error("nothing to change");
    sandbox.run(["update", "--memory", "64m", "nobody"]).code(1).one_line_error("nobody");
    idle(&sandbox, "gone", &["--rm"]);
    sandbox.run(["update", "--restart", "always", "gone"]).code(1).one_line_error("--rm");
    sandbox.run(["update", "--restart", "sometimes", "gone"]).code(125).one_line_error("sometimes");
}

#[test]
fn a_policy_counts_from_the_next_end_on() {
    requires!(subuid_user, user_namespaces);
    for sandbox in [Sandbox::new(), Sandbox::of(&User::with_subuids())] {
        let script = "echo begun; sleep 1000";
        sandbox.run(["run", "-d", "--name", "box", "host:", "sh", "-c", script]).code(0);
        sandbox.run(["update", "--restart", "on-failure:1", "box"]).code(0);
        assert_eq!(shown(&sandbox, "box", "{{.HostConfig.RestartPolicy.Name}}"), "on-failure");
        let begun = || sandbox.run(["logs", "box"]).lines().len();
        assert!(within(SOON, || begun() == 1));
        sandbox.run(["exec", "box", "sh", "-c", "kill -9 $(pgrep -x sleep)"]).code(0);
        assert!(within(SOON, || begun() == 2), "{}", sandbox.run(["ps", "-a"]).stdout);
        sandbox.run(["rm", "-f", "box"]).code(0);
    }
}

#[test]
fn an_ordinary_user_gets_what_run_gives_him_or_the_same_refusal() {
    requires!(subuid_user, user_namespaces);
    let sandbox = Sandbox::of(&User::with_subuids());
    idle(&sandbox, "box", &[]);
    let run = sandbox.run(["run", "--rm", "--memory", "64m", "host:", "true"]);
    let update = sandbox.run(["update", "--memory", "64m", "box"]);
    if run.stderr.is_empty() {
        update.code(0);
        assert_eq!(kernel(&sandbox, "box", MEMORY), "67108864");
    } else {
        update.code(1);
        assert_eq!(update.stderr.replace("update: ", ""), run.stderr.replace("run: ", ""));
        assert_eq!(shown(&sandbox, "box", "{{.HostConfig.Memory}}"), "0");
    }
}

#[test]
fn checks_are_other_ones_from_the_next_on() {
    requires!(root);
    let sandbox = Sandbox::new();
    idle(&sandbox, "box", &["--health-cmd", "true", "--health-interval", "100ms", "--health-retries", "1"]);
    let health = || shown(&sandbox, "box", "{{.State.Health.Status}}");
    assert!(within(SOON, || health() == "healthy"));
    sandbox.run(["update", "--health-cmd", "false", "box"]).code(0);
    assert!(within(SOON, || health() == "unhealthy"));
}

#[test]
fn limits_of_block_devices_are_changed_while_it_runs() {
    requires!(root, cgroup_v1);
    let sandbox = Sandbox::new();
    let device = fs::read_dir("/sys/block").expect("devices").flatten().map(|entry| entry.file_name());
    let Some(name) = device.map(|name| name.to_string_lossy().into_owned()).find(|name| name.starts_with("loop"))
    else {
        return;
    };
    sandbox.run(["run", "-d", "--name", "box", "host:", "sleep", "1000"]).code(0);
    let numbers = fs::read_to_string(format!("/sys/block/{name}/dev")).expect("its numbers");
    let look = ["exec", "box", "cat", "/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device"];
    for (size, bytes) in [("1m", 1 << 20), ("2m", 2 << 20)] {
        sandbox.run(["update", "--device-write-bps", &format!("/dev/{name}:{size}"), "box"]).code(0);
        sandbox.run(look).code(0).stdout_is(&format!("{} {bytes}\n", numbers.trim()));
    }
    sandbox.run(["update", "--memory-swappiness", "7", "box"]).code(0);
    let told = "{{range .HostConfig.BlkioDeviceWriteBps}}{{.Rate}}{{end}} {{.HostConfig.MemorySwappiness}}";
    sandbox.run(["inspect", "-f", told, "box"]).code(0).stdout_is(&format!("{} 7\n", 2 << 20));
    sandbox.run(["exec", "box", "cat", "/sys/fs/cgroup/memory/memory.swappiness"]).code(0).stdout_is("7\n");
    sandbox.run(["restart", "-t", "0", "box"]).code(0);
    sandbox.run(look).code(0).stdout_is(&format!("{} {}\n", numbers.trim(), 2 << 20));
    sandbox.run(["rm", "-f", "box"]).code(0);
}
