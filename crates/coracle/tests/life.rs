//! Containers that outlive the command that starts them, from their making to their end.

#![forbid(unsafe_code)]

use std::fs;
use std::time::{Duration, Instant};

use testkit::{Invocation, Leavings, Outcome, Pty, Sandbox, Scope, User, requires, within};

const SOON: Duration = Duration::from_secs(20);

/// `coracle run OPTIONS host: sh -c SCRIPT`.
#[track_caller]
fn run(sandbox: &Sandbox, options: &[&str], script: &str) -> Outcome {
    sandbox.coracle(["run"]).args(options).args(["host:", "sh", "-c", script]).run()
}

/// The same with `-d` and a name; it runs when this returns.
#[track_caller]
fn background(sandbox: &Sandbox, name: &str, options: &[&str], script: &str) -> String {
    let options: Vec<&str> = ["-d", "--name", name].iter().chain(options).copied().collect();
    let outcome = run(sandbox, &options, script);
    let id = outcome.code(0).lines().first().map(|line| (*line).to_owned()).expect("an id");
    assert_eq!(id.len(), 64, "{outcome}");
    id
}

/// What `inspect` says.
#[track_caller]
fn shown(sandbox: &Sandbox, name: &str, template: &str) -> String {
    sandbox.run(["inspect", "--format", template, name]).code(0).stdout.trim().to_owned()
}

/// The process that holds a container.
#[track_caller]
fn monitor_of(sandbox: &Sandbox, id: &str) -> i32 {
    let state = fs::read_to_string(sandbox.runroot().join("containers").join(id).join("state.json")).expect("a state");
    let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
    state["holder"]["pid"].as_i64().and_then(|pid| pid.try_into().ok()).expect("a pid")
}

/// Nothing runs of it; whether somebody has reaped it is another matter.
fn dead(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

fn kill(pid: i32) {
    Invocation::new("kill").args(["-9", &pid.to_string()]).ok();
}

/// Waits for a process that is ours since its parent was killed: whoever else wants to know how it ended is told then.
fn reap(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid);
    std::thread::spawn(move || rustix::process::waitpid(pid, rustix::process::WaitOptions::empty()));
}

/// By root and by an ordinary user.
fn everybody() -> [Sandbox; 2] {
    [Sandbox::new(), Sandbox::of(&User::with_subuids())]
}

#[test]
fn one_in_the_background_runs_until_it_ends_and_its_output_and_code_are_kept() {
    requires!(subuid_user, user_namespaces);
    for sandbox in everybody() {
        let id = background(
            &sandbox,
            "box",
            &[],
            "trap 'exit 7' TERM; echo out; echo err >&2; while :; do sleep 0.05; done",
        );
        assert!(within(SOON, || sandbox.run(["logs", "box"]).stderr == "err\n"));
        let listed = sandbox.run(["ps", "--format", "{{.ID}} {{.State}}"]);
        listed.code(0).stdout_is(&format!("{} running\n", &id[..12]));
        sandbox.run(["kill", "--signal", "TERM", "box"]).code(0).stdout_is("box\n");
        sandbox.run(["wait", "box"]).code(0).stdout_is("7\n");
        assert_eq!(shown(&sandbox, "box", "{{.State.Status}}"), "exited");
        sandbox.run(["logs", "box"]).code(0).stdout_is("out\n").stderr_is("err\n");
        sandbox.run(["rm", "box"]).code(0);
    }
}

#[test]
fn it_is_made_started_waited_for_and_started_again() {
    requires!(subuid_user, user_namespaces);
    for sandbox in everybody() {
        let script = "echo again >> /made; cat /made; exit 4";
        sandbox.run(["create", "--name", "box", "host:", "sh", "-c", script]).code(0);
        assert_eq!(shown(&sandbox, "box", "{{.State.Status}}"), "created");
        sandbox.run(["start", "box"]).code(0).stdout_is("box\n");
        sandbox.run(["wait", "box"]).code(0).stdout_is("4\n");
        sandbox.run(["start", "--attach", "box"]).code(4);
        sandbox.run(["ps", "-a", "--format", "{{.State}}"]).code(0).stdout_is("exited\n");
        sandbox.run(["rm", "box"]).code(0);
        sandbox.run(["start", "box"]).code(125).one_line_error("box");
    }
}

