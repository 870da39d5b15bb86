//! A place where our programs run with state of their own, so that tests neither see each other nor the machine's real
//! containers, and from which nothing stays.
//!
//! What makes its end delicate: a test that fails may leave a bind mount of the machine's own files below the sandbox,
//! and removing the directory through it would remove them. So mounts go first, and where one stays, the files do too.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::leavings::mount_points_below;
use crate::{Invocation, Leavings, Outcome, Program, Rootfs, Scope, User, within};

/// A directory with a data root, a run root, a home and a copy of our programs' whereabouts.
pub struct Sandbox {
    dir: Option<TempDir>,
    path: PathBuf,
    user: Option<User>,
}

impl Sandbox {
    /// A sandbox of the user who runs the test.
    #[track_caller]
    pub fn new() -> Self {
        Self::make(None)
    }

    /// A sandbox that belongs to an ordinary user: [`Sandbox::coracle`] and [`Sandbox::corun`] then run as that user.
    /// Needs root.
    #[track_caller]
    pub fn of(user: &User) -> Self {
        Self::make(Some(user.clone()))
    }

    #[track_caller]
    fn make(user: Option<User>) -> Self {
        // Orphans come to the test process instead of to PID 1, so that its descendants are all that it has caused.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("a subreaper");
        // Short, because the paths of unix sockets below it may have at most 107 bytes.
        let dir = tempfile::Builder::new().prefix("coracle.").rand_bytes(6).tempdir().expect("a temporary directory");
        let path = dir.path().to_owned();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the sandbox is open to all");
        for name in ["data", "run", "home", "xdg", "bin"] {
            let sub = path.join(name);
            fs::create_dir(&sub).expect("a directory in the sandbox");
            let mode = if name == "xdg" { 0o700 } else { 0o755 };
            fs::set_permissions(&sub, fs::Permissions::from_mode(mode)).expect("a directory of its mode");
            if let Some(user) = &user {
                user.give(&sub);
            }
        }
        Self { dir: Some(dir), path, user }
    }

    /// The sandbox's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in the sandbox.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// The data root, where images, layers and container records lie (`CORACLE_ROOT`).
    pub fn root(&self) -> PathBuf {
        self.join("data")
    }

    /// The records of the store's layers, those of other maps too.
    pub fn layer_records(&self) -> Vec<PathBuf> {
        let inside = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let plain = inside(self.root().join("layers"));
        let mapped = inside(self.root().join("mapped")).flat_map(inside);
        plain.chain(mapped).map(|layer| layer.join("record.json")).collect()
    }

    /// Waits until all layers are on disk: the store changes no more by itself.
    #[track_caller]
    pub fn settle(&self) {
        /// A sync of a busy machine's disk may take its time.
        const SYNCED: Duration = Duration::from_mins(2);
        let waits = |record: &PathBuf| fs::read_to_string(record).is_ok_and(|text| text.contains("\"boot\""));
        let settled = within(SYNCED, || !self.layer_records().iter().any(waits));
        assert!(settled, "layers that never reach the disk: {:?}", self.layer_records());
    }

    /// Removes what a test has left running: containers in the background outlive it else.
    fn end_containers(&self) {
        let running = fs::read_dir(self.runroot().join("containers")).is_ok_and(|mut entries| entries.next().is_some());
        if running {
            let remove = || self.coracle(["rm", "--force", "--all"]).timeout(Duration::from_mins(1)).run();
            // The test is over, well or not: this is no part of what it shows.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(remove));
        }
    }

    /// The run root, where the state of running containers lies (`CORACLE_RUNROOT`).
    pub fn runroot(&self) -> PathBuf {
        self.join("run")
    }

