//! The five capability sets, as the kernel shows them in the command.

use crate::bundle::{Bundle, field};
use serde_json::json;
use testkit::requires;

#[test]
fn the_sets_are_those_of_the_specification() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /proc/self/status");
    bundle.set("/process/capabilities/bounding", json!(["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"]));
    bundle.set("/process/capabilities/permitted", json!(["CAP_CHOWN", "CAP_KILL"]));
    bundle.set("/process/capabilities/effective", json!(["CAP_CHOWN"]));
    let outcome = bundle.ok();
    assert_eq!(field(&outcome.stdout, "CapBnd"), "0000000000002021");
    // Root gains what the bounding set has by its next exec, which is the shell's of cat.
    assert_eq!(field(&outcome.stdout, "CapPrm"), "0000000000002021");
    assert_eq!(field(&outcome.stdout, "CapAmb"), "0000000000000000");
}

#[test]
fn cve_2022_29162_nothing_is_inheritable_unless_asked_for() {
    requires!(root, busybox);
    let outcome = Bundle::script("cat /proc/self/status").ok();
    assert_eq!(field(&outcome.stdout, "CapInh"), "0000000000000000");
    assert_eq!(field(&outcome.stdout, "CapBnd"), "00000000800405fb");
}

#[test]
fn an_ordinary_user_has_what_is_ambient_and_nothing_else() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /proc/self/status");
    bundle.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let outcome = bundle.ok();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(&outcome.stdout, set), "0000000000000000", "{set}");
    }
    assert_eq!(field(&outcome.stdout, "CapBnd"), "00000000800405fb");
    for set in ["inheritable", "ambient"] {
        bundle.set(&format!("/process/capabilities/{set}"), json!(["CAP_KILL"]));
    }
    let outcome = bundle.ok();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(&outcome.stdout, set), "0000000000000020", "{set}");
    }
}

#[test]
fn without_any_there_are_none() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /proc/self/status; chown 1 /etc/passwd");
    bundle.unset("/process/capabilities");
    let outcome = bundle.run();
    outcome.code(1).stderr_contains("Operation not permitted");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd"] {
        assert_eq!(field(&outcome.stdout, set), "0000000000000000", "{set}");
    }
}

#[test]
fn an_unknown_name_is_left_out() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /proc/self/status");
    bundle.capabilities(&["CAP_KILL", "CAP_OF_THE_FUTURE"]);
    assert_eq!(field(&bundle.ok().stdout, "CapBnd"), "0000000000000020");
}

#[test]
fn all_of_them_are_all_that_the_machine_gives() {
    requires!(root, busybox);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut bundle = Bundle::script("cat /proc/self/status");
    bundle.capabilities(&runtime::CAPABILITIES);
    assert_eq!(field(&bundle.ok().stdout, "CapEff"), field(&status, "CapPrm"));
}

#[test]
fn no_new_privileges_is_set_where_it_is_asked_for() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("grep NoNewPrivs /proc/self/status");
    bundle.ok().stdout_is("NoNewPrivs:\t0\n");
    bundle.set("/process/noNewPrivileges", true);
    bundle.ok().stdout_is("NoNewPrivs:\t1\n");
}

#[test]
fn an_ambient_one_that_cannot_be_raised_is_told() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("grep CapAmb /proc/self/status");
    bundle.capabilities(&["CAP_KILL", "CAP_CHOWN"]);
    bundle.set("/process/capabilities/inheritable", serde_json::json!(["CAP_KILL"]));
    bundle.set("/process/capabilities/ambient", serde_json::json!(["CAP_KILL", "CAP_CHOWN"]));
    let outcome = bundle.ok();
    outcome.stdout_contains("0000000000000020").stderr_contains("can't raise ambient capability CAP_CHOWN");
    outcome.stderr_lacks("CAP_KILL");
}
