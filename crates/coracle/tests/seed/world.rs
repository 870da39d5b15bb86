//! The ways in which a container is run, so that one test can be held against all of them: by root, by root with ids of
//! the container's own, by an ordinary user with subordinate ids, and by one without.

#![allow(dead_code, reason = "each file of tests takes what it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::{Invocation, Leavings, Outcome, Running, Sandbox, Scope, User, requires, within};

/// A sandbox, and the options that make a run what it is.
pub struct World {
    pub sandbox: Sandbox,
    options: Vec<String>,
    /// Other tests make cgroups at the same time; root's are made below one that tells whose they are.
    above: Option<String>,
}

impl Drop for World {
    fn drop(&mut self) {
        let Some(above) = &self.above else { return };
        // A test that has failed, or a terminal that was closed, leaves a killed run that nobody has cleaned up after.
        for top in tops() {
            let dir = top.join(above);
            let inner = fs::read_dir(&dir).into_iter().flatten().flatten().map(|entry| entry.path());
            let inner: Vec<PathBuf> = inner.filter(|path| path.is_dir()).collect();
            within(Duration::from_secs(5), || {
                for path in &inner {
                    let _ = fs::remove_dir(path);
                }
                fs::remove_dir(&dir).is_ok() || !dir.exists()
            });
        }
    }
}

impl World {
    pub fn root() -> Self {
        let sandbox = Sandbox::new();
        let name = sandbox.path().file_name().map(|name| name.to_string_lossy().into_owned());
        let options = name.iter().map(|name| format!("--cgroup-parent=/{name}")).collect();
        Self { sandbox, options, above: name }
    }

    pub fn root_auto() -> Self {
        let mut world = Self::root();
        world.options.push("--userns=auto".to_owned());
        world
    }

    pub fn user() -> Self {
        Self { sandbox: Sandbox::of(&User::with_subuids()), options: Vec::new(), above: None }
    }

    pub fn single_id() -> Self {
        Self { sandbox: Sandbox::of(&User::without_subuids()), options: Vec::new(), above: None }
    }

    /// `coracle run --rm OPTIONS REST`, not yet started.
    pub fn invocation(&self, options: &[&str], rest: &[&str]) -> Invocation {
        self.sandbox.coracle(["run", "--rm"]).args(&self.options).args(options).args(rest)
    }

    /// A shell's script in this machine's own root.
    #[track_caller]
    pub fn sh(&self, options: &[&str], script: &str) -> Outcome {
        self.invocation(options, &["host:", "sh", "-c", script]).run()
    }

    /// Starts a shell's script that goes on, and returns with the container's id once its command runs.
    #[track_caller]
    pub fn start(&self, options: &[&str], script: &str) -> (Running, String) {
        let cidfile = self.sandbox.join("home/cid");
        let cidfile_option = format!("--cidfile={}", cidfile.display());
        let options: Vec<&str> = options.iter().copied().chain([cidfile_option.as_str()]).collect();
        let script = format!("echo started; {script}");
        let mut running = self.invocation(&options, &["host:", "sh", "-c", &script]).spawn();
        running.stdout_until("started");
        let id = fs::read_to_string(&cidfile).expect("the file with the container's id");
        fs::remove_file(&cidfile).expect("removing it");
        (running, id)
    }

    /// What there is once Coracle has been used here, so that its own directories are no leavings.
    #[track_caller]
    pub fn leavings(&self) -> Leavings {
        self.sh(&[], "true").code(0);
        let scope = Scope::new().dir(self.sandbox.path());
        Leavings::count(&self.above.iter().fold(scope, |scope, above| scope.cgroup(above)))
    }

    /// The directory of a container's cgroup in the hierarchy that has this controller.
    #[track_caller]
    pub fn cgroup(&self, controller: &str, id: &str) -> PathBuf {
        let pure = requires::cgroup_v2().is_ok();
        let top =
            PathBuf::from(if pure { "/sys/fs/cgroup".to_owned() } else { format!("/sys/fs/cgroup/{controller}") });
        let dir = top.join(self.above.as_deref().unwrap_or_default()).join(format!("coracle-{id}"));
        assert!(dir.is_dir(), "no cgroup {}", dir.display());
        dir
    }

    /// Ends a container from another process.
    #[track_caller]
    pub fn end(&self, running: Running, id: &str) -> Outcome {
        self.sandbox.run(["rm", "-f", id]).code(0);
        running.wait()
    }
}

/// The mount points of all hierarchies.
fn tops() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        fields[2].starts_with("cgroup").then(|| PathBuf::from(fields[1]))
    });
    points.collect()
}

/// The number behind a word in a file of lines `word number`, or in a file that is one number.
#[track_caller]
pub fn number(file: impl AsRef<Path>, word: &str) -> u64 {
    let file = file.as_ref();
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let found = if word.is_empty() {
        text.trim().parse().ok()
    } else {
        text.lines().find_map(|line| line.strip_prefix(word)?.trim().parse().ok())
    };
    found.unwrap_or_else(|| panic!("{}: no number {word:?} in {text:?}", file.display()))
}

/// Looks until something is so, for longer than any machine takes.
#[track_caller]
pub fn eventually(what: &str, seen: impl FnMut() -> bool) {
    assert!(within(Duration::from_secs(30), seen), "waited in vain: {what}");
}
