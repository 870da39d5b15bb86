//! A cgroup for one test, with what it takes to put processes into it; killed and removed when the test ends.

use cgroup::{Cgroup, CgroupPath, Controller, Join, JoinBy, Layout, Version};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use testkit::Invocation;

/// Long enough for a slow guest.
pub const LIMIT: Duration = Duration::from_secs(20);

pub struct Lab {
    pub layout: Layout,
    pub path: CgroupPath,
    pub cgroup: Cgroup,
}

/// A name that no other test has.
pub fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("coracle-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Needs these controllers in a hierarchy that can be seen; where not, says so loudly.
pub fn has(test: &str, controllers: &[Controller]) -> bool {
    let layout = Layout::detect().unwrap();
    let need = |controller: &Controller| {
        layout.owner(*controller).map(drop).ok_or_else(|| format!("the {controller} controller in this view"))
    };
    testkit::requires::met(&format!("cgroup/cgroup::{test}"), controllers.iter().map(need))
}

impl Lab {
    pub fn new() -> Self {
        let layout = Layout::detect().unwrap();
        let path = CgroupPath::new(&format!("/{}", name())).unwrap();
        let cgroup = Cgroup::create(&layout, &path).unwrap();
        assert_eq!(cgroup.denied(), []);
        Self { layout, path, cgroup }
    }

    /// The generation that owns a controller here.
    pub fn version(&self, controller: Controller) -> Version {
        self.layout.owner(controller).unwrap().version
    }

    /// A control file's text.
    pub fn read(&self, controller: Controller, v1: &str, v2: &str) -> String {
        let (key, file) = match self.version(controller) {
            Version::V1 => (controller.name(Version::V1), v1),
            Version::V2 => ("", v2),
        };
        let path = format!("{}/{file}", self.cgroup.paths()[key]);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")).trim().to_owned()
    }

    /// A shell script that runs inside the cgroup, from its first word on.
    pub fn inside(&self, script: &str) -> Inside {
        let join = self.cgroup.join(JoinBy::Write).unwrap();
        let me = std::process::id();
        let enter = join.files.iter().map(|fd| format!("echo 0 >/proc/{me}/fd/{} || exit 99; ", fd.as_raw_fd()));
        let script = format!("{}exec sh -c '{}'", enter.collect::<String>(), script.replace('\'', r"'\''"));
        Inside { invocation: Invocation::new("sh").args(["-c", &script]).timeout(LIMIT), _join: join }
    }
}

/// A command together with the fds that it enters by.
pub struct Inside {
    invocation: Invocation,
    _join: Join,
}

impl Inside {
    pub fn run(self) -> testkit::Outcome {
        self.invocation.run()
    }

    /// Starts it, and returns when it has said `ready`.
    pub fn start(self) -> testkit::Running {
        let mut running = self.invocation.spawn();
        running.stdout_until("ready\n");
        running
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let killed = self.cgroup.kill(LIMIT);
        let removed = self.cgroup.remove(LIMIT);
        if !std::thread::panicking() {
            killed.unwrap();
            removed.unwrap();
            let left: Vec<_> =
                self.cgroup.paths().into_values().filter(|path| std::fs::exists(path).unwrap()).collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }
}
