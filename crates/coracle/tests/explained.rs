//! The start of a container, explained to whoever wants to know what it is made of.

#![forbid(unsafe_code)]

use serde_json::Value;
use testkit::{Sandbox, requires};

fn explained(sandbox: &Sandbox, name: &str) -> String {
    let file = sandbox.join(name);
    let told = file.display().to_string();
    let words = ["run", "--rm", "--explain-file", &told, "--hostname", "box", "-m", "64m", "host:", "echo", "done"];
    sandbox.run(words).code(0).stdout_is("done\n").stderr_is("");
    std::fs::read_to_string(file).expect("what was explained")
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} of {value}"))
}

#[test]
fn as_json_each_step_has_its_heading_its_origin_and_its_calls() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    let json: Value = serde_json::from_str(&explained(&sandbox, "steps.json")).expect("JSON");
    assert_eq!(json["version"], 1);
    let steps = json["steps"].as_array().expect("steps");
    for heading in ["sees", "uses", "files", "may do", "runs"] {
        assert!(steps.iter().any(|step| step["heading"] == heading), "{heading}");
    }
    let named =
        |step: &Value, call: &str| step["calls"].as_array().is_some_and(|all| all.iter().any(|c| c["name"] == call));
    assert!(steps.iter().any(|step| step["origin"] == "--hostname" && named(step, "sethostname")), "{json:#}");
    // No call is outside of its step, none before the one that it follows on its side, and the whole is as long as all.
    let mut end = 0;
    for step in steps {
        let (start, mut last) = (number(step, "start"), number(step, "start"));
        for call in step["calls"].as_array().expect("calls") {
            assert!(number(call, "start") >= last, "{call}");
            last = number(call, "start") + number(call, "duration");
        }
        assert!(last <= start + number(step, "duration"), "{step}");
        end = end.max(last);
    }
    assert_eq!(number(&json, "duration"), end);
}

#[test]
fn as_a_trace_each_call_lies_within_its_step() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    let json: Value = serde_json::from_str(&explained(&sandbox, "steps.trace")).expect("JSON");
    let events = json["traceEvents"].as_array().expect("events");
    let slices: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    let span = |event: &Value| {
        let start = event["ts"].as_f64().expect("a time");
        (start, start + event["dur"].as_f64().expect("a duration"))
    };
    let (calls, steps): (Vec<&Value>, Vec<&Value>) =
        slices.into_iter().partition(|event| event["cat"] == "system call");
    assert!(calls.len() > 100 && steps.len() > 20, "{} calls in {} steps", calls.len(), steps.len());
    for call in calls {
        let (start, end) = span(call);
        let within = |step: &&&Value| {
            let (first, last) = span(step);
            step["tid"] == call["tid"] && first <= start && end <= last + 0.001
        };
        assert!(steps.iter().any(|step| within(&step)), "{call}");
    }
    for row in ["engine", "inside"] {
        assert!(events.iter().any(|event| event["ph"] == "M" && event["args"]["name"] == row), "{row}");
    }
}

#[test]
fn as_text_it_is_what_the_terminal_shows() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    let text = explained(&sandbox, "steps.txt");
    assert!(text.contains("\nprepares  (") && text.contains("[--hostname]\n"), "{text}");
    // Nothing runs whose steps could not be written, or would be nobody's.
    let words = ["run", "--rm", "--explain-file", "/no/where", "host:", "touch", "/ran"];
    sandbox.run(words).code(125).one_line_error("--explain-file /no/where: No such file");
}

