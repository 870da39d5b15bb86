//! Resource limits of the process, its OOM score, its priority.

use crate::bundle::{Bundle, field};
use serde_json::json;
use testkit::requires;

#[test]
fn limits_are_set_soft_and_hard() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("grep -E 'open files|core file' /proc/self/limits");
    bundle.set(
        "/process/rlimits",
        json!([{ "type": "RLIMIT_NOFILE", "soft": 77, "hard": 99 }, { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 }]),
    );
    let outcome = bundle.ok();
    let words: Vec<Vec<&str>> = outcome.lines().iter().map(|line| line.split_whitespace().collect()).collect();
    assert!(words.iter().any(|line| line.contains(&"77") && line.contains(&"99")), "{outcome}");
}

#[test]
fn all_sixteen_types_are_known() {
    requires!(root, busybox);
    let names = [
        "CPU",
        "FSIZE",
        "DATA",
        "STACK",
        "CORE",
        "RSS",
        "NPROC",
        "NOFILE",
        "MEMLOCK",
        "AS",
        "LOCKS",
        "SIGPENDING",
        "MSGQUEUE",
        "NICE",
        "RTPRIO",
        "RTTIME",
    ];
    for (number, name) in names.iter().enumerate() {
        let mut bundle = Bundle::script(&format!("sed -n {}p /proc/self/limits", number + 2));
        // What everybody has at least, and may lower to.
        let small = match *name {
            "NICE" | "RTPRIO" | "MEMLOCK" | "CORE" => 0,
            _ => 1_000_000_000_u64,
        };
        let hard = rlimit(number);
        let value = small.min(hard);
        bundle.set("/process/rlimits", json!([{ "type": format!("RLIMIT_{name}"), "soft": value, "hard": value }]));
        let outcome = bundle.ok();
        let words: Vec<&str> = outcome.stdout.split_whitespace().collect();
        let twice = words.iter().filter(|word| **word == value.to_string()).count();
        assert_eq!(twice, 2, "{name}: {outcome}");
    }
}

/// This process's hard limit by the kernel's number.
fn rlimit(number: usize) -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    // The kernel's order in the file is that of the numbers.
    let line = limits.lines().nth(number + 1).unwrap();
    let hard = line.get(26..).unwrap().split_whitespace().nth(1).unwrap();
    hard.parse().unwrap_or(u64::MAX)
}

#[test]
fn a_type_that_stands_twice_or_is_unknown_is_refused() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    let limit = json!({ "type": "RLIMIT_NOFILE", "soft": 1, "hard": 1 });
    bundle.set("/process/rlimits", json!([limit, limit]));
    bundle.refused("RLIMIT_NOFILE stands twice");
    bundle.set("/process/rlimits", json!([{ "type": "RLIMIT_FLIES", "soft": 1, "hard": 1 }]));
    bundle.refused("unknown type RLIMIT_FLIES");
    bundle.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 5, "hard": 1 }]));
    bundle.refused("above its hard limit");
}

#[test]
fn raising_a_hard_limit_works_in_a_new_user_namespace_where_the_caller_may() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("grep 'open files' /proc/self/limits");
    bundle.user_namespace();
    bundle.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 3000, "hard": 3000 }]));
    let may = field(&std::fs::read_to_string("/proc/self/status").unwrap(), "CapEff").to_owned();
    let may = u64::from_str_radix(&may, 16).unwrap() & 1 << 24 != 0;
    let outcome = bundle.run_as(bundle.invocation().under(["prlimit", "--nofile=500:2000"]));
    if may {
        outcome.code(0).stdout_contains("3000");
    } else {
        outcome.code(1).stderr_contains("RLIMIT_NOFILE").stderr_contains("CAP_SYS_RESOURCE");
    }
    // Within the hard limit nobody needs a privilege.
    bundle.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 2000, "hard": 2000 }]));
    bundle.run_as(bundle.invocation().under(["prlimit", "--nofile=500:2000"])).code(0).stdout_contains("2000");
}

#[test]
fn a_limit_too_low_to_start_in_still_starts() {
    requires!(root, busybox);
    // What the runtime itself needs is done before the limits hold.
    let mut bundle = Bundle::new();
    bundle.set(
        "/process/rlimits",
        json!([{ "type": "RLIMIT_NOFILE", "soft": 3, "hard": 3 }, { "type": "RLIMIT_FSIZE", "soft": 0, "hard": 0 }]),
    );
    bundle.ok();
}

#[test]
fn the_oom_score_is_set_and_zero_is_a_value() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /proc/self/oom_score_adj");
    let score =
        |bundle: &Bundle| bundle.run_as(bundle.invocation().under(["choom", "-n", "100", "--"])).code(0).stdout.clone();
    assert_eq!(score(&bundle), "100\n");
    bundle.set("/process/oomScoreAdj", 500);
    assert_eq!(score(&bundle), "500\n");
    bundle.set("/process/oomScoreAdj", 100);
    bundle.user_namespace();
    assert_eq!(score(&bundle), "100\n");
    bundle.set("/process/oomScoreAdj", 1001);
    bundle.refused("oomScoreAdj");
}

#[test]
fn the_io_priority_is_set() {
    requires!(root, busybox, package = "ionice");
    let mut bundle = Bundle::script("ionice -p $$");
    bundle.set("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_BE", "priority": 6 }));
    bundle.ok().stdout_contains("prio 6");
    bundle.set("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_BE", "priority": 8 }));
    bundle.refused("ioPriority");
}
