//! `ps --filter`: docker's and podman's filters of containers.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use archive::{docker_archive, layer, text};
use serde_json::json;
use std::time::Duration;
use testkit::{Sandbox, requires};

#[test]
fn filters_choose_containers() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let base = sandbox.rootfs("home/base");
    let upper = layer(&sandbox, "upper", &[("more", "x")]);
    let config = json!({"Cmd": ["true"]});
    for (name, layers) in [("base", vec![base.path().to_owned()]), ("above", vec![base.path().to_owned(), upper])] {
        let archive = docker_archive(&sandbox, name, &layers, &config);
        sandbox.run(["load", "-i", text(&archive)]).code(0);
    }
    for (name, image, command) in [("web-1", "base", "true"), ("web-10", "above", "false"), ("db.1", "above", "true")] {
        let labels = ["-l", &format!("of={name}"), "-l", "all"];
        sandbox.run([&["run", "--name", name], &labels[..], &[image, command]].concat());
        std::thread::sleep(Duration::from_millis(1100));
    }
    for (filters, expected) in [
        (&["name=web"][..], "web-1 web-10"),
        (&["name=^web-1$"], "web-1"),
        (&["name=db", "name=-10"], "db.1 web-10"),
        (&["label=all", "label=of=db.1"], "db.1"),
        (&["label!=of=db.1", "name=1$"], "web-1"),
        (&["exited=1"], "web-10"),
        (&["status=exited", "exited=0"], "db.1 web-1"),
        (&["status=running"], ""),
        (&["ancestor=base"], "db.1 web-1 web-10"),
        (&["ancestor=above"], "db.1 web-10"),
        (&["ancestor=absent"], ""),
        (&["before=web-10"], "web-1"),
        (&["since=web-10"], "db.1"),
        (&["until=2000-01-01"], ""),
        (&["network=none", "name=db"], "db.1"),
    ] {
        let words: Vec<_> = filters.iter().flat_map(|filter| ["--filter", filter]).collect();
        let listed = sandbox.run([&["ps", "-a", "--format", "{{.Names}}"], &words[..]].concat());
        let mut names: Vec<_> = listed.code(0).stdout.lines().collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), expected, "{filters:?}");
    }
    sandbox.run(["ps", "--filter", "colour=red"]).code(125).stderr_contains("ancestor=");
    sandbox.run(["ps", "--filter", "status=up"]).code(125).stderr_contains("running");
    sandbox.run(["ps", "--filter", "name=(a|b)"]).code(125).stderr_contains("part of it");
}
