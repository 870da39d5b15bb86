//! `list`, `ps`, `state` and the log: what callers parse.

use crate::bundle::Bundle;
use crate::container::{Container, SLEEP};
use serde_json::Value;
use std::fs;
use testkit::{Invocation, Sandbox, requires};

#[test]
fn an_empty_list() {
    let sandbox = Sandbox::new();
    sandbox.corun(["list"]).ok().stdout_is("ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
    sandbox.corun(["list", "-q"]).ok().stdout_is("");
    sandbox.corun(["list", "--format", "json"]).ok().stdout_is("null\n");
    sandbox.corun(["list", "--format", "yaml"]).run().code(1).stderr_contains("invalid format option");
    // A directory that somebody names must be there.
    sandbox.command(testkit::Program::Corun.path()).args(["--root", "/no/such", "list"]).run().code(1);
}

#[test]
fn several_containers_and_what_is_broken_beside_them() {
    requires!(root, busybox);
    let (one, mut other) = (Container::sleeping(), Bundle::script(SLEEP));
    // Both in one state directory.
    other.spec["linux"]["cgroupsPath"] = format!("/{}-b", one.bundle.id).into();
    other.sandbox.file("bundle/config.json", other.spec.to_string());
    let id = format!("{}-b", one.bundle.id);
    one.apart(one.corun(&["create", "--bundle"]).arg(other.dir()).arg(&id)).run().code(0);
    let run = one.bundle.sandbox.runroot();
    fs::create_dir(run.join("broken")).unwrap();
    fs::write(run.join("broken/state.json"), "{ \"id\": ").unwrap();
    fs::create_dir(run.join("half-made")).unwrap();
    fs::write(run.join("a-file"), "").unwrap();

    let list = one.corun(&["list", "-q"]).ok();
    assert_eq!(list.lines(), [one.bundle.id.as_str(), &id]);
    list.stderr_contains("broken").stderr_lacks("half-made");
    let json: Value = serde_json::from_str(&one.corun(&["list", "-f", "json"]).ok().stdout).unwrap();
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0]["status"].as_str(), rows[1]["status"].as_str()), (Some("running"), Some("created")));
    assert_eq!(rows[0]["owner"], "root");
    assert_eq!(rows[0]["pid"], one.pid());
    let table = one.corun(&["list"]).ok();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(table.lines()[0]), ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    let row = words(table.lines()[1]);
    assert_eq!(row[..3], [one.bundle.id.clone(), one.pid().to_string(), "running".to_owned()]);
    assert_eq!((row[3].as_str(), row[5].as_str()), (&*one.bundle.dir().to_string_lossy(), "root"));

    // What is broken can be told and removed.
    one.corun(&["state", "broken"]).run().code(1).one_line_error("state.json");
    one.corun(&["delete", "--force", "broken"]).run().code(0);
    one.corun(&["delete", "--force", "half-made"]).run().code(0);
    assert!(!run.join("broken").exists() && !run.join("half-made").exists());
    one.corun(&["delete", &id]).ok();
    fs::remove_file(run.join("a-file")).unwrap();
}

#[test]
fn ps_as_table_and_as_json() {
    requires!(root, busybox, cgroups, package = "ps");
    let container = Container::running(Bundle::script("sleep 1000 & sleep 1000 & echo up; wait"));
    container.says("up");
    let id = container.bundle.id.as_str();
    let json: Value = serde_json::from_str(&container.corun(&["ps", "--format", "json", id]).ok().stdout).unwrap();
    let pids: Vec<i64> = json.as_array().unwrap().iter().map(|pid| pid.as_i64().unwrap()).collect();
    assert_eq!(pids.len(), 3);
    assert!(pids.contains(&container.pid()), "{pids:?}");
    // In User-Mode-Linux ps itself finds no time of boot, which its full table needs.
    if Invocation::new("ps").arg("-ef").run().exit_code() == Some(0) {
        let table = container.corun(&["ps", id]).ok();
        assert_eq!(table.lines().len(), 4, "{table}");
        table.stdout_contains("PID").stdout_contains("sleep 1000");
    }
    let narrow = container.corun(&["ps", id, "-e", "-o", "pid,args"]).ok();
    assert_eq!(narrow.lines().len(), 4, "{narrow}");
    container.corun(&["ps", id, "-e", "-o", "args"]).run().code(1).stderr_contains("PID");
}

#[test]
fn the_log_has_one_line_that_standard_error_has_too() {
    requires!(root, busybox);
    let container = Container::planned(Bundle::new());
    let log = container.bundle.sandbox.join("log.json");
    let path = log.to_string_lossy();
    let line = container.corun(&["--log", &path, "--log-format", "json", "state", "nobody"]);
    let outcome = line.run();
    outcome.code(1).one_line_error("does not exist");
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    // podman reads the whole file as one object.
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["level"], "error");
    assert!(outcome.stderr.contains(told["msg"].as_str().unwrap()), "{told} {outcome}");
    testkit::Invocation::new("date").args(["-d", told["time"].as_str().unwrap()]).ok();
    fs::remove_file(&log).unwrap();
    // A success says nothing.
    let line = container.create_with(&[]);
    container.apart(line.args(["--log", "x"])).run().code(1);
    let words = ["--log", &path, "--log-format=json", "create", "-b"];
    container.apart(container.corun(&words).arg(container.bundle.dir()).arg(&container.bundle.id)).run().code(0);
    assert_eq!(fs::read_to_string(&log).unwrap_or_default(), "");
    // As text, and for exec.
    container.corun(&["--log", &path, "exec", &container.bundle.id, "/no/such"]).run().code(255);
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.starts_with("time=\"") && text.contains("level=error") && text.lines().count() == 1, "{text}");
    fs::remove_file(&log).unwrap();
}

#[test]
fn with_debug_the_stages_of_a_start_are_told_where_errors_are() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let outcome = container.corun(&["--debug", "exec", &container.bundle.id, "echo", "out"]).ok();
    outcome.stdout_is("out\n").stderr_contains("level=debug msg=");
    let log = container.bundle.sandbox.join("debug.json");
    let path = log.to_string_lossy();
    let words = ["--log", &path, "--log-format", "json", "--log-level", "debug", "exec", &container.bundle.id, "true"];
    container.corun(&words).ok().stderr_is("");
    for line in fs::read_to_string(&log).unwrap().lines() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["level"], "debug");
    }
    fs::remove_file(&log).unwrap();
    container.exec(&["true"]).ok().stderr_is("");
}
