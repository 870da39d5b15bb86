//! `exec`: one more process, with what its flags and its file say.

use crate::bundle::{Bundle, field};
use crate::container::{Container, SLEEP};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use testkit::{Pty, requires};

#[test]
fn streams_and_exit_codes_are_the_commands_own() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let script = "read line; echo out $line; echo err $line >&2; exit 7";
    let outcome = container.exec(&["sh", "-c", script]).stdin("word\n").run();
    outcome.code(7).stdout_is("out word\n").stderr_is("err word\n");
    container.exec(&["sh", "-c", "kill -TERM $$"]).run().code(128 + 15);
    for code in [0, 1, 254, 255] {
        container.exec(&["sh", "-c", &format!("exit {code}")]).run().code(code);
    }
    // A dash before the command's own flags is the command's affair.
    container.exec(&["echo", "-d", "--tty"]).ok().stdout_is("-d --tty\n");
    container.corun(&["exec", "--", &container.bundle.id, "echo", "x"]).ok().stdout_is("x\n");
}

#[test]
fn it_is_in_all_of_the_containers_namespaces_and_its_cgroup() {
    requires!(root, busybox);
    for user in [false, true] {
        let mut bundle = Bundle::script(SLEEP);
        if user {
            bundle.user_namespace();
        }
        let container = Container::running(bundle);
        let links = "for n in cgroup ipc mnt net pid user uts; do readlink /proc/$0/ns/$n; done";
        let own = container.exec(&["sh", "-c", links, "self"]).ok().stdout;
        container.exec(&["sh", "-c", links, "1"]).ok().stdout_is(&own);
        let [one, own] = ["1", "self"].map(|pid| container.exec(&["cat", &format!("/proc/{pid}/cgroup")]).ok().stdout);
        assert_eq!(one, own);
        container.exec(&["hostname"]).ok().stdout_is("box\n");
    }
}

#[test]
fn it_is_like_the_first_process_whatever_has_become_of_the_bundle() {
    requires!(root, busybox);
    let mut bundle = Bundle::script(SLEEP);
    bundle.set("/process/env", json!(["PATH=/bin", "A=made with"])).set("/process/user/umask", 0o27);
    bundle.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 77, "hard": 78 }]));
    let container = Container::planned(bundle);
    let (spec, other) = (container.bundle.dir().join("config.json"), container.bundle.dir().join("other.json"));
    fs::rename(&spec, &other).unwrap();
    fs::write(&spec, "{").unwrap();
    container.apart(container.create_with(&["--config", "other.json"])).run().code(0);
    container.verb("start").ok();
    fs::remove_file(&spec).unwrap();
    fs::remove_file(&other).unwrap();
    container.exec(&["sh", "-c", "echo $A; umask; ulimit -n"]).ok().stdout_is("made with\n0027\n77\n");
    // What it was made with is nobody else's to read.
    let state = container.bundle.sandbox.runroot().join(&container.bundle.id).join("state.json");
    assert_eq!(fs::metadata(state).unwrap().permissions().mode() & 0o77, 0);
}

#[test]
fn failures_of_exec_are_255_in_one_line() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let rootfs = &container.bundle.rootfs;
    rootfs.file("plain", "text").file("orphan", "#!/no/such\n").mode("orphan", 0o755);
    for (command, text) in [
        ("no-such-command", "executable file not found in $PATH"),
        ("/no/such", "no such file or directory"),
        ("/plain", "permission denied"),
        ("/etc", "permission denied"),
        ("/orphan", "no such file or directory"),
    ] {
        container.exec(&[command]).run().code(255).stdout_is("").one_line_error(text);
    }
    container.exec(&[]).run().code(255).one_line_error("exec args cannot be empty");
    container.exec_with(&["--cwd", "/no"], &["pwd"]).run().code(255).one_line_error("no such file or directory");
    container.exec_with(&["--cwd", "/etc/passwd"], &["pwd"]).run().code(255).one_line_error("not a directory");
    container.exec_with(&["--no-such-flag"], &["true"]).run().code(255).one_line_error("--no-such-flag");
    container.corun(&["exec"]).run().code(255).one_line_error("id is missing");
}

