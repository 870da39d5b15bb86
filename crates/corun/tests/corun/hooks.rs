//! Hooks: when they run, where, what they are told, and what their failure does (config.md, "POSIX-platform Hooks").

use crate::bundle::Bundle;
use serde_json::{Value, json};
use std::fs;
use testkit::requires;

/// A hook that runs a script.
fn shell(script: &str) -> Value {
    json!({ "path": "/bin/sh", "args": ["sh", "-c", script] })
}

#[test]
fn hooks_of_the_runtime_run_in_its_namespaces_and_in_their_order() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /proc/self/mountinfo > /seen");
    let log = bundle.sandbox.join("log");
    let note = |word: &str| shell(&format!("echo {word} $(readlink /proc/self/ns/mnt) >> {}", log.display()));
    bundle.set("/hooks/prestart", json!([note("a"), note("b")]));
    bundle.set("/hooks/createRuntime", json!([note("c")]));
    bundle.ok();
    let ours = fs::read_link("/proc/self/ns/mnt").unwrap();
    let ours = ours.display();
    assert_eq!(fs::read_to_string(&log).unwrap(), format!("a {ours}\nb {ours}\nc {ours}\n"));
}

#[test]
fn a_hook_of_the_runtime_finds_the_root_in_the_containers_mount_namespace_where_it_is_on_the_host() {
    requires!(root, busybox, package = "jq");
    let mut bundle = Bundle::script("cat /late");
    let (file, root) = (bundle.sandbox.file("late", "mounted by a hook\n"), bundle.rootfs.inside("late"));
    bundle.rootfs.file("late", "");
    let mount = format!("mount --bind {} {}", file.display(), root.display());
    bundle.set("/hooks/createRuntime", json!([shell(&format!("nsenter -m -t $(jq .pid) {mount}"))]));
    bundle.ok().stdout_is("mounted by a hook\n");
    assert_eq!(fs::read_to_string(root).unwrap(), "");
}

#[test]
fn a_hook_of_the_container_mounts_below_its_working_directory_which_is_the_root() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /late");
    let file = bundle.sandbox.file("late", "mounted by a hook\n");
    bundle.rootfs.file("late", "");
    bundle.set("/hooks/createContainer", json!([shell(&format!("mount --bind {} ./late", file.display()))]));
    bundle.ok().stdout_is("mounted by a hook\n");
    assert_eq!(fs::read_to_string(bundle.rootfs.inside("late")).unwrap(), "");
}

#[test]
fn a_hook_is_told_the_state() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.set("/annotations", json!({ "a": "b\"pid\":0" }));
    let [old, there, inside] = ["old", "there", "inside"].map(|name| bundle.sandbox.join(name));
    bundle.set("/hooks/prestart", json!([shell(&format!("cat > {}", old.display()))]));
    bundle.set("/hooks/createRuntime", json!([shell(&format!("cat > {}", there.display()))]));
    bundle.set("/hooks/createContainer", json!([shell(&format!("cat > {}", inside.display()))]));
    bundle.set("/hooks/startContainer", json!([shell("cat > /start")]));
    bundle.ok();
    let start = bundle.rootfs.inside("start");
    for (file, status, first) in
        [(&old, "created", false), (&there, "creating", false), (&inside, "creating", true), (&start, "created", true)]
    {
        let state: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(state["ociVersion"], "1.3.0");
        assert_eq!((&state["id"], &state["status"]), (&json!(bundle.id), &json!(status)));
        assert_eq!(state["bundle"], json!(bundle.dir()));
        assert_eq!(state["annotations"]["a"], "b\"pid\":0");
        assert_eq!(state["pid"] == 1, first, "{file:?}: {state}");
    }
}

#[test]
fn hooks_of_the_container_run_in_its_namespaces_before_and_behind_the_pivot() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /order");
    let order = bundle.rootfs.inside("order");
    // The program of the first is the host's, though it runs beside the container's first process.
    let here = format!("test $$ != 1; test -e /proc/1/root; echo $(hostname) > {}", order.display());
    bundle.set("/hostname", "inside");
    bundle.set("/hooks/createContainer", json!([shell(&here)]));
    bundle.set(
        "/hooks/startContainer",
        json!([{ "path": "/bin/busybox", "args": ["sh", "-c", "echo $0 $A $HOME >> /order"] }]),
    );
    bundle.set("/process/env", json!(["A=b"]));
    bundle.ok().stdout_is("inside\nsh b /root\n");
}

#[test]
fn a_hook_within_the_container_may_do_no_more_than_its_process() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /hook; grep -E 'Cap(Prm|Eff|Bnd)|NoNewPrivs|^Uid' /proc/self/status");
    bundle.set("/process/noNewPrivileges", true).set("/process/user/uid", 1000);
    bundle.capabilities(&["CAP_CHOWN"]).rootfs.file("hook", "").mode("hook", 0o666);
    let look = "grep -E 'Cap(Prm|Eff|Bnd)|NoNewPrivs|^Uid' /proc/self/status > /hook";
    bundle.set("/hooks/startContainer", json!([shell(look)]));
    let outcome = bundle.ok();
    let lines = outcome.lines();
    let (hook, process) = lines.split_at(lines.len() / 2);
    assert_eq!(hook, process, "{outcome}");
    assert_eq!(hook.len(), 5, "{outcome}");
}

