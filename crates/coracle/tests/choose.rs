//! Verbs that choose their containers by more than names, and what is asked of one container besides.

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use testkit::{Invocation, Outcome, Sandbox, User, requires, within};

const SOON: Duration = Duration::from_secs(20);

fn everybody() -> [Sandbox; 2] {
    [Sandbox::new(), Sandbox::of(&User::with_subuids())]
}

#[track_caller]
fn idle(sandbox: &Sandbox, name: &str, options: &[&str]) {
    let options = ["-d", "--name", name, "--stop-timeout", "0"].into_iter().chain(options.iter().copied());
    sandbox.coracle(["run"]).args(options).args(["host:", "sleep", "1000"]).run().code(0);
}

/// The names of those that run.
#[track_caller]
fn running(sandbox: &Sandbox) -> String {
    sandbox.run(["ps", "--sort", "names", "--format", "{{.Names}}"]).code(0).lines().join(" ")
}

#[track_caller]
fn shown(sandbox: &Sandbox, name: &str, template: &str) -> String {
    sandbox.run(["inspect", "--format", template, name]).code(0).stdout.trim().to_owned()
}

#[test]
fn filters_files_and_the_newest_choose_containers() {
    requires!(subuid_user, user_namespaces);
    for sandbox in everybody() {
        // Where its user may write, whoever he is.
        let file = sandbox.runroot().join("id");
        let cidfile = file.to_string_lossy().into_owned();
        idle(&sandbox, "aa", &["--label", "tier=web"]);
        idle(&sandbox, "bb", &["--label", "tier=web", "--cidfile", &cidfile]);
        std::thread::sleep(Duration::from_millis(1100));
        idle(&sandbox, "cc", &[]);
        sandbox.run(["stop", "--filter", "label=tier=web", "--filter", "name=aa"]).code(0);
        assert_eq!(running(&sandbox), "bb cc");
        sandbox.run(["start", "--filter", "label=tier=web", "--all"]).code(0);
        assert_eq!(running(&sandbox), "aa bb cc");
        sandbox.run(["kill", "--latest"]).code(0);
        assert!(within(SOON, || running(&sandbox) == "aa bb"));
        sandbox
            .run(["stop", "--cidfile", &cidfile])
            .code(0)
            .stdout_is(&format!("{}\n", shown(&sandbox, "bb", "{{.Id}}")));
        assert_eq!(running(&sandbox), "aa");
        sandbox.run(["restart", "--running", "--all"]).code(0);
        assert_eq!(running(&sandbox), "aa");
        sandbox.run(["exec", "--cidfile", &cidfile, "true"]).code(125).stderr_contains("not running");
        sandbox.run(["start", "-l"]).code(0);
        sandbox.run(["exec", "-l", "sh", "-c", "exit 7"]).code(7);
        sandbox.run(["rm", "--filter", "status=exited"]).code(0);
        assert_eq!(sandbox.run(["ps", "-aq"]).lines().len(), 2);
        sandbox.run(["rm", "--ignore", "bb"]).code(0);
        sandbox.run(["rm", "bb"]).code(1).one_line_error("bb");
        sandbox.run(["stop", "--all", "aa"]).code(125).one_line_error("--all and names");
        sandbox.run(["kill", "--filter", "colour=red"]).code(125).one_line_error("status=");
        sandbox.run(["rm", "--all", "--force", "--time", "0"]).code(0);
        assert_eq!(sandbox.run(["ps", "-aq"]).stdout, "");
        sandbox.run(["kill", "--latest"]).code(1).one_line_error("no container");
        fs::remove_file(&file).expect("the file");
    }
}

#[test]
fn a_wait_is_for_what_is_asked() {
    requires!(subuid_user, user_namespaces);
    for sandbox in everybody() {
        let wait = |words: &[&str]| sandbox.coracle(["wait"]).args(words);
        sandbox.run(["create", "--name", "box", "host:", "sh", "-c", "sleep 0.5; exit 6"]).code(0);
        wait(&["--condition", "created", "box"]).run().code(0).stdout_is("-1\n");
        let runs = wait(&["--condition", "running", "box"]).spawn();
        let ends = wait(&["--condition=stopped,exited", "--interval", "20ms", "box"]).spawn();
        let next = wait(&["--condition", "next-exit", "box"]).spawn();
        let gone = wait(&["--condition", "removed", "box"]).spawn();
        std::thread::sleep(Duration::from_millis(300));
        sandbox.run(["start", "box"]).code(0);
        runs.wait().code(0).stdout_is("-1\n");
        ends.wait().code(0).stdout_is("6\n");
        next.wait().code(0).stdout_is("6\n");
        wait(&["--condition", "not-running", "box"]).run().code(0).stdout_is("6\n");
        sandbox.run(["rm", "box"]).code(0);
        gone.wait().code(0).stdout_is("6\n");
        wait(&["--ignore", "box"]).run().code(0).stdout_is("-1\n");
        wait(&["box"]).run().code(1).one_line_error("box");
        wait(&["--condition", "healty", "box"]).run().code(125).one_line_error("did you mean healthy?");
    }
}

