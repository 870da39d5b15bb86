//! Podman of an ordinary user with subordinate ids.

use testkit::{User, requires};

use crate::podman::{IMAGE, Podman};

#[test]
fn an_ordinary_user_runs_and_execs() {
    requires!(subuid_user, user_namespaces, busybox, package = "podman");
    let podman = Podman::of(&User::with_subuids(), "corun");
    podman.run(["--rm", IMAGE, "sh", "-c", "id -u; exit 7"]).run().code(7).stdout_is("0\n");
    podman.up("c", []);
    podman.podman(["exec", "c", "sh", "-c", "echo inside; exit 5"]).run().code(5).stdout_is("inside\n");
    podman.podman(["stop", "--time=10", "c"]).ok();
    assert_eq!(podman.inspect("c", "State.ExitCode"), "3");
}
