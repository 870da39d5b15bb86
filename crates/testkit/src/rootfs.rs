//! A root file system small enough to make anew for each test: busybox, a link for each of its commands, and the few
//! files that users expect.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::{Invocation, on_path};

/// A busybox root file system in a directory.
#[derive(Clone, Debug)]
pub struct Rootfs {
    path: PathBuf,
}

impl Rootfs {
    /// Makes one in a directory that does not exist yet. Needs a static busybox (Debian's `busybox-static`), for which
    /// [`requires!`](crate::requires!)`(busybox)` stands.
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> Self {
        let rootfs = Self { path: path.as_ref().to_owned() };
        rootfs.fill().unwrap_or_else(|error| panic!("making a root file system in {}: {error}", rootfs.path.display()));
        rootfs
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of mode 0644 inside, with the directories above it.
    #[track_caller]
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.inside(name);
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(&self.path))?;
            fs::write(&path, content)
        };
        write().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self
    }

    /// Writes an executable shell script inside.
    #[track_caller]
    pub fn script(&self, name: &str, body: &str) -> &Self {
        self.file(name, format!("#!/bin/sh\n{body}\n"));
        self.mode(name, 0o755)
    }

    /// Sets a file's mode.
    #[track_caller]
    pub fn mode(&self, name: &str, mode: u32) -> &Self {
        let path = self.inside(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self
    }

    /// Where a name inside stands outside.
    pub fn inside(&self, name: &str) -> PathBuf {
        self.path.join(name.trim_start_matches('/'))
    }

    fn fill(&self) -> std::io::Result<()> {
        for dir in ["bin", "dev", "etc", "home", "mnt", "proc", "root", "run", "sys", "tmp", "usr", "var"] {
            fs::create_dir_all(self.path.join(dir))?;
        }
        for (dir, mode) in [("tmp", 0o1777), ("root", 0o700)] {
            fs::set_permissions(self.path.join(dir), fs::Permissions::from_mode(mode))?;
        }
        for (dir, target) in [("sbin", "bin"), ("usr/bin", "../bin"), ("usr/sbin", "../bin")] {
            symlink(target, self.path.join(dir))?;
        }
        let busybox = busybox().map_err(std::io::Error::other)?;
        fs::copy(&busybox, self.path.join("bin/busybox"))?;
        for applet in Invocation::new(&busybox).arg("--list").ok().lines() {
            if applet != "busybox" {
                symlink("busybox", self.path.join("bin").join(applet))?;
            }
        }
        fs::write(
            self.path.join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\nalice:x:1000:1000::/home/alice:/bin/sh\n",
        )?;
        fs::write(
            self.path.join("etc/group"),
            "root:x:0:\ntty:x:5:\naudio:x:29:alice\nnogroup:x:65534:\nalice:x:1000:\n",
        )?;
        fs::create_dir_all(self.path.join("home/alice"))?;
        std::os::unix::fs::chown(self.path.join("home/alice"), Some(1000), Some(1000)).or_else(|error| {
            // An ordinary user cannot give files away, and its tests do not ask for it.
            if error.kind() == std::io::ErrorKind::PermissionDenied { Ok(()) } else { Err(error) }
        })
    }
}

/// The machine's static busybox; the error names what is missing.
pub(crate) fn busybox() -> Result<PathBuf, String> {
    let path = on_path("busybox").ok_or("the program busybox (Debian: busybox-static)")?;
    let image = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    // The loader's path stands in every dynamic program and in no static one.
    let dynamic = image.windows(b"/ld-linux".len()).any(|window| window == b"/ld-linux");
    if dynamic { Err("a static busybox (Debian: busybox-static)".to_owned()) } else { Ok(path) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requires;

    #[test]
    fn its_shell_runs_in_a_chroot() {
        requires!(root, busybox);
        let dir = tempfile::tempdir().unwrap();
        let rootfs = Rootfs::create(dir.path().join("rootfs"));
        rootfs.script("/usr/bin/hello", "echo hello from $(cat /etc/note)").file("etc/note", "inside");
        let chroot = Invocation::new("chroot").arg(rootfs.path()).args(["sh", "-c", "ls / | wc -l; hello"]).ok();
        chroot.stdout_is("13\nhello from inside\n");
    }
}
