//! An ordinary user's container reaches the world by pasta(1), a process of his own that passes its packets on as this
//! machine's. The real address of who speaks to a published port stays what it is.

pub use crate::endpoint::RESOLVER;
use crate::endpoint::{Endpoint, Endpoints};
use crate::error::{Error, Result};
use crate::networks::Networks;
use crate::published::{Port, Protocol, Published};
use netlink::Route;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The network of containers that are in none but pasta's, as their endpoints' directory is called.
pub const NAME: &str = "pasta";

/// In a container's run directory: the number of the process.
const PID: &str = "pasta.pid";

/// Whether it is installed, in one of these directories.
pub fn is_installed(path: &str) -> bool {
    path.split(':').any(|dir| Path::new(dir).join(NAME).is_file())
}

/// Connects the network namespace of a process with this machine's network, and these ports of it with its loopback.
/// Comes back when packets pass; the process's number stands in a file.
pub fn start(pid_file: &Path, pid: i32, ports: &[Port]) -> Result<()> {
    let mut command = Command::new(NAME);
    // No way to this machine's own loopback, and none from there but for what is published (CVE-2021-20199).
    command.args(["--config-net", "--quiet", "--no-map-gw", "-T", "none", "-U", "none"]);
    command.arg("--dns-forward").arg(RESOLVER.to_string());
    for (flag, protocol) in [("-t", Protocol::Tcp), ("-u", Protocol::Udp)] {
        let mut none = true;
        for port in ports.iter().filter(|port| port.protocol == protocol) {
            let at = port.at.map(|at| format!("{at}/")).unwrap_or_default();
            command.arg(flag).arg(format!("{at}{}:{}", port.port, port.inside));
            none = false;
        }
        if none {
            command.args([flag, "none"]);
        }
    }
    command.arg("--pid").arg(pid_file);
    command.arg("--netns-only").arg("--netns").arg(format!("/proc/{pid}/ns/net"));
    // It outlives us, and is ended by a signal.
    sys::command::hears_signals(&mut command);
    let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NoPasta,
        _ => Error::Pasta(error.to_string()),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().last().unwrap_or("it has ended without a word");
    // As udev makes it, everybody may open it; it gives nothing that its user does not have.
    let hint = if said.contains("tun") { " (may this user open /dev/net/tun? chmod 0666 lets him)" } else { "" };
    Err(Error::Pasta(format!("{said}{hint}")))
}

/// Lets more packets wait for pasta, in the network namespace that we are in: those of many containers come at once, cut
/// into small ones, and each that is dropped costs a pause of its sender.
pub fn widen() -> netlink::Result<()> {
    const PACKETS: u32 = 10_000;
    let mut route = Route::open()?;
    let paths = route.paths()?;
    paths.iter().filter(|path| path.to.1 == 0).try_for_each(|path| route.set_queue(path.link, PACKETS))
}

/// Connects a container, whose first process this is.
pub fn connect(
    networks: &Networks,
    run_dir: &Path,
    container: &str,
    names: &[String],
    pid: i32,
    ports: &[Port],
) -> Result<()> {
    start(&run_dir.join(PID), pid, ports)?;
    let every = |port: &Port| {
        let all = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        let fits = |to: &IpAddr| port.at.is_none_or(|at| at.is_ipv6() == to.is_ipv6());
        let lead = |to| Published {
            at: port.at,
            protocol: port.protocol,
            port: port.port,
            to: SocketAddr::new(to, port.inside),
            passed: false,
        };
        all.into_iter().filter(fits).map(lead).collect::<Vec<_>>()
    };
    let endpoint = Endpoint {
        container: container.to_owned(),
        names: names.to_vec(),
        published: ports.iter().flat_map(every).collect(),
        ..Endpoint::default()
    };
    networks.place(NAME)?;
    Endpoints::ensure(&networks.endpoints_path(NAME))?.put(&endpoint)
}

/// Parts a container from it. It would end by itself where the container's namespace had a file.
pub fn end(networks: &Networks, run_dir: &Path, container: &str) {
    let path = run_dir.join(PID);
    if !path.exists() {
        return;
    }
    if let Ok(Some(endpoints)) = Endpoints::open(&networks.endpoints_path(NAME)) {
        endpoints.remove(container);
    }
    if let Some((_, pidfd)) = running(&path) {
        stop(&pidfd);
    }
}

/// The process that has written its number to this file, and still runs.
pub fn running(pid_file: &Path) -> Option<(i32, OwnedFd)> {
    let pid = std::fs::read_to_string(pid_file).ok()?.trim().parse::<i32>().ok()?;
    let pidfd = sys::process::pidfd_open(pid).ok()?;
    // The number may be another process's by now.
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = command.split(|byte| *byte == 0);
    let is_it = words.next() == Some(NAME.as_bytes()) && words.any(|word| word == pid_file.as_os_str().as_bytes());
    is_it.then_some((pid, pidfd))
}

/// Ends it, and waits until its ports are free.
pub fn stop(pidfd: &OwnedFd) {
    if sys::process::pidfd_send_signal(pidfd, 15).is_ok() {
        sys::process::wait_readable(pidfd, Duration::from_secs(1));
    }
}