#[test]
fn the_states_in_which_it_can_be() {
    requires!(root, busybox, cgroups);
    let container = Container::created(Bundle::script(SLEEP));
    // runc and crun let processes into a container that waits for its start.
    container.exec(&["echo", "early"]).ok().stdout_is("early\n");
    assert_eq!(container.status(), "created");
    container.verb("start").ok();
    container.verb("pause").ok();
    container.exec(&["true"]).run().code(255).one_line_error("cannot exec in a paused container");
    container.verb("resume").ok();
    container.exec(&["true"]).ok();
    container.verb("kill").ok();
    container.becomes("stopped");
    container.exec(&["true"]).run().code(255).one_line_error("cannot exec in a stopped container");
}

#[test]
fn in_a_paused_one_it_waits_if_it_is_asked_to() {
    requires!(root, busybox, cgroups);
    let container = Container::sleeping();
    container.verb("pause").ok();
    let mut running = container.exec_with(&["--ignore-paused"], &["echo", "late"]).spawn();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(running.stdout(), "");
    container.verb("resume").ok();
    running.wait().code(0).stdout_is("late\n");
}

#[test]
fn detached_it_runs_on_and_its_pid_is_told() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let file = container.bundle.sandbox.join("pid");
    let words = ["--detach", "--pid-file", &file.to_string_lossy()];
    container.apart(container.exec_with(&words, &["sleep", "1000"])).run().code(0);
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()), "digits and no newline: {text:?}");
    let name = fs::read_to_string(format!("/proc/{text}/cmdline")).unwrap();
    assert_eq!(name, "sleep\u{0}1000\u{0}");
    // Beside the pid file nothing is left.
    let names = fs::read_dir(container.bundle.sandbox.path()).unwrap().flatten().map(|entry| entry.file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().starts_with(".pid")));
    // conmon tells "the runtime failed" from "the command failed" by the absence of the file.
    fs::remove_file(&file).unwrap();
    container.apart(container.exec_with(&words, &["/no/such"])).run().code(255);
    assert!(!file.exists());
}

#[test]
fn pid_files_of_create_and_run() {
    requires!(root, busybox);
    let container = Container::planned(Bundle::script(SLEEP));
    let file = container.bundle.sandbox.join("pid");
    container.apart(container.create_with(&["--pid-file", &file.to_string_lossy()])).run().code(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), container.pid().to_string());
    container.gone();
    // A place where none can be written: nothing is there then.
    container.apart(container.create_with(&["--pid-file", "/no/such/pid"])).run().code(1);
    container.says("/no/such/pid");
    container.verb("state").run().code(1).stderr_contains("does not exist");
}

#[test]
fn a_terminal_of_its_own() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let script = "tty; test -t 0 && test -t 1 && test -t 2 && echo all; stty size; exit 3";
    let mut pty = Pty::spawn_sized(&container.exec_with(&["--tty"], &["sh", "-c", script]), 33, 111);
    let before = pty.attributes();
    pty.wait().code(3).stdout_contains("/dev/pts/").stdout_contains("all").stdout_contains("33 111");
    assert_eq!(pty.attributes(), before);
    // Also where the caller has none.
    container.exec_with(&["-t"], &["sh", "-c", "test -t 0 && echo terminal"]).ok().stdout_contains("terminal");
}

#[test]
fn directory_environment_and_user() {
    requires!(root, busybox);
    let mut bundle = Bundle::script(SLEEP);
    bundle.push("/process/env", json!("A=of the container"));
    let container = Container::running(bundle);
    container.exec_with(&["--cwd", "/usr/bin/../../etc"], &["pwd"]).ok().stdout_is("/etc\n");
    let env = container.exec_with(&["-e", "B=x y", "--env=A=again"], &["env"]).ok();
    env.stdout_contains("\nA=again\n").stdout_contains("B=x y\n").stdout_lacks("of the container");
    let id = "echo $(id -u) $(id -g) $(id -G)";
    container.exec(&["sh", "-c", id]).ok().stdout_is("0 0 0\n");
    container.exec_with(&["-u", "1000:1000"], &["sh", "-c", id]).ok().stdout_is("1000 1000 1000\n");
    let groups = ["--user", "1000:5", "--additional-gids", "29", "-g", "77"];
    container.exec_with(&groups, &["sh", "-c", id]).ok().stdout_is("1000 5 5 29 77\n");
}

