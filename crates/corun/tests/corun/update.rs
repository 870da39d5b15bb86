//! Limits of a running container are changed: all of them or none. What is written where is the kernel's
//! cgroup-v1/memory.rst and cgroup-v2.rst; how sizes are read, and what is refused, is runc's.

use crate::bundle::Bundle;
use crate::live::Live;
use serde_json::json;
use testkit::requires;

const MEMORY: ((&str, &str), &str) = (("memory", "memory.limit_in_bytes"), "memory.max");
const SOFT: ((&str, &str), &str) = (("memory", "memory.soft_limit_in_bytes"), "memory.low");
const PIDS: ((&str, &str), &str) = (("pids", "pids.max"), "pids.max");

fn limited() -> Live {
    let mut bundle = Bundle::new();
    bundle.command(&["sleep", "600"]);
    bundle.set("/linux/resources/memory", json!({ "limit": 33_554_432, "reservation": 25_165_824 }));
    bundle.set("/linux/resources/pids", json!({ "limit": 20 }));
    Live::of(bundle)
}

impl Live {
    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "numbers and short texts")]
    fn has(&self, (v1, v2): ((&str, &str), &str), value: impl ToString) {
        assert_eq!(self.limit(v1, v2), value.to_string(), "{v2}");
    }
}

#[test]
fn limits_by_options_and_back_by_json() {
    requires!(root, busybox, controller = "memory", controller = "pids");
    let live = limited();
    live.has(MEMORY, 33_554_432);
    live.verb(&["update", "--memory", "50M", "--memory-reservation=33554432", "--pids-limit", "10"]).ok().stdout_is("");
    live.has(MEMORY, 52_428_800);
    live.has(SOFT, 33_554_432);
    live.has(PIDS, 10);
    let text = json!({ "memory": { "limit": 33_554_432 }, "pids": { "limit": -1 } }).to_string();
    live.verb(&["update", "--resources=-"]).stdin(text.as_bytes()).ok();
    live.has(MEMORY, 33_554_432);
    live.has(SOFT, 33_554_432);
    live.has(PIDS, "max");
    let file = live.bundle.sandbox.file("limits.json", r#"{"pids": {"limit": 7}}"#);
    // The other options are ignored then.
    live.verb(&["update", "-r", &file.to_string_lossy(), "--pids-limit", "9"]).ok();
    live.has(PIDS, 7);
    // What is obsolete is taken without a word.
    live.verb(&["update", "--kernel-memory", "1G", "--kernel-memory-tcp", "1G"]).ok().stderr_is("");
    live.verb(&["update", "--memory", "-1"]).ok();
    let none = if live.is_v2("memory") { "max" } else { "9223372036854771712" };
    live.has(MEMORY, none);
}

#[test]
fn memory_and_swap_go_up_and_down_together() {
    requires!(root, busybox, controller = "memory");
    let live = limited();
    let v2 = live.is_v2("memory");
    let file = live.cgroup_file(("memory", "memory.memsw.limit_in_bytes"), "memory.swap.max");
    requires!(that = if file.exists() { Ok(()) } else { Err("a kernel that counts swap".to_owned()) });
    let swap = (("memory", "memory.memsw.limit_in_bytes"), "memory.swap.max");
    for (memory, both) in [(30_u64, 50_u64), (60, 80), (20, 30), (20, 20)] {
        live.verb(&["update", "--memory", &format!("{memory}M"), "--memory-swap", &format!("{both}M")]).ok();
        live.has(MEMORY, memory << 20);
        live.has(swap, (if v2 { both - memory } else { both }) << 20);
    }
    // One of the two alone: the sum is what was given for it.
    live.verb(&["update", "--memory-swap", "100M"]).ok();
    live.has(swap, (if v2 { 80_u64 } else { 100 }) << 20);
    live.verb(&["update", "--memory", "40M"]).ok();
    live.has(swap, (if v2 { 60_u64 } else { 100 }) << 20);
    live.verb(&["update", "--memory", "200M"]).run().code(1).stderr_contains("memory");
    live.has(MEMORY, 40 << 20);
    live.verb(&["update", "--memory-swap", "-1"]).ok();
    live.has(swap, if v2 { "max" } else { "9223372036854771712" });
}

#[test]
fn cpu_time_and_places() {
    requires!(root, busybox, controller = "cpu");
    let live = Live::sleeping();
    live.verb(&["update", "--cpu-period", "900000", "--cpu-quota", "600000", "--cpu-share", "200"]).ok();
    let v2 = live.is_v2("cpu");
    if v2 {
        live.has((("cpu", ""), "cpu.max"), "600000 900000");
    } else {
        live.has((("cpu", "cpu.cfs_quota_us"), ""), 600_000);
        live.has((("cpu", "cpu.cfs_period_us"), ""), 900_000);
        live.has((("cpu", "cpu.shares"), ""), 200);
    }
    live.verb(&["update", "--cpu-quota", "-1"]).ok();
    if v2 {
        live.has((("cpu", ""), "cpu.max"), "max 900000");
    } else {
        live.has((("cpu", "cpu.cfs_quota_us"), ""), -1);
        live.has((("cpu", "cpu.cfs_period_us"), ""), 900_000);
    }
    live.verb(&["update", "--cpu-idle", "1"]).ok();
    live.has((("cpu", "cpu.idle"), "cpu.idle"), 1);
    live.verb(&["update", "--cpu-idle", "2"]).run().code(1).stderr_contains("cpu.idle");
}

#[test]
fn processors_and_memory_nodes_on_v2() {
    requires!(root, busybox, controller_v2 = "cpuset");
    let mut bundle = Bundle::new();
    bundle.command(&["sleep", "600"]).set("/linux/resources/cpu", json!({ "cpus": "1", "mems": "0" }));
    let live = Live::of(bundle);
    let now = |file: &str| live.limit(("cpuset", file), file);
    let inside =
        || live.exec("grep Cpus_allowed_list /proc/1/status /proc/self/status | cut -f2").code(0).stdout.clone();
    assert_eq!((now("cpuset.cpus"), now("cpuset.cpus.effective")), ("1".to_owned(), "1".to_owned()));
    assert_eq!(now("cpuset.mems"), "0");
    assert_eq!(inside(), "1\n1\n");
    live.verb(&["update", "--cpuset-cpus", "0"]).ok();
    assert_eq!(inside(), "0\n0\n");
    live.verb(&["update", "--cpuset-cpus", "0-4095"]).run().code(1).one_line_error("2-4095 not available");
    live.verb(&["update", "--cpuset-mems", "7"]).run().code(1).one_line_error("7 not available");
    assert_eq!((now("cpuset.cpus"), now("cpuset.mems")), ("0".to_owned(), "0".to_owned()));
}

#[test]
fn what_cannot_be_set_changes_nothing() {
    requires!(root, busybox, controller = "memory", controller = "pids", controller = "cpu");
    let live = limited();
    // Memory and pids come before what the kernel refuses: more CPU time than the machine has periods for.
    let many = ["update", "--memory", "64M", "--pids-limit", "9", "--cpu-quota", "1", "--cpu-period", "1"];
    live.verb(&many).run().code(1).one_line_error("cpu.");
    live.has(MEMORY, 33_554_432);
    live.has(PIDS, 20);
    let text = json!({ "memory": { "limit": 67_108_864 }, "unified": { "no.such": "1" } }).to_string();
    live.verb(&["update", "-r", "-"]).stdin(text.as_bytes()).run().code(1).one_line_error("no.such");
    live.has(MEMORY, 33_554_432);
    for (swap, told) in [(0, "rejecting memory limit"), (8192, "rejecting memory+swap limit")] {
        let text = json!({ "memory": { "limit": 4096, "swap": swap, "checkBeforeUpdate": true } }).to_string();
        live.verb(&["update", "-r", "-"]).stdin(text.as_bytes()).run().code(1).stderr_contains(told);
        live.has(MEMORY, 33_554_432);
    }
}

#[test]
fn what_is_no_limit_is_told() {
    requires!(root, busybox, cgroups);
    let live = Live::sleeping();
    for (words, told) in [
        (["--memory", "a lot"], "a lot"),
        (["--memory", "-2"], "-2"),
        (["--cpu-period", "-1"], "-1"),
        (["--pids-limit", "99999999999999999999"], "99999999999999999999"),
        (["--blkio-weight", "70000"], "70000"),
        (["--resources", "/nonexistent"], "/nonexistent"),
        (["--l3-cache-schema", "L3:0=f"], "Intel RDT/CAT: l3 cache schema is not enabled"),
        (["--mem-bw-schema", "MB:0=20"], "Intel RDT/MBA: memory bandwidth schema is not enabled"),
    ] {
        // Nobody who runs the tests has a machine with Intel RDT mounted but on purpose.
        if told.starts_with("Intel") && std::path::Path::new("/sys/fs/resctrl/schemata").exists() {
            continue;
        }
        live.verb(&["update", words[0], words[1]]).run().code(1).one_line_error(told);
    }
    live.verb(&["update", "-r", "-"]).stdin("{\"memory\": 1}".as_bytes()).run().code(1).one_line_error("line 1");
}

#[test]
fn only_what_runs_has_limits() {
    requires!(root, busybox, cgroups);
    let live = Live::sleeping();
    live.verb(&["pause"]).ok();
    live.verb(&["update", "--pids-limit", "30"]).ok();
    live.verb(&["resume"]).ok();
    live.verb(&["kill", "--all"]).arg("KILL").ok();
    let stopped = || live.verb(&["state"]).ok().stdout.contains("\"stopped\"");
    assert!(testkit::within(crate::bundle::CLEARING, stopped));
    live.verb(&["update", "--pids-limit", "31"]).run().code(1).one_line_error("container not running");
    live.bundle.sandbox.corun(["update", "--memory", "1G", "none"]).run().code(1).one_line_error("does not exist");
}

#[test]
fn a_device_is_allowed_and_denied_while_the_container_runs() {
    requires!(root, busybox, controller = "devices");
    let mut bundle = Bundle::new();
    bundle.command(&["sleep", "600"]);
    // Its node is there, and nothing allows it. `/dev/fuse` opens for everybody who may.
    let node = json!({ "type": "c", "path": "/dev/fuse", "major": 10, "minor": 229, "fileMode": 0o666 });
    bundle.set("/linux/devices", json!([node]));
    let live = Live::of(bundle);
    requires!(
        that = if std::fs::File::open("/dev/fuse").is_ok() { Ok(()) } else { Err("a host with /dev/fuse".to_owned()) }
    );
    let denied = || live.exec(": < /dev/fuse").stderr.contains("Operation not permitted");
    let rule = |allow: bool| json!({ "allow": allow, "type": "c", "major": 10, "minor": 229, "access": "rw" });
    let update = |rules: serde_json::Value| {
        live.verb(&["update", "-r", "-"]).stdin(json!({ "devices": rules }).to_string().into_bytes()).run()
    };
    assert!(denied());
    update(json!([rule(true)])).code(0);
    live.exec(": < /dev/fuse; : < /dev/null").code(0);
    update(json!([{ "allow": false, "type": "c", "major": -2 }])).code(1).one_line_error("devices.major");
    live.exec(": < /dev/fuse").code(0);
    update(json!([rule(false)])).code(0);
    assert!(denied());
    live.exec(": < /dev/null").code(0);
}
