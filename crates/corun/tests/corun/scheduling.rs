//! How the process is scheduled, where its memory comes from, on which CPUs it may run.

use crate::bundle::Bundle;
use serde_json::{Value, json};
use testkit::requires;

/// Niceness, real-time priority and policy (proc_pid_stat(5), fields 19, 40 and 41).
const OWN: &str = "cut -d' ' -f19,40,41 /proc/self/stat";

fn scheduled(scheduler: &Value) -> Bundle {
    let mut bundle = Bundle::script(OWN);
    bundle.set("/process/scheduler", scheduler.clone());
    bundle
}

/// This test's own, which the policies that do not know niceness leave as it is.
fn own_niceness() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("procfs");
    let (_, after_the_name) = stat.rsplit_once(')').expect("a name in parentheses");
    after_the_name.split_whitespace().nth(16).expect("field 19").to_owned()
}

#[test]
fn a_policy_and_its_niceness_are_set() {
    requires!(root, busybox);
    scheduled(&json!({ "policy": "SCHED_OTHER", "nice": 7 })).ok().stdout_is("7 0 0\n");
    scheduled(&json!({ "policy": "SCHED_BATCH", "nice": 19, "priority": 0 })).ok().stdout_is("19 0 3\n");
    scheduled(&json!({ "policy": "SCHED_IDLE" })).ok().stdout_is(&format!("{} 0 5\n", own_niceness()));
}

#[test]
fn a_policy_that_needs_a_capability_is_set_for_a_process_without_any() {
    requires!(root, busybox);
    let mut bundle = scheduled(&json!({ "policy": "SCHED_OTHER", "nice": -6 }));
    bundle.capabilities(&[]).set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    bundle.ok().stdout_is("-6 0 0\n");
}

#[test]
fn a_real_time_priority_is_set() {
    requires!(root, busybox, controller = "cpu", cgroup_v1);
    for (policy, number) in [("SCHED_FIFO", 1), ("SCHED_RR", 2)] {
        let mut bundle = scheduled(&json!({ "policy": policy, "priority": 42 }));
        // A kernel with groups of real-time processes has none for a new group.
        bundle.set("/linux/resources/cpu", json!({ "realtimeRuntime": 10_000, "realtimePeriod": 1_000_000 }));
        bundle.ok().stdout_is(&format!("{} 42 {number}\n", own_niceness()));
    }
}

#[test]
fn a_deadline_is_set_and_its_flag_lets_it_fork() {
    requires!(root, busybox, timing);
    let mut bundle = Bundle::script(&format!("read stat < /proc/self/stat; echo $stat | cut -d' ' -f41; {OWN}; true"));
    bundle.set(
        "/process/scheduler",
        json!({
            "policy": "SCHED_DEADLINE", "flags": ["SCHED_FLAG_RESET_ON_FORK"],
            "runtime": 4_200_000, "deadline": 10_000_000, "period": 100_000_000
        }),
    );
    bundle.ok().stdout_is("6\n0 0 0\n");
}

#[test]
fn a_deadline_on_some_cpus_only_is_explained() {
    requires!(root, busybox, controller = "cpuset", timing, that = two_cpus());
    let mut bundle = scheduled(&json!({
        "policy": "SCHED_DEADLINE", "runtime": 4_200_000, "deadline": 10_000_000, "period": 100_000_000
    }));
    bundle.set("/linux/resources/cpu", json!({ "cpus": "0" }));
    bundle.run().code(1).stderr_contains("process scheduler can't be used together with AllowedCPUs");
}

#[test]
fn what_no_policy_has_is_refused() {
    requires!(root, busybox);
    for (scheduler, text) in [
        (json!({}), "policy"),
        (json!({ "policy": "SCHED_FAST" }), "SCHED_FAST"),
        (json!({ "policy": "SCHED_OTHER", "nice": 20 }), "nice"),
        (json!({ "policy": "SCHED_BATCH", "priority": 1 }), "priority"),
        (json!({ "policy": "SCHED_RR", "priority": 0 }), "priority"),
        (json!({ "policy": "SCHED_OTHER", "period": 1 }), "SCHED_DEADLINE"),
        (json!({ "policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_FLY"] }), "SCHED_FLAG_FLY"),
    ] {
        scheduled(&scheduler).refused(text);
    }
}

#[test]
fn the_io_priority_is_the_containers_and_not_the_callers() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("ionice; ionice -p 1");
    bundle.set("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_BE", "priority": 6 }));
    let invocation = bundle.invocation();
    // A shell without job control: it and what it runs are one group of processes.
    let invocation = invocation.under(["sh", "-c", "ionice; \"$@\" && ionice", "sh"]);
    let outcome = bundle.run_as(invocation);
    let lines = outcome.code(0).lines();
    assert_eq!(lines[1..3], ["best-effort: prio 6"; 2], "{outcome}");
    assert_eq!(lines[0], lines[3], "{outcome}");
    bundle.set("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_IDLE" }));
    bundle.ok().stdout_contains("idle");
    bundle.set("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_BE", "priority": 8 }));
    bundle.refused("ioPriority 8");
}