#[test]
fn what_runs_in_the_background_is_explained_later_also_when_it_has_ended() {
    requires!(root, cgroups, busybox);
    let sandbox = Sandbox::new();
    sandbox.rootfs("rootfs");
    let words = ["run", "-d", "--name", "box", "--hostname", "web", "-m", "64m", "--rootfs", "rootfs", "sleep", "1000"];
    sandbox.run(words).code(0);
    let text = sandbox.run(["explain", "box"]).code(0).stdout.clone();
    for heading in ["\nsees  (", "\nuses  (", "\nfiles  (", "\nmay do  (", "\nruns  ("] {
        assert!(text.contains(heading), "{heading} in {text}");
    }
    let cgroup = text.lines().find(|line| line.contains("make its cgroup")).expect("a step of its cgroup");
    assert!(cgroup.ends_with("[--memory]"), "{cgroup}");
    // The calls have their arguments, and who asked for a step stands behind it.
    for told in ["sethostname(\"web\", 3) = 0", "[--hostname]", "/sleep\") = 0", "clone3(CLONE_NEWNS|"] {
        assert!(text.contains(told), "{told} in {text}");
    }
    sandbox.run(["stop", "-t", "0", "box"]).code(0);
    sandbox.run(["explain", "box"]).code(0).stdout_is(&text);
    let json: Value =
        serde_json::from_str(&sandbox.run(["explain", "--format", "json", "box"]).code(0).stdout).expect("JSON");
    for (end, begins) in [("html", "<!doctype html>"), ("sh", "#!/bin/sh\n")] {
        let file = sandbox.join(format!("box.{end}"));
        sandbox.run(["explain", "-o", &file.display().to_string(), "box"]).code(0);
        assert!(std::fs::read_to_string(file).expect("a file").to_lowercase().starts_with(begins), "{end}");
        let told = sandbox.run(["explain", "--format", end, "box"]).code(0).stdout.to_lowercase();
        assert!(told.starts_with(begins), "{end}");
    }
    let trace = sandbox.join("box.trace");
    sandbox.run(["explain", "-o", &trace.display().to_string(), "box"]).code(0).stdout_is("");
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(trace).expect("a trace")).expect("JSON");
    let slices =
        trace["traceEvents"].as_array().expect("events").iter().filter(|event| event["cat"] == "system call").count();
    let calls: usize =
        json["steps"].as_array().expect("steps").iter().map(|step| step["calls"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(slices, calls);
}

#[test]
fn a_start_that_fails_is_explained_up_to_there() {
    requires!(root, cgroups, busybox);
    let sandbox = Sandbox::new();
    sandbox.rootfs("rootfs");
    sandbox.run(["create", "--name", "box", "--rootfs", "rootfs", "/nope"]).code(0);
    sandbox.run(["explain", "box"]).code(1).one_line_error("has not been started yet");
    sandbox.run(["start", "box"]).code(127);
    let text = sandbox.run(["explain", "box"]).code(0).stdout.clone();
    assert!(text.contains("faccessat2(AT_FDCWD, \"/nope\") = ENOENT"), "{text}");
    for words in [&["run", "--rm", "--explain"][..], &["run", "-d", "--explain"]] {
        let told = sandbox.run(words.iter().chain(&["--rootfs", "rootfs", "/nope"])).code(127).stderr.clone();
        assert!(told.contains("faccessat2(AT_FDCWD, \"/nope\") = ENOENT"), "{told}");
        assert!(told.lines().last().is_some_and(|line| line.contains("/nope: executable file not found")), "{told}");
    }
}

#[test]
fn what_is_written_is_told_of_limits_and_of_nothing_that_may_be_a_secret() {
    requires!(root, cgroups, busybox);
    let sandbox = Sandbox::new();
    sandbox.rootfs("rootfs");
    sandbox.coracle(["secret", "create", "key", "-"]).stdin("sesame-open").ok();
    let words = ["run", "-d", "--explain", "--name", "box", "--secret", "key", "--secret", "key,type=env,target=KEY"];
    let rest = ["--cpu-shares", "777", "--rootfs", "rootfs", "sleep", "1000"];
    let told = sandbox.run(words.iter().chain(&rest)).code(0).stderr.clone();
    let kept = sandbox.run(["explain", "--format", "json", "box"]).code(0).stdout.clone();
    for text in [told, kept] {
        assert!(!text.contains("sesame"), "{text}");
    }
    sandbox.run(["run", "-d", "--explain=false", "--name", "none", "--rootfs", "rootfs", "sleep", "1000"]).code(0);
    sandbox.run(["explain", "none"]).code(1).one_line_error("--explain=false");
}

/// A part's name and the milliseconds that it took, of each line.
fn parts(table: &str) -> Vec<(&str, f64)> {
    let lines = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?.parse().ok()?))
    });
    lines.collect()
}

#[test]
fn the_parts_of_a_start_are_as_long_as_it() {
    requires!(root, cgroups, busybox, timing);
    let sandbox = Sandbox::new();
    sandbox.rootfs("rootfs");
    let end = ["--timings", "--rootfs", "rootfs", "true"];
    for words in [&["run", "--rm"][..], &["run", "-d"]] {
        let ran = sandbox.run(words.iter().chain(&end));
        let parts = parts(&ran.code(0).stderr);
        let (whole, all) = parts.split_last().expect("lines");
        let sum: f64 = all.iter().map(|(_, took)| took).sum();
        assert_eq!(whole.0, "start");
        assert!((whole.1 - sum).abs() < 0.1, "{parts:?}");
        // It cannot be longer than what the command took, and what a clone takes is no small part of it.
        assert!(whole.1 / 1000.0 < ran.took.as_secs_f64(), "{parts:?} in {:?}", ran.took);
        assert!(all.iter().any(|(name, took)| *name == "clone" && *took > 0.05), "{parts:?}");
    }
    // Every start is in the statistics, whether it was asked for or not.
    sandbox.run(["run", "--rm", "--rootfs", "rootfs", "true"]).code(0);
    let told = sandbox.run(["info", "--start-times", "--format", "json"]).code(0).stdout.clone();
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let whole = lines.last().expect("a line");
    assert_eq!((&whole["Part"], number(whole, "Starts")), (&Value::from("whole"), 3));
    for line in &lines {
        assert!(number(line, "Median") <= number(line, "P90") && number(line, "P90") <= number(line, "Max"), "{line}");
    }
    sandbox.run(["info", "--start-times"]).code(0).stdout_contains("clone");
}
