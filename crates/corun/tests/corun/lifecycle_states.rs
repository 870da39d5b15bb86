//! The states of a container, and what each command says in each of them: the words are those that containerd, CRI-O,
//! podman and dockerd look for.

use crate::bundle::Bundle;
use crate::container::{Container, SLEEP};
use serde_json::json;
use std::fs;
use testkit::requires;

#[test]
fn the_whole_life() {
    requires!(root, busybox);
    let mut bundle = Bundle::script(SLEEP);
    bundle.set("/annotations", json!({ "com.example.key": "value" }));
    let container = Container::created(bundle);
    let state = container.state();
    assert_eq!(state["status"], "created");
    assert_eq!(state["ociVersion"], "1.2.0");
    assert_eq!(state["id"], container.bundle.id.as_str());
    assert_eq!(state["bundle"], &*container.bundle.dir().to_string_lossy());
    assert_eq!(state["rootfs"], &*container.bundle.rootfs.path().to_string_lossy());
    assert_eq!(state["annotations"]["com.example.key"], "value");
    // go-runc parses it as RFC 3339.
    let created = state["created"].as_str().unwrap();
    testkit::Invocation::new("date").args(["-d", created, "+%s"]).ok();
    assert!(created.ends_with('Z') && created.as_bytes()[10] == b'T', "{created}");
    let pid = container.pid();
    assert!(fs::exists(format!("/proc/{pid}")).unwrap());
    assert_eq!(container.output(), "", "nothing of the command runs before start");
    container.verb("start").ok().stdout_is("").stderr_is("");
    container.says("up");
    assert_eq!((container.status().as_str(), container.pid()), ("running", pid));
    container.corun(&["kill", &container.bundle.id, "TERM"]).ok().stdout_is("");
    container.becomes("stopped");
    assert_eq!(container.state()["pid"], 0);
    container.verb("delete").ok().stdout_is("");
    container.verb("state").run().code(1).stderr_contains("does not exist");
}

#[test]
fn start_wants_a_container_that_waits() {
    requires!(root, busybox);
    let container = Container::sleeping();
    container.verb("start").run().code(1).stderr_contains("cannot start an already running container");
    container.verb("pause").ok();
    container.verb("start").run().code(1).stderr_contains("cannot start a container in the paused state");
    container.verb("resume").ok();
    container.verb("kill").ok();
    container.becomes("stopped");
    container.verb("start").run().code(1).stderr_contains("cannot start a container that has stopped");
}

#[test]
fn what_is_not_there_is_told_by_every_command() {
    requires!(root, busybox);
    let container = Container::planned(Bundle::new());
    for verb in ["start", "state", "kill", "delete", "pause", "resume", "ps"] {
        container.verb(verb).run().code(1).one_line_error("does not exist");
    }
    container.exec(&["true"]).run().code(255).one_line_error("does not exist");
    for force in ["--force", "-f", "-force"] {
        container.corun(&["delete", force, &container.bundle.id]).run().code(0).stderr_is("");
    }
}

#[test]
fn kill_of_a_container_that_has_ended() {
    requires!(root, busybox);
    let container = Container::running(Bundle::new());
    container.becomes("stopped");
    container.verb("kill").run().code(1).stderr_contains("container not running");
    container.corun(&["kill", &container.bundle.id, "0"]).run().code(1).stderr_contains("container not running");
    // What CRI-O and podman send at the end of a container's life succeeds.
    container.corun(&["kill", "--all", &container.bundle.id, "KILL"]).run().code(0);
}

#[test]
fn kill_takes_signals_by_number_and_name() {
    requires!(root, busybox);
    let script = "trap 'echo one' USR1; trap 'echo two' USR2; echo up; while :; do sleep 0.05; done";
    let container = Container::running(Bundle::script(script));
    container.says("up");
    for (word, text) in [("USR1", "one\n"), ("SIGUSR2", "two\n"), ("10", "one\ntwo\none\n"), ("sigusr2", "one\ntwo\n")]
    {
        container.corun(&["kill", &container.bundle.id, word]).ok();
        container.says(text);
    }
    container.corun(&["kill", &container.bundle.id, "FLY"]).run().code(1).stderr_contains("FLY");
    container.corun(&["kill", &container.bundle.id, "65"]).run().code(1).stderr_contains("65");
    container.corun(&["kill", "--all", &container.bundle.id, "9"]).ok();
    container.becomes("stopped");
}

#[test]
fn a_created_container_can_be_killed() {
    requires!(root, busybox);
    let container = Container::created(Bundle::script(SLEEP));
    container.corun(&["kill", &container.bundle.id, "KILL"]).ok();
    container.becomes("stopped");
    container.verb("start").run().code(1).stderr_contains("cannot start a container that has stopped");
    container.verb("delete").ok();
    // Not by force alone, though it is the first process of its PID namespace.
    for signal in ["TERM", "INT", "HUP"] {
        let container = Container::created(Bundle::script(SLEEP));
        container.corun(&["kill", &container.bundle.id, signal]).ok();
        container.becomes("stopped");
        container.verb("delete").ok();
    }
}

#[test]
fn delete_of_what_runs_needs_force() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let id = container.bundle.id.clone();
    let text = format!("cannot delete container {id} that is not stopped: running");
    container.verb("delete").run().code(1).one_line_error(&text);
    container.verb("pause").ok();
    let text = format!("cannot delete container {id} that is not stopped: paused");
    container.verb("delete").run().code(1).one_line_error(&text);
    container.corun(&["delete", "--force", &id]).ok().stderr_is("");
    container.verb("state").run().code(1).stderr_contains("does not exist");
}

