//! dockerd, with its own containerd and shims, in a network namespace of its own: the runtime is called as by containerd,
//! with what Docker puts into a specification, and Docker reads its errors as exit codes.

use std::time::Duration;

use testkit::{Invocation, Outcome, Running, on_path, requires, within};

use crate::place::Place;

/// How long what is on its way may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// A network of its own, since a swarm makes a bridge; and what it writes outside of the directories that it is told of,
/// but for what is below /run where it has to reach systemd there.
const ALONE: &str = "ip link set lo up && mkdir -p /etc/docker && mount -t tmpfs tmpfs /etc/docker &&
    { test \"$0\" = systemd || mount -t tmpfs tmpfs /run; } && exec \"$@\"";

/// What leaves out all networks but none and the host's.
pub const NO_BRIDGE: &str = r#""bridge": "none", "iptables": false, "ip6tables": false"#;

/// One dockerd whose default runtime is ours.
pub struct Dockerd {
    pub place: Place,
    daemon: Option<Running>,
}

impl Dockerd {
    /// Without networks but none and the host's.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        Self::with(name, "cgroupfs", NO_BRIDGE)
    }

    /// With this cgroup driver, and these settings beside those that all have.
    #[track_caller]
    pub fn with(name: &str, driver: &str, settings: &str) -> Self {
        let place = Place::new();
        let storage = if place.takes_overlays() { "overlay2" } else { "vfs" };
        let parent = if driver == "systemd" { "system.slice".to_owned() } else { format!("/{}", place.cgroup) };
        let runtime = place.runtime(name);
        let at = |name: &str| place.sandbox.join(name).display().to_string();
        let settings = format!(
            r#"{{"data-root": "{}", "exec-root": "{}", "pidfile": "{}", "hosts": ["unix://{}"], {settings},
                "cgroup-parent": "{parent}", "storage-driver": "{storage}",
                "exec-opts": ["native.cgroupdriver={driver}"],
                "default-runtime": "ours", "runtimes": {{ "ours": {{ "path": "{}" }} }} }}"#,
            at("data/d"),
            at("run/d"),
            at("pid"),
            at("d.sock"),
            runtime.display(),
        );
        let settings = place.sandbox.file("daemon.json", settings);
        let beside = on_path("dockerd").and_then(|path| Some(path.parent()?.display().to_string())).unwrap_or_default();
        let daemon = place
            .sandbox
            .command("dockerd")
            .env("PATH", format!("{beside}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
            .arg("--config-file")
            .arg(settings)
            .under(["unshare", "--net", "--mount", "sh", "-c", ALONE, driver])
            .timeout(Duration::from_mins(5))
            .spawn();
        let image = place.image();
        let dockerd = Self { place, daemon: Some(daemon) };
        assert!(within(SOON, || dockerd.docker(["version"]).run().exit_code() == Some(0)), "dockerd does not answer");
        dockerd.docker(["import"]).arg(image).arg("busybox").ok();
        dockerd
    }

    pub fn docker<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Invocation {
        let host = format!("unix://{}", self.place.sandbox.join("d.sock").display());
        self.place.sandbox.command("docker").arg("--host").arg(host).args(args)
    }

    /// A command in the daemon's network namespace.
    pub fn beside(&self, command: &[&str]) -> Invocation {
        let pid = self.daemon.as_ref().map(Running::pid).unwrap_or_default();
        Invocation::new("nsenter").arg(format!("--net=/proc/{pid}/ns/net")).args(command)
    }

    /// `docker run --rm busybox COMMAND`.
    pub fn run(&self, command: &[&str]) -> Outcome {
        self.docker(["run", "--rm", "busybox"]).args(command).run()
    }

    /// A container that runs until it is told to end, and ends by SIGTERM with code 3.
    #[track_caller]
    pub fn up(&self, name: &str, flags: &[&str]) {
        let script = "trap 'exit 3' TERM; echo up; while :; do sleep 0.1; done";
        self.docker(["run", "--detach", "--name", name]).args(flags).args(["busybox", "sh", "-c", script]).ok();
        assert!(within(SOON, || self.docker(["logs", name]).run().stdout.contains("up\n")));
    }

    #[track_caller]
    pub fn inspect(&self, name: &str, field: &str) -> String {
        let format = format!("--format={{{{.{field}}}}}");
        self.docker(["inspect", &format, name]).ok().stdout.trim().to_owned()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.daemon.as_mut().map(Running::stderr).unwrap_or_default();
            eprintln!("dockerd said:\n{said}");
        }
        // Refused where it is somebody's.
        let _ = std::fs::remove_dir("/etc/docker");
    }
}

#[test]
fn a_container_lives_from_run_to_rm() {
    requires!(root, busybox, cgroups, package = "dockerd", package = "docker", package = "ip");
    let dockerd = Dockerd::new("corun");
    dockerd.run(&["sh", "-c", "echo hello; exit 7"]).code(7).stdout_is("hello\n");
    dockerd.run(&["no-such-command"]).code(127);
    dockerd.run(&["/etc"]).code(126);
    dockerd.up("c1", &["--memory=64m"]);
    dockerd.docker(["exec", "c1", "sh", "-c", "echo inside; exit 5"]).run().code(5).stdout_is("inside\n");
    // 126 for both is Docker 20.10's own: with runc it says the same.
    dockerd.docker(["exec", "c1", "no-such-command"]).run().code(126).stdout_contains("executable file not found");
    dockerd.docker(["pause", "c1"]).ok();
    assert_eq!(dockerd.inspect("c1", "State.Status"), "paused");
    dockerd.docker(["unpause", "c1"]).ok();
    let stats = dockerd.docker(["stats", "--no-stream", "--format={{.Name}} {{.MemUsage}} {{.PIDs}}", "c1"]).ok();
    stats.stdout_contains("c1 ").stdout_contains("/ 64MiB");
    dockerd.docker(["update", "--memory=32m", "--memory-swap=64m", "c1"]).ok();
    let stats = dockerd.docker(["stats", "--no-stream", "--format={{.MemUsage}}", "c1"]).ok();
    stats.stdout_contains("/ 32MiB");
    dockerd.docker(["top", "c1"]).ok().stdout_contains("sh -c");
    dockerd.docker(["stop", "c1"]).ok();
    assert_eq!(dockerd.inspect("c1", "State.ExitCode"), "3");
    dockerd.docker(["start", "c1"]).ok();
    dockerd.docker(["restart", "--time=0", "c1"]).ok();
    assert_eq!(dockerd.inspect("c1", "State.Status"), "running");
    dockerd.docker(["rm", "--force", "c1"]).ok();
    dockerd.docker(["ps", "--all", "--quiet"]).ok().stdout_is("");
}