#[test]
fn a_stop_asks_first_and_kills_after_a_while() {
    requires!(subuid_user, user_namespaces);
    for sandbox in everybody() {
        let waits = "while :; do sleep 0.05; done";
        background(&sandbox, "polite", &[], &format!("trap 'exit 3' TERM; echo ready; {waits}"));
        background(&sandbox, "deaf", &["--stop-signal", "USR1"], &format!("trap : USR1; echo ready; {waits}"));
        for name in ["polite", "deaf"] {
            assert!(within(SOON, || sandbox.run(["logs", name]).stdout == "ready\n"));
        }
        let before = Instant::now();
        sandbox.run(["stop", "--time", "1", "deaf"]).code(0).stdout_is("deaf\n");
        assert!(before.elapsed() >= Duration::from_secs(1));
        assert_eq!(shown(&sandbox, "deaf", "{{.State.ExitCode}}"), "137");
        sandbox.run(["stop", "polite"]).code(0);
        assert_eq!(shown(&sandbox, "polite", "{{.State.ExitCode}}"), "3");
        // There is nothing to be done, and no failure.
        sandbox.run(["stop", "polite"]).code(0).stdout_is("polite\n");
        sandbox.run(["kill", "polite"]).code(1).one_line_error("polite").stderr_contains("not running");
        sandbox.run(["stop", "nobody"]).code(1).one_line_error("nobody");
        sandbox.run(["rm", "polite", "deaf"]).code(0);
    }
}

#[test]
fn nothing_is_left_of_one_that_was_removed_by_force() {
    requires!(subuid_user, user_namespaces);
    for sandbox in everybody() {
        run(&sandbox, &["--rm"], "true").code(0);
        let leavings = Leavings::count(&Scope::new().dir(sandbox.path()));
        background(&sandbox, "box", &["--restart", "always"], "sleep 1000");
        background(&sandbox, "again", &["--restart", "always"], "exit 1");
        sandbox.run(["rm", "box"]).code(1).one_line_error("running");
        sandbox.run(["rm", "--force", "box", "again"]).code(0);
        sandbox.run(["ps", "-aq"]).code(0).stdout_is("");
        leavings.assert_nothing_new(SOON);
    }
}

#[test]
fn with_rm_it_goes_when_it_ends() {
    requires!(subuid_user, user_namespaces);
    for sandbox in everybody() {
        background(&sandbox, "box", &["--rm"], "sleep 0.2");
        assert!(within(SOON, || sandbox.run(["ps", "-aq"]).stdout.is_empty()));
        let entries = fs::read_dir(sandbox.runroot().join("containers")).expect("the run directories");
        assert_eq!(entries.count(), 0);
    }
}

#[test]
fn it_is_started_again_as_often_as_its_policy_says() {
    requires!(root);
    let sandbox = Sandbox::new();
    background(&sandbox, "fails", &["--restart", "on-failure:2"], "echo try; exit 5");
    let ended = || shown(&sandbox, "fails", "{{.State.Status}}") == "exited";
    assert!(within(SOON, ended));
    sandbox.run(["logs", "fails"]).code(0).stdout_is("try\ntry\ntry\n");
    assert_eq!(shown(&sandbox, "fails", "{{.State.ExitCode}}"), "5");
    background(&sandbox, "always", &["--restart", "always"], "echo try");
    assert!(within(SOON, || sandbox.run(["logs", "always"]).lines().len() >= 3));
    sandbox.run(["stop", "always"]).code(0);
    let tries = sandbox.run(["logs", "always"]).lines().len();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(sandbox.run(["logs", "always"]).lines().len(), tries);
    run(&sandbox, &["--rm", "--restart", "always"], "true").code(125).one_line_error("--restart");
    run(&sandbox, &["--restart", "sometimes"], "true").code(125).one_line_error("sometimes");
}

