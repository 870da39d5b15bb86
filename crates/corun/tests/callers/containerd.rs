//! containerd: its shim calls the runtime for everything, reads errors from the JSON log, and statistics from the cgroups.

use std::path::PathBuf;
use std::time::Duration;

use testkit::{Invocation, Running, on_path, requires, within};

use crate::place::Place;

/// How long what is on its way may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// One containerd with a root, a state directory and a socket of its own.
pub struct Containerd {
    pub place: Place,
    runtime: PathBuf,
    daemon: Option<Running>,
}

impl Containerd {
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let place = Place::new();
        let runtime = place.runtime(name);
        place.sandbox.rootfs("rootfs");
        let at = |name: &str| place.sandbox.join(name).display().to_string();
        let settings = place.sandbox.file(
            "config.toml",
            format!(
                "version = 2\nroot = \"{}\"\nstate = \"{}\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
                 [grpc]\naddress = \"{}\"\n[ttrpc]\naddress = \"{}\"\n",
                at("data/c"),
                at("run/c"),
                at("c.sock"),
                at("t.sock"),
            ),
        );
        let daemon = place.sandbox.command("containerd").env("PATH", search_path()).arg("--config").arg(settings);
        let mut containerd = Self { place, runtime, daemon: None };
        containerd.daemon = Some(daemon.timeout(Duration::from_mins(5)).spawn());
        assert!(
            within(SOON, || containerd.ctr(["version"]).run().exit_code() == Some(0)),
            "containerd does not answer"
        );
        containerd
    }

    /// `ctr`. Its namespace is the name of the cgroup too, below which containerd makes those of its containers.
    pub fn ctr<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Invocation {
        let socket = self.place.sandbox.join("c.sock");
        self.place
            .sandbox
            .command("ctr")
            .arg("--address")
            .arg(socket)
            .args(["--namespace", &self.place.cgroup])
            .args(args)
    }

    /// `ctr run`, on the root file system of the place.
    pub fn run(&self, flags: &[&str], id: &str, command: &[&str]) -> Invocation {
        let run = self.ctr(["run", "--runtime", "io.containerd.runc.v2", "--runc-binary"]).arg(&self.runtime);
        run.arg("--fifo-dir")
            .arg(self.place.sandbox.join("run"))
            .args(flags)
            .arg("--rootfs")
            .arg(self.place.sandbox.join("rootfs"))
            .arg(id)
            .args(command)
    }

    /// A container that runs until it is told to end, and ends by SIGTERM with code 3.
    #[track_caller]
    pub fn up(&self, id: &str, flags: &[&str]) {
        let script = "trap 'exit 3' TERM; touch /tmp/up; while :; do sleep 0.1; done";
        self.run(&[&["--detach"], flags].concat(), id, &["sh", "-c", script]).ok();
        let up = self.place.sandbox.join("rootfs/tmp/up");
        assert!(within(SOON, || up.exists()), "{id} does not run");
    }

    /// What containerd says of its task.
    #[track_caller]
    pub fn status(&self, id: &str) -> String {
        let list = self.ctr(["task", "list"]).ok();
        let line = list.lines().into_iter().find(|line| line.starts_with(id)).unwrap_or_default().to_owned();
        line.split_whitespace().last().unwrap_or("none").to_owned()
    }

    #[track_caller]
    pub fn exec(&self, id: &str, flags: &[&str], command: &[&str]) -> Invocation {
        self.ctr(["task", "exec", "--exec-id", "e", "--fifo-dir"])
            .arg(self.place.sandbox.join("run"))
            .args(flags)
            .arg(id)
            .args(command)
    }

    #[track_caller]
    pub fn is_gone(&self, id: &str) {
        assert!(within(SOON, || self.status(id) == "STOPPED"), "{id} is {}", self.status(id));
        self.ctr(["task", "delete", id]).run();
        self.ctr(["container", "delete", id]).ok();
        assert_eq!(self.status(id), "none");
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.daemon.as_mut().map(Running::stderr).unwrap_or_default();
            eprintln!("containerd said:\n{said}");
        }
        // A shim that is asked to takes its socket along, and the runtime its state.
        for id in self.ctr(["task", "list", "--quiet"]).run().lines() {
            let _ = self.ctr(["task", "delete", "--force", id]).run();
        }
        // Their places are the same for all on a machine; what others have in them keeps them there.
        let shared = std::path::Path::new("/run/containerd");
        let _ = std::fs::remove_dir_all(shared.join("runc").join(&self.place.cgroup));
        for dir in ["runc", "fifo", "s", ""] {
            let _ = std::fs::remove_dir(shared.join(dir));
        }
    }
}

/// The shim is looked up on the search path of the daemon: it stands beside it.
fn search_path() -> String {
    let beside = on_path("containerd").and_then(|path| Some(path.parent()?.display().to_string()));
    format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", beside.unwrap_or_default())
}

#[test]
fn a_task_lives_from_run_to_delete() {
    requires!(root, busybox, cgroups, package = "containerd", package = "ctr");
    let containerd = Containerd::new("corun");
    containerd.run(&["--rm"], "one", &["sh", "-c", "echo hello; exit 7"]).run().code(7).stdout_is("hello\n");
    let missing = containerd.run(&["--rm"], "none", &["no-such-command"]).run();
    missing.code(1).stderr_contains("OCI runtime create failed").stderr_contains("executable file not found");

    containerd.up("c", &[]);
    containerd.exec("c", &[], &["sh", "-c", "echo inside; exit 5"]).run().code(5).stdout_is("inside\n");
    containerd.exec("c", &[], &["no-such-command"]).run().code(1).stderr_contains("OCI runtime exec failed");
    // The shim takes the ids from `ps`.
    assert!(containerd.ctr(["task", "ps", "c"]).ok().lines().len() >= 2);
    containerd.ctr(["task", "pause", "c"]).ok();
    assert_eq!(containerd.status("c"), "PAUSED");
    containerd.ctr(["task", "resume", "c"]).ok();
    assert_eq!(containerd.status("c"), "RUNNING");
    containerd.ctr(["task", "metrics", "c"]).ok().stdout_contains("memory.").stdout_contains("pids.current");
    containerd.ctr(["task", "kill", "c"]).ok();
    containerd.is_gone("c");
}