#[test]
fn home_comes_from_the_containers_passwd_by_the_id_alone() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let home = |user: &str| container.exec_with(&["-u", user], &["sh", "-c", "echo $HOME"]).ok().stdout;
    assert_eq!(home("0"), "/root\n");
    assert_eq!(home("1000"), "/home/alice\n");
    assert_eq!(home("4242"), "/\n", "nobody of that id");
    container.exec_with(&["-e", "HOME=/given"], &["sh", "-c", "echo $HOME"]).ok().stdout_is("/given\n");
    container.exec_with(&["-e", "HOME="], &["sh", "-c", "echo $HOME"]).ok().stdout_is("/root\n");
    // What the container makes of the file is its own affair, and never the host's.
    let passwd = container.bundle.rootfs.inside("etc/passwd");
    fs::remove_file(&passwd).unwrap();
    std::os::unix::fs::symlink("../../../../../../../../../../../etc/passwd", &passwd).unwrap();
    assert_eq!(home("0"), "/\n", "a link to itself");
    fs::remove_file(&passwd).unwrap();
    testkit::Invocation::new("mkfifo").arg(&passwd).ok();
    assert_eq!(home("0"), "/\n", "a pipe that nobody writes");
}

#[test]
fn capabilities_are_added_to_the_sets_that_count() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let status = |options: &[&str]| container.exec_with(options, &["cat", "/proc/self/status"]).ok().stdout;
    let plain = status(&[]);
    let more = status(&["--cap", "CAP_SYS_ADMIN", "-c", "CAP_NET_RAW"]);
    let bits = |text: &str, name: &str| u64::from_str_radix(field(text, name), 16).unwrap();
    for name in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(bits(&more, name), bits(&plain, name) | 1 << 21 | 1 << 13, "{name}");
    }
    assert_eq!((bits(&more, "CapInh"), bits(&more, "CapAmb")), (0, 0));
    assert_eq!(field(&status(&["--no-new-privs"]), "NoNewPrivs"), "1");
    assert_eq!(field(&plain, "NoNewPrivs"), "0");
}

#[test]
fn a_whole_process_from_a_file() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let process = json!({
        "args": ["sh", "-c", "pwd; echo $X $(id -u) $(umask); cat /proc/self/oom_score_adj; ulimit -n; exit 4"],
        "cwd": "/usr", "env": ["PATH=/bin", "X=y"], "user": { "uid": 1000, "gid": 1000, "umask": 63 },
        "oomScoreAdj": 77, "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 50, "hard": 60 }]
    });
    let file = container.bundle.sandbox.file("process.json", process.to_string());
    let words = ["exec", "--process", &file.to_string_lossy(), &container.bundle.id];
    container.corun(&words).run().code(4).stdout_is("/usr\ny 1000 0077\n77\n50\n");
    for (text, told) in [
        ("{", "line 1 column"),
        ("{}", "args is empty"),
        ("[]", "args is empty"),
        (r#"{"args":["true"],"cwd":"relative"}"#, "not absolute"),
        (r#"{"args":["true"],"cwd":"/","user":{"uid":4294967296}}"#, "4294967296"),
        (r#"{"args":["true"],"cwd":"/","user":{"uid":-1}}"#, "-1"),
        (r#"{"args":["true"],"cwd":"/","user":{"uid":"0"}}"#, "string"),
    ] {
        container.bundle.sandbox.file("process.json", text);
        container.corun(&words).run().code(255).stdout_is("").one_line_error(told);
    }
    fs::remove_file(&file).unwrap();
    container.corun(&words).run().code(255).one_line_error("process.json");
}

#[test]
fn preserved_descriptors_come_along() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let file = container.bundle.sandbox.file("three", "three\n");
    let open = format!("exec \"$@\" 3<{} 4</", file.display());
    let line = container.exec_with(&["--preserve-fds", "1"], &["sh", "-c", "cat <&3; ls /proc/self/fd | tr '\\n' ' '"]);
    line.under(["sh", "-c", &open, "sh"]).run().code(0).stdout_is("three\n0 1 2 3 4 ");
    container.exec_with(&["--preserve-fds", "1"], &["true"]).run().code(255).stderr_contains("is not open");
}

#[test]
fn a_killed_exec_leaves_the_container_as_it_was() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let mut running = container.exec(&["sh", "-c", "echo in; exec sleep 1000"]).spawn();
    running.stdout_until("in");
    running.kill(rustix::process::Signal::KILL);
    running.wait().signal(9);
    assert_eq!(container.status(), "running");
    container.exec(&["true"]).ok();
    // Signals go to the command.
    let mut running =
        container.exec(&["sh", "-c", "trap 'exit 9' TERM; echo in; while :; do sleep 0.05; done"]).spawn();
    running.stdout_until("in");
    running.kill(rustix::process::Signal::TERM);
    running.wait().code(9);
}