    /// The user whose sandbox it is, if not the one who runs the test.
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// Writes a file into the sandbox, for its user to read and write, and returns its path.
    #[track_caller]
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&self.path)).expect("a directory in the sandbox");
        fs::write(&path, content).expect("a file in the sandbox");
        if let Some(user) = &self.user {
            user.give(&path);
        }
        path
    }

    /// A new busybox root file system in the sandbox. In a user's sandbox all of it belongs to that user.
    #[track_caller]
    pub fn rootfs(&self, name: &str) -> Rootfs {
        let rootfs = Rootfs::create(self.join(name));
        if let Some(user) = &self.user {
            let owner = format!("{}:{}", user.uid, user.gid);
            Invocation::new("chown").args(["-R", "-h", &owner]).arg(rootfs.path()).ok();
        }
        rootfs
    }

    /// Mounts a tmpfs in the sandbox, which goes with it, and says where.
    #[track_caller]
    pub fn tmpfs(&self, name: &str, options: &str) -> String {
        let dir = self.join(name);
        fs::create_dir(&dir).expect("a directory");
        Invocation::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&dir).ok();
        dir.display().to_string()
    }

    /// The engine, with this sandbox's state and user.
    #[track_caller]
    pub fn coracle<A: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Invocation {
        self.program(Program::Coracle).args(args)
    }

    /// The OCI runtime, with its state in this sandbox (`--root`) and as its user.
    #[track_caller]
    pub fn corun<A: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Invocation {
        self.program(Program::Corun).arg("--root").arg(self.runroot()).args(args)
    }

    /// Runs the engine to its end: `sandbox.run(["run", "--rm", "host:", "true"]).code(0)`.
    #[track_caller]
    pub fn run<A: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Outcome {
        self.coracle(args).run()
    }

    /// Any other program, with the sandbox's environment and user.
    #[track_caller]
    pub fn command(&self, program: impl AsRef<Path>) -> Invocation {
        let mut invocation = Invocation::new(program)
            .env("CORACLE_ROOT", self.root())
            .env("CORACLE_RUNROOT", self.runroot())
            // A test that is about networks says so, and has a machine of its own for them.
            .env("CORACLE_NETWORK", "none")
            .env("HOME", self.join("home"))
            .env("XDG_RUNTIME_DIR", self.join("xdg"))
            .current_dir(&self.path);
        if let Some(user) = &self.user {
            invocation = invocation.env("USER", &user.name).env("LOGNAME", &user.name).user(user);
        }
        invocation
    }

    #[track_caller]
    fn program(&self, program: Program) -> Invocation {
        let built = program.path();
        if self.user.is_none() {
            return self.command(built);
        }
        // The build may stand in a directory that is closed to the user.
        let copy = self.join("bin").join(program.name());
        if !copy.exists() {
            fs::copy(&built, &copy).expect("a copy of the program");
        }
        self.command(copy)
    }

    /// What there is now of all that runs in this sandbox can leave behind.
    #[track_caller]
    pub fn leavings(&self) -> Leavings {
        Leavings::count(&self.scope())
    }

    /// Where to look for what runs in this sandbox can leave behind: files and mounts below it, processes and
    /// namespaces of the test's descendants, cgroups that have `coracle` in their name, network interfaces.
    pub fn scope(&self) -> Scope {
        Scope::new().dir(&self.path).cgroup("coracle")
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end_containers();
        let Some(dir) = self.dir.take() else { return };
        for point in mount_points_below(&self.path).into_iter().rev() {
            let _ = Command::new("umount").args(["--lazy", "--no-canonicalize"]).arg(point).status();
        }
        let left = mount_points_below(&self.path);
        if left.is_empty() {
            // What another user's namespace has made may resist an ordinary user; the next boot clears /tmp.
            let _ = dir.close();
        } else {
            let kept = dir.keep();
            eprintln!("testkit: {} stays, because {left:?} are still mounted in it", kept.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requires;

    #[test]
    fn it_is_gone_after_its_test() {
        let sandbox = Sandbox::new();
        let path = sandbox.path().to_owned();
        sandbox.file("a/b", "c");
        drop(sandbox);
        assert!(!path.exists());
    }

    #[test]
    fn a_bind_mount_left_in_it_does_not_cost_what_it_shows() {
        requires!(root);
        let precious = tempfile::tempdir().unwrap();
        fs::write(precious.path().join("file"), "content").unwrap();
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.join("bind")).unwrap();
        Invocation::new("mount").arg("--bind").arg(precious.path()).arg(sandbox.join("bind")).ok();
        let path = sandbox.path().to_owned();
        drop(sandbox);
        assert!(precious.path().join("file").exists());
        assert!(!path.exists());
    }

    #[test]
    fn a_users_sandbox_is_writable_for_that_user() {
        requires!(root, subuid_user);
        let sandbox = Sandbox::of(&User::with_subuids());
        sandbox.command("sh").args(["-c", "touch $CORACLE_ROOT/a $CORACLE_RUNROOT/b $XDG_RUNTIME_DIR/c $HOME/d"]).ok();
    }
}