#[test]
fn delete_of_a_created_one_needs_none() {
    requires!(root, busybox);
    let container = Container::created(Bundle::script(SLEEP));
    container.verb("delete").ok();
    container.gone();
}

#[test]
fn pause_and_resume() {
    requires!(root, busybox, cgroups);
    let container = Container::running(Bundle::script("while :; do echo tick; sleep 0.02; done"));
    container.says("tick");
    container.verb("pause").ok();
    assert_eq!(container.status(), "paused");
    let stands = container.output().len();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(container.output().len(), stands, "it stands still");
    container.verb("resume").ok();
    assert_eq!(container.status(), "running");
    assert!(testkit::within(crate::container::SOON, || container.output().len() > stands), "it goes on");
    container.verb("resume").run().code(1).stderr_contains("container not paused");
    // A paused one dies of a kill.
    container.verb("pause").ok();
    container.corun(&["kill", &container.bundle.id, "KILL"]).ok();
    container.becomes("stopped");
    container.verb("pause").run().code(1).stderr_contains("container not running or created");
}

#[test]
fn one_that_waits_can_be_paused_and_still_waits_when_it_goes_on() {
    requires!(root, busybox, cgroups);
    let container = Container::created(Bundle::script("echo up"));
    container.verb("pause").ok();
    assert_eq!(container.status(), "paused");
    container.verb("start").run().code(1).one_line_error("cannot start a container in the paused state");
    container.exec(&["true"]).run().code(255).one_line_error("cannot exec in a paused container");
    container.verb("resume").ok();
    assert_eq!(container.status(), "created");
    container.exec(&["true"]).ok();
    container.verb("start").ok();
    container.says("up");
}

#[test]
fn an_id_that_is_taken() {
    requires!(root, busybox);
    let container = Container::created(Bundle::script(SLEEP));
    for verb in ["create", "run"] {
        let line = container.corun(&[verb, "-b"]).arg(container.bundle.dir()).arg(&container.bundle.id);
        line.run().code(1).one_line_error("container with given ID already exists");
    }
    assert_eq!(container.status(), "created", "the other one is as it was");
    container.verb("start").ok();
}

#[test]
fn ids_that_are_no_names() {
    requires!(root, busybox);
    let container = Container::planned(Bundle::new());
    let bait = container.bundle.sandbox.file("escape/state.json", "{}");
    for id in ["../escape", "..", ".", "a/b", "/etc", "", "a b", "a\nb", "é", &"x".repeat(256), ".hidden"] {
        for verb in ["create", "run", "start", "state", "kill", "delete", "pause", "resume", "ps"] {
            let line = container.corun(&[verb]);
            let line =
                if verb == "create" || verb == "run" { line.arg("-b").arg(container.bundle.dir()) } else { line };
            line.arg(id).run().code(1).stderr_contains("invalid container ID format");
        }
        container.corun(&["delete", "--force", id]).run().code(1).stderr_contains("invalid container ID format");
        container.corun(&["exec", id, "true"]).run().code(255).stderr_contains("invalid container ID format");
    }
    assert_eq!(fs::read_to_string(bait).unwrap(), "{}");
}

#[test]
fn start_tells_why_a_command_cannot_be_executed() {
    requires!(root, busybox);
    for (name, content, mode, text) in [
        ("orphan", "#!/no/such/interpreter\n", 0o755, "no such file or directory"),
        ("bare", "no first line\n", 0o755, "exec format error"),
    ] {
        let mut bundle = Bundle::new();
        bundle.rootfs.file(name, content).mode(name, mode);
        bundle.command(&[&format!("/{name}")]);
        let container = Container::created(bundle);
        container.verb("start").run().code(1).stderr_contains(text).one_line_error(name);
        container.becomes("stopped");
        container.verb("delete").ok();
    }
    // What is not there at all is told by create, as runc does.
    let mut bundle = Bundle::new();
    bundle.command(&["no-such-command"]);
    let container = Container::planned(bundle);
    container.create_with(&[]).run().code(1).stderr_contains("executable file not found in $PATH");
    container.verb("state").run().code(1).stderr_contains("does not exist");
}

#[test]
fn a_held_run_that_is_killed_gives_its_id_back() {
    requires!(root, busybox);
    let container = Container::planned(Bundle::script(SLEEP));
    let again = || container.corun(&["run", "-b"]).arg(container.bundle.dir()).arg(&container.bundle.id);
    for _ in 0..3 {
        let mut running = again().spawn();
        running.stdout_until("up");
        running.kill(rustix::process::Signal::KILL);
        running.wait().signal(9);
        container.becomes("stopped");
    }
    let mut running = again().spawn();
    running.stdout_until("up");
    // It is a container like others meanwhile.
    assert_eq!(container.status(), "running");
    container.verb("kill").ok();
    running.wait().code(0);
    container.verb("state").run().code(1).stderr_contains("does not exist");
}

#[test]
fn run_keep_leaves_the_stopped_container_there() {
    requires!(root, busybox);
    let container = Container::planned(Bundle::script("exit 7"));
    let line = container.corun(&["run", "--keep", "-b"]).arg(container.bundle.dir()).arg(&container.bundle.id);
    line.run().code(7);
    assert_eq!(container.status(), "stopped");
    container.verb("delete").ok();
}
