//! A machine of a test's own: a network namespace, in which there is nothing but loopback, and the engine on it.

#![allow(dead_code, reason = "each test file uses a part")]

use std::time::Duration;

use testkit::{Invocation, Outcome, Sandbox, within};

pub const SOON: Duration = Duration::from_secs(10);

/// A machine, and the engine on it.
pub struct World {
    pub sandbox: Sandbox,
}

impl World {
    pub fn new() -> Self {
        Self::with(Sandbox::new())
    }

    /// With the engine of another user.
    pub fn with(sandbox: Sandbox) -> Self {
        sys::process::unshare(sys::process::namespace::NET).expect("a network namespace");
        Invocation::new("ip").args(["link", "set", "lo", "up"]).ok();
        testkit::reap_orphans();
        Self { sandbox }
    }

    #[track_caller]
    pub fn run(&self, words: &str) -> Outcome {
        self.words(&words.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>())
    }

    #[track_caller]
    pub fn words(&self, words: &[&str]) -> Outcome {
        self.sandbox.coracle(words).env("CORACLE_NETWORK", "").run()
    }

    /// What a template says of a container.
    #[track_caller]
    pub fn of(&self, container: &str, template: &str) -> String {
        self.words(&["inspect", "--format", template, container]).code(0).stdout.trim().to_owned()
    }

    /// A server of HTTP in the background, which says who it is.
    #[track_caller]
    pub fn server(&self, name: &str, options: &str) {
        let root = self.sandbox.join(format!("www-{name}"));
        std::fs::create_dir_all(&root).expect("a directory");
        std::fs::write(root.join("index.html"), name).expect("a file");
        let bind = format!("{}:/www:ro", root.display());
        let mut words = vec!["run", "-d", "--name", name, "-v", &bind];
        words.extend(options.split(' ').filter(|word| !word.is_empty()));
        words.extend(["host:", "python3", "-m", "http.server", "-d", "/www", "--bind", "::", "80"]);
        self.words(&words).code(0);
        let ready = || self.run(&format!("exec {name} curl -s http://127.0.0.1/")).exit_code() == Some(0);
        assert!(within(SOON, ready), "{name} serves");
    }
}

/// What a URL gives, from this machine.
pub fn get(url: &str) -> Option<String> {
    let outcome = Invocation::new("curl").args(["-s", "-g", "--max-time", "2", url]).run();
    (outcome.exit_code() == Some(0)).then(|| outcome.stdout.clone())
}

pub fn ip(words: &str) -> String {
    Invocation::new("ip").args(words.split(' ')).ok().stdout
}

/// This machine's ends of containers' devices.
pub fn devices() -> usize {
    ip("-o link").lines().filter(|line| line.contains(": cov") && !line.contains("resolver")).count()
}