#[test]
fn a_hook_that_fails_ends_the_start_and_is_told_with_what_it_wrote() {
    requires!(root, busybox);
    for point in ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"] {
        let mut bundle = Bundle::script(if point == "poststart" { "sleep 60" } else { "echo ran" });
        let fine = shell("exit 0");
        bundle.set(&format!("/hooks/{point}"), json!([fine, shell("echo some; echo words >&2; exit 7")]));
        let text = format!("error running {point} hook #1: /bin/sh: exit code 7: some; words");
        bundle.refused(&text).stdout_is("");
    }
}

#[test]
fn a_hook_that_takes_too_long_is_killed_wherever_it_runs() {
    requires!(root, busybox);
    for point in ["createRuntime", "createContainer", "startContainer"] {
        let mut bundle = Bundle::new();
        bundle
            .set(&format!("/hooks/{point}"), json!([{ "path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1 }]));
        bundle.refused(&format!("error running {point} hook #0: /bin/sleep: not done within 1 s"));
    }
}

#[test]
fn a_hook_that_is_not_there_is_an_error() {
    requires!(root, busybox);
    for point in ["createRuntime", "createContainer", "startContainer"] {
        let mut bundle = Bundle::new();
        bundle.set(&format!("/hooks/{point}"), json!([{ "path": "/no/such" }]));
        bundle.refused("/no/such").stderr_contains("hook #0");
        bundle.set(&format!("/hooks/{point}"), json!([{ "path": "sh" }]));
        bundle.refused("is not absolute");
    }
}

#[test]
fn a_hook_that_writes_without_end_is_killed() {
    requires!(root, busybox);
    for point in ["prestart", "createRuntime", "poststart"] {
        let mut bundle = Bundle::script("sleep 60");
        bundle.set(&format!("/hooks/{point}"), json!([{ "path": "/usr/bin/yes" }]));
        bundle.refused(&format!("error running {point} hook #0: /usr/bin/yes: it wrote more than 16 MiB"));
    }
    // Within the container its limit of memory holds for the hook as well, and the time that it may take.
    for point in ["createContainer", "startContainer"] {
        let mut bundle = Bundle::new();
        bundle.set("/linux/resources/memory", json!({ "limit": 64 << 20 }));
        bundle
            .set(&format!("/hooks/{point}"), json!([{ "path": "/bin/sh", "args": ["sh", "-c", "yes"], "timeout": 5 }]));
        bundle.refused(&format!("error running {point} hook #0"));
    }
}

#[test]
fn hooks_after_the_end_fail_hang_and_are_not_there_without_keeping_it() {
    requires!(root, busybox);
    for hook in [
        shell("exit 7"),
        json!({ "path": "/no/such" }),
        json!({ "path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1 }),
        json!({ "path": "/usr/bin/yes" }),
    ] {
        let mut bundle = Bundle::new();
        bundle.set("/hooks/poststop", json!([hook]));
        bundle.ok().stderr_contains("error running poststop hook #0");
    }
}

#[test]
fn a_start_that_is_killed_while_a_hook_hangs_leaves_nothing() {
    requires!(root, busybox);
    for point in ["createRuntime", "createContainer", "startContainer", "poststart"] {
        let mut bundle = Bundle::script("sleep 1000");
        let mark = bundle.sandbox.join("mark");
        // Within the container it is the same file by another name.
        let rest =
            if point == "startContainer" { "echo > /mark".to_owned() } else { format!("echo > {}", mark.display()) };
        bundle.set(&format!("/hooks/{point}"), json!([shell(&format!("{rest}; exec sleep 1000"))]));
        let container = crate::container::Container::planned(bundle);
        let line = container
            .apart(container.corun(&["run", "--bundle"]).arg(container.bundle.dir()).arg(&container.bundle.id));
        let running = line.spawn();
        let inside = container.bundle.rootfs.inside("mark");
        assert!(testkit::within(crate::bundle::CLEARING, || mark.exists() || inside.exists()), "{point}");
        running.kill(rustix::process::Signal::KILL);
        let _ = running.wait();
        container.gone();
    }
}

#[test]
fn a_hook_of_the_runtime_ends_with_the_runtime_that_is_killed() {
    requires!(root, busybox);
    for point in ["prestart", "createRuntime", "poststart", "poststop"] {
        let mut bundle = Bundle::script(if point == "poststop" { "true" } else { "sleep 1000" });
        let mark = bundle.sandbox.join("mark");
        bundle
            .set(&format!("/hooks/{point}"), json!([shell(&format!("echo $$ > {}; exec sleep 1000", mark.display()))]));
        let container = crate::container::Container::planned(bundle);
        let running =
            container.corun(&["run", "--bundle"]).arg(container.bundle.dir()).arg(&container.bundle.id).spawn();
        let pid = || fs::read_to_string(&mark).ok()?.trim().parse::<i32>().ok();
        assert!(testkit::within(crate::bundle::CLEARING, || pid().is_some()), "{point}");
        running.kill(rustix::process::Signal::KILL);
        let _ = running.wait();
        // A zombie of PID 1's is one that has ended.
        let lives = || fs::read_to_string(format!("/proc/{}/stat", pid().unwrap())).is_ok_and(|s| !s.contains(") Z "));
        assert!(testkit::within(crate::bundle::CLEARING, || !lives()), "{point}");
        container.gone();
    }
}
