//! A state directory that somebody else has written: no command of ours goes anywhere by what stands there.

use crate::bundle::{Bait, Bundle};
use crate::container::{Container, SLEEP};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use testkit::{Invocation, Sandbox, requires};

/// Changes the state of a container on disk.
fn rewrite(container: &Container, change: impl FnOnce(&mut Value)) {
    let path = container.bundle.sandbox.runroot().join(&container.bundle.id).join("state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut state);
    fs::write(path, state.to_string()).unwrap();
}

#[test]
fn directories_that_are_no_cgroups_are_never_removed_or_killed_by() {
    requires!(root, busybox, cgroups);
    let container = Container::running(Bundle::new());
    container.becomes("stopped");
    let bait = Bait::new(&container.bundle);
    let mut victim = container.bundle.sandbox.command("sleep").arg("1000").spawn();
    let dir = bait.path().join("dir");
    fs::create_dir_all(dir.join("empty/below")).unwrap();
    fs::write(dir.join("cgroup.procs"), format!("{}\n", victim.pid())).unwrap();
    fs::write(dir.join("tasks"), format!("{}\n", victim.pid())).unwrap();
    let path = dir.to_string_lossy().into_owned();
    let own = format!("/sys/fs/cgroup/memory/{}", container.bundle.id);
    let root = if fs::exists("/sys/fs/cgroup/memory").unwrap() { "/sys/fs/cgroup/memory" } else { "/sys/fs/cgroup" };
    let before = testkit::Invocation::new("find").arg(&dir).ok().stdout;
    let original = fs::read(container.bundle.sandbox.runroot().join(&container.bundle.id).join("state.json")).unwrap();
    for key in ["", "memory", "pids", "freezer", "name=systemd"] {
        for path in [path.clone(), format!("{own}/../../../../..{path}"), root.to_owned(), "/".to_owned()] {
            rewrite(&container, |state| state["cgroup_paths"] = json!({ key: path }));
            let outcome = container.corun(&["delete", "--force", &container.bundle.id]).run();
            outcome.code(1).one_line_error("cgroup");
            container.corun(&["kill", "--all", &container.bundle.id, "KILL"]).run().code(1);
            assert_eq!(testkit::Invocation::new("find").arg(&dir).ok().stdout, before, "{key} {path}");
        }
    }
    assert_eq!(victim.stdout(), "");
    assert!(fs::exists(format!("/proc/{}", victim.pid())).unwrap(), "nobody was killed");
    victim.kill(rustix::process::Signal::KILL);
    victim.wait().signal(9);
    fs::write(container.bundle.sandbox.runroot().join(&container.bundle.id).join("state.json"), original).unwrap();
}

#[test]
fn a_pid_that_belongs_to_somebody_else_now_is_nobodys() {
    requires!(root, busybox);
    let container = Container::sleeping();
    // Times are told in ticks of 10 ms, and no pid comes back within one.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let victim = container.bundle.sandbox.command("sleep").arg("1000").spawn();
    let (pid, own) = (victim.pid(), container.pid());
    rewrite(&container, |state| state["init_process_pid"] = pid.into());
    assert_eq!(container.status(), "stopped", "the time at which it began is another");
    container.corun(&["kill", &container.bundle.id, "KILL"]).run().code(1).stderr_contains("container not running");
    container.exec(&["id"]).run().code(255).stderr_contains("cannot exec in a stopped container");
    assert!(fs::exists(format!("/proc/{pid}")).unwrap());
    for nonsense in [json!(0), json!(-1), json!(1), json!(i32::MAX), json!(i32::MIN)] {
        rewrite(&container, |state| state["init_process_pid"] = nonsense.clone());
        assert_eq!(container.status(), "stopped", "{nonsense}");
    }
    rewrite(&container, |state| state["init_process_pid"] = own.into());
    assert_eq!(container.status(), "running");
    drop(victim);
}

#[test]
fn files_that_are_none_of_ours() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let run = sandbox.runroot();
    for (id, text) in [
        ("empty", ""),
        ("half", "{\"id\":\"half\",\"init_process_pid\":"),
        ("list", "[]"),
        ("number", "7"),
        ("binary", "\u{0}\u{1}\u{2}"),
        ("deep", &"[".repeat(100_000)),
        ("wide", &format!("{{\"init_process_pid\":{}}}", "9".repeat(10_000))),
    ] {
        fs::create_dir(run.join(id)).unwrap();
        fs::write(run.join(id).join("state.json"), text).unwrap();
        for verb in ["state", "start", "kill", "ps", "pause", "resume", "delete"] {
            sandbox.corun([verb, id]).run().code(1).one_line_error("state.json");
        }
        sandbox.corun(["exec", id, "true"]).run().code(255).one_line_error("state.json");
        sandbox.corun(["delete", "--force", id]).run().code(0).stderr_is("");
        assert!(!run.join(id).exists(), "{id}");
    }
    sandbox.corun(["list", "-q"]).ok().stdout_is("");
}

