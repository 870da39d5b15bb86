//! A daemon beside the benchmark: it is there when it listens, and gone when it is dropped.

use crate::error::{Doing as _, Error, Result};
use crate::images::tree;
use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// As long as one may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon that runs.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
}

/// Where a daemon listens.
#[derive(Debug, Clone)]
pub enum Address {
    /// On loopback.
    Port(SocketAddr),
    /// At a path.
    Socket(PathBuf),
}

impl Daemon {
    /// Starts one and waits until it listens. What it says goes to a file in `dir`.
    pub fn start(words: &[String], dir: &Path, address: &Address) -> Result<Self> {
        let log = dir.join("daemon.log");
        let mut command = tree::command(words, dir)?;
        command.stderr(
            File::options().append(true).create(true).open(&log).doing(|| format!("making {}", log.display()))?,
        );
        let child = command.spawn().doing(|| format!("starting {}", words.join(" ")))?;
        let mut daemon = Self { child };
        let begin = Instant::now();
        while !address.answers() {
            let ended = daemon.child.try_wait().doing(|| "waiting for a daemon".into())?.is_some();
            if ended || begin.elapsed() > PATIENCE {
                let why = format!("{} does not listen; {} says why", words.join(" "), log.display());
                return Err(Error::Usage(why));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(daemon)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Address {
    fn answers(&self) -> bool {
        match self {
            Self::Port(address) => TcpStream::connect_timeout(address, Duration::from_secs(1)).is_ok(),
            Self::Socket(path) => UnixStream::connect(path).is_ok(),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Asked first: killed, dockerd leaves mounts behind.
        let _ = sys::process::kill(self.child.id() as i32, 15);
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
