//! Where a caller runs: a sandbox, the runtime under a name of the test's choice, a cgroup of the test's own, and an end
//! that leaves nothing of daemons, monitors, shims, mounts and cgroups, whatever has happened.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::requires::Need;
use testkit::{Invocation, Program, Sandbox, User, end_descendants};

/// The place of one test.
pub struct Place {
    pub sandbox: Sandbox,
    /// The name of the cgroup below which all of the caller's are, where the caller can be told so.
    pub cgroup: String,
}

/// Needs the long round.
pub fn long() -> Need {
    let asked = std::env::var_os("CORACLE_LONG").is_some();
    if asked { Ok(()) } else { Err("the long round (cargo xtask proof)".to_owned()) }
}

/// The cgroup of a process on pure v2: its path, and its directory.
#[track_caller]
pub fn cgroup_of(pid: &str) -> (String, PathBuf) {
    let text = fs::read_to_string(format!("/proc/{}/cgroup", pid.trim())).expect("the cgroup of a process");
    let path = text.trim().strip_prefix("0::").expect("pure v2").to_owned();
    let dir = Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'));
    (path, dir)
}

impl Place {
    pub fn new() -> Self {
        Self::in_sandbox(Sandbox::new())
    }

    pub fn of(user: &User) -> Self {
        Self::in_sandbox(Sandbox::of(user))
    }

    fn in_sandbox(sandbox: Sandbox) -> Self {
        let cgroup = format!("coracle-callers-{}", std::process::id());
        Self { sandbox, cgroup }
    }

    /// The runtime by this name, in a directory that everybody may enter.
    #[track_caller]
    pub fn runtime(&self, name: &str) -> PathBuf {
        let copy = self.sandbox.join("bin/corun");
        if !copy.exists() {
            fs::copy(Program::Corun.path(), &copy).expect("a copy of the runtime");
        }
        let path = self.sandbox.join("bin").join(name);
        if !path.exists() {
            symlink("corun", &path).expect("a name for the runtime");
        }
        path
    }

    /// Whether an overlay may lie on what the sandbox lies on, which in some guests is one already.
    pub fn takes_overlays(&self) -> bool {
        const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;
        let below = rustix::fs::statfs(self.sandbox.path()).expect("the file system of the sandbox");
        below.f_type.cast_unsigned() != OVERLAYFS_SUPER_MAGIC
    }

    /// A root file system as a tar archive.
    #[track_caller]
    pub fn image(&self) -> PathBuf {
        let rootfs = self.sandbox.rootfs("rootfs");
        let archive = self.sandbox.join("rootfs.tar");
        Invocation::new("tar")
            .args(["--numeric-owner", "--owner=0", "--group=0", "-cf"])
            .arg(&archive)
            .arg("-C")
            .arg(rootfs.path())
            .arg(".")
            .ok();
        archive
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !end_descendants(Duration::from_secs(20)) {
            eprintln!("callers: not all that the test has started has ended");
        }
        let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        for hierarchy in hierarchies.map(|entry| entry.path()).filter(|path| path.is_dir()) {
            remove_cgroup(&hierarchy.join(&self.cgroup));
            // Podman makes plain directories, with plain files in them, where v1 hierarchies would stand that the machine
            // does not have. What is a cgroup stays: it may be somebody's.
            if !hierarchy.join("cgroup.procs").exists() {
                let _ = fs::remove_dir(hierarchy);
            }
        }
        remove_cgroup(&Path::new("/sys/fs/cgroup").join(&self.cgroup));
    }
}

/// Removes a cgroup with all below it. Its processes are dead, but the kernel may still be at work on them.
fn remove_cgroup(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&entry.path());
        } else {
            // Refused in a real one, whose files go with it.
            let _ = fs::remove_file(entry.path());
        }
    }
    testkit::within(Duration::from_secs(5), || match fs::remove_dir(dir) {
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        Ok(()) => true,
    });
}