#[test]
fn a_container_outlives_its_monitor_and_the_next_command_takes_it_over() {
    requires!(root, kernel = (6, 15));
    let sandbox = Sandbox::new();
    let script = "echo before; while [ ! -e /go ]; do sleep 0.05; done; echo after; exit 9";
    let id = background(&sandbox, "box", &[], script);
    let monitor = monitor_of(&sandbox, &id);
    kill(monitor);
    assert!(within(SOON, || dead(monitor)));
    assert_eq!(shown(&sandbox, "box", "{{.State.Status}}"), "running");
    assert_ne!(monitor_of(&sandbox, &id), monitor);
    let pid: i32 = shown(&sandbox, "box", "{{.State.Pid}}").parse().expect("a pid");
    reap(pid);
    fs::write(format!("/proc/{pid}/root/go"), "").expect("a file in it");
    sandbox.run(["wait", "box"]).code(0).stdout_is("9\n");
    sandbox.run(["logs", "box"]).code(0).stdout_is("before\nafter\n");
}

#[test]
fn an_end_that_nobody_saw_has_no_code() {
    requires!(root);
    let sandbox = Sandbox::new();
    let id = background(&sandbox, "box", &[], "sleep 1000");
    let pid: i32 = shown(&sandbox, "box", "{{.State.Pid}}").parse().expect("a pid");
    let monitor = monitor_of(&sandbox, &id);
    kill(monitor);
    kill(pid);
    assert!(within(SOON, || dead(pid) && dead(monitor)));
    sandbox.run(["ps", "-a"]).code(0).stdout_contains("Exited (unknown)");
    sandbox.run(["wait", "box"]).code(0).stdout_is("-1\n");
    sandbox.run(["start", "box"]).code(0);
    sandbox.run(["rm", "-f", "box"]).code(0);
}

#[test]
fn what_it_reads_comes_from_who_is_attached() {
    requires!(subuid_user, user_namespaces);
    for sandbox in everybody() {
        let piped = sandbox.coracle(["run", "-i", "--name", "box", "host:", "cat"]).stdin("a line\n").run();
        piped.code(0).stdout_is("a line\n");
        sandbox.run(["logs", "box"]).code(0).stdout_is("a line\n");
        // Binary, and more than any pipe or word holds.
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
        let counted = sandbox.coracle(["run", "-i", "host:", "sha256sum"]).stdin(bytes.clone()).run();
        let plain = Invocation::new("sha256sum").stdin(bytes).ok();
        assert_eq!(counted.code(0).stdout, plain.stdout);
        background(&sandbox, "open", &["-i"], "read x; echo got $x; read y; echo $y");
        let attached = sandbox.coracle(["attach", "open"]).stdin("one\ntwo\n").run();
        attached.code(0);
        sandbox.run(["logs", "open"]).code(0).stdout_is("got one\ntwo\n");
    }
}

#[test]
fn a_terminal_is_left_by_keys_and_found_again() {
    requires!(subuid_user, user_namespaces);
    for sandbox in everybody() {
        let mut terminal = Pty::spawn(&sandbox.coracle(["run", "-it", "--name", "box", "host:", "sh"]));
        terminal.send("echo $((40+2))\r").expect("42");
        terminal.send("\x10\x11");
        terminal.wait().code(0);
        assert_eq!(shown(&sandbox, "box", "{{.State.Status}}"), "running");
        let mut again = Pty::spawn_sized(&sandbox.coracle(["attach", "box"]), 33, 111);
        again.send("\r");
        assert!(within(SOON, || {
            again.send("stty size\r");
            again.expect("33 111").contains("33 111")
        }));
        again.send("exit 5\r");
        again.wait().code(5);
    }
}

