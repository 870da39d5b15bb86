//! Bundles in a temporary directory: one root file system for all, one `config.json` for each who reads one.

use crate::error::{Doing as _, Result};
use crate::spec::{FILES, Spec};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// The directory with all that is under test, and one in memory, as /run is; both are removed at the end.
#[derive(Debug)]
pub struct Bundles {
    dir: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Bundles {
    /// Makes the root file system and the files that are bound.
    pub fn new() -> Result<Self> {
        let mut named = tempfile::Builder::new();
        named.prefix("coracle-bench-");
        let dir = named.tempdir().doing(|| "making a directory".into())?;
        let state = named.tempdir_in("/dev/shm").doing(|| "making a directory in /dev/shm".into())?;
        let bundles = Self { dir, state };
        let root = bundles.root();
        for name in ["bin", "dev", "etc", "proc", "run", "sys", "tmp"] {
            directory(&root.join(name))?;
        }
        program(&root.join("bin/true"), crate::NOTHING)?;
        program(&root.join("bin/pause"), crate::PAUSE)?;
        // The mount points of files stand there already, as an engine's do: nobody is measured making them.
        for name in ["etc/hosts", "etc/hostname", "run/.containerenv"] {
            write(&root.join(name), b"")?;
        }
        symlink("/proc/mounts", root.join("etc/mtab")).doing(|| "making etc/mtab".into())?;
        for name in FILES {
            let path = bundles.files().join(name);
            if name == "shm" {
                directory(&path)?;
                continue;
            }
            directory(&bundles.files())?;
            write(&path, b"127.0.0.1 localhost\n")?;
        }
        Ok(bundles)
    }

    /// The whole directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The root file system.
    pub fn root(&self) -> PathBuf {
        self.path().join("rootfs")
    }

    /// Where a contender keeps its containers' state. On a disk the removal of a file may wait for the disk (ext4's
    /// `discard`: 20 to 90 ms of one `delete` in a hundred).
    pub fn state(&self, name: &str) -> PathBuf {
        self.state.path().join(name)
    }

    /// What is bound into it.
    pub fn files(&self) -> PathBuf {
        self.path().join("files")
    }

    /// A bundle for one contender, with a cgroup of its own.
    pub fn bundle(&self, spec: Spec, name: &str) -> Result<PathBuf> {
        let bundle = self.path().join(format!("{}-{name}", spec.name()));
        directory(&bundle)?;
        let config = spec.config(&self.root(), &self.files(), &cgroup(name));
        write(&bundle.join("config.json"), config.to_string().as_bytes())?;
        Ok(bundle)
    }

    /// Writes an executable.
    pub fn program(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.path().join(name);
        program(&path, bytes)?;
        Ok(path)
    }
}

/// The cgroup of a contender.
pub fn cgroup(name: &str) -> String {
    format!("/coracle-bench-{name}-{}", std::process::id())
}

fn directory(path: &Path) -> Result {
    fs::create_dir_all(path).doing(|| format!("making {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result {
    fs::write(path, bytes).doing(|| format!("writing {}", path.display()))
}

fn program(path: &Path, bytes: &[u8]) -> Result {
    write(path, bytes)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).doing(|| format!("marking {}", path.display()))
}
