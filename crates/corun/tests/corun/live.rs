//! A container that runs while other commands do something with it, and is gone when the test ends.

use crate::bundle::{Bundle, CLEARING};
use serde_json::Value;
use std::path::PathBuf;
use testkit::{Invocation, Leavings, Outcome};

pub struct Live {
    pub bundle: Bundle,
    before: Option<Leavings>,
}

impl Live {
    /// Runs a bundle's container, detached.
    #[track_caller]
    pub fn of(bundle: Bundle) -> Self {
        let invocation = bundle.invocation_with(&["--detach"]);
        let before = Leavings::count(&bundle.scope());
        let live = Self { bundle, before: Some(before) };
        invocation.ok();
        live
    }

    /// One that sleeps.
    #[track_caller]
    pub fn sleeping() -> Self {
        let mut bundle = Bundle::new();
        bundle.command(&["sleep", "600"]);
        Self::of(bundle)
    }

    /// A verb with options, for this container.
    #[track_caller]
    pub fn verb(&self, words: &[&str]) -> Invocation {
        self.bundle.sandbox.corun(words).arg(&self.bundle.id)
    }

    /// Runs a shell script in it.
    #[track_caller]
    pub fn exec(&self, script: &str) -> Outcome {
        self.verb(&["exec"]).args(["sh", "-c", script]).run()
    }

    /// Its `state.json`.
    #[track_caller]
    pub fn record(&self) -> Value {
        let path = self.bundle.sandbox.runroot().join(&self.bundle.id).join("state.json");
        serde_json::from_str(&std::fs::read_to_string(path).expect("a state")).expect("JSON")
    }

    /// A file of its cgroup: by controller and name on v1, by name on v2.
    #[track_caller]
    pub fn cgroup_file(&self, (controller, v1): (&str, &str), v2: &str) -> PathBuf {
        let paths = &self.record()["cgroup_paths"];
        match paths[controller].as_str() {
            Some(path) => PathBuf::from(path).join(v1),
            None => PathBuf::from(paths[""].as_str().expect("a cgroup")).join(v2),
        }
    }

    /// What stands there.
    #[track_caller]
    pub fn limit(&self, v1: (&str, &str), v2: &str) -> String {
        let path = self.cgroup_file(v1, v2);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.trim().to_owned()
    }

    /// Is this controller one of v2 here?
    pub fn is_v2(&self, controller: &str) -> bool {
        self.record()["cgroup_paths"][controller].is_null()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let deleted = self.verb(&["delete", "--force"]).run();
        if let Some(before) = self.before.take().filter(|_| !std::thread::panicking()) {
            deleted.code(0);
            before.assert_nothing_new(CLEARING);
        }
    }
}
