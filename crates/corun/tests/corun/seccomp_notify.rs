//! Calls that an agent decides about: he gets the listener and a word on whose it is, or there is no container.

use crate::bundle::Bundle;
use crate::rootless::{bundle_of, by};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use testkit::{Invocation, Running, User, requires};

const QUIET: [&str; 4] = ["sh", "-c", "exec \"$@\" </dev/null >/dev/null 2>&1", "sh"];

/// A bundle whose script leaves these calls to an agent at `agent.sock`.
fn leaving(calls: &[&str], script: &str) -> Bundle {
    let mut bundle = Bundle::script(script);
    leave(&mut bundle, calls);
    bundle
}

fn leave(bundle: &mut Bundle, calls: &[&str]) {
    let path = bundle.sandbox.join("agent.sock");
    bundle.set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "listenerPath": path.to_string_lossy(), "listenerMetadata": "meta",
            "syscalls": [{ "names": calls, "action": "SCMP_ACT_NOTIFY" }]
        }),
    );
}

/// An agent at that socket, who is ready.
fn agent(bundle: &Bundle, more: &[&str]) -> (Running, PathBuf) {
    let told = bundle.sandbox.join("told.json");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corun/seccomp_agent.py");
    let socket = bundle.sandbox.join("agent.sock");
    let mut agent = Invocation::new("python3").arg(script).arg(socket).arg(&told).args(more).spawn();
    agent.stdout_until("ready\n");
    (agent, told)
}

#[test]
fn an_agent_decides_and_knows_for_whom() {
    requires!(root, busybox, package = "python3");
    for no_new_privileges in [false, true] {
        let mut bundle = leaving(&["mkdir"], "mkdir /x; test -d /x || echo none; mkdir -p /");
        bundle.set("/process/noNewPrivileges", no_new_privileges).set("/annotations", json!({ "k": "v" }));
        let (agent, told) = agent(&bundle, &[]);
        bundle.invocation().run().code(0).stdout_is("none\n").stderr_contains("No medium found");
        // One fd, and the connection was closed after one message.
        agent.wait().code(0).stdout_is("ready\n1 0\n");
        let told: Value = serde_json::from_slice(&fs::read(told).unwrap()).unwrap();
        let pid = told["pid"].as_i64().unwrap();
        assert!(pid > 1);
        let state = json!({
            "ociVersion": "1.3.0", "id": bundle.id, "status": "creating", "pid": pid,
            "bundle": bundle.dir().to_string_lossy(), "annotations": { "k": "v" }
        });
        let whole = json!({
            "ociVersion": "1.3.0", "fds": ["seccompFd"], "pid": pid, "metadata": "meta", "state": state
        });
        assert_eq!(told, whole);
    }
}

#[test]
fn an_annotation_names_the_agent_as_well() {
    requires!(root, busybox, package = "python3");
    let mut bundle = leaving(&["mkdir"], "mkdir /x; test -d /x || echo none");
    let socket = bundle.spec["linux"]["seccomp"]["listenerPath"].take();
    // As crun has it.
    bundle.unset("/linux/seccomp/listenerPath").unset("/linux/seccomp/listenerMetadata");
    bundle.set("/annotations", json!({ "run.oci.seccomp.receiver": socket }));
    let (agent, _) = agent(&bundle, &[]);
    bundle.invocation().run().code(0).stdout_is("none\n");
    agent.wait().code(0);
}

#[test]
fn calls_that_the_start_itself_makes_may_be_left_to_the_agent() {
    requires!(root, busybox, package = "python3");
    let calls =
        ["execve", "openat", "open", "read", "close", "fcntl", "sendmsg", "sendto", "recvmsg", "prctl", "capset"];
    for no_new_privileges in [false, true] {
        let mut bundle = leaving(&calls, "echo runs");
        bundle.set("/process/noNewPrivileges", no_new_privileges);
        let (agent, _) = agent(&bundle, &[]);
        bundle.invocation().run().code(0).stdout_is("runs\n");
        agent.wait().code(0);
    }
}

#[test]
fn a_filter_may_wait_killably() {
    requires!(root, busybox, package = "python3", kernel = (5, 19));
    let mut bundle = leaving(&["mkdir"], "mkdir /x");
    bundle.set("/linux/seccomp/flags", json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]));
    let (agent, _) = agent(&bundle, &[]);
    bundle.invocation().run().code(1).stderr_contains("No medium found");
    agent.wait().code(0);
}

#[test]
fn calls_fail_when_the_agent_is_gone() {
    requires!(root, busybox, package = "python3");
    let bundle = leaving(&["mkdir"], "sleep 1; mkdir /x");
    let (agent, _) = agent(&bundle, &["and end"]);
    bundle.invocation().run().code(1).stderr_contains("Function not implemented");
    agent.wait().code(0);
}

#[test]
fn in_a_user_namespace_the_agent_gets_the_listener_too() {
    requires!(root, busybox, package = "python3");
    let mut bundle = leaving(&["mkdir"], "mkdir /tmp/x");
    bundle.user_namespace().set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let (agent, _) = agent(&bundle, &[]);
    bundle.invocation().run().code(1).stderr_contains("No medium found");
    agent.wait().code(0);
}

#[test]
fn in_a_users_container_the_agent_gets_the_listener_of_what_is_executed_too() {
    requires!(root, busybox, subuid_user, user_namespaces, package = "python3");
    let user = User::with_subuids();
    let mut bundle = bundle_of(&user, "while :; do sleep 0.1; done");
    leave(&mut bundle, &["mkdir"]);
    Invocation::new("chown").arg(user.uid.to_string()).arg(bundle.dir()).ok();
    let dir = bundle.dir().to_string_lossy().into_owned();
    let agent = || {
        let (agent, _) = agent(&bundle, &[]);
        Invocation::new("chmod").arg("a+w").arg(bundle.sandbox.join("agent.sock")).ok();
        agent
    };
    let first = agent();
    by(&bundle, &user, &["run", "--detach", "--bundle", &dir, &bundle.id]).under(QUIET).run().code(0);
    fs::remove_file(bundle.sandbox.join("agent.sock")).unwrap();
    let second = agent();
    by(&bundle, &user, &["exec", &bundle.id, "mkdir", "/tmp/x"]).run().code(1).stderr_contains("No medium found");
    second.wait().code(0);
    by(&bundle, &user, &["delete", "--force", &bundle.id]).ok();
    first.wait().code(0);
}

#[test]
fn without_an_agent_there_is_no_container() {
    requires!(root, busybox);
    let mut bundle = leaving(&["mkdir"], "echo started");
    bundle
        .run()
        .code(1)
        .stdout_is("")
        .stderr_contains("failed to connect with seccomp agent")
        .stderr_contains("ENOENT");
    bundle.set("/linux/seccomp/listenerPath", "@coracle-nobody-listens-here");
    bundle.run().code(1).stdout_is("").stderr_contains("ECONNREFUSED");
    bundle.set("/linux/seccomp/listenerPath", "");
    bundle.refused("listenerPath");
    bundle.unset("/linux/seccomp/listenerPath");
    bundle.refused("listenerPath");
}

#[test]
fn a_profile_that_leaves_nothing_open_needs_no_agent() {
    requires!(root, busybox);
    let mut bundle = leaving(&["mkdir"], "mkdir /x");
    bundle.set("/linux/seccomp/syscalls", json!([]));
    bundle.ok();
}

#[test]
fn write_cannot_be_left_to_an_agent() {
    requires!(root, busybox);
    leaving(&["write"], "true").refused("SCMP_ACT_NOTIFY cannot be used for the write syscall");
}
