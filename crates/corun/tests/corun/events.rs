//! What a container uses, as runc tells it; and kills for want of memory.

use crate::bundle::Bundle;
use crate::live::Live;
use serde_json::{Value, json};
use testkit::requires;

fn stats(live: &Live) -> Value {
    let outcome = live.verb(&["events", "--stats"]).ok();
    let head = format!("{{\"type\":\"stats\",\"id\":\"{}\",\"data\":{{\"cpu\":", live.bundle.id);
    assert!(outcome.stdout.starts_with(&head), "{outcome}");
    assert_eq!(outcome.lines().len(), 1, "{outcome}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn one_line_of_statistics() {
    requires!(root, busybox, controller = "memory", controller = "pids", controller = "cpu");
    let mut bundle = Bundle::new();
    bundle.command(&["sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exec sleep 600"]);
    bundle.set("/linux/resources/memory", json!({ "limit": 33_554_432 }));
    bundle.set("/linux/resources/pids", json!({ "limit": 20 }));
    let live = Live::of(bundle);
    let told = stats(&live);
    let data = &told["data"];
    assert_eq!(data["memory"]["usage"]["limit"], 33_554_432, "{data:#}");
    let raw = live.limit(("memory", "memory.stat"), "memory.stat");
    let keys: Vec<&str> = raw.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(keys.iter().all(|key| data["memory"]["raw"][key].is_u64()), "{data:#}");
    assert_eq!(data["pids"], json!({ "current": 1, "limit": 20 }));
    assert!(data["cpu"]["usage"]["total"].as_u64().unwrap() > 0);
    for key in ["kernel", "user"] {
        assert!(data["cpu"]["usage"][key].is_u64(), "{key} is always there");
    }
    for key in ["cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces"] {
        assert!(data.as_object().unwrap().contains_key(key), "{key}");
    }
    if !live.is_v2("cpuacct") {
        let cpus = std::fs::read_to_string(live.cgroup_file(("cpuacct", "cpuacct.usage_percpu"), "")).unwrap();
        let count = cpus.split_whitespace().count();
        for key in ["percpu", "percpu_kernel", "percpu_user"] {
            assert_eq!(data["cpu"]["usage"][key].as_array().map(Vec::len), Some(count), "{key}");
        }
    }
}

#[test]
fn they_come_from_time_to_time_until_the_container_ends() {
    requires!(root, busybox, cgroups);
    let live = Live::sleeping();
    let mut running = live.verb(&["events", "--interval", "50ms"]).spawn();
    running.stdout_until("\"stats\"");
    live.verb(&["kill"]).arg("KILL").ok();
    let outcome = running.wait();
    outcome.code(0);
    assert!(outcome.lines().iter().all(|line| line.starts_with("{\"type\":\"stats\",")), "{outcome}");
    live.verb(&["events", "--stats"]).run().code(1).one_line_error("is not running");
}

#[test]
fn a_kill_for_want_of_memory_is_told() {
    requires!(root, busybox, controller = "memory");
    let mut bundle = Bundle::new();
    bundle.command(&["sleep", "600"]);
    bundle.set("/linux/resources/memory", json!({ "limit": 20_971_520, "swap": 20_971_520 }));
    let live = Live::of(bundle);
    let mut running = live.verb(&["events", "--interval", "100ms"]).spawn();
    running.stdout_until("\"stats\"");
    // A word of 64 MB does not fit into 20.
    live.exec("x=$(dd if=/dev/zero bs=1M count=64 2>/dev/null | tr '\\0' 'x')").code(137);
    let line = format!("{{\"type\":\"oom\",\"id\":\"{}\"}}\n", live.bundle.id);
    running.stdout_until(&line);
    live.verb(&["kill"]).arg("KILL").ok();
    running.wait().code(0);
}

#[test]
fn an_interval_is_a_duration_of_go() {
    requires!(root, busybox, cgroups);
    let live = Live::sleeping();
    for word in ["0s", "-1s", "5", "soon"] {
        live.verb(&["events", "--interval", word]).run().code(1).one_line_error(word);
    }
    live.verb(&["events", "-interval=1m30s", "-stats"]).ok().stdout_contains("\"stats\"");
}
