//! A container that counts, to be written down and to go on where it was.

use crate::bundle::Bundle;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;
use testkit::requires::Need;
use testkit::{Invocation, Outcome, Sandbox, within};

/// How long a slow guest may take.
pub const SOON: Duration = Duration::from_secs(30);

/// Counts in a file, for ever.
pub const COUNTS: &str = "i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.1; done";

/// A criu that runs on this kernel; Debian 12's does not on Linux 6.18.
pub fn criu() -> Need {
    // In a guest, where it takes its time, all tests are one process.
    static ANSWER: OnceLock<Need> = OnceLock::new();
    ANSWER.get_or_init(|| asked("a criu that runs on this kernel", &[])).clone()
}

/// A criu that can do this, on a kernel that can.
pub fn criu_with(feature: &str) -> Need {
    criu()?;
    asked(&format!("what criu calls {feature}"), &["--feature", feature])
}

/// A criu of at least this version.
pub fn knows(wanted: (u32, u32)) -> Need {
    let said = Sandbox::new().command("criu").arg("--version").run().stdout;
    let version = said.lines().next().unwrap_or_default().trim_start_matches("Version: ").to_owned();
    let mut numbers = version.split('.').filter_map(|number| number.parse().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found >= wanted { Ok(()) } else { Err(format!("criu {}.{}", wanted.0, wanted.1)) }
}

/// The same criu, and systemd as PID 1.
pub fn criu_and_systemd() -> Need {
    let both = testkit::requires::systemd().and_then(|()| criu());
    both.map_err(|_| "systemd and a criu that runs on its kernel (cargo xtask guest --emulated --systemd)".to_owned())
}

fn asked(what: &str, options: &[&str]) -> Need {
    if testkit::on_path("criu").is_none() {
        return Err("criu".to_owned());
    }
    let outcome = Sandbox::new().command("criu").args(["check", "--no-default-config"]).args(options).run();
    if outcome.exit_code() == Some(0) { Ok(()) } else { Err(format!("{what} (cargo xtask guest --emulated)")) }
}

pub struct Counting {
    pub bundle: Bundle,
    /// What stands before every verb.
    globals: &'static [&'static str],
}

impl Counting {
    #[track_caller]
    pub fn new() -> Self {
        Self::of(Bundle::script(COUNTS))
    }

    /// One that counts, and may do more.
    #[track_caller]
    pub fn of(bundle: Bundle) -> Self {
        Self::with(bundle, &[])
    }

    /// The same, with options of `corun run`.
    #[track_caller]
    pub fn with(bundle: Bundle, options: &[&str]) -> Self {
        Self::started(Self { bundle, globals: &[] }, options)
    }

    /// One whose cgroup is systemd's.
    #[track_caller]
    pub fn in_a_scope(bundle: Bundle) -> Self {
        Self::started(Self { bundle, globals: &["--systemd-cgroup"] }, &[])
    }

    #[track_caller]
    fn started(counting: Self, options: &[&str]) -> Self {
        counting.configure();
        let outcome = counting.quiet(counting.corun("run", &[&["--detach"], options].concat())).run();
        assert_eq!(outcome.exit_code(), Some(0), "{}", counting.errors());
        assert!(within(SOON, || counting.count() > 1), "it counts");
        counting
    }

    /// One that does not run yet.
    pub fn planned(bundle: Bundle) -> Self {
        let counting = Self { bundle, globals: &[] };
        counting.configure();
        counting
    }

    /// Writes the bundle's configuration.
    pub fn configure(&self) {
        self.bundle.sandbox.file("bundle/config.json", self.bundle.spec.to_string());
    }

    /// Without streams: else the test waits for their end.
    pub fn quiet(&self, invocation: Invocation) -> Invocation {
        invocation
            .under(["/bin/sh", "-c", "exec \"$0\" \"$@\" </dev/null >/dev/null 2>>\"$ERRORS\""])
            .env("ERRORS", self.errors_file())
    }

    fn errors_file(&self) -> PathBuf {
        self.bundle.sandbox.join("errors")
    }

    /// What the quiet ones have said. It is added to, since criu looks whether a file is as long as it was.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.errors_file()).unwrap_or_default()
    }

    pub fn count(&self) -> u32 {
        let text = fs::read_to_string(self.bundle.rootfs.inside("count")).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// A verb, with this process's search path: the criu that it finds there was asked what it can do.
    pub fn verb(&self, verb: &str, options: &[&str], id: &str) -> Invocation {
        let path = std::env::var("PATH").unwrap_or_default();
        let corun = self.bundle.sandbox.corun(self.globals).arg(verb);
        corun.args(options).arg(id).current_dir(self.bundle.dir()).env("PATH", path)
    }

    pub fn corun(&self, verb: &str, options: &[&str]) -> Invocation {
        self.verb(verb, options, &self.bundle.id)
    }

    /// What a shell in it says.
    pub fn says(&self, script: &str) -> String {
        self.bundle.sandbox.corun(["exec", &self.bundle.id, "sh", "-c", script]).ok().stdout
    }

    pub fn pid(&self) -> i32 {
        let state = self.corun("state", &[]).ok().stdout;
        let state: serde_json::Value = serde_json::from_str(&state).unwrap();
        state["pid"].as_i64().unwrap().try_into().unwrap()
    }

    pub fn checkpoint(&self, options: &[&str]) -> Outcome {
        self.corun("checkpoint", options).run()
    }

    #[track_caller]
    pub fn restore(&self, options: &[&str]) {
        let outcome = self.quiet(self.corun("restore", &["--detach"]).args(options)).run();
        assert_eq!(outcome.exit_code(), Some(0), "{}", self.errors());
    }

    /// Written down and restored, and it goes on where it was.
    #[track_caller]
    pub fn again(&self, dump: &[&str], restore: &[&str]) {
        self.checkpoint(dump).code(0);
        let last = self.count();
        self.restore(restore);
        assert!(within(SOON, || self.count() > last + 2), "it goes on from {last}: {}", self.count());
        assert!(self.count() < last + 500, "it has not begun anew");
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.corun("delete", &["--force"]).run();
    }
}
