//! A bundle in a sandbox of its own: a busybox root and a `config.json` as engines write it, to be changed by each test
//! where it has something to show.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use testkit::{Invocation, Leavings, Outcome, Rootfs, Sandbox};

/// How long the kernel may take to clear up behind a dead container, on a slow guest.
pub const CLEARING: Duration = Duration::from_secs(10);

pub struct Bundle {
    pub sandbox: Sandbox,
    pub rootfs: Rootfs,
    pub spec: Value,
    pub id: String,
}

impl Bundle {
    /// A container as engines make it, that runs `true`.
    #[track_caller]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.join("bundle")).expect("a bundle");
        let rootfs = sandbox.rootfs("bundle/rootfs");
        let id = format!("coracle-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut bundle = Self { sandbox, rootfs, spec: spec(), id };
        bundle.set("/linux/cgroupsPath", format!("/{}", bundle.id));
        bundle
    }

    /// A container that runs a shell script.
    #[track_caller]
    pub fn script(text: &str) -> Self {
        let mut bundle = Self::new();
        bundle.command(&["sh", "-c", text]);
        bundle
    }

    /// Sets the command.
    pub fn command(&mut self, args: &[&str]) -> &mut Self {
        self.set("/process/args", json!(args))
    }

    /// Sets a value by its path in the specification; objects on the way are made.
    #[track_caller]
    pub fn set(&mut self, path: &str, value: impl Into<Value>) -> &mut Self {
        let mut at = &mut self.spec;
        for name in path.split('/').skip(1) {
            at = match at {
                Value::Array(list) => list.get_mut(name.parse::<usize>().expect("an index")).expect("an entry"),
                other => &mut other[name],
            };
        }
        *at = value.into();
        self
    }

    /// Takes a value away.
    #[track_caller]
    pub fn unset(&mut self, path: &str) -> &mut Self {
        let (parent, name) = path.rsplit_once('/').expect("a path");
        let parent = self.spec.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
        parent.remove(name);
        self
    }

    /// Adds to a list.
    #[track_caller]
    pub fn push(&mut self, path: &str, value: Value) -> &mut Self {
        if self.spec.pointer(path).is_none() {
            self.set(path, json!([]));
        }
        self.spec.pointer_mut(path).and_then(Value::as_array_mut).expect("a list").push(value);
        self
    }

    /// Adds a mount at the end.
    pub fn mount(&mut self, kind: &str, source: impl AsRef<Path>, destination: &str, options: &[&str]) -> &mut Self {
        let source = source.as_ref().to_string_lossy();
        let mount = json!({ "type": kind, "source": source, "destination": destination, "options": options });
        self.push("/mounts", mount)
    }

    /// Takes the mount at this destination away.
    pub fn without_mount(&mut self, destination: &str) -> &mut Self {
        let mounts = self.spec["mounts"].as_array_mut().expect("mounts");
        mounts.retain(|mount| mount["destination"] != destination);
        self
    }

    /// Joins the namespace at a path in the place of a new one; without a path, makes a new one.
    pub fn namespace(&mut self, kind: &str, path: Option<&str>) -> &mut Self {
        self.without_namespace(kind);
        match path {
            Some(path) => self.push("/linux/namespaces", json!({ "type": kind, "path": path })),
            None => self.push("/linux/namespaces", json!({ "type": kind })),
        }
    }

    /// Leaves a namespace as the host's.
    pub fn without_namespace(&mut self, kind: &str) -> &mut Self {
        let namespaces = self.spec["linux"]["namespaces"].as_array_mut().expect("namespaces");
        namespaces.retain(|namespace| namespace["type"] != kind);
        self
    }

    /// A new user namespace in which the container's ids are the host's from 100000 on. The root belongs to them.
    pub fn user_namespace(&mut self) -> &mut Self {
        let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
        self.namespace("user", None).set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
        Invocation::new("chown").args(["-R", "-h", "100000:100000"]).arg(self.rootfs.path()).ok();
        self
    }

    /// Gives the process these capabilities in all sets but the inheritable and ambient one.
    pub fn capabilities(&mut self, names: &[&str]) -> &mut Self {
        for set in ["bounding", "effective", "permitted"] {
            self.set(&format!("/process/capabilities/{set}"), json!(names));
        }
        self
    }

    /// The bundle's directory.
    pub fn dir(&self) -> PathBuf {
        self.sandbox.join("bundle")
    }

    /// Writes `config.json`, and the command that runs it.
    #[track_caller]
    pub fn invocation(&self) -> Invocation {
        self.invocation_with(&[])
    }

    /// The same, with options of `corun run`.
    #[track_caller]
    pub fn invocation_with(&self, options: &[&str]) -> Invocation {
        self.sandbox.file("bundle/config.json", self.spec.to_string());
        let dir = self.dir();
        self.sandbox.corun(["run", "--bundle"]).arg(dir).args(options).arg(&self.id)
    }

    /// Writes `config.json`, and another verb on this container.
    #[track_caller]
    pub fn verb(&self, verb: &str) -> Invocation {
        self.sandbox.file("bundle/config.json", self.spec.to_string());
        let corun = self.sandbox.corun([verb]);
        if matches!(verb, "create" | "run") {
            corun.arg("--bundle").arg(self.dir()).arg(&self.id)
        } else {
            corun.arg(&self.id)
        }
    }

