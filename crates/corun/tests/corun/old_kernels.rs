//! Kernels that lack a call, played by a filter around the whole runtime: a container whose profile answers ENOSYS, in
//! which another one is started. It shows at the same time that a container runs in a container.

use crate::bundle::Bundle;
use serde_json::json;
use std::fs;
use testkit::{Invocation, Outcome, Program, requires};

/// Runs the inner bundle by a corun that is itself in a container of this machine's own root, with all capabilities and
/// without these calls.
fn run_without(inner: &Bundle, calls: &[&str], errno: u32) -> Outcome {
    let mut outer = Bundle::new();
    let _ = inner.invocation();
    let corun = Program::Corun.path().to_string_lossy().into_owned();
    let dir = inner.dir().to_string_lossy().into_owned();
    outer.command(&[&corun, "run", "--bundle", &dir, &inner.id]);
    outer.set("/root/path", "/").set("/mounts", json!([])).unset("/hostname").unset("/linux/resources");
    outer.set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([]));
    outer.set("/linux/namespaces", json!([{ "type": "mount" }]));
    outer.capabilities(&runtime::CAPABILITIES);
    // A root of the machine's own: its /dev and /proc are there already.
    if !calls.is_empty() {
        outer.set(
            "/linux/seccomp",
            json!({
                "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{ "names": calls, "action": "SCMP_ACT_ERRNO", "errnoRet": errno }]
            }),
        );
    }
    outer.invocation().run()
}

const ENOSYS: u32 = 38;
const EPERM: u32 = 1;

#[test]
fn a_container_runs_in_a_container() {
    requires!(root, busybox);
    let inner = Bundle::script("hostname; echo $$; ls /");
    run_without(&inner, &[], 0).code(0).stdout_contains("box\n1\n");
}

#[test]
fn without_mount_setattr_mounts_have_their_attributes_all_the_same() {
    requires!(root, busybox);
    let mut inner = Bundle::script(
        "touch /ro/x; touch /proc/sys/x; touch /x; cat /secret; ls -A /secrets
         grep -E ' (/ro|/|/proc/sys|/tmpfs|/slave) ' /proc/self/mountinfo | cut -d' ' -f5,6",
    );
    let dir = inner.sandbox.file("vol/file", "").parent().unwrap().to_owned();
    inner.rootfs.file("secret", "hidden").file("secrets/x", "hidden");
    inner.mount("bind", &dir, "/ro", &["bind", "ro", "nosuid", "nodev"]);
    inner.mount("bind", &dir, "/slave", &["rbind", "rprivate", "noexec"]);
    inner.mount("tmpfs", "tmpfs", "/tmpfs", &["noexec", "nodev", "rprivate"]);
    inner.push("/linux/maskedPaths", json!("/secret")).push("/linux/maskedPaths", json!("/secrets"));
    inner.set("/root/readonly", true);
    let outcome = run_without(&inner, &["mount_setattr"], ENOSYS);
    outcome.code(0).stdout_lacks("hidden");
    for path in ["/ro/x", "/proc/sys/x", "/x"] {
        let said = outcome.stderr.lines().any(|line| line.contains(&format!("{path}: ")) && line.contains("Read-only"));
        assert!(said || outcome.stderr.contains(path), "{path}: {outcome}");
    }
    let line = |at: &str| {
        let found = outcome.lines().into_iter().find(|line| line.starts_with(&format!("{at} "))).map(str::to_owned);
        found.unwrap_or_else(|| panic!("no {at}: {outcome}"))
    };
    assert!(line("/ro").contains("ro,nosuid,nodev"));
    assert!(line("/").contains(" ro"));
    assert!(line("/proc/sys").contains(" ro,nosuid,nodev,noexec"), "what it had before stays");
    assert!(line("/slave").contains("noexec"));
}

#[test]
fn without_mount_setattr_ids_cannot_be_mapped_and_that_is_said() {
    requires!(root, busybox);
    let mut inner = Bundle::new();
    let dir = inner.sandbox.file("vol/file", "").parent().unwrap().to_owned();
    inner.user_namespace();
    inner.mount("bind", dir, "/vol", &["bind", "idmap"]);
    run_without(&inner, &["mount_setattr"], ENOSYS).code(1).stderr_contains("5.12").stderr_contains(&release());
}

#[test]
fn recursive_attributes_without_mount_setattr_are_refused_where_they_cannot_be_set() {
    requires!(root, busybox);
    let mut inner = Bundle::script("touch /vol/sub/x && echo written");
    let top = inner.sandbox.join("tree");
    fs::create_dir_all(top.join("sub")).unwrap();
    Invocation::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(top.join("sub")).ok();
    inner.mount("bind", &top, "/vol", &["rbind", "rro"]);
    let outcome = run_without(&inner, &["mount_setattr"], ENOSYS);
    outcome.code(1).stdout_lacks("written").stderr_contains("5.12");
}

#[test]
fn a_kernel_without_the_mount_api_is_refused_with_its_version() {
    requires!(root, busybox);
    for call in ["openat2", "fsopen", "clone3", "open_tree", "move_mount"] {
        let inner = Bundle::new();
        let outcome = run_without(&inner, &[call], ENOSYS);
        outcome.code(1).stderr_contains(call).stderr_contains("5.10").stderr_contains(&release());
    }
}

#[test]
fn an_old_filter_that_forbids_clone3_is_named() {
    requires!(root, busybox);
    let outcome = run_without(&Bundle::new(), &["clone3"], EPERM);
    outcome.code(1).stderr_contains("clone3").stderr_contains("filter");
}

#[test]
fn without_close_range_and_memfd_exec_the_rest_still_works() {
    requires!(root, busybox);
    // close_range(2) came with Linux 5.9, so 5.10 has it; an old filter around us may not know it.
    let outcome = run_without(&Bundle::script("ls /proc/self/fd | wc -l"), &["close_range"], EPERM);
    outcome.code(0).stdout_is("4\n");
}

fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}
