//! A docker of the bench's own: a daemon in its network namespace, which has its bridge there.

use super::shell;
use crate::engine::Engine;
use crate::error::{Error, Result, text};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ends when it is dropped.
pub struct Daemon {
    child: Child,
    socket: String,
}

impl Daemon {
    /// Starts it, with all that it writes below this directory; `None` where it is not installed.
    pub fn start(dir: &Path) -> Result<Option<Self>> {
        if shell("command -v dockerd containerd").is_err() {
            return Ok(None);
        }
        let dir = text(dir)?;
        let socket = format!("unix://{dir}/docker.sock");
        // Nothing outside of its directories but what goes with it, and no proxy: published ports are the filter's.
        let script = format!(
            "mount -t tmpfs tmpfs /run; mkdir -p /etc/docker; exec dockerd --data-root {dir}/docker --exec-root \
             {dir}/docker-run --pidfile {dir}/docker.pid -H {socket} --exec-opt native.cgroupdriver=cgroupfs"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).env("PATH", crate::measure::PATH);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.map_err(|error| Error::Usage(error.to_string()))?;
        let daemon = Self { child, socket };
        let start = Instant::now();
        while shell(&format!("docker -H {} version", daemon.socket)).is_err() {
            if start.elapsed() > Duration::from_secs(30) {
                return Err(Error::Usage("dockerd does not answer".into()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Some(daemon))
    }

    /// The one who takes part.
    pub fn engine(&self) -> Engine {
        let call = ["docker", "-H", &self.socket].map(str::to_owned).to_vec();
        Engine { name: "docker", call, resident: "containerd-shim-runc-v2".into() }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = shell(&format!("docker -H {0} ps -aq | xargs -r docker -H {0} rm -f", self.socket));
        // unshare(1) has become it.
        let _ = sys::process::kill(self.child.id() as i32, 15);
        let _ = self.child.wait();
    }
}