    /// Runs it; whatever comes of it, nothing but files may be left.
    #[track_caller]
    pub fn run(&self) -> Outcome {
        self.run_as(self.invocation())
    }

    /// Runs it by this command.
    #[track_caller]
    pub fn run_as(&self, invocation: Invocation) -> Outcome {
        let before = Leavings::count(&self.scope());
        let outcome = invocation.run();
        before.assert_nothing_new(CLEARING);
        outcome
    }

    /// Runs it to success.
    #[track_caller]
    pub fn ok(&self) -> Outcome {
        let outcome = self.run();
        outcome.code(0);
        outcome
    }

    /// Runs it, and asserts that it does not start: exit code 1, a message with this text, no file left either.
    #[track_caller]
    pub fn refused(&self, text: &str) -> Outcome {
        let invocation = self.invocation();
        // Not the sandbox's scope, which has the cgroups of every test that runs meanwhile.
        let before = Leavings::count(&self.scope().dir(self.sandbox.path()));
        let outcome = invocation.run();
        outcome.code(1).stderr_contains(text);
        // A filter is kept for the next container that asks for it.
        let left = || before.new_since().into_iter().filter(|it| !it.contains("/.seccomp")).collect::<Vec<_>>();
        let mut last = Vec::new();
        testkit::within(CLEARING, || {
            last = left();
            last.is_empty()
        });
        assert_eq!(last, Vec::<String>::new(), "left behind");
        outcome
    }

    /// As [`Bundle::refused`], among mounts of its own: for what would change the host's, were it not refused.
    #[track_caller]
    pub fn refused_apart(&self, text: &str) -> Outcome {
        let outcome = self.run_as(self.invocation().under(["unshare", "--mount"]));
        outcome.code(1).stderr_contains(text);
        outcome
    }

    /// What there is of this container now, its state included.
    pub fn leavings(&self) -> Leavings {
        Leavings::count(&self.scope().dir(self.sandbox.runroot()))
    }

    /// Mounts, cgroups, processes and namespaces, but no files: mount points stay in a root.
    pub fn scope(&self) -> testkit::Scope {
        testkit::Scope::new().cgroup(&self.id)
    }
}

impl Drop for Bundle {
    /// A corun that was killed leaves its cgroup, which nobody but the next one of its id would remove.
    fn drop(&mut self) {
        let top = Path::new("/sys/fs/cgroup");
        let hierarchies = std::fs::read_dir(top).into_iter().flatten().flatten().map(|entry| entry.path());
        for dir in hierarchies.chain([top.to_owned()]).map(|hierarchy| hierarchy.join(&self.id)) {
            let gone = || !dir.exists() || std::fs::remove_dir(&dir).is_ok();
            testkit::within(Duration::from_secs(2), gone);
        }
    }
}

/// A directory of the host that nothing in a container may change, with a file in it.
pub struct Bait {
    path: PathBuf,
    before: String,
}

impl Bait {
    #[track_caller]
    pub fn new(bundle: &Bundle) -> Self {
        let path = bundle.sandbox.join("bait");
        std::fs::create_dir(&path).expect("a bait");
        std::fs::write(path.join("file"), "the host's own\n").expect("a bait's file");
        std::os::unix::fs::symlink("file", path.join("ptmx")).expect("a bait's link");
        let before = Self::look(&path);
        Self { path, before }
    }

    /// The same as a user's own: nothing but the runtime holds him off who runs as that user.
    #[track_caller]
    pub fn of(bundle: &Bundle, user: &testkit::User) -> Self {
        let Self { path, .. } = Self::new(bundle);
        Invocation::new("chown").args(["-R", "-h", &format!("{}:{}", user.uid, user.gid)]).arg(&path).ok();
        Self { before: Self::look(&path), path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names, owners, modes, times of change and contents.
    fn look(path: &Path) -> String {
        let list = Invocation::new("find").arg(path).args(["-printf", "%p %U %G %m %l %C@ %T@\\n"]).ok();
        let content = std::fs::read_to_string(path.join("file")).unwrap_or_default();
        format!("{}{content}", list.stdout)
    }

    #[track_caller]
    pub fn assert_untouched(&self) {
        assert_eq!(Self::look(&self.path), self.before, "the host's directory has changed");
    }
}

/// The fields of /proc/PID/status by name.
#[track_caller]
pub fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find(|line| line.starts_with(&format!("{name}:")));
    line.and_then(|line| line.split_once('\t')).map_or_else(|| panic!("no {name} in {status}"), |(_, value)| value)
}

fn spec() -> Value {
    let capabilities = json!([
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_NET_BIND_SERVICE",
        "CAP_SETFCAP",
        "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_SETUID",
        "CAP_SYS_CHROOT"
    ]);
    json!({
        "ociVersion": "1.2.0",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": ["true"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "capabilities": { "bounding": capabilities, "effective": capabilities, "permitted": capabilities }
        },
        "root": { "path": "rootfs" },
        "hostname": "box",
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"] },
            {
                "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]
            },
            {
                "destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
            },
            {
                "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]
            },
            { "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"] },
            { "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"] },
            {
                "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]
            }
        ],
        "linux": {
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "namespaces": [
                { "type": "pid" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" },
                { "type": "cgroup" }
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        }
    })
}