#[test]
fn logs_are_followed_cut_and_timed() {
    requires!(root);
    let sandbox = Sandbox::new();
    background(&sandbox, "box", &[], "for i in 1 2 3; do echo $i; sleep 0.2; done");
    sandbox.run(["logs", "--follow", "box"]).code(0).stdout_is("1\n2\n3\n");
    sandbox.run(["logs", "--tail", "1", "box"]).code(0).stdout_is("3\n");
    sandbox.run(["logs", "--tail", "0", "box"]).code(0).stdout_is("");
    sandbox.run(["logs", "--since", "1h", "box"]).code(0).stdout_is("1\n2\n3\n");
    sandbox.run(["logs", "--until", "1h", "box"]).code(0).stdout_is("");
    let timed = sandbox.run(["logs", "-t", "-n", "1", "box"]);
    let year = &timed.stdout[..2];
    assert!(year == "20" && timed.stdout.ends_with("Z 3\n"), "{timed}");
    run(&sandbox, &["--name", "json", "--log-driver", "json-file"], "echo '\"x\"'").code(0);
    sandbox.run(["logs", "json"]).code(0).stdout_is("\"x\"\n");
    let told = ["--log-opt=labels=a,none", "--log-opt=env=E", "--log-opt=tag={{.Name}}", "--label=a=b", "-e", "E=f"];
    let options: Vec<&str> = ["--name=told", "--log-driver=json-file"].into_iter().chain(told).collect();
    run(&sandbox, &options, "echo x").code(0);
    let log = sandbox.root().join("containers").join(shown(&sandbox, "told", "{{.Id}}")).join("log");
    let line: serde_json::Value = serde_json::from_slice(&fs::read(log).expect("the log")).expect("JSON");
    assert_eq!(line["attrs"], serde_json::json!({"E": "f", "a": "b", "tag": "told"}));
    sandbox.run(["logs", "told"]).code(0).stdout_is("x\n");
    run(&sandbox, &["--log-opt=label=a"], "true").code(125).one_line_error("labels=NAME");
    run(&sandbox, &["--name", "none", "--log-driver", "none"], "echo x").code(0).stdout_is("x\n");
    sandbox.run(["logs", "none"]).code(1).one_line_error("--log-driver none");
    run(&sandbox, &["--log-opt", "max-size=1"], "true").code(125).one_line_error("max-size=1");
}

#[test]
fn a_log_never_grows_beyond_its_bounds_and_keeps_the_newest() {
    requires!(root);
    let sandbox = Sandbox::new();
    let options = ["--name", "box", "--log-opt", "max-size=100k", "--log-opt", "max-file=2"];
    run(&sandbox, &options, "seq 1 100000").code(0);
    let id = shown(&sandbox, "box", "{{.Id}}");
    let dir = sandbox.root().join("containers").join(id);
    let sizes = ["log", "log.1", "log.2"].map(|name| fs::metadata(dir.join(name)).map_or(0, |meta| meta.len()));
    assert!(sizes[0] <= 100 << 10 && sizes[1] <= 100 << 10 && sizes[2] == 0, "{sizes:?}");
    sandbox.run(["logs", "--tail", "1", "box"]).code(0).stdout_is("100000\n");
}

#[test]
fn it_is_ended_and_started_again() {
    requires!(root);
    let sandbox = Sandbox::new();
    background(&sandbox, "box", &["--stop-timeout", "1"], "echo begun; sleep 1000");
    let before = shown(&sandbox, "box", "{{.State.Pid}}");
    sandbox.run(["restart", "box"]).code(0).stdout_is("box\n");
    assert_ne!(shown(&sandbox, "box", "{{.State.Pid}}"), before);
    assert!(within(SOON, || sandbox.run(["logs", "box"]).stdout == "begun\nbegun\n"));
    sandbox.run(["stop", "-t", "0", "box"]).code(0);
    sandbox.run(["restart", "box"]).code(0);
    assert_eq!(shown(&sandbox, "box", "{{.State.Status}}"), "running");
}

#[test]
fn one_that_is_paused_stands_still() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    background(&sandbox, "box", &[], "while :; do echo tick; sleep 0.02; done");
    sandbox.run(["pause", "box"]).code(0).stdout_is("box\n");
    sandbox.run(["ps"]).code(0).stdout_contains("(Paused)");
    let ticks = || sandbox.run(["logs", "box"]).lines().len();
    std::thread::sleep(Duration::from_millis(200));
    let before = ticks();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(ticks(), before);
    sandbox.run(["unpause", "box"]).code(0);
    assert!(within(SOON, || ticks() > before));
    sandbox.run(["pause", "box"]).code(0);
    sandbox.run(["stop", "-t", "1", "box"]).code(0);
    sandbox.run(["pause", "box"]).code(1).one_line_error("not running");
}

