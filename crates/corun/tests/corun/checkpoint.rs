//! Containers that are written down and run again.

use crate::bundle::Bundle;
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;
use testkit::requires::Need;
use testkit::{Invocation, Outcome, Sandbox, requires, within};

/// A criu that runs on this kernel; Debian 12's does not on Linux 6.18.
fn criu() -> Need {
    if testkit::on_path("criu").is_none() {
        return Err("criu".to_owned());
    }
    let outcome = Sandbox::new().command("criu").args(["check", "--no-default-config"]).run();
    if outcome.exit_code() == Some(0) { Ok(()) } else { Err("a criu that runs on this kernel".to_owned()) }
}

/// A container that counts in a file, for ever.
struct Counting {
    bundle: Bundle,
}

impl Counting {
    #[track_caller]
    fn new() -> Self {
        let counting =
            Self { bundle: Bundle::script("i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.1; done") };
        counting.quiet(counting.bundle.invocation_with(&["--detach"])).ok();
        assert!(within(Duration::from_secs(10), || counting.count() > 3), "it counts");
        counting
    }

    /// Without streams: else the test waits for their end.
    fn quiet(&self, invocation: Invocation) -> Invocation {
        invocation
            .under(["sh", "-c", "exec \"$0\" \"$@\" </dev/null >/dev/null 2>\"$ERRORS\""])
            .env("ERRORS", self.errors())
    }

    fn errors(&self) -> PathBuf {
        self.bundle.sandbox.join("errors")
    }

    fn count(&self) -> u32 {
        let text = fs::read_to_string(self.bundle.rootfs.inside("count")).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    fn corun(&self, verb: &str, options: &[&str]) -> Invocation {
        self.bundle.sandbox.corun([verb]).args(options).arg(&self.bundle.id).current_dir(self.bundle.dir())
    }

    fn checkpoint(&self, options: &[&str]) -> Outcome {
        self.corun("checkpoint", options).run()
    }

    #[track_caller]
    fn restore(&self) {
        let outcome = self.quiet(self.corun("restore", &["--detach"])).run();
        let errors = fs::read_to_string(self.errors()).unwrap_or_default();
        assert_eq!(outcome.exit_code(), Some(0), "{errors}");
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.corun("delete", &["--force"]).run();
    }
}

#[test]
fn a_restored_container_goes_on_where_it_was() {
    requires!(root, busybox, cgroups, that = criu());
    let counting = Counting::new();
    for _ in 0..2 {
        counting.checkpoint(&[]).code(0);
        counting.corun("state", &[]).run().code(1).stderr_contains("does not exist");
        let last = counting.count();
        counting.restore();
        assert!(within(Duration::from_secs(10), || counting.count() > last + 2), "it goes on from {last}");
        counting.corun("state", &[]).ok().stdout_contains("\"running\"");
        let id = &counting.bundle.id;
        counting
            .bundle
            .sandbox
            .corun(["exec", id, "sh", "-c", "cat /proc/1/comm; hostname"])
            .ok()
            .stdout_is("sh\nbox\n");
    }
}

#[test]
fn one_that_is_left_running_is_written_down_all_the_same() {
    requires!(root, busybox, cgroups, that = criu());
    let counting = Counting::new();
    counting.checkpoint(&["--leave-running", "--image-path", "images", "--work-path", "work"]).code(0);
    let last = counting.count();
    assert!(within(Duration::from_secs(10), || counting.count() > last + 2), "it goes on from {last}");
    let dir = counting.bundle.dir();
    assert!(dir.join("images/inventory.img").exists());
    assert!(dir.join("work/dump.log").exists());
}

#[test]
fn without_criu_its_package_is_named() {
    requires!(root, busybox, cgroups);
    let counting = Counting::new();
    let nowhere = counting.bundle.sandbox.join("nowhere");
    let outcome = counting.corun("checkpoint", &[]).env("PATH", nowhere).run();
    outcome.code(1).stderr_contains("executable file not found in $PATH").stderr_contains("install the package criu");
    counting.corun("state", &[]).ok().stdout_contains("\"running\"");
}

#[test]
fn what_cannot_be_written_down_is_refused() {
    requires!(root, busybox, cgroups);
    let counting = Counting::new();
    counting.checkpoint(&["--parent-path", "/abs"]).code(1).stderr_contains("--parent-path must be relative");
    counting.checkpoint(&["--parent-path", "./none"]).code(1).stderr_contains("invalid --parent-path");
    for wrong in ["x", ":1", "host:", "host:0", "host:70000"] {
        counting.checkpoint(&["--page-server", wrong]).code(1).stderr_contains("not a page server");
    }
    counting.checkpoint(&["--empty-ns", "mount"]).code(1);
    counting.checkpoint(&["--manage-cgroups-mode", "loose"]).code(1);
    let mount = json!([{ "type": "tmpfs", "source": "tmpfs", "destination": "/late" }]);
    counting.bundle.sandbox.corun(["mounts", "add", &counting.bundle.id, "-"]).stdin(mount.to_string()).ok();
    counting.checkpoint(&[]).code(1).stderr_contains("mounts remove");
}

#[test]
fn a_hostile_archive_does_not_have_criu_write_elsewhere() {
    requires!(root, busybox, cgroups);
    let bundle = Bundle::new();
    bundle.sandbox.file("bundle/config.json", bundle.spec.to_string());
    let precious = bundle.sandbox.file("precious", "mine\n");
    let restore = || bundle.sandbox.corun(["restore", "--bundle"]).arg(bundle.dir()).arg("--image-path");
    for name in ["restore.log", "stats-restore", "descriptors.json", "inventory.img"] {
        let dir = bundle.sandbox.join(format!("archive-{name}"));
        fs::create_dir(&dir).unwrap();
        symlink(&precious, dir.join(name)).unwrap();
        restore().arg(&dir).arg(&bundle.id).run().code(1).stderr_contains("a link, through which criu would write");
        let images = bundle.sandbox.join("empty");
        restore().arg(&images).arg("--work-path").arg(&dir).arg(&bundle.id).run().code(1);
    }
    let dir = bundle.sandbox.join("parent");
    fs::create_dir(&dir).unwrap();
    symlink("/", dir.join("parent")).unwrap();
    restore().arg(&dir).arg(&bundle.id).run().code(1).stderr_contains("a link to outside");
    fs::remove_file(dir.join("parent")).unwrap();
    fs::write(dir.join("descriptors.json"), "{}").unwrap();
    restore().arg(&dir).arg(&bundle.id).run().code(1).stderr_contains("descriptors.json");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine\n");
    assert!(!bundle.sandbox.runroot().join(&bundle.id).exists(), "nothing is left of a failed restore");
}