#[test]
fn links_in_the_place_of_directories_and_files() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let run = sandbox.runroot();
    let outside = sandbox.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("state.json"), "{}").unwrap();
    fs::write(outside.join("precious"), "").unwrap();
    symlink(&outside, run.join("link")).unwrap();
    symlink("circle", run.join("circle")).unwrap();
    for id in ["link", "circle"] {
        for words in [&["delete", "--force", id][..], &["state", id], &["kill", id], &["start", id]] {
            sandbox.corun(words).run().code(1);
        }
    }
    assert!(outside.join("precious").exists() && outside.join("state.json").exists());
    // The cgroup that a killed create had written down, by a link whose text climbs or names a directory of the host.
    for (id, text) in [("climb", "/../../../tmp"), ("host", "/"), ("long", &"x/".repeat(600)), ("dots", "..")] {
        fs::create_dir(run.join(id)).unwrap();
        symlink(text, run.join(id).join("cgroup")).unwrap();
        let outcome = sandbox.corun(["delete", "--force", id]).run();
        assert!(matches!(outcome.exit_code(), Some(0 | 1)), "{outcome}");
    }
    assert!(Path::new("/tmp").exists() && sandbox.path().exists());
    // The record as a pipe that nobody writes, or a directory, is told and does not hang.
    fs::create_dir_all(run.join("dir/state.json")).unwrap();
    sandbox.corun(["state", "dir"]).run().code(1).one_line_error("state.json");
}

#[test]
fn what_somebody_else_may_have_written_is_refused_and_said_whose_it_is() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let dir = container.bundle.sandbox.runroot().join(&container.bundle.id);
    let file = dir.join("state.json");
    let pid = container.pid();
    let victim = container.bundle.sandbox.command("sleep").arg("1000").spawn();
    let refused = |why: &str| {
        let id = container.bundle.id.as_str();
        for words in [
            &["state", id][..],
            &["kill", id, "KILL"],
            &["delete", "--force", id],
            &["start", id],
            &["ps", id],
            &["pause", id],
            &["update", "--pids-limit", "7", id],
            &["events", "--stats", id],
        ] {
            container.corun(words).run().code(1).one_line_error(why);
        }
        container.exec(&["true"]).run().code(255).one_line_error(why);
        container.corun(&["list", "-q"]).ok().stdout_is("").stderr_contains(why);
        container.create().code(1);
        assert!(container.output().contains(why), "{}", container.output());
        for pid in [pid, victim.pid().into()] {
            assert!(fs::exists(format!("/proc/{pid}")).unwrap(), "nobody was killed");
        }
    };
    let original = fs::read(&file).unwrap();
    rewrite(&container, |state| state["init_process_pid"] = victim.pid().into());
    for path in [&dir, &file] {
        std::os::unix::fs::chown(path, Some(1000), None).unwrap();
        refused("belongs to uid 1000");
        std::os::unix::fs::chown(path, Some(0), None).unwrap();
        let before = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        refused("writable by all");
        fs::set_permissions(path, before).unwrap();
    }
    fs::File::options().write(true).open(&file).unwrap().set_len(1 << 40).unwrap();
    container.verb("state").run().code(1).one_line_error("state.json").stderr_contains("File too large");
    fs::remove_file(&file).unwrap();
    Invocation::new("mkfifo").arg(&file).ok();
    container.verb("state").run().code(1).one_line_error("state.json");
    fs::remove_file(&file).unwrap();
    fs::write(&file, original).unwrap();
    assert_eq!(container.status(), "running");
    drop(victim);
}

#[test]
fn a_file_in_the_place_of_the_gate_starts_nothing() {
    requires!(root, busybox);
    let container = Container::created(Bundle::script(SLEEP));
    let gate = container.bundle.sandbox.runroot().join(&container.bundle.id).join("start.sock");
    let aside = gate.with_extension("aside");
    fs::rename(&gate, &aside).unwrap();
    fs::write(&gate, "").unwrap();
    container.verb("start").run().code(1).one_line_error("gate");
    fs::rename(&aside, &gate).unwrap();
    container.verb("start").ok();
    container.says("up");
}