#[test]
fn whoever_starts_it_and_is_killed_leaves_a_whole_container_or_none() {
    requires!(root);
    let sandbox = Sandbox::new();
    run(&sandbox, &["--rm"], "true").code(0);
    let leavings = Leavings::count(&Scope::new().dir(sandbox.path()));
    for delay in 0..30 {
        let name = format!("box{delay}");
        let running = sandbox.coracle(["run", "-d", "--name", &name, "host:", "sleep", "1000"]).spawn();
        std::thread::sleep(Duration::from_micros(500 * delay));
        running.kill(rustix::process::Signal::KILL);
        running.wait();
    }
    // What was on its way comes to its end by itself.
    std::thread::sleep(Duration::from_secs(1));
    for line in sandbox.run(["ps", "-a", "--format", "{{.Names}} {{.State}}"]).code(0).lines() {
        let (name, state) = line.split_once(' ').expect("two words");
        assert_eq!(state, "running", "{name}");
        sandbox.run(["rm", "-f", name]).code(0);
    }
    leavings.assert_nothing_new(SOON);
}

#[test]
fn a_name_is_changed_and_a_container_makes_room_for_another() {
    requires!(root);
    let sandbox = Sandbox::new();
    background(&sandbox, "old", &[], "sleep 1000");
    sandbox.run(["create", "--name", "other", "host:"]).code(0);
    sandbox.run(["rename", "old", "other"]).code(1).one_line_error("other");
    sandbox.run(["rename", "old", "new"]).code(0).stdout_is("");
    sandbox.run(["container", "exists", "old"]).code(1);
    sandbox.run(["container", "exists", "new"]).code(0);
    sandbox.run(["ps", "--format", "{{.Names}}"]).code(0).stdout_is("new\n");
    run(&sandbox, &["-d", "--name", "new"], "sleep 1000").code(125).one_line_error("new");
    run(&sandbox, &["-d", "--replace", "--name", "new"], "sleep 1000").code(0);
    run(&sandbox, &["-d", "--name", "old"], "sleep 1000").code(0);
    run(&sandbox, &["-d", "--replace"], "true").code(125).one_line_error("--replace");
    sandbox.run(["container", "prune", "--force"]).code(0).stdout_contains("Deleted Containers:");
    assert_eq!(sandbox.run(["ps", "-aq"]).lines().len(), 2);
}

/// What a reboot does to containers: their processes and monitors are gone, and so is everything in memory.
fn reboot(sandbox: &Sandbox) {
    for entry in fs::read_dir(sandbox.runroot().join("containers")).expect("the run directories").flatten() {
        let id = entry.file_name().to_string_lossy().into_owned();
        let pid: i32 = fs::read_to_string(entry.path().join("pid"))
            .ok()
            .and_then(|text| text.split('-').next()?.parse().ok())
            .expect("a pid");
        let monitor = monitor_of(sandbox, &id);
        kill(monitor);
        kill(pid);
        assert!(within(SOON, || dead(pid) && dead(monitor)));
        let state = fs::read_to_string(entry.path().join("state.json")).expect("a state");
        let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
        for path in state["cgroup"].as_object().into_iter().flatten().filter_map(|(_, path)| path.as_str()) {
            let _ = fs::remove_dir(path);
        }
    }
    fs::remove_dir_all(sandbox.runroot()).expect("removing the run directories");
}

#[test]
fn after_a_reboot_those_come_back_whose_policy_says_so() {
    requires!(root);
    let sandbox = Sandbox::new();
    for (name, options) in [
        ("always", &["--restart", "always"][..]),
        ("unless", &["--restart", "unless-stopped"]),
        ("stopped", &["--restart", "unless-stopped"]),
        ("plain", &[]),
        ("gone", &["--rm"]),
    ] {
        background(&sandbox, name, options, "sleep 1000");
    }
    sandbox.run(["stop", "-t", "0", "stopped"]).code(0);
    reboot(&sandbox);
    assert_eq!(shown(&sandbox, "plain", "{{.State.Status}}"), "exited");
    sandbox.run(["ps", "-a", "--format", "{{.Names}} {{.Status}}"]).code(0).stdout_contains("plain Exited (unknown)");
    sandbox.run(["ps", "-a"]).code(0).stdout_lacks("gone");
    sandbox.run(["system", "start-all"]).code(0);
    let mut running = sandbox.run(["ps", "--format", "{{.Names}}"]).code(0).lines().join(" ");
    let mut names: Vec<&str> = running.split(' ').collect();
    names.sort_unstable();
    running = names.join(" ");
    assert_eq!(running, "always unless");
    sandbox.run(["start", "plain"]).code(0);
    sandbox.run(["rm", "-f", "-a"]).code(0);
}

