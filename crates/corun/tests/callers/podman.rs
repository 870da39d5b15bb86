//! Podman: its monitor conmon calls the runtime for create, exec and (by the exit command) delete; podman itself for
//! start, kill, pause, resume, update and state.

use std::path::PathBuf;
use std::time::Duration;

use testkit::{Invocation, Outcome, Pty, Sandbox, User, requires, within};

use crate::place::Place;

/// One podman with images, containers and settings of its own.
pub struct Podman {
    pub place: Place,
    runtime: PathBuf,
    settings: PathBuf,
    /// The cgroup below which its containers are, where it is told one.
    parent: Option<String>,
}

/// How long what is on its way may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(10);

/// The image that every one of them has.
pub const IMAGE: &str = "localhost/busybox";

impl Podman {
    /// Root's podman, with the runtime under this name.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        Self::at(Place::new(), name, "cgroupfs").with_image()
    }

    /// An ordinary user's.
    #[track_caller]
    pub fn of(user: &User, name: &str) -> Self {
        Self::at(Place::of(user), name, "cgroupfs").with_image()
    }

    /// With this cgroup manager and no image.
    #[track_caller]
    pub fn at(place: Place, name: &str, manager: &str) -> Self {
        let runtime = place.runtime(name);
        let parent = (manager == "cgroupfs" && place.sandbox.user().is_none()).then(|| format!("/{}", place.cgroup));
        // Root has no CAP_SYS_RESOURCE on every machine, and podman would raise the limits.
        let settings = place.sandbox.file(
            "containers.conf",
            format!(
                "[containers]\nnetns = \"none\"\nlog_driver = \"k8s-file\"\n\
                 default_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
                 [engine]\ncgroup_manager = \"{manager}\"\nevents_logger = \"file\"\nlock_type = \"file\"\n\
                 runtime = \"{name}\"\nruntime_supports_json = [\"{name}\"]\nruntime_supports_nocgroups = [\"{name}\"]\n\
                 [engine.runtimes]\n{name} = [\"{}\"]\n[network]\nnetwork_config_dir = \"{}\"\n",
                runtime.display(),
                place.sandbox.join("home/networks").display()
            ),
        );
        Self { place, runtime, settings, parent }
    }

    fn with_image(self) -> Self {
        let archive = self.place.image();
        self.podman(["import", "--quiet"]).arg(archive).arg(IMAGE).ok();
        self
    }

    pub fn sandbox(&self) -> &Sandbox {
        &self.place.sandbox
    }

    pub fn podman<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Invocation {
        let sandbox = self.sandbox();
        let tmp = if sandbox.user().is_some() { sandbox.join("xdg/tmp") } else { sandbox.join("tmp") };
        sandbox
            .command("podman")
            .env("CONTAINERS_CONF", &self.settings)
            .arg("--root")
            .arg(sandbox.join("data/storage"))
            .arg("--runroot")
            .arg(sandbox.join("run/storage"))
            .arg("--tmpdir")
            .arg(tmp)
            .args(["--storage-driver", if self.place.takes_overlays() { "overlay" } else { "vfs" }, "--runtime"])
            .arg(&self.runtime)
            .args(args)
    }

    /// `podman run` with these words.
    pub fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Invocation {
        let parent = self.parent.as_ref().map(|parent| format!("--cgroup-parent={parent}"));
        self.podman(["run"]).args(parent).args(args)
    }

    /// A container that runs until it is told to end, and ends by SIGTERM with code 3.
    #[track_caller]
    pub fn up<'a>(&self, name: &str, args: impl IntoIterator<Item = &'a str>) -> Outcome {
        let script = "trap 'echo term; exit 3' TERM; echo up; while :; do sleep 0.1; done";
        let run = self.run(["--detach", "--name", name]).args(args).args([IMAGE, "sh", "-c", script]);
        let outcome = run.ok();
        assert!(within(SOON, || self.podman(["logs", name]).run().stdout.contains("up\n")));
        outcome
    }

    /// One field of what podman knows of a container.
    #[track_caller]
    pub fn inspect(&self, name: &str, field: &str) -> String {
        let format = format!("--format={{{{.{field}}}}}");
        self.podman(["inspect", "--type=container", &format, name]).ok().stdout.trim().to_owned()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // Unmounts the layers; the processes end with the place.
        let _ = self.podman(["rm", "--all", "--force", "--time=0"]).timeout(Duration::from_secs(30)).run();
    }
}

