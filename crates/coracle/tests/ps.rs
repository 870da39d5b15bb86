//! The list of containers: its columns, its order, what is asked of it by templates.

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use testkit::{Invocation, Outcome, Sandbox, User, requires};

fn everybody() -> [Sandbox; 2] {
    [Sandbox::new(), Sandbox::of(&User::with_subuids())]
}

#[track_caller]
fn ps(sandbox: &Sandbox, words: &[&str]) -> Outcome {
    let outcome = sandbox.coracle(["ps"]).args(words).run();
    outcome.code(0).stderr_is("");
    outcome
}

#[test]
fn sizes_are_those_of_what_was_written_and_of_the_image() {
    requires!(subuid_user, user_namespaces, busybox);
    for sandbox in everybody() {
        sandbox.file("content/data", "x".repeat(5000));
        fs::copy(testkit::on_path("busybox").expect("busybox"), sandbox.path().join("content/sh")).expect("a copy");
        let (content, tar) = (sandbox.path().join("content"), sandbox.path().join("a.tar"));
        Invocation::new("tar").args([Path::new("-C"), &content, Path::new("-cf"), &tar, Path::new(".")]).ok();
        sandbox.run(["import", &tar.to_string_lossy(), "localhost/a"]).code(0);
        let run = ["run", "--name", "box", "localhost/a", "/sh", "-c", "echo 123456789 >/new; echo x >>/data"];
        sandbox.run(run).code(0);
        // Ten bytes, and the file that was copied up with two more.
        let size = ps(&sandbox, &["-a", "--format", "{{.Size}}"]);
        assert!(size.stdout.starts_with("5.01kB (virtual "), "{size}");
        let table = ps(&sandbox, &["-as"]);
        table.stdout_contains("NAMES   SIZE").stdout_contains("box     5.01kB (virtual ");
        assert!(!ps(&sandbox, &["-a"]).stdout.contains("SIZE"));
    }
}

#[test]
fn templates_have_dockers_fields_and_podmans() {
    requires!(subuid_user, user_namespaces);
    for sandbox in everybody() {
        let options = ["-d", "--name", "box", "--label", "tier=web", "--restart", "on-failure:3"];
        sandbox.coracle(["run"]).args(options).args(["host:", "sleep", "1000"]).run().code(0);
        let shown = |template: &str| ps(&sandbox, &["--format", template]).stdout.trim_end().to_owned();
        assert_eq!(shown("{{.Names}} {{.State}} {{.Label \"tier\"}} [{{.Label \"none\"}}]"), "box running web []");
        assert!(shown("table {{.Names}}\t{{.Label \"tier\"}}").ends_with("\nbox     web"));
        assert_eq!(shown("{{.AutoRemove}} {{.Restarts}} {{.Exited}} {{.ExitCode}}"), "false 0 false <no value>");
        let pid = sandbox.run(["inspect", "--format", "{{.State.Pid}}", "box"]).code(0).stdout.trim().to_owned();
        assert_eq!(shown("{{.Pid}}"), pid);
        let mnt = fs::read_link(format!("/proc/{pid}/ns/mnt")).expect("a link");
        assert_eq!(format!("mnt:[{}]", shown("{{.MNT}}")), mnt.to_string_lossy());
        let table = ps(&sandbox, &["--ns"]);
        table.stdout_contains("USERNS").stdout_contains(&format!("box     {pid}"));
        assert_eq!(ps(&sandbox, &["--noheading", "--format", "table {{.Names}}"]).stdout, "box\n");
        assert_eq!(ps(&sandbox, &["--noheading", "-n", "1"]).lines().len(), 1);
        assert_eq!(
            ps(&sandbox, &["-q", "--filter", "restart-policy=on-failure", "--filter", "is-task=false"]).lines().len(),
            1
        );
        assert_eq!(ps(&sandbox, &["-q", "--filter", "restart-policy=always"]).stdout, "");
        assert_eq!(ps(&sandbox, &["-q", "--filter", "is-task=true"]).stdout, "");
        sandbox.run(["rm", "-f", "box"]).code(0);
    }
}

#[test]
fn it_is_sorted_as_asked() {
    requires!(root);
    let sandbox = Sandbox::new();
    for (name, command) in [("bb", "sleep 1"), ("aa", "sleep 3"), ("cc", "sleep 2")] {
        sandbox.coracle(["create", "--name", name, "host:"]).args(command.split(' ')).run().code(0);
    }
    let sorted = |by: &str| ps(&sandbox, &["-a", "--sort", by, "--format", "{{.Names}}"]).lines().join(" ");
    assert_eq!(sorted("names"), "aa bb cc");
    assert_eq!(sorted("command"), "bb cc aa");
    sandbox.run(["ps", "--sort", "colour"]).code(125).one_line_error("runningfor");
}

#[test]
fn one_that_is_paused_is_found_by_that() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    sandbox.run(["run", "-d", "--name", "box", "host:", "sleep", "1000"]).code(0);
    sandbox.run(["pause", "box"]).code(0);
    assert_eq!(ps(&sandbox, &["--filter", "status=paused", "--format", "{{.Names}}"]).stdout, "box\n");
    sandbox.run(["rm", "-f", "box"]).code(0);
}

#[test]
fn a_watch_tells_again() {
    requires!(root);
    let sandbox = Sandbox::new();
    let watch = sandbox.coracle(["ps", "--watch", "1", "--noheading"]).spawn();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    watch.kill(rustix::process::Signal::INT);
    assert_eq!(watch.wait().stdout.matches("\x1b[2J").count(), 2);
}