/// The policy of this process's memory (numa(7), `numa_maps`).
const MEMORY: &str = "head -n 1 /proc/self/numa_maps | cut -d' ' -f2";

fn with_memory(policy: Value) -> Bundle {
    let mut bundle = Bundle::script(MEMORY);
    bundle.set("/linux/memoryPolicy", policy);
    bundle
}

fn numa() -> Result<(), String> {
    if std::path::Path::new("/proc/self/numa_maps").exists() { Ok(()) } else { Err("a kernel with NUMA".to_owned()) }
}

#[test]
fn a_memory_policy_is_set_with_its_nodes_and_flags() {
    requires!(root, busybox, that = numa());
    for (policy, shown) in [
        (json!({ "mode": "MPOL_INTERLEAVE", "nodes": "0" }), "interleave:0\n"),
        (json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"] }), "bind=static:0\n"),
        (json!({ "mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"] }), "prefer=relative:0\n"),
        (json!({ "mode": "MPOL_PREFERRED" }), "local\n"),
        (json!({ "mode": "MPOL_LOCAL" }), "local\n"),
        (json!({ "mode": "MPOL_DEFAULT" }), "default\n"),
        (json!({ "mode": "MPOL_DEFAULT", "nodes": "" }), "default\n"),
    ] {
        with_memory(policy).ok().stdout_is(shown);
    }
}

#[test]
fn nodes_beyond_all_machines_are_the_kernels_to_refuse() {
    requires!(root, busybox, that = numa());
    // Node 5000 lies in a mask of more than 1024 bits, which the kernel reads whole to find that it has no such node.
    let outcome = with_memory(json!({ "mode": "MPOL_BIND", "nodes": "0,5000" })).run();
    outcome.code(1).stderr_contains("memory policy").stderr_contains("set_mempolicy").stderr_contains("EINVAL");
}

#[test]
fn a_memory_policy_that_cannot_be_is_refused() {
    requires!(root, busybox);
    for (policy, text) in [
        (json!({}), "invalid memory policy mode"),
        (json!({ "mode": "INTERLEAVE", "nodes": "0" }), "invalid memory policy mode"),
        (json!({ "mode": "MPOL_DEFAULT", "nodes": "0-7" }), "mode requires 0 nodes but got 8"),
        (json!({ "mode": "MPOL_BIND" }), "at least one node"),
        (json!({ "mode": "MPOL_BIND", "nodes": "0-9876543210" }), "invalid memory policy node"),
        (json!({ "mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["badflag"] }), "invalid memory policy flag"),
    ] {
        with_memory(policy).refused(text);
    }
}

fn two_cpus() -> Result<(), String> {
    let there = std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    if there { Ok(()) } else { Err("two processors".to_owned()) }
}

fn cpus(status: &str) -> &str {
    crate::bundle::field(status, "Cpus_allowed_list")
}

#[test]
fn the_callers_affinity_is_not_the_containers() {
    requires!(root, busybox, package = "taskset", that = two_cpus());
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let bundle = Bundle::script("cat /proc/self/status");
    let outcome = bundle.run_as(bundle.invocation().under(["taskset", "-c", "0"]));
    assert_eq!(cpus(&outcome.code(0).stdout), cpus(&status));
}

#[test]
fn the_affinity_is_that_of_the_cpuset_also_where_the_caller_has_none_of_it() {
    requires!(root, busybox, package = "taskset", that = two_cpus(), controller = "cpuset");
    let mut bundle = Bundle::script("cat /proc/self/status");
    for cpu in ["1", "0-1"] {
        bundle.set("/linux/resources/cpu", json!({ "cpus": cpu, "mems": "0" }));
        let outcome = bundle.run_as(bundle.invocation().under(["taskset", "-c", "0"]));
        assert_eq!(cpus(&outcome.code(0).stdout), cpu);
    }
}

#[test]
fn the_affinity_of_later_processes_does_not_touch_the_first() {
    requires!(root, busybox, that = two_cpus());
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let mut bundle = Bundle::script("cat /proc/self/status");
    bundle.set("/process/execCPUAffinity", json!({ "initial": "0", "final": "1" }));
    assert_eq!(cpus(&bundle.ok().stdout), cpus(&status));
    for (field, list) in [("initial", "x"), ("final", "1-0"), ("initial", ",")] {
        bundle.set("/process/execCPUAffinity", json!({ field: list }));
        bundle.refused(field);
    }
}