#[test]
fn run_relays_exit_codes_and_tells_its_own_failures_apart() {
    requires!(root, busybox, cgroups, package = "podman");
    let podman = Podman::new("corun");
    podman.run(["--rm", IMAGE, "echo", "hello"]).ok().stdout_is("hello\n");
    podman.run(["--rm", IMAGE, "sh", "-c", "exit 7"]).run().code(7);
    podman.run(["--rm", "--pid=host", IMAGE, "sh", "-c", "kill -9 $$"]).run().code(137);
    // What there is may not be run; what there is not; podman's own failure.
    podman.run(["--rm", IMAGE, "/etc/passwd"]).run().code(126).stderr_contains("permission denied");
    podman.run(["--rm", IMAGE, "no-such-command"]).run().code(127).stderr_contains("not found");
    podman.run(["--rm", "--no-such-flag", IMAGE]).run().code(125);
    podman.run(["--rm", "-i", IMAGE, "cat"]).stdin("typed\n").ok().stdout_is("typed\n");
}

#[test]
fn a_container_lives_from_run_to_rm() {
    requires!(root, busybox, cgroups, package = "podman");
    let podman = Podman::new("crun");
    podman.up("c", ["--memory=64m", "--pids-limit=50"]);
    podman.podman(["exec", "c", "sh", "-c", "echo inside; exit 5"]).run().code(5).stdout_is("inside\n");
    podman.podman(["exec", "c", "no-such-command"]).run().code(127);
    podman.podman(["exec", "c", "/etc/passwd"]).run().code(126);
    podman.podman(["pause", "c"]).ok();
    assert_eq!(podman.inspect("c", "State.Status"), "paused");
    podman.podman(["exec", "c", "true"]).run().code(255);
    podman.podman(["unpause", "c"]).ok();
    let stats = podman.podman(["stats", "--no-stream", "--format={{.Name}} {{.PIDs}} {{.MemUsage}}", "c"]).ok();
    stats.stdout_contains("c ").stdout_contains("/ 67.11MB");
    podman.podman(["stop", "--time=10", "c"]).ok();
    assert_eq!(podman.inspect("c", "State.ExitCode"), "3");
    podman.podman(["logs", "c"]).ok().stdout_is("up\nterm\n");
    podman.podman(["start", "c"]).ok();
    podman.podman(["restart", "--time=0", "c"]).ok();
    assert_eq!(podman.inspect("c", "State.Status"), "running");
    podman.podman(["rm", "--force", "--time=0", "c"]).ok();
    podman.podman(["ps", "--all", "--quiet"]).ok().stdout_is("");
}

/// Podman tells the terminal's size to conmon while the container starts, so it may come a moment later.
const SIZE: &str = "tty; until stty size 2>/dev/null | grep 33; do sleep 0.05; done; read x; exit $x";

#[test]
fn terminals_of_run_and_exec() {
    requires!(root, busybox, cgroups, package = "podman");
    let podman = Podman::new("runc");
    let mut pty = Pty::spawn_sized(&podman.run(["--rm", "-it", IMAGE, "sh", "-c", SIZE]), 33, 111);
    pty.expect("/dev/pts/0");
    pty.expect("33 111");
    pty.send("9\r");
    pty.wait().code(9);

    podman.up("c", []);
    let mut pty = Pty::spawn_sized(&podman.podman(["exec", "-it", "c", "sh"]).env("PS1", "# "), 20, 60);
    pty.expect("# ");
    pty.send("test -t 0 && echo it is $((40+2)); exit 6\r");
    pty.expect("it is 42");
    pty.wait().code(6);
}

#[test]
fn update_changes_the_limits_of_a_running_container() {
    requires!(root, busybox, cgroups, package = "podman");
    let podman = Podman::new("corun");
    podman.up("c", ["--memory=64m"]);
    podman.podman(["update", "--memory=32m", "--cpu-shares=512", "c"]).ok();
    // Seen from within: podman's own statistics tell the limit that it has made the container with.
    let limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max";
    podman.podman(["exec", "c", "sh", "-c", limit]).ok().stdout_is("33554432\n");
}
