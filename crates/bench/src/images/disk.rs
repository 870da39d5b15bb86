//! The file system that a store lies on: a new one for everyone and each round, so that nobody finds what another has left.
//! What is left makes a difference: of inodes deleted a moment ago ext4 takes none again, and looks for others at length.
//!
//! It is an ext4 with a journal and its usual options, in a file behind a loop device that passes reads and writes on
//! uncached.

use crate::error::{Doing as _, Error, Result, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// As much as it can hold; its file takes what is used.
const SIZE: u64 = 14 << 30;

/// Mounts are ours and our children's alone from now on, and go with us.
pub fn apart() -> Result {
    sys::process::unshare(sys::namespace::MOUNT)?;
    run(&["mount", "--make-rprivate", "/"]).map(drop)
}

/// How long somebody may take to let go of one.
const PATIENCE: Duration = Duration::from_secs(30);

/// A new file system, mounted.
#[derive(Debug)]
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Makes one in `dir`, in a file that is kept for the next one, and mounts it at `dir/store`.
    pub fn new(dir: &Path) -> Result<Self> {
        let (file, at) = (dir.join("disk.img"), dir.join("store"));
        fs::create_dir_all(&at).doing(|| format!("making {}", at.display()))?;
        let opened = fs::File::options().write(true).create(true).truncate(false).open(&file);
        opened.and_then(|file| file.set_len(SIZE)).doing(|| format!("making {}", file.display()))?;
        let begin = Instant::now();
        while !run(&["losetup", "--associated", text(&file)?])?.is_empty() {
            if begin.elapsed() > PATIENCE {
                return Err(Error::Usage(format!("{} is in use still", file.display())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let device = run(&["losetup", "--find", "--show", "--direct-io=on", text(&file)?])?;
        let device = device.trim();
        // Nothing is left to be set up later, in the background.
        let options = "nodiscard,lazy_itable_init=1,lazy_journal_init=1";
        let mounted = run(&["mkfs.ext4", "-q", "-F", "-E", options, device])
            .and_then(|_| run(&["mount", "-o", "noinit_itable", device, text(&at)?]));
        // From now on the device goes with its mount.
        run(&["losetup", "--detach", device])?;
        mounted?;
        Ok(Self { at })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let inside =
            |line: &str| line.split(' ').nth(1).filter(|at| Path::new(at).starts_with(&self.at)).map(str::to_owned);
        // podman leaves some on it.
        for at in mounts.lines().rev().filter_map(inside) {
            // Somebody may be at it in the background still.
            let begin = Instant::now();
            while let Err(error) = run(&["umount", &at]) {
                if begin.elapsed() > PATIENCE {
                    eprintln!("bench: {error}");
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// Runs a tool and returns what it says.
fn run(words: &[&str]) -> Result<String> {
    let output = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output();
    let output = output.doing(|| format!("starting {}", words[0]))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(Error::Usage(format!("{} fails: {said}", words.join(" "))))
}