#[test]
fn health_is_asked_now_and_waited_for() {
    requires!(subuid_user, user_namespaces);
    for sandbox in everybody() {
        idle(&sandbox, "box", &["--health-cmd", "test -e /well", "--health-interval", "100ms"]);
        sandbox.run(["healthcheck", "run", "box"]).code(1).stdout_is("unhealthy\n");
        let waiting = sandbox.coracle(["wait", "--condition", "healthy", "box"]).spawn();
        sandbox.run(["exec", "box", "touch", "/well"]).code(0);
        sandbox.run(["healthcheck", "run", "box"]).code(0).stdout_is("");
        waiting.wait().code(0).stdout_is("-1\n");
        idle(&sandbox, "none", &[]);
        sandbox.run(["healthcheck", "run", "none"]).code(1).one_line_error("--health-cmd");
        sandbox.run(["rm", "-f", "box", "none"]).code(0);
    }
}

#[test]
fn no_port_is_published() {
    requires!(root);
    let sandbox = Sandbox::new();
    sandbox.run(["create", "--name", "box", "host:", "true"]).code(0);
    sandbox.run(["port", "box"]).code(0).stdout_is("");
    sandbox.run(["port", "box", "80"]).code(1).one_line_error("80/tcp");
    sandbox.run(["port", "nobody"]).code(1).one_line_error("nobody");
}

/// What a tar has at a path.
#[track_caller]
fn within_tar(tar: &Path, name: &str) -> Outcome {
    Invocation::new("tar").args(["-xOf", &tar.to_string_lossy(), name]).run()
}

#[test]
fn what_is_exported_while_it_is_written_is_of_one_moment() {
    requires!(root, cgroups, busybox);
    let sandbox = Sandbox::new();
    let rootfs = sandbox.rootfs("home/root");
    let base = sandbox.path().join("base.tar");
    let words = ["-C", &rootfs.path().to_string_lossy(), "-cf", &base.to_string_lossy(), "."].map(str::to_owned);
    Invocation::new("tar").args(words).ok();
    sandbox.run(["import", &base.to_string_lossy(), "localhost/a"]).code(0);
    // The second file never has a larger number than the first, and they lie far apart in the tar.
    let script = "i=0; dd if=/dev/zero of=/m bs=1M count=64; while :; do i=$((i+1)); echo $i >/a.new; mv /a.new /a; \
                  echo $i >/z.new; mv /z.new /z; done";
    sandbox.coracle(["run", "-d", "--name", "box", "localhost/a", "sh", "-c", script]).run().code(0);
    let number = |text: &str| text.trim().parse::<u64>().unwrap_or_else(|_| panic!("{text:?}"));
    assert!(within(SOON, || sandbox
        .run(["exec", "box", "cat", "/z"])
        .stdout
        .trim()
        .parse::<u64>()
        .is_ok_and(|z| z > 9)));
    let tar = sandbox.path().join("out.tar");
    for _ in 0..3 {
        sandbox.run(["export", "-o", &tar.to_string_lossy(), "box"]).code(0);
        let [a, z] = ["a", "z"].map(|name| number(&within_tar(&tar, name).code(0).stdout));
        assert!(a == z || a == z + 1, "{a} {z}");
        sandbox.run(["commit", "box", "localhost/b"]).code(0);
        let both = sandbox.run(["run", "--rm", "localhost/b", "cat", "/a", "/z"]);
        let both: Vec<u64> = both.code(0).lines().iter().map(|line| number(line)).collect();
        assert!(both[0] == both[1] || both[0] == both[1] + 1, "{both:?}");
    }
    let before = sandbox.run(["exec", "box", "cat", "/a"]).stdout.clone();
    assert!(within(SOON, || sandbox.run(["exec", "box", "cat", "/a"]).stdout != before), "it stands still");
    sandbox.run(["rm", "-f", "box"]).code(0);
}