#[test]
fn its_health_is_looked_at_and_its_failure_has_consequences() {
    requires!(subuid_user, user_namespaces);
    for sandbox in everybody() {
        let often = ["--health-interval", "100ms", "--health-retries", "2", "--health-cmd", "echo seen; test -e /well"];
        let script = "touch /well; sleep 1000";
        background(&sandbox, "box", &often, script);
        let health = |name: &str| shown(&sandbox, name, "{{.State.Health.Status}}");
        assert!(within(SOON, || health("box") == "healthy"), "{}", health("box"));
        sandbox.run(["ps"]).code(0).stdout_contains("(healthy)");
        sandbox.run(["ps", "-q", "--filter", "health=unhealthy"]).code(0).stdout_is("");
        sandbox.run(["exec", "box", "rm", "/well"]).code(0);
        assert!(within(SOON, || health("box") == "unhealthy"));
        sandbox.run(["inspect", "box"]).code(0).stdout_contains("seen\\n");
        // It is told, and that is all.
        assert_eq!(shown(&sandbox, "box", "{{.State.Status}}"), "running");
        let action = |action| [&often[..], &["--health-on-failure", action]].concat();
        background(&sandbox, "killed", &action("kill"), "sleep 1000");
        background(&sandbox, "again", &action("restart"), "echo begun; sleep 1000");
        assert!(within(SOON, || shown(&sandbox, "killed", "{{.State.Status}}") == "exited"));
        assert_eq!(shown(&sandbox, "killed", "{{.State.ExitCode}}"), "137");
        assert!(within(SOON, || sandbox.run(["logs", "again"]).lines().len() >= 2));
        sandbox.run(["rm", "-f", "-a"]).code(0);
    }
}

#[test]
fn a_check_that_takes_too_long_has_failed_and_is_gone() {
    requires!(root);
    let sandbox = Sandbox::new();
    let slow = ["--health-interval", "100ms", "--health-timeout", "200ms", "--health-retries", "1"];
    background(&sandbox, "box", &[&slow[..], &["--health-cmd", "sleep 987"]].concat(), "sleep 1000");
    assert!(within(SOON, || shown(&sandbox, "box", "{{.State.Health.Status}}") == "unhealthy"));
    // One may be on its way; those before it are no more.
    let left = || sandbox.run(["exec", "box", "sh", "-c", "grep -l 987 /proc/[0-9]*/cmdline | wc -l"]).stdout;
    assert!(within(SOON, || left().trim().parse::<u32>().is_ok_and(|count| count <= 3)), "{}", left());
}

#[test]
fn a_command_may_be_longer_than_a_message() {
    requires!(root);
    let sandbox = Sandbox::new();
    let long = "x".repeat(120 << 10);
    let id = run(&sandbox, &["-d"], &format!("printf %s {long} | wc -c")).code(0).stdout.trim().to_owned();
    sandbox.run(["wait", &id]).code(0).stdout_is("0\n");
    sandbox.run(["logs", &id]).code(0).stdout_is(&format!("{}\n", long.len()));
}

#[test]
fn the_newest_is_meant_where_that_is_said() {
    requires!(root);
    let sandbox = Sandbox::new();
    background(&sandbox, "old", &[], "sleep 1000");
    std::thread::sleep(Duration::from_millis(1100));
    background(&sandbox, "new", &[], "echo new; exec sleep 1000");
    assert!(within(SOON, || sandbox.run(["logs", "--latest"]).stdout == "new\n"));
    sandbox.run(["logs", "-l", "old"]).code(125).one_line_error("old");
    sandbox.run(["kill", "-l"]).code(0);
    sandbox.run(["wait", "-l"]).code(0).stdout_is("137\n");
    sandbox.run(["attach", "-l"]).code(125).stderr_contains("not running");
    sandbox.run(["ps", "--format", "{{.Names}}"]).code(0).stdout_is("old\n");
}
