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
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            remove_cgroup(&hierarchy.path().join(&self.cgroup));
            // Podman makes plain directories, with plain files in them, where v1 hierarchies would stand that the machine
            // does not have. An empty one nobody else is in; a hierarchy cannot be removed like this.
            let _ = fs::remove_dir(hierarchy.path());
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
