//! Podman's checkpoints: it asks criu for its version, and the runtime, through conmon, for the rest.

use testkit::requires::Need;
use testkit::{Invocation, Sandbox, requires, within};

use crate::podman::{IMAGE, Podman, SOON};

/// A criu that runs on this kernel.
fn criu() -> Need {
    if testkit::on_path("criu").is_none() {
        return Err("criu".to_owned());
    }
    let checked = Sandbox::new().command("criu").args(["check", "--no-default-config"]).run();
    let works = checked.exit_code() == Some(0);
    if works { Ok(()) } else { Err("a criu that runs on this kernel (cargo xtask guest --emulated)".to_owned()) }
}

#[test]
fn a_container_is_checkpointed_and_restored_here_and_from_an_export() {
    requires!(root, busybox, cgroups, package = "podman", that = criu());
    let podman = Podman::new("corun");
    let path = std::env::var("PATH").unwrap_or_default();
    let ask = |words: &[&str]| -> Invocation { podman.podman(words.iter().copied()).env("PATH", &path) };
    let script = "i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.1; done";
    podman.run(["--detach", "--name", "c", IMAGE, "sh", "-c", script]).ok();
    let count = || -> u32 {
        let read = ask(&["exec", "c", "cat", "/count"]).run().stdout;
        read.trim().parse().unwrap_or(0)
    };
    assert!(within(SOON, || count() > 2), "it counts");
    let goes_on = |last: u32| assert!(within(SOON, || count() > last), "it goes on from {last}: {}", count());

    let last = count();
    ask(&["container", "checkpoint", "c"]).ok();
    assert_eq!(podman.inspect("c", "State.Status"), "exited");
    ask(&["container", "restore", "c"]).ok();
    goes_on(last);

    let archive = podman.sandbox().join("c.tar.gz").to_string_lossy().into_owned();
    let last = count();
    ask(&["container", "checkpoint", "--compress", "gzip", "--export", &archive, "c"]).ok();
    ask(&["rm", "c"]).ok();
    ask(&["container", "restore", "--import", &archive]).ok();
    goes_on(last);
}
