//! A container that was made by `create` and lives on between commands, for tests of the commands that come after.

use crate::bundle::{Bundle, CLEARING};
use rustix::process::{Pid, WaitOptions};
use serde_json::Value;
use std::time::Duration;
use testkit::{Invocation, Leavings, Outcome, within};

/// How long a change that somebody else makes may take to show.
pub const SOON: Duration = Duration::from_secs(10);

/// A container of a bundle. At the end of its test it is deleted by force, and then nothing may be left of it.
pub struct Container {
    pub bundle: Bundle,
    before: Leavings,
}

impl Container {
    /// Made, and not started.
    #[track_caller]
    pub fn created(bundle: Bundle) -> Self {
        let container = Self::planned(bundle);
        container.create().code(0);
        container
    }

    /// Made and started.
    #[track_caller]
    pub fn running(bundle: Bundle) -> Self {
        let container = Self::created(bundle);
        container.verb("start").ok();
        container
    }

    /// Started, of a busybox root, that does nothing but wait.
    #[track_caller]
    pub fn sleeping() -> Self {
        Self::running(Bundle::script(SLEEP))
    }

    /// Not even made.
    #[track_caller]
    pub fn planned(bundle: Bundle) -> Self {
        bundle.sandbox.file("bundle/config.json", bundle.spec.to_string());
        let before = Leavings::count(&testkit::Scope::new().dir(bundle.sandbox.path()).cgroup(&bundle.id));
        Self { bundle, before }
    }

    /// `create`, without anything that would wait for the end of the container's output.
    #[track_caller]
    pub fn create(&self) -> Outcome {
        self.apart(self.create_with(&[])).run()
    }

    /// `create` with options.
    pub fn create_with(&self, options: &[&str]) -> Invocation {
        self.corun(&["create", "--bundle"]).arg(self.bundle.dir()).args(options).arg(&self.bundle.id)
    }

    /// The same with standard streams that nobody reads: what the container writes is found by [`Container::output`].
    pub fn apart(&self, invocation: Invocation) -> Invocation {
        let out = self.bundle.sandbox.join("out");
        let script = format!("exec \"$@\" </dev/null >>{} 2>&1", out.display());
        invocation.under(["sh", "-c", &script, "sh"])
    }

    /// What it has written.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.bundle.sandbox.join("out")).unwrap_or_default()
    }

    /// `corun` with these words.
    pub fn corun(&self, words: &[&str]) -> Invocation {
        self.bundle.sandbox.corun(words)
    }

    /// A verb with nothing but the id.
    pub fn verb(&self, verb: &str) -> Invocation {
        self.corun(&[verb, &self.bundle.id])
    }

    /// `exec` of a command.
    pub fn exec(&self, command: &[&str]) -> Invocation {
        self.exec_with(&[], command)
    }

    /// `exec` of a command with options.
    pub fn exec_with(&self, options: &[&str], command: &[&str]) -> Invocation {
        self.corun(&["exec"]).args(options).arg(&self.bundle.id).args(command)
    }

    /// `state`.
    #[track_caller]
    pub fn state(&self) -> Value {
        serde_json::from_str(&self.verb("state").ok().stdout).expect("JSON")
    }

    /// Its status' word.
    #[track_caller]
    pub fn status(&self) -> String {
        self.state()["status"].as_str().expect("a status").to_owned()
    }

    /// Its first process.
    #[track_caller]
    pub fn pid(&self) -> i64 {
        self.state()["pid"].as_i64().expect("a pid")
    }

    /// Waits for a status.
    #[track_caller]
    pub fn becomes(&self, status: &str) -> &Self {
        let mut seen = String::new();
        let came = within(SOON, || {
            seen = self.status();
            seen == status
        });
        assert!(came, "{status} did not come: {seen}");
        self
    }

    /// Waits until its output has this text.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(within(SOON, || self.output().contains(text)), "{text:?} did not come: {}", self.output());
        self
    }

    /// Deletes it by force; after that nothing of it may be left but files of the bundle and its output.
    #[track_caller]
    pub fn gone(&self) {
        let delete = self.corun(&["delete", "--force", &self.bundle.id]).spawn();
        // Who comes into a container from outside is its caller's child, and the container ends when he has reaped it.
        within(SOON, || reap(delete.pid()));
        delete.wait().code(0).stderr_is("");
        assert!(!self.bundle.sandbox.runroot().join(&self.bundle.id).exists(), "its directory is there");
        let mut left = Vec::new();
        let run = self.bundle.sandbox.runroot();
        let clean = within(CLEARING, || {
            left = self.before.new_since();
            // Mount points stay in a root, and what a container writes in its files.
            left.retain(|line| line.strip_prefix("file ").is_none_or(|path| path.starts_with(&*run.to_string_lossy())));
            left.is_empty()
        });
        assert!(clean, "left behind:\n  {}", left.join("\n  "));
    }
}

/// Reaps all of our dead children but one; tells whether that one is dead, too.
fn reap(but: u32) -> bool {
    let list = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let children = list.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<i32> =
        children.flat_map(|text| text.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect();
    let dead = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
    };
    let (own, orphans): (Vec<i32>, Vec<i32>) = pids.into_iter().filter(dead).partition(|&pid| pid == but.cast_signed());
    for pid in orphans.into_iter().filter_map(Pid::from_raw) {
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
    }
    !own.is_empty()
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let delete = self.corun(&["delete", "--force", &self.bundle.id]).spawn();
            within(SOON, || reap(delete.pid()));
        } else {
            self.gone();
        }
    }
}

/// A command that ends at once when it is told to, and else not.
pub const SLEEP: &str = "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done";
